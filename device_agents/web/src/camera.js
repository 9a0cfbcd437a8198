// The camera: "take-photo" (ImageCapture, the phone's still pipeline), "canvas" (a frame of the video), "file" (a tap).
import { canvasOf } from "./resize.js";

const FRESH_FRAMES = 2; // that come after the question, so that none from before it is taken
const FRAME_TIMEOUT_MS = 10000;
const PRIVATE = ["deviceId", "groupId"]; // they name this one phone
const plain = (values) => JSON.parse(JSON.stringify(values ?? {}, (key, value) => (PRIVATE.includes(key) ? undefined : value)));
const video = document.getElementById("camera");
let stream = null;

export const ways = () => [
  ...(navigator.mediaDevices && "ImageCapture" in globalThis && "takePhoto" in ImageCapture.prototype ? ["take-photo"] : []),
  ...(navigator.mediaDevices ? ["canvas"] : []),
  "file",
];

export const NEEDS_HTTPS = "This address is not secure, so the browser gives no camera here. Open the https address of the host, or connect by USB and open http://127.0.0.1 (adb reverse).";
const GONE = "the camera was taken away: unplugged, forbidden, or in use by a call";
const REASONS = {
  NotAllowedError: "the camera was not allowed: tap the sign beside the address and allow it, then load the page again",
  NotFoundError: "this browser has no camera",
  NotReadableError: "the camera is in use by another program",
};

// Whether the camera can be opened without a question to the person.
export async function allowed() {
  const told = await navigator.permissions?.query({ name: "camera" }).catch(() => null); // some browsers do not know the name
  return Boolean(navigator.mediaDevices) && told?.state === "granted";
}

// The track, opened if it is not; another picture source behind the same camera may need it opened anew. One at a time,
// so that no second stream is left running.
let turn = Promise.resolve();
export function open(options = {}) {
  turn = turn.catch(() => {}).then(() => opened(options)); // the one before has told its own failure
  return turn;
}

async function opened({ reopen = false }) {
  if (!navigator.mediaDevices) throw new Error(isSecureContext ? REASONS.NotFoundError : NEEDS_HTTPS);
  const [old] = stream?.getVideoTracks() ?? [];
  if (!reopen && old?.readyState === "live") return old;
  close();
  const wanted = { facingMode: { ideal: "environment" }, width: { ideal: 4096 }, height: { ideal: 3072 } };
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: wanted });
  } catch (problem) {
    throw new Error(REASONS[problem.name] ?? `${problem.name}: ${problem.message}`);
  }
  video.srcObject = stream;
  await video.play();
  document.getElementById("start").hidden = true;
  document.getElementById("live").hidden = false;
  const [track] = stream.getVideoTracks();
  track.addEventListener("ended", () => { if (stream?.getVideoTracks()[0] === track) close(); });
  return track;
}

export function close() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
  document.getElementById("live").hidden = true;
  document.getElementById("start").hidden = !navigator.mediaDevices;
}

// What the open track says of itself, or why there is none.
export async function describe() {
  try {
    return about(await open());
  } catch (problem) {
    return { error: problem.message };
  }
}

const about = (track) => ({ label: track.label, settings: plain(track.getSettings()), capabilities: plain(track.getCapabilities?.()) });

// {blob, about}: what was taken, and by which track with which settings.
export async function shoot({ way, reopen }) {
  if (way === "file") return { blob: await chosen(), about: { way } };
  const track = await open({ reopen });
  const blob = await Promise.race([way === "take-photo" ? new ImageCapture(track).takePhoto() : grab(), ended(track)]);
  return { blob, about: { way, ...about(track) } };
}

const ended = (track) => new Promise((_, reject) => track.addEventListener("ended", () => reject(new Error(GONE)), { once: true }));

async function grab() {
  for (let count = 0; count < FRESH_FRAMES; count++) await frame();
  const drawing = canvasOf(video.videoHeight, video.videoWidth);
  drawing.context.drawImage(video, 0, 0);
  return new Promise((resolve, reject) => drawing.canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the frame was not encoded"))), "image/png"));
}

function frame() {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the camera gave no frame within ${FRAME_TIMEOUT_MS / 1000} s: ${hidden()}`)), FRAME_TIMEOUT_MS);
    const seen = () => { clearTimeout(timer); resolve(); };
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(seen);
    else requestAnimationFrame(() => requestAnimationFrame(seen));
  });
}

const hidden = () => (document.visibilityState === "hidden" ? "the page is not in front" : "another program or a call may have it");

// The third way: the person takes the photograph with the phone's own camera program.
function chosen() {
  const input = document.getElementById("file"), label = document.getElementById("choose");
  label.hidden = false;
  return new Promise((resolve) => {
    input.onchange = () => { // in the place of an earlier question's that nobody answered
      const [file] = input.files;
      resolve(file);
      input.value = "";
    };
  });
}
