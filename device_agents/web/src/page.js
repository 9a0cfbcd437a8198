// The page a phone opens: asks the host for jobs (info, shoot, predict), does them one at a time, and sends what came out.
import { allowed, close, describe, NEEDS_HTTPS, open, shoot, ways } from "./camera.js";
import { predict } from "./predict.js";
import { DECODERS, FITS, SCALINGS } from "./preprocess.js";
import { RESIZERS } from "./resize.js";
import { runtimes, webgpu } from "./runtimes.js";
import { show, showPhotograph, showProgress, showReplaced, stayAwake } from "./show.js";
import { VIEWS } from "./view.js";

const RETRY_MS = 1000;
const POLL_TIMEOUT_MS = 30000; // the host answers within 10 s, be it with nothing
const CONNECTED_MS = 300; // a host that has not refused a question by then is there
const page = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
const address = (name) => new URL(name, import.meta.url).href;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function send(path, body, type) {
  const answer = await fetch(address(path), { method: "POST", headers: { "Content-Type": type, "X-Page": page }, body });
  if (!answer.ok) throw new Error(`the host refused: ${(await answer.text()).slice(0, 200)}`);
  return answer.json();
}
const tell = (path, values) => send(path, JSON.stringify(values), "application/json");

async function fetchFile(sha256) {
  const answer = await fetch(address(`file/${sha256}`), { headers: { "X-Page": page } });
  if (!answer.ok) throw new Error(`the host gave no file ${sha256.slice(0, 8)}: status ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
}

const names = (table) => Object.keys(table).sort();

async function info() {
  const told = await navigator.userAgentData?.getHighEntropyValues?.(["model", "platformVersion", "fullVersionList"]);
  return {
    agent: navigator.userAgent.slice(0, 300),
    platform: told?.platform ?? navigator.platform ?? "",
    platform_version: told?.platformVersion ?? "",
    model: told?.model ?? "",
    cores: navigator.hardwareConcurrency ?? 0,
    memory_gb: navigator.deviceMemory ?? 0,
    isolated: crossOriginIsolated,
    cameras: ways(),
    camera: await describe(),
    webgpu: await webgpu(),
    runtimes: Object.fromEntries(Object.entries(await runtimes()).map(([name, { version }]) => [name, version])),
    decoders: names(DECODERS),
    resizers: names(RESIZERS),
    fits: names(FITS),
    scalings: names(SCALINGS),
    views: names(VIEWS),
    utc: new Date().toISOString(),
  };
}

const JOBS = {
  info: async (job) => tell(`answer/${job.id}`, { info: await info() }),
  shoot: async (job) => {
    const { blob, about } = await shoot(job);
    await send(`photograph/${job.id}`, blob, "application/octet-stream");
    await tell(`answer/${job.id}`, { shot: about });
    showPhotograph(blob);
  },
  predict: async (job) => {
    let count = 0;
    const total = job.pictures.length * job.environments.length;
    await predict(job, fetchFile, (line) => {
      showProgress(++count, total);
      return tell(`answer/${job.id}`, { prediction: line });
    });
    await tell(`answer/${job.id}`, { done: count });
  },
};
const BEGIN = {
  info: ["Looking", "Telling the host what this is."],
  shoot: ["Photographing", "Hold still."],
  file: ["Your turn", "Take the photograph with the button below."],
  predict: ["Loading", "Fetching the model."],
};
const LATE = {
  info: "look at the phone: it may be asking whether the camera is allowed",
  shoot: "look at the phone: it may be asking whether the camera is allowed",
  file: "nobody took the photograph",
};

// A person may never answer a question for permission or for a photograph; the page then goes on by itself.
function within(done, seconds, kind) {
  if (!seconds) return done;
  return Promise.race([done, pause(seconds * 1000).then(() => { throw new Error(`not done within ${seconds} s: ${LATE[kind]}`); })]);
}

// Does a job; tells whether it went well.
async function work(job) {
  const kind = job.way === "file" ? "file" : job.kind;
  document.body.dataset.job = job.kind;
  show("busy", ...BEGIN[kind]);
  try {
    await within(JOBS[job.kind](job), job.timeout_s, kind);
    return true;
  } catch (problem) {
    const words = String(problem?.message ?? problem).slice(0, 300);
    show("wrong", "Problem", words);
    await tell(`answer/${job.id}`, { error: words }).catch(() => {}); // the host's own time limit ends the job
    return false;
  } finally {
    document.body.dataset.job = "";
    document.getElementById("choose").hidden = true;
  }
}

const READY = "Leave this page open, in front and the screen on.";
const TAP = "Allow the camera once, if this phone is to take photographs. Leave this page open and in front.";
const ready = () => {
  if (!isSecureContext) return show("wrong", "Not secure", NEEDS_HTTPS);
  return show("ready", "Ready", document.getElementById("start").hidden ? READY : TAP);
};

function replaced() {
  close(); // the other page may be on this phone, which has one camera
  showReplaced();
}

// Not from the cache: Chromium lets the second of two pages wait for the first one's question where they may share it.
async function follow() {
  for (let well = true; ;) { // a problem stays on the screen until the next job
    try {
      const asked = fetch(address("job"), { cache: "no-store", headers: { "X-Page": page }, signal: AbortSignal.timeout(POLL_TIMEOUT_MS) });
      const told = setTimeout(() => { if (well) ready(); }, CONNECTED_MS);
      const answer = await asked.finally(() => clearTimeout(told));
      if (answer.status === 200) well = await work(await answer.json());
      else if (answer.status === 409) return replaced();
      else if (answer.status !== 204) throw new Error(`status ${answer.status}`);
      if (well) ready();
    } catch {
      well = true;
      show("waiting", "No host", "The host does not answer; trying again. Is it running, and on the same network?");
      await pause(RETRY_MS);
    }
  }
}

// The host hears at once that a page was closed or is loaded again, instead of after a long silence.
addEventListener("pagehide", () => fetch(address("leave"), { method: "POST", keepalive: true, headers: { "X-Page": page } }));
document.addEventListener("visibilitychange", stayAwake);
document.getElementById("start").addEventListener("click", () => open().then(ready, (problem) => show("wrong", "No camera", problem.message)));
document.getElementById("start").hidden = !isSecureContext;
stayAwake();
if (await allowed()) open().catch(() => {}); // the first job for the camera says what is wrong with it
follow();
