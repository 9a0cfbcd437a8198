// From a file's bytes to the model's input in the browser: DECODERS, FITS, SCALINGS, and the fingerprint after each stage.
// The words and the arithmetic are those of device_agents/preprocess.py, fit.py and decode.py.
import { canvasOf, picture, pixelsOf, RESIZERS, rint } from "./resize.js";

const f = Math.fround;
const MARGIN = 256 / 224;
const IMAGENET = [[0.485, 0.229], [0.456, 0.224], [0.406, 0.225]];

const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
export const sha256 = async (bytes) => hex(await crypto.subtle.digest("SHA-256", bytes));

// The sha256 of "uint8 224 224 3\n" and the elements in C order, little-endian (as every browser's typed arrays are).
export async function fingerprint(array, shape) {
  const kind = { Uint8Array: "uint8", Float32Array: "float32" }[array.constructor.name];
  const header = new TextEncoder().encode(`${[kind, ...shape].join(" ")}\n`);
  const whole = new Uint8Array(header.length + array.byteLength);
  whole.set(header);
  whole.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), header.length);
  return sha256(whole);
}

async function decodeBitmap(blob, colorSpaceConversion) {
  const decoded = await createImageBitmap(blob, { imageOrientation: "from-image", premultiplyAlpha: "none", colorSpaceConversion });
  const drawing = canvasOf(decoded.height, decoded.width);
  drawing.context.drawImage(decoded, 0, 0);
  decoded.close();
  return pixelsOf(drawing);
}

async function decodeImage(blob) {
  const image = new Image(), address = URL.createObjectURL(blob);
  try {
    image.src = address;
    await image.decode();
    const drawing = canvasOf(image.naturalHeight, image.naturalWidth);
    drawing.context.drawImage(image, 0, 0);
    return pixelsOf(drawing);
  } finally {
    URL.revokeObjectURL(address);
  }
}

function cut(source, height, width, whole) {
  const top = whole((source.height - height) / 2), left = whole((source.width - width) / 2);
  if (top < 0 || left < 0) throw new Error(`expected at least ${width} x ${height} pixels to cut from`);
  const made = picture(height, width);
  for (let row = 0; row < height; row++) {
    const start = ((top + row) * source.width + left) * 3;
    made.data.set(source.data.subarray(start, start + width * 3), row * width * 3);
  }
  return made;
}

const cover = (margin, side, offset) => async (source, resize, height, width) => {
  const tall = rint(height * margin), broad = rint(width * margin);
  const size = source.height * width < source.width * height
    ? [tall, side((tall * source.width) / source.height)]
    : [side((broad * source.height) / source.width), broad];
  const same = source.height === size[0] && source.width === size[1];
  return cut(same ? source : await resize(source, ...size), height, width, offset);
};

export const DECODERS = {
  "create-image-bitmap": (blob) => decodeBitmap(blob, "none"),
  "create-image-bitmap-managed": (blob) => decodeBitmap(blob, "default"),
  "image-element": decodeImage,
};
export const FITS = {
  "short-side-256-crop": cover(MARGIN, rint, Math.floor),
  "short-side-crop": cover(1, rint, Math.floor),
  squash: (source, resize, height, width) => resize(source, height, width),
  "squash-256-crop": async (source, resize, height, width) =>
    cut(await resize(source, rint(height * MARGIN), rint(width * MARGIN)), height, width, Math.floor),
  "torchvision-232-crop": cover(232 / 224, Math.trunc, rint),
  "torchvision-256-crop": cover(MARGIN, Math.trunc, rint),
};
// (byte, channel) -> float32, each step rounded to float32 as numpy does; null keeps the bytes.
export const SCALINGS = {
  bytes: null,
  caffe: (x, c) => x - [123, 117, 104][c],
  imagenet: (x, c) => f(f(f(x / 255) - f(IMAGENET[c][0])) / f(IMAGENET[c][1])),
  lite: (x) => f((x - 127) / 128),
  "minus-one-one": (x) => f((x - 127.5) / 127.5),
  "zero-one": (x) => f(x / 255),
};

export function pick(table, name, what) {
  if (!Object.hasOwn(table, name)) throw new Error(`unknown ${what} '${name}'; known: ${Object.keys(table).sort().join(", ")}`);
  return table[name];
}

export const resized = (source, environment, sidecar) =>
  pick(FITS, environment.fit, "fit")(source, pick(RESIZERS, environment.resizer, "resizer"), sidecar.input_height, sidecar.input_width);

// The model's input: {array, shape}, laid out and with the colours in the order that the sidecar says.
export function tensorOf(source, scaling, { layout, colour_order }) {
  const scale = pick(SCALINGS, scaling, "scaling"), size = source.height * source.width;
  const array = scale === null ? new Uint8Array(size * 3) : new Float32Array(size * 3);
  for (let c = 0; c < 3; c++) {
    const table = Array.from({ length: 256 }, (_, x) => (scale === null ? x : scale(x, c)));
    const place = colour_order === "bgr" ? 2 - c : c;
    const [start, step] = layout === "nchw" ? [place * size, 1] : [place, 3];
    for (let at = 0; at < size; at++) array[start + at * step] = table[source.data[at * 3 + c]];
  }
  const sizes = [source.height, source.width];
  return { array, shape: layout === "nchw" ? [1, 3, ...sizes] : [1, ...sizes, 3] };
}
