"""ImageNet-C's digital corruptions (contrast, elastic transform, pixelate, JPEG, saturate) and storing as JPEG."""

from __future__ import annotations

import io
from typing import Optional

import numpy as np
from PIL import Image

from device_agents.decode import RGB
from device_agents.perturbations.corruptions_filters import Floats, gaussian, levels
from device_agents.perturbations.families import Memory


def contrast(picture: RGB, rng: np.random.Generator, *, factor: float) -> RGB:
    """Pull every value towards its channel's mean, ``factor`` of the distance left."""
    table = np.arange(256) / 255.0
    changed = np.empty_like(picture)
    for channel in range(3):
        values = picture[..., channel]
        mean = float(values.sum(dtype=np.int64)) / values.size / 255.0
        changed[..., channel] = levels((table - mean) * factor + mean)[values]
    return changed


def elastic_transform(
    picture: RGB, rng: np.random.Generator, *, strength: float, memory: Optional[Memory] = None
) -> RGB:
    """Move every pixel by smooth random amounts, read linearly, edges mirrored.

    The amounts are uniform within 0.5 % of the height, blurred by 1 % of each side and multiplied by ``strength``: the
    reference package's rule, which replaces ImageNet-C's own random affine distortion at 244 pixels.
    """
    height, width = picture.shape[:2]
    most, sigma = height * 0.005, (height * 0.01, width * 0.01)
    memory = {} if memory is None else memory
    if not memory:  # every severity has the same
        for way in ("across", "down"):
            memory[way] = gaussian(rng.uniform(-most, most, (height, width)), sigma, truncate=3.0, mode="reflect")
    moves = [(memory[way] * strength).astype(np.float32) for way in ("across", "down")]
    x, y = np.arange(width) + moves[0], np.arange(height)[:, None] + moves[1]
    return levels(_read(picture, y, x))


def _read(picture: RGB, y: Floats, x: Floats) -> Floats:
    """Read (height, width, 3) of 0 to 1 at float places, linearly; beyond the edges the picture is mirrored."""
    reach = 1 + int(np.ceil(max(-y.min(), -x.min(), y.max() - picture.shape[0], x.max() - picture.shape[1], 0)))
    wide = np.pad(picture, ((reach, reach + 1), (reach, reach + 1), (0, 0)), mode="symmetric")
    columns = wide.shape[1]
    flat = (wide / np.float32(255)).reshape(-1, 3)
    top, left = np.floor(y).astype(np.intp), np.floor(x).astype(np.intp)
    down, right = (y - top)[..., None], (x - left)[..., None]
    first = (top + reach) * columns + left + reach
    upper = flat.take(first, axis=0) * (1 - right) + flat.take(first + 1, axis=0) * right
    lower = flat.take(first + columns, axis=0) * (1 - right) + flat.take(first + columns + 1, axis=0) * right
    result: Floats = (upper * (1 - down) + lower * down).astype(np.float32)
    return result


def pixelate(picture: RGB, rng: np.random.Generator, *, share: float) -> RGB:
    """Reduce both sides to ``share`` (box, at least one pixel) and enlarge again (nearest), both by Pillow."""
    height, width = picture.shape[:2]
    small = (max(1, int(width * share)), max(1, int(height * share)))
    reduced = Image.fromarray(picture).resize(small, Image.Resampling.BOX)
    return np.asarray(reduced.resize((width, height), Image.Resampling.NEAREST))


def jpeg(picture: RGB, rng: np.random.Generator, *, quality: int) -> RGB:
    """Code as JPEG of ``quality`` (Pillow, 4:2:0) and decode."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=quality)
    with Image.open(stream) as image:
        return np.asarray(image)


def saturate(picture: RGB, rng: np.random.Generator, *, factor: float, offset: float) -> RGB:
    """Multiply the saturation of HSV by ``factor`` and add ``offset``, hue and value kept.

    A grey pixel has the hue 0, red, as in the reference: with an offset it turns reddish.
    """
    values = picture / 255.0
    value = values.max(axis=2, keepdims=True)
    chroma = value - values.min(axis=2, keepdims=True)
    grey = chroma == 0
    share = np.where(grey, np.array([0.0, 1.0, 1.0]), (value - values) / np.where(grey, 1.0, chroma))
    saturation = np.clip(chroma / np.where(value == 0, 1.0, value) * factor + offset, 0, 1)
    return levels(value * (1 - saturation * share))
