// RUNTIMES: a model file's bytes -> classifier, {run({array, shape}) -> scores as numbers, close()}. WebAssembly on one
// thread; the names that end in -webgpu run on the graphics processor, whole and in float32, or refuse the model.
import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";
import * as ort from "onnxruntime-web/wasm";
import * as ortOfGpu from "onnxruntime-web/webgpu";
import { rint } from "./resize.js";

const INTEGERS = { uint8: [Uint8Array, 0, 255], int8: [Int8Array, -128, 127] };
const at = (name) => new URL(name, import.meta.url).href;

const loadOnnx = (library, options) => async (bytes) => {
  library.env.wasm.numThreads = 1;
  library.env.wasm.wasmPaths = at("./");
  const session = await library.InferenceSession.create(bytes, { intraOpNumThreads: 1, ...options });
  const [input] = session.inputNames, [output] = session.outputNames;
  const run = async ({ array, shape }) => {
    const kind = array instanceof Uint8Array ? "uint8" : "float32";
    const found = await session.run({ [input]: new library.Tensor(kind, array, shape) });
    return Float64Array.from(found[output].data);
  };
  return { run, close: () => session.release() };
};

// Without this ONNX Runtime does on the processor what its graphics part lacks, and says so nowhere but in the log.
const ONLY_GPU = { executionProviders: ["webgpu"], extra: { session: { disable_cpu_ep_fallback: "1" } } };

// Measured with LiteRT.js 2.5.3: a quantised MobileNetV2 gave other classes for 8 of 34 photographs, and failed on one.
const QUANTISED = "LiteRT.js is wrong about quantised models on WebGPU; use litert-js";
let started = null;
const loadTflite = (options) => async (bytes, quantisation) => {
  started ??= loadLiteRt(at("./"), { threads: false });
  await started;
  if (options.accelerator === "webgpu" && quantisation?.input[0] + quantisation?.output[0] > 0) throw new Error(QUANTISED);
  const model = await loadAndCompile(withBatchOfOne(bytes), options);
  if (options.accelerator === "webgpu" && !(model.options.accelerator === "webgpu" && model.isFullyAccelerated)) {
    model.delete();
    throw new Error("this model does not run wholly on WebGPU; use litert-js");
  }
  const input = model.getInputDetails()[0].dtype;
  const run = async ({ array, shape }) => {
    const given = new Tensor(entry(array, input, quantisation?.input), shape);
    try {
      const [found] = await model.run([given]);
      const values = await found.data(), whole = values instanceof Float32Array;
      const scores = whole ? Float64Array.from(values) : dequantised(values, quantisation?.output);
      found.delete();
      return scores;
    } finally {
      given.delete();
    }
  };
  return { run, close: () => model.delete() };
};

// LiteRT.js 2.5.3 takes no tensor where the model leaves a size open (-1 in a tensor's shape_signature, field 7 of Tensor in
// tflite's schema.fbs; Model.subgraphs is field 2, SubGraph.tensors 0, Tensor.shape 0). Its shape has the size to use, 1.
function withBatchOfOne(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (at) => view.getInt32(at, true), follow = (at) => at + word(at);
  const entries = (table, id) => {
    const list = table - word(table), place = 4 + 2 * id;
    const offset = place < view.getUint16(list, true) ? view.getUint16(list + place, true) : 0;
    const vector = offset ? follow(table + offset) : 0;
    return offset ? Array.from({ length: word(vector) }, (_, index) => vector + 4 + 4 * index) : [];
  };
  for (const graph of entries(follow(0), 2)) {
    for (const tensor of entries(follow(graph), 0)) {
      const shape = entries(follow(tensor), 0);
      entries(follow(tensor), 7).forEach((at, index) => { if (word(at) < 0) view.setInt32(at, word(shape[index]), true); });
    }
  }
  return bytes;
}

// As device_agents.runtimes.quantise: bytes go in as they are (int8: less 128), floats as clip(rint(x / scale) + zero).
function entry(array, kind, quantisation) {
  if (kind === "float32") {
    if (array instanceof Uint8Array) throw new Error("scaling 'bytes' is for quantised models; this one takes float32");
    return array;
  }
  if (!Object.hasOwn(INTEGERS, kind)) throw new Error(`expected an input of float32, uint8 or int8, got ${kind}`);
  const [type, low, high] = INTEGERS[kind];
  if (array instanceof Uint8Array) return type.from(array, (x) => x + low);
  const [scale, zero] = quantisation;
  return type.from(array, (x) => Math.min(high, Math.max(low, rint(x / scale) + zero)));
}

// LiteRT.js does not tell a tensor's scale and zero point; the host reads them from the file and sends them along.
function dequantised(values, quantisation) {
  const [scale, zero] = quantisation?.[0] > 0 ? quantisation : [1, 0];
  return Float64Array.from(values, (q) => (Number(q) - zero) * scale);
}

const GPU = { accelerator: "webgpu", gpuOptions: { precision: "fp32" } };
const RUNTIMES = {
  "litert-js": { version: LITERT_VERSION, load: loadTflite({ accelerator: "wasm" }) },
  "litert-js-webgpu": { version: LITERT_VERSION, load: loadTflite(GPU), gpu: true },
  "onnxruntime-web": { version: ONNX_VERSION, load: loadOnnx(ort, { executionProviders: ["wasm"] }) },
  "onnxruntime-web-webgpu": { version: ONNX_VERSION, load: loadOnnx(ortOfGpu, ONLY_GPU), gpu: true },
};

// {adapter} of WebGPU, or {error}: why there is none.
export async function webgpu() {
  if (!navigator.gpu) return { error: isSecureContext ? "this browser has no WebGPU" : "WebGPU needs https" };
  const found = await navigator.gpu.requestAdapter().catch(() => null);
  if (!found) return { error: "the browser gives no WebGPU adapter" };
  const { vendor = "", architecture = "", description = "" } = found.info ?? {};
  return { adapter: [vendor, architecture, description].filter(Boolean).join(" ") || "unnamed" };
}

// The runtimes that work in this browser.
export async function runtimes() {
  const { error } = await webgpu();
  return Object.fromEntries(Object.entries(RUNTIMES).filter(([, { gpu }]) => !(gpu && error)));
}
