"""ImageNet-C's weather (snow, frost, fog, brightness) and spatter, by water or mud."""

from __future__ import annotations

from typing import Optional

import numpy as np

from device_agents.decode import RGB
from device_agents.perturbations.corruptions_filters import (
    Floats,
    enlarged,
    gaussian,
    levels,
    motion_blur,
    outside,
    plasma,
)
from device_agents.perturbations.families import Memory

WATER, MUD = (175, 238, 238), (63, 42, 20)
# the mean and deviation over the reference's photographs of frost, of 255; each has its own lightness
FROST, FROST_LIGHTNESS, FROST_DEVIATION = (-18.0, 2.0, 13.0), (95.0, 207.0), 28.0


def snow(
    picture: RGB,
    rng: np.random.Generator,
    *,
    density: float,
    deviation: float,
    size: float,
    least: float,
    radius: int,
    sigma: float,
    clear: float,
) -> RGB:
    """Whiten the picture (``clear`` of it is left) and let flakes fall over it, and the same turned by half a turn.

    Flakes are normal noise about ``density``, enlarged ``size`` times, what is below ``least`` left out, blurred along
    a line within 45 degrees of the vertical.
    """
    # what is too much right and below is cut off after the blur, as in the reference
    noise = rng.normal(density, deviation, picture.shape[:2])
    flakes = enlarged(noise[..., None], size, whole=True)[..., 0]
    flakes[flakes < least] = 0
    flakes = motion_blur(np.clip(flakes, 0, 1), radius=radius, sigma=sigma, angle=rng.uniform(-135, -45))
    flakes = flakes[: picture.shape[0], : picture.shape[1]]
    return snowed(whitened(picture, clear=clear), np.round(flakes * 255) / 255.0)


def whitened(picture: RGB, *, clear: float) -> Floats:
    """Whiten the picture, ``clear`` of it left; float32 (height, width, 3) of 0 to about 1."""
    values = (picture / 255.0).astype(np.float32)
    grey = values @ np.array([[0.299], [0.587], [0.114]], np.float32)
    return np.asarray(clear * values + (1 - clear) * np.maximum(values, grey * 1.5 + 0.5))


def snowed(white: Floats, flakes: Floats) -> RGB:
    """Add flakes of 0 to 1 (height, width) to a whitened picture, as they are and turned by half a turn."""
    return levels(white + (flakes + flakes[::-1, ::-1])[..., None])


def fog(picture: RGB, rng: np.random.Generator, *, amount: float, decay: float) -> RGB:
    """Add ``amount`` times a plasma of 0 to 1, and divide so that the lightest value stays in the range."""
    height, width = picture.shape[:2]
    side = 1 << (max(height, width, 3) - 1).bit_length()
    heights = plasma(side, rng, decay=decay)[:height, :width, None]
    values = picture / 255.0
    lightest = values.max()
    values += amount * heights
    values *= lightest
    values /= lightest + amount
    return levels(values)


def frost(picture: RGB, rng: np.random.Generator, *, clear: float, ice: float, memory: Optional[Memory] = None) -> RGB:
    """Give ``clear`` of the picture and ``ice`` of a texture of frost.

    The reference takes parts of five photographs of frost, which are not the kit's to give away; the texture here is
    drawn (frost_texture), with their mean colour, lightness and deviation, so that its numbers are of the same kind but
    not the same.
    """
    memory = {} if memory is None else memory
    if not memory:  # every severity has the same
        memory["texture"] = frost_texture(picture.shape[0], picture.shape[1], rng)
    mixed = memory["texture"] * np.float32(ice)
    mixed += picture * np.float32(clear)
    return np.asarray(np.clip(mixed, 0, 255, out=mixed), np.uint8)


def frost_texture(height: int, width: int, rng: np.random.Generator) -> Floats:
    """Draw frost, float32 (height, width, 3) of 0 to 255: clouds of ice, and needles in three ways 60 degrees apart."""
    side = 1 << (max(height, width, 3) - 1).bit_length()
    clouds = plasma(side, rng, decay=1.6)[:height, :width]
    lightness, turn = rng.uniform(*FROST_LIGHTNESS), rng.uniform(0, 60)
    seeds = np.maximum(rng.normal(-2.0, 1.0, (height, width)), 0)
    length = max(2, max(height, width) // 24)
    needles = np.zeros((height, width))
    for way in (0, 60, 120):
        np.maximum(needles, motion_blur(seeds, radius=length, sigma=length / 1.5, angle=turn + way), out=needles)
    ice = _standard(_standard(clouds) + _standard(needles)).astype(np.float32)
    texture = ice[..., None] * np.float32(FROST_DEVIATION) + np.array(FROST, np.float32) + np.float32(lightness)
    return np.asarray(np.clip(texture, 0, 255, out=texture))


def _standard(values: Floats) -> Floats:
    return np.asarray((values - values.mean()) / max(float(values.std()), 1e-9))


def spatter(
    picture: RGB,
    rng: np.random.Generator,
    *,
    mean: float,
    deviation: float,
    sigma: float,
    least: float,
    strength: float,
    mud: bool,
) -> RGB:
    """Spatter with water or with mud: blurred normal noise, what is below ``least`` left out; water has light edges.

    ``strength`` is that of water; for mud it is the sigma that softens its edges.
    """
    liquid = gaussian(rng.normal(mean, deviation, picture.shape[:2]), (sigma, sigma))
    liquid[liquid < least] = 0
    if not mud:
        return watered(picture, liquid, strength=strength)
    covered = gaussian((liquid > least).astype(np.float32), (strength, strength))[..., None]
    covered[covered < 0.8] = 0
    values = (picture / 255.0).astype(np.float32)
    return levels(values * (1 - covered) + np.array(MUD) / 255.0 * covered)


def watered(picture: RGB, liquid: Floats, *, strength: float) -> RGB:
    """Add water where ``liquid`` (height, width, 0 to 1) is: light near its outlines (OpenCV's Canny and distances)."""
    cv2 = outside("cv2")
    depth = (liquid * 255).astype(np.uint8)
    distance = cv2.distanceTransform(255 - cv2.Canny(depth, 50, 150), cv2.DIST_L2, 5)
    near = cv2.equalizeHist(cv2.blur(np.minimum(distance, 20), (3, 3)).astype(np.uint8))
    slope = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
    light = depth * cv2.blur(cv2.filter2D(near, cv2.CV_8U, slope), (3, 3)).astype(np.float32)
    light *= np.float32(strength) / max(np.float32(light.max()), np.float32(1e-9))
    values = (picture / 255.0).astype(np.float32)
    return levels(values + light[..., None] * (np.array(WATER, np.float32) / np.float32(255)))


def brightness(picture: RGB, rng: np.random.Generator, *, offset: float) -> RGB:
    """Add ``offset`` to the value of HSV, clipped, hue and saturation kept: channels keep their ratios."""
    values, value = np.arange(256) / 255.0, (np.arange(256) / 255.0)[:, None]
    changed = np.clip(value + offset, 0, 1)
    # value - values is 0 for the largest channel, so that it becomes the changed value to the last bit
    table = levels(changed - (value - values) * (changed / np.where(value == 0, 1.0, value)))
    largest = np.maximum(np.maximum(picture[..., 0], picture[..., 1]), picture[..., 2])
    return np.asarray(table.ravel()[(largest.astype(np.intp) << 8)[..., None] + picture], np.uint8)
