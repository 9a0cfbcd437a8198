// Bundles the page's sources into dist/page.js and copies the WebAssembly that the runtimes fetch: npm ci && npm run build.
import { copyFile, mkdir, readFile, rm } from "node:fs/promises";
import { build } from "esbuild";

const LITERT = "node_modules/@litertjs/core";
const ONNX = "node_modules/onnxruntime-web";
const version = async (folder) => JSON.parse(await readFile(`${folder}/package.json`, "utf8")).version;

// LiteRT.js 2.5.3 knows int8 in its WebAssembly but not in its list of types, so that no model with int8 inputs loads.
const UINT8 = 'dtype: "uint8",\n    typedArrayConstructor: Uint8Array,\n    elementType: ElementType.UINT8\n  }';
const withInt8 = {
  name: "with-int8",
  setup: (bundle) => bundle.onLoad({ filter: /@litertjs.core.dist.index\.js$/ }, async ({ path }) => {
    const text = await readFile(path, "utf8");
    if (text.split(UINT8).length !== 2) throw new Error("LiteRT.js lists its types otherwise: look whether it knows int8 now");
    return { contents: text.replace(UINT8, `${UINT8},\n  {${UINT8.replaceAll("uint8", "int8").replaceAll("Uint8", "Int8").replaceAll("UINT8", "INT8")}`) };
  }),
};

await rm("dist", { recursive: true, force: true });
await mkdir("dist");
await build({
  entryPoints: ["src/page.js"],
  outfile: "dist/page.js",
  bundle: true,
  format: "esm",
  target: "es2022",
  legalComments: "eof",
  plugins: [withInt8],
  conditions: ["onnxruntime-web-use-extern-wasm"], // the loader as its own file, not inlined: readable, and cached alone
  define: { LITERT_VERSION: JSON.stringify(await version(LITERT)), ONNX_VERSION: JSON.stringify(await version(ONNX)) },
});
// One thread only, so the builds without threads; "compat" is for browsers without relaxed SIMD.
const files = ["internal", "compat_internal"].flatMap((kind) => [`litert_wasm_${kind}.js`, `litert_wasm_${kind}.wasm`]);
await Promise.all([
  ...files.map((name) => copyFile(`${LITERT}/wasm/${name}`, `dist/${name}`)),
  ...["mjs", "wasm", "asyncify.mjs", "asyncify.wasm"] // asyncify: the build with WebGPU for every browser
    .map((kind) => copyFile(`${ONNX}/dist/ort-wasm-simd-threaded.${kind}`, `dist/ort-wasm-simd-threaded.${kind}`)),
  ...["index.html", "page.css"].map((name) => copyFile(name, `dist/${name}`)),
]);
