// RESIZERS: {height, width, data: RGB bytes} -> the same of the size asked for. Those with a name that the host knows
// give the host's bits (device_agents/interpolate.py, Pillow's Resample.c); the browser's own begin with "canvas-" or
// "image-bitmap-" and differ between browsers, which is what they are for.

// Round half to even, as numpy's rint and Python's round do.
export function rint(value) {
  const low = Math.floor(value), part = value - low;
  return part < 0.5 || (part === 0.5 && low % 2 === 0) ? low : low + 1;
}

export const picture = (height, width) => ({ height, width, data: new Uint8Array(height * width * 3) });

// Pillow's integer resampling: a kernel that grows with the reduction, weights of 22 binary places, a pass for each axis.
// Pillow up to 12 always does the rows first (turned = false); 13 the columns, where the height loses more than twice
// the pixels that the width loses (its pull request 9549; the limit was found by comparing 476 sizes with Pillow 13.0.0).
const pillow = (kernel, turned = true) => (source, height, width) => {
  const lost = source.height - height;
  const wide = (from) => (from.width === width ? from : pillowPass(from, from.height, width, pillowTaps(from.width, width, kernel), true));
  const tall = (from) => (from.height === height ? from : pillowPass(from, height, from.width, pillowTaps(from.height, height, kernel), false));
  return turned && lost > 0 && lost > 2 * (source.width - width) ? wide(tall(source)) : tall(wide(source));
};

const TRIANGLE = { radius: 1, at: (x) => Math.max(0, 1 - x) };
const CUBIC = { // Keys 1981 with a = -0.5, the terms in Pillow's order
  radius: 2,
  at: (x) => (x < 1 ? ((-0.5 + 2) * x - (-0.5 + 3)) * x * x + 1 : x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0),
};

function pillowTaps(from, to, kernel) {
  const scale = from / to, stretch = Math.max(scale, 1), support = kernel.radius * stretch;
  return Array.from({ length: to }, (_, index) => {
    const centre = (index + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const count = Math.min(from, Math.trunc(centre + support + 0.5)) - first;
    const weights = Array.from({ length: count }, (_, tap) => kernel.at(Math.abs((tap + first - centre + 0.5) * (1 / stretch))));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { first, weights: Int32Array.from(weights, (weight) => Math.trunc((weight / total) * (1 << 22) + (weight < 0 ? -0.5 : 0.5))) };
  });
}

function pillowPass(source, height, width, taps, horizontal) {
  const made = picture(height, width), from = source.data, stride = source.width * 3;
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const { first, weights } = taps[horizontal ? x : y];
      let place = horizontal ? y * stride + first * 3 : first * stride + x * 3;
      let red = 1 << 21, green = 1 << 21, blue = 1 << 21;
      for (let tap = 0; tap < weights.length; tap++, place += horizontal ? 3 : stride) {
        const weight = weights[tap];
        red += from[place] * weight;
        green += from[place + 1] * weight;
        blue += from[place + 2] * weight;
      }
      made.data[at++] = Math.min(255, Math.max(0, red >> 22));
      made.data[at++] = Math.min(255, Math.max(0, green >> 22));
      made.data[at++] = Math.min(255, Math.max(0, blue >> 22));
    }
  }
  return made;
}

// Skia's integer bilinear as interpolate.android_bitmap has it: weights by sixteenths, the sum's 8 low bits cut off.
function androidBitmap(source, height, width) {
  const vertical = sixteenths(source.height, height), horizontal = sixteenths(source.width, width);
  return everyValue(source, height, width, vertical, horizontal, (a, b, c, d, y, x) =>
    (a * (16 - y) * (16 - x) + b * (16 - y) * x + c * y * (16 - x) + d * y * x) >> 8);
}

function sixteenths(from, to) {
  return Array.from({ length: to }, (_, index) => {
    const fixed = Math.floor(((index + 0.5) * (from / to) - 0.5) * 65536), low = fixed >> 16;
    const inside = (place) => Math.min(Math.max(place, 0), from - 1);
    return { low: inside(low), high: inside(low + 1), part: (fixed >> 12) & 15 };
  });
}

// torch's and TensorFlow 2's bilinear: float32, rows first, each product and sum rounded to float32, one rounding at the end.
function halfPixelBilinear(source, height, width) {
  const vertical = halves(source.height, height), horizontal = halves(source.width, width), f = Math.fround;
  return everyValue(source, height, width, vertical, horizontal, (a, b, c, d, y, x) => {
    const left = f(f(a * y[0]) + f(c * y[1])), right = f(f(b * y[0]) + f(d * y[1]));
    return Math.min(255, Math.max(0, rint(f(f(left * x[0]) + f(right * x[1])))));
  });
}

function halves(from, to) {
  return Array.from({ length: to }, (_, index) => {
    const at = Math.max((index + 0.5) * (from / to) - 0.5, 0), low = Math.min(Math.floor(at), from - 1);
    const part = low < from - 1 ? at - low : 0;
    return { low, high: Math.min(low + 1, from - 1), part: [Math.fround(1 - part), Math.fround(part)] };
  });
}

function everyValue(source, height, width, vertical, horizontal, blend) {
  const made = picture(height, width), from = source.data, stride = source.width * 3;
  for (let y = 0, at = 0; y < height; y++) {
    const up = vertical[y].low * stride, down = vertical[y].high * stride;
    for (let x = 0; x < width; x++) {
      const left = horizontal[x].low * 3, right = horizontal[x].high * 3;
      for (let c = 0; c < 3; c++) {
        made.data[at++] = blend(from[up + left + c], from[up + right + c], from[down + left + c], from[down + right + c],
          vertical[y].part, horizontal[x].part);
      }
    }
  }
  return made;
}

// Canvases and back. Only opaque pixels go through, since a canvas holds them multiplied by their alpha.
export function canvasOf(height, width) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { height, width });
  const context = canvas.getContext("2d", { alpha: false, colorSpace: "srgb", willReadFrequently: true });
  if (context === null) throw new Error(`this browser gives no canvas of ${width} x ${height} pixels`);
  return { canvas, context };
}

export function pixelsOf({ canvas, context }) {
  const made = picture(canvas.height, canvas.width);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let from = 0, to = 0; to < made.data.length; from += 4) {
    made.data[to++] = data[from];
    made.data[to++] = data[from + 1];
    made.data[to++] = data[from + 2];
  }
  return made;
}

function imageDataOf(source) {
  const made = new ImageData(source.width, source.height);
  for (let from = 0, to = 0; from < source.data.length; from += 3, to += 4) {
    made.data.set(source.data.subarray(from, from + 3), to);
    made.data[to + 3] = 255;
  }
  return made;
}

async function drawn(source, height, width, quality) {
  const whole = canvasOf(source.height, source.width), made = canvasOf(height, width);
  whole.context.putImageData(imageDataOf(source), 0, 0);
  Object.assign(made.context, { imageSmoothingEnabled: true, imageSmoothingQuality: quality });
  made.context.drawImage(whole.canvas, 0, 0, width, height);
  return pixelsOf(made);
}

async function bitmap(source, height, width, quality) {
  const resized = await createImageBitmap(imageDataOf(source), { resizeHeight: height, resizeWidth: width, resizeQuality: quality });
  const made = canvasOf(height, width);
  made.context.drawImage(resized, 0, 0);
  resized.close();
  return pixelsOf(made);
}

export const RESIZERS = {
  "android-bitmap": androidBitmap,
  "canvas-high": (source, height, width) => drawn(source, height, width, "high"),
  "canvas-low": (source, height, width) => drawn(source, height, width, "low"),
  "half-pixel-bilinear": halfPixelBilinear,
  "image-bitmap-high": (source, height, width) => bitmap(source, height, width, "high"),
  "pillow-12-bilinear": pillow(TRIANGLE, false),
  "pillow-bicubic": pillow(CUBIC),
  "pillow-bilinear": pillow(TRIANGLE),
};
