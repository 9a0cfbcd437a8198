// RUNTIMES: a model file's bytes -> classifier, {run({array, shape}) -> scores as numbers, close()}. One thread, WebAssembly.
import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";
import * as ort from "onnxruntime-web/wasm";
import { rint } from "./resize.js";

const INTEGERS = { uint8: [Uint8Array, 0, 255], int8: [Int8Array, -128, 127] };
const at = (name) => new URL(name, import.meta.url).href;

async function loadOnnx(bytes) {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = at("./");
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"], intraOpNumThreads: 1 });
  const [input] = session.inputNames, [output] = session.outputNames;
  const run = async ({ array, shape }) => {
    const kind = array instanceof Uint8Array ? "uint8" : "float32";
    const found = await session.run({ [input]: new ort.Tensor(kind, array, shape) });
    return Float64Array.from(found[output].data);
  };
  return { run, close: () => session.release() };
}

let started = null;
async function loadTflite(bytes, quantisation) {
  started ??= loadLiteRt(at("./"), { threads: false });
  await started;
  const model = await loadAndCompile(withBatchOfOne(bytes), { accelerator: "wasm" });
  const input = model.getInputDetails()[0].dtype;
  const run = async ({ array, shape }) => {
    const given = new Tensor(entry(array, input, quantisation?.input), shape);
    try {
      const [found] = await model.run([given]);
      const values = found.toTypedArray(), whole = values instanceof Float32Array;
      const scores = whole ? Float64Array.from(values) : dequantised(values, quantisation?.output);
      found.delete();
      return scores;
    } finally {
      given.delete();
    }
  };
  return { run, close: () => model.delete() };
}

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

export const RUNTIMES = {
  "litert-js": { version: LITERT_VERSION, load: loadTflite },
  "onnxruntime-web": { version: ONNX_VERSION, load: loadOnnx },
};
