// The page a phone opens: asks the host for jobs (info, shoot, predict), does them one at a time, and sends what came out.
import { describe, open, shoot, ways } from "./camera.js";
import { predict } from "./predict.js";
import { DECODERS, FITS, SCALINGS } from "./preprocess.js";
import { RESIZERS } from "./resize.js";
import { RUNTIMES } from "./runtimes.js";

const RETRY_MS = 1000;
const page = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
const address = (name) => new URL(name, import.meta.url).href;
const say = (text) => { document.getElementById("message").textContent = text; };
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
    runtimes: Object.fromEntries(Object.entries(RUNTIMES).map(([name, { version }]) => [name, version])),
    decoders: names(DECODERS),
    resizers: names(RESIZERS),
    fits: names(FITS),
    scalings: names(SCALINGS),
    utc: new Date().toISOString(),
  };
}

const JOBS = {
  info: async (job) => tell(`answer/${job.id}`, { info: await info() }),
  shoot: async (job) => {
    const { blob, about } = await shoot(job);
    await send(`photograph/${job.id}`, blob, "application/octet-stream");
    await tell(`answer/${job.id}`, { shot: about });
  },
  predict: async (job) => {
    let count = 0;
    const total = job.pictures.length * job.environments.length;
    await predict(job, fetchFile, (line) => {
      say(`Predicted ${++count} of ${total}.`);
      return tell(`answer/${job.id}`, { prediction: line });
    });
    await tell(`answer/${job.id}`, { done: count });
  },
};

// A person may never answer a question for permission or for a photograph; the page then goes on by itself.
const within = (done, seconds) => Promise.race([done, ...(seconds ? [pause(seconds * 1000).then(() => { throw new Error(`not done within ${seconds} s`); })] : [])]);

async function work(job) {
  document.body.dataset.job = job.kind;
  say({ info: "Telling the host what this is.", shoot: job.way === "file" ? "Take the photograph." : "Photographing.", predict: "Loading the model." }[job.kind]);
  try {
    await within(JOBS[job.kind](job), job.timeout_s);
  } catch (problem) {
    await tell(`answer/${job.id}`, { error: String(problem?.message ?? problem).slice(0, 300) }).catch(() => {}); // the host's own time limit ends the job
  }
  document.body.dataset.job = "";
  document.getElementById("choose").hidden = true;
}

async function follow() {
  for (;;) {
    try {
      const answer = await fetch(address("job"), { headers: { "X-Page": page } });
      if (answer.status === 200) await work(await answer.json());
      else if (answer.status === 409) return say("This device is now another page's. Load this one again to take over.");
      else if (answer.status !== 204) throw new Error(`status ${answer.status}`);
      say("Ready. Leave this page open and the screen on.");
    } catch {
      say("The host does not answer; trying again.");
      await pause(RETRY_MS);
    }
  }
}

async function stayAwake() {
  if (document.visibilityState === "visible") await navigator.wakeLock?.request("screen").catch(() => {}); // refused on low battery
}

document.getElementById("start").addEventListener("click", () => open().catch((problem) => say(problem.message)));
document.addEventListener("visibilitychange", stayAwake);
stayAwake();
follow();
