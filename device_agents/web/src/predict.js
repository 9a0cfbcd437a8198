// The loop: pictures x environments -> prediction lines; one failure never stops the rest. See device_agents/predict.py.
import { DECODERS, fingerprint, pick, resized, sha256, tensorOf } from "./preprocess.js";
import { runtimes } from "./runtimes.js";
import { VIEWS } from "./view.js";

const KEPT_PIXELS = 3; // decoded photographs, and as many views of them, that are held while their environments are done

export async function predict(job, fetchFile, send) {
  const models = new Map();
  const bytes = await fetchFile(job.model.sha256);
  try {
    for (const one of job.pictures) {
      const done = new Map();
      for (const environment of job.environments) await send(await predictOne(job, one, environment, { bytes, models, done, fetchFile }));
    }
  } finally {
    for (const model of models.values()) (await model.catch(() => null))?.close();
  }
}

async function predictOne(job, one, environment, shared) {
  const line = { picture: one.picture, environment: environment.environment };
  let stage = "read";
  try {
    const blob = await once(shared.done, "file", () => shared.fetchFile(one.sha256).then((bytes) => new Blob([bytes])));
    line.file_sha256 = await once(shared.done, "hash", async () => sha256(await blob.arrayBuffer()));
    stage = "decode";
    const decoded = await once(shared.done, `decode ${environment.decoder}`, () => pick(DECODERS, environment.decoder, "decoder")(blob));
    line.pixels_sha256 = await once(shared.done, `pixels ${environment.decoder}`, () => fingerprint(decoded.data, [decoded.height, decoded.width, 3]));
    stage = "view";
    const seen = `view ${environment.decoder} ${environment.view}`;
    const viewed = await once(shared.done, seen, () => pick(VIEWS, environment.view, "view")(decoded, one));
    stage = "resize";
    const small = await resized(viewed, environment, job.sidecar);
    line.resized_sha256 = await fingerprint(small.data, [small.height, small.width, 3]);
    stage = "scale";
    const tensor = tensorOf(small, environment.scaling, job.sidecar);
    line.tensor_sha256 = await fingerprint(tensor.array, tensor.shape);
    stage = "load";
    const model = await once(shared.models, environment.runtime, () => load(job, environment, shared.bytes));
    stage = "infer";
    const started = performance.now();
    const scores = await model.run(tensor);
    const latency_ms = performance.now() - started;
    stage = "classify";
    return { ...line, ...classify(scores, job), latency_ms };
  } catch (problem) {
    return { ...line, error: `${stage}: ${problem?.name ?? "Error"}: ${String(problem?.message ?? problem).split("\n")[0].slice(0, 300)}` };
  }
}

function once(kept, key, work) {
  if (!kept.has(key)) {
    const large = ["decode ", "view "].find((stage) => key.startsWith(stage));
    const old = large ? [...kept.keys()].filter((name) => name.startsWith(large)) : [];
    if (old.length >= KEPT_PIXELS) kept.delete(old[0]);
    kept.set(key, Promise.resolve().then(work));
  }
  return kept.get(key);
}

async function load(job, environment, bytes) {
  const { version, load } = pick(await runtimes(), environment.runtime, "runtime");
  if (environment.runtime_version && environment.runtime_version !== version) {
    throw new Error(`${environment.runtime} ${environment.runtime_version} was asked for, this page has ${version}`);
  }
  return load(bytes.slice(), job.quantisation);
}

// The top classes in falling order of score, ties to the lower index; probabilities by a softmax where they are logits.
function classify(scores, { labels: given, sidecar, top_k }) {
  const labels = classLabels(scores.length, given, sidecar.background);
  if (scores.length !== labels.length) throw new Error(`expected ${labels.length} scores as there are labels, got ${scores.length}`);
  if (!scores.every(Number.isFinite)) throw new Error("expected finite scores");
  const largest = scores.reduce((a, b) => Math.max(a, b));
  const powers = sidecar.outputs === "logits" ? scores.map((x) => Math.exp(x - largest)) : scores;
  const total = sidecar.outputs === "logits" ? powers.reduce((a, b) => a + b, 0) : 1;
  const order = Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a] || a - b).slice(0, top_k);
  return { labels: order.map((index) => labels[index]), scores: order.map((index) => powers[index] / total) };
}

// As device_agents.tasks.classification.class_labels: a list may leave the background out; without one an index names a class.
function classLabels(count, labels, background) {
  const names = labels ?? Array.from({ length: count - Number(background) }, (_, index) => String(index));
  return background && names.length === count - 1 ? ["background", ...names] : names;
}
