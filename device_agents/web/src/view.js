// VIEWS: a photograph and the job's picture of it -> the part that the model sees, with the bits of device_agents/view.py.
import { picture, rint } from "./resize.js";

class BadInput extends Error {
  name = "BadInput";
}

const told = (corners) => JSON.stringify(corners ?? []).slice(0, 100);

// Four corners of a convex area, in order around it; the same checks as the host's.
function checked(corners) {
  if (corners?.length !== 4) throw new BadInput(`this view needs the scene's four corners (x, y) in the photograph, got ${corners?.length ?? 0}`);
  const sides = corners.map(([x, y], index) => {
    const [nextX, nextY] = corners[(index + 1) % 4];
    return [nextX - x, nextY - y];
  });
  const turns = sides.map(([x, y], index) => {
    const [nextX, nextY] = sides[(index + 1) % 4];
    return x * nextY - y * nextX;
  });
  const convex = turns.every((turn) => turn > 0) || turns.every((turn) => turn < 0);
  if (!corners.flat().every(Number.isFinite) || !convex) {
    throw new BadInput(`expected four corners of a convex area, in order around it, got ${told(corners)}`);
  }
  return corners;
}

// The corners' bounding box, its edges on whole pixels and within the photograph.
function crop(source, { corners }) {
  const edges = (axis, most) => {
    const values = checked(corners).map((corner) => corner[axis] + 0.5);
    return [Math.min(...values), Math.max(...values)].map((value) => Math.min(most, Math.max(0, rint(value))));
  };
  const [left, right] = edges(0, source.width), [top, bottom] = edges(1, source.height);
  if (right <= left || bottom <= top) {
    throw new BadInput(`expected the scene within the ${source.width} x ${source.height} photograph, got corners ${told(corners)}`);
  }
  const made = picture(bottom - top, right - left), stride = made.width * 3;
  for (let row = 0; row < made.height; row++) {
    const start = ((top + row) * source.width + left) * 3;
    made.data.set(source.data.subarray(start, start + stride), row * stride);
  }
  return made;
}

// Pillow's PERSPECTIVE transform, bicubic. The size and the eight coefficients are the host's: they come out of a linear
// solver, and another solver's last digits would move a pixel across the edge where Pillow cuts fractions off.
function rectified(source, { rectified: plan }) {
  if (plan.refused) throw new BadInput(plan.refused);
  const [a, b, c, d, e, f, g, h] = plan.coefficients;
  const made = picture(plan.height, plan.width);
  for (let row = 0, at = 0; row < made.height; row++) {
    for (let column = 0; column < made.width; column++, at += 3) {
      const x = column + 0.5, y = row + 0.5, depth = g * x + h * y + 1;
      bicubic(source, (a * x + b * y + c) / depth, (d * x + e * y + f) / depth, made.data, at);
    }
  }
  return made;
}

const columns = new Int32Array(4), blends = new Float64Array(4);

// One point, counted from the photograph's outer edge; black outside. Keys' cubic with a = -1: beyond the left and right
// edge the edge's pixel stands in, beyond the lower one the blend of the row before; fractions are cut off.
function bicubic(source, x, y, into, at) {
  if (!(x >= 0 && x < source.width && y >= 0 && y < source.height)) return;
  const left = Math.floor(x - 0.5), top = Math.floor(y - 0.5), right = x - 0.5 - left, down = y - 0.5 - top;
  for (let tap = 0; tap < 4; tap++) columns[tap] = Math.min(source.width - 1, Math.max(0, left - 1 + tap)) * 3;
  for (let colour = 0; colour < 3; colour++) {
    for (let tap = 0; tap < 4; tap++) {
      const row = top - 1 + tap;
      if (tap > 0 && (row < 0 || row >= source.height)) {
        blends[tap] = blends[tap - 1];
        continue;
      }
      const start = Math.max(0, row) * source.width * 3 + colour, from = source.data;
      blends[tap] = cubic(from[start + columns[0]], from[start + columns[1]], from[start + columns[2]], from[start + columns[3]], right);
    }
    into[at + colour] = Math.min(255, Math.max(0, Math.trunc(cubic(blends[0], blends[1], blends[2], blends[3], down))));
  }
}

const cubic = (p, q, r, s, t) => q + t * (-p + r + t * (2 * (p - q) + r - s + t * (-p + q - r + s)));

export const VIEWS = { crop, "rectified-pillow": rectified, whole: (source) => source };
