// The display page: shows the frames that the host asks for, pixel for pixel, and says so once they are painted.
"use strict";

const SLOW_RETRY_MS = 1000;
const stage = document.getElementById("stage");
const panel = document.getElementById("panel");
const client = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");

let size = null; // whole device pixels of the stage: {width, height}
let wanted = null; // the message whose frame should be on the stage
let next = null; // the preloaded image and its address
let asking = false, again = false;

const visible = () => document.visibilityState === "visible";
const animationFrame = () => new Promise(requestAnimationFrame);

async function post(address, values) {
  const answer = await fetch(address, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ client, ...values }),
    keepalive: true, // so that a page that is being hidden can still say so
  });
  return answer.json();
}

function gamut() {
  return ["rec2020", "p3", "srgb"].find((name) => matchMedia(`(color-gamut: ${name})`).matches) ?? "none";
}

// Chrome and Safari keep outerWidth when the browser's zoom changes; a pinch shows in the visual viewport.
function report() {
  return {
    width: size.width,
    height: size.height,
    ratio: devicePixelRatio,
    scale: visualViewport?.scale ?? 1,
    zoom: outerWidth > 0 ? outerWidth / innerWidth : 1,
    visible: visible(),
    gamut: gamut(),
    agent: navigator.userAgent.slice(0, 300),
  };
}

// One hello after the other: an old size that overtook a new one would stay, and so would its frame.
async function hello() {
  if (size === null) return;
  again = asking;
  if (asking) return;
  asking = true;
  do {
    again = false;
    try {
      const { refused, error } = await post("/hello", report());
      if (!again) tell(refused || error || "");
    } catch {
      // The stream of events notices that the host is gone, and says hello again when it is back.
    }
  } while (again);
  asking = false;
}

// With a reason the frame is taken away: no photograph may show one that the host does not count on.
function tell(reason) {
  if (reason) {
    wanted = null;
    stage.replaceChildren();
  }
  panel.hidden = !reason && stage.childElementCount > 0;
  document.getElementById("message").textContent = reason || `Ready: ${size.width} x ${size.height} pixels. Waiting for a scene.`;
  const advice = [];
  if (gamut() === "none") advice.push("This screen shows less than sRGB.");
  if (!("wakeLock" in navigator)) advice.push("Set this screen never to sleep: the browser cannot keep it awake here.");
  if (devicePixelRatio % 1 !== 0) advice.push("Scaling by the system is not a whole number: check that the picture is sharp.");
  document.getElementById("advice").textContent = advice.join(" ");
}

function complain(reason) {
  post("/trouble", { reason }).catch(() => {});
}

function load(address) {
  const image = new Image();
  image.src = address;
  image.draggable = false;
  return image;
}

// Where each device's page is, as a code for its camera; gone for good before the first frame is on the stage.
const codes = document.getElementById("codes");
async function join() {
  const answer = await fetch("/joining");
  if (!answer.ok) return;
  const figures = (await answer.json()).codes.map(({ name, picture }) => {
    const figure = document.createElement("figure");
    const image = new Image();
    image.src = picture;
    image.alt = `QR code: ${name}`;
    figure.append(image, Object.assign(document.createElement("figcaption"), { textContent: name }));
    return figure;
  });
  const across = Math.ceil(Math.sqrt((figures.length * innerWidth) / innerHeight)) || 1;
  codes.style.setProperty("--across", across);
  codes.style.setProperty("--rows", Math.ceil(figures.length / across) || 1);
  codes.replaceChildren(...figures);
}

async function show(message) {
  wanted = message;
  codes.remove(); // also where the answer with them is still on its way
  if (!visible()) return complain("the page is hidden");
  const started = performance.now();
  const image = next?.address === message.url ? next.image : load(message.url);
  try {
    await image.decode();
  } catch {
    if (wanted === message) complain(`the frame of stimulus ${message.stimulus} could not be loaded`);
    return;
  }
  if (wanted !== message) return;
  const decoded = performance.now();
  if (image.naturalWidth !== size.width || image.naturalHeight !== size.height) {
    return complain(`the frame is ${image.naturalWidth}x${image.naturalHeight}, the page ${size.width}x${size.height}`);
  }
  image.style.width = `${message.width / devicePixelRatio}px`;
  image.style.height = `${message.height / devicePixelRatio}px`;
  panel.hidden = true;
  stage.replaceChildren(image);
  await animationFrame(); // before the paint that has the frame in it
  await animationFrame(); // after it
  if (wanted !== message) return;
  Object.assign(document.body.dataset, { scene: message.scene, stimulus: message.stimulus, sequence: message.sequence });
  preload(message.next);
  const times = { decode_ms: decoded - started, paint_ms: performance.now() - decoded };
  post("/ack", { sequence: message.sequence, visible: visible(), ...times }).catch(() => {});
}

// Held as a decoded image, since nothing may be cached on disk; a failure here comes up again when it is its turn.
function preload(address) {
  if (!address || next?.address === address) return;
  next = { address, image: load(address) };
  next.image.decode().catch(() => { next = null; });
}

function follow() {
  const events = new EventSource(`/events?client=${client}`);
  events.addEventListener("open", () => {
    hello();
    if (codes.isConnected) join().catch(() => {}); // tried again whenever the host comes back
  });
  events.addEventListener("show", (event) => show(JSON.parse(event.data)));
  // The browser connects again by itself after a broken connection, but not after an answer such as 503.
  events.addEventListener("error", () => {
    if (events.readyState !== EventSource.CLOSED) return;
    events.close();
    setTimeout(follow, SLOW_RETRY_MS);
  });
}

let wakeLock = null;
async function stayAwake() {
  if (!("wakeLock" in navigator) || !visible() || (wakeLock && !wakeLock.released)) return;
  try {
    wakeLock = await navigator.wakeLock.request("screen");
  } catch {
    wakeLock = null; // refused on low battery; asked for again when the page is next seen
  }
}

// The browser's own count of device pixels settles which way a fraction was rounded; it is not believed beyond that,
// since an emulated ratio leaves it as it was.
function measure(entries) {
  const box = entries?.at(-1)?.devicePixelContentBoxSize?.[0];
  const settle = (computed, counted) => (Math.abs((counted ?? computed) - computed) < 1 ? counted ?? computed : computed);
  const { width, height } = stage.getBoundingClientRect();
  size = {
    width: Math.round(settle(width * devicePixelRatio, box?.inlineSize)),
    height: Math.round(settle(height * devicePixelRatio, box?.blockSize)),
  };
  hello();
}

const observer = new ResizeObserver(measure);
try {
  observer.observe(stage, { box: "device-pixel-content-box" });
} catch {
  observer.observe(stage); // Safari does not know that box
}
document.addEventListener("visibilitychange", () => {
  hello();
  stayAwake();
});
visualViewport?.addEventListener("resize", hello);
document.getElementById("full").addEventListener("click", () => {
  document.documentElement.requestFullscreen?.().catch(() => {});
  stayAwake();
});
stayAwake();
follow();
