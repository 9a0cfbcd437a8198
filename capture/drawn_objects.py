"""Draws labelled garments, so that a study of training needs no photographs: six classes, no two objects alike.

What sets the classes apart are lengths (of sleeves, legs, bodies) that run into each other, so that some objects lie
near the border of two classes, as they do in life. The lengths, cloths, grounds and lights were chosen by looking at
the drawings and at how many of them a linear head gets right, before any instability was computed from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.encode import encode_png
from device_agents.records import Scene

RGB = NDArray[np.uint8]
Floats = NDArray[np.float64]
Rng = np.random.Generator
Points = list[tuple[float, float]]  # the right half of an outline, from the collar down to the middle; y down, 1 = half

SIZE = 448  # pixels of a drawing's side
_SMOOTH = 2  # outlines are drawn so much larger, then reduced


def draw_garment(kind: str, rng: Rng) -> RGB:
    """Draw one garment of a class of GARMENTS on a ground, in some light; uint8 (SIZE, SIZE, 3) sRGB."""
    mask = _placed(GARMENTS[kind](rng), rng)
    ground = _cloth(rng, calm=True)
    cloth = _cloth(rng, calm=False)
    # A garment that is hardly lighter or darker than its ground is a hard one; some are.
    cloth *= (0.75 + 0.35 * _waves(rng, cells=4) * _waves(rng, cells=9))[..., None]
    shadow = 1 - 0.45 * _blurred(np.roll(mask, (6, 4), axis=(0, 1)), radius=7) * (1 - mask)
    edge = 1 - 0.35 * mask * (1 - _blurred(mask, radius=4))
    picture = (ground * shadow[..., None]) * (1 - mask[..., None]) + cloth * (mask * edge)[..., None]
    return _lit(picture, rng)


def _top(rng: Rng, *, sleeve: float, hem: float, flare: float = 0.0) -> Points:
    """The right half of something with sleeves: collar, shoulder, sleeve, side, hem."""
    width, drop = rng.uniform(0.36, 0.5), rng.uniform(0.5, 1.25)  # radians that the sleeve hangs below the horizon
    thick, end = rng.uniform(0.24, 0.34), rng.uniform(0.7, 1.0)
    along, across = np.array([np.cos(drop), np.sin(drop)]), np.array([-np.sin(drop), np.cos(drop)])
    shoulder = np.array([width, -0.74])
    cuff = shoulder + sleeve * along
    armpit = shoulder + np.array([-0.03, thick])
    low = cuff + thick * end * across
    waist = (width * rng.uniform(0.82, 1.0), (armpit[1] + hem) / 2)
    collar, depth = rng.uniform(0.12, 0.2), rng.uniform(0.04, 0.22)
    side = [tuple(low), tuple(armpit)] if sleeve > thick / 2 else [tuple(armpit)]
    down = [*side, waist, (width + flare, hem), (0.0, hem + 0.03)]
    return [(0.0, -0.8 + depth), (collar, -0.82), tuple(shoulder), tuple(cuff), *down]


def _t_shirt(rng: Rng) -> Points:
    return _top(rng, sleeve=rng.uniform(0.24, 0.5), hem=rng.uniform(0.15, 0.5))


def _long_sleeve(rng: Rng) -> Points:
    return _top(rng, sleeve=rng.uniform(0.6, 1.15), hem=rng.uniform(0.15, 0.5))


def _dress(rng: Rng) -> Points:
    sleeve = float(rng.choice([0.02, rng.uniform(0.15, 0.6), rng.uniform(0.6, 1.0)], p=[0.5, 0.35, 0.15]))
    return _top(rng, sleeve=sleeve, hem=rng.uniform(0.7, 1.1), flare=rng.uniform(0.05, 0.45))


def _legs(rng: Rng, *, length: float) -> Points:
    """The right half of something with legs: waist, hip, outer seam, hem, inner seam, crotch."""
    waist, hip = rng.uniform(0.26, 0.36), rng.uniform(0.34, 0.46)
    crotch = -0.8 + rng.uniform(0.5, 0.62)
    spread, hem = rng.uniform(0.0, 0.22), rng.uniform(0.15, 0.3)
    outer = (hip + spread, crotch + length)
    inner = (max(0.03, outer[0] - hem), crotch + length + 0.02)
    return [(0.0, -0.8), (waist, -0.8), (hip, -0.4), outer, inner, (0.0, crotch)]


def _pants(rng: Rng) -> Points:
    return _legs(rng, length=rng.uniform(0.55, 1.15))


def _shorts(rng: Rng) -> Points:
    return _legs(rng, length=rng.uniform(0.08, 0.48))


def _hat(rng: Rng) -> Points:
    """A crown over a brim, seen from the side; some brims are hardly there."""
    high, wide = rng.uniform(0.4, 0.85), rng.uniform(0.36, 0.55)
    brim, thick = wide * rng.uniform(1.02, 1.9), rng.uniform(0.05, 0.14)
    t = np.linspace(0, np.pi / 2, 9)
    square = rng.uniform(0.35, 1.0)  # 1 is round, less has corners
    crown = [(wide * float(np.sin(a)) ** square, 0.2 - high * float(np.cos(a)) ** square) for a in t]
    return [*crown, (brim, 0.2 + rng.uniform(-0.06, 0.1)), (brim, 0.2 + thick), (0.0, 0.24 + thick)]


GARMENTS: Mapping[str, Callable[[Rng], Points]] = {
    "dress": _dress,
    "hat": _hat,
    "long-sleeve": _long_sleeve,
    "pants": _pants,
    "shorts": _shorts,
    "t-shirt": _t_shirt,
}


def draw_objects(folder: Path, *, each: int, seed: int) -> Path:
    """Draw ``each`` garments of every class into a folder and give the path of their scenes.csv.

    Equal numbers give equal files. Every drawing is an object of its own: its name is scene and cluster.
    """
    import hashlib

    from capture.scenes import write_scenes

    folder.mkdir(parents=True, exist_ok=True)
    scenes = []
    for number in range(each):
        for place, kind in enumerate(GARMENTS):
            name = f"{kind}-{number + 1:02d}"
            data = encode_png(draw_garment(kind, np.random.default_rng([seed, place, number])))
            (folder / f"{name}.png").write_bytes(data)
            file, digest = folder / f"{name}.png", hashlib.sha256(data).hexdigest()
            scenes.append(Scene(name, str(file), digest, (kind,), (), name, kind))
    write_scenes(scenes, folder / "scenes.csv")
    return folder / "scenes.csv"


def _placed(half: Points, rng: Rng) -> Floats:
    """The outline's mask, 0..1 (SIZE, SIZE): mirrored, bent, turned, scaled and set down somewhere."""
    from PIL import Image, ImageDraw

    outline = np.array([*half, *[(-x, y) for x, y in reversed(half) if x > 0]])
    outline += rng.normal(0, 0.018, outline.shape)  # no garment lies straight
    turn, size = rng.normal(0, 0.2), rng.uniform(0.6, 0.85)
    squeeze = np.array([rng.uniform(0.8, 1.15), 1.0])
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    at = (outline * squeeze) @ spin.T * size + rng.uniform(-0.1, 0.1, 2)
    side = SIZE * _SMOOTH
    image = Image.new("L", (side, side))
    ImageDraw.Draw(image).polygon([tuple(point) for point in ((at + 1) / 2 * side).tolist()], fill=255)
    small = image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    return _blurred(np.asarray(small, np.float64) / 255, radius=1)


def _cloth(rng: Rng, *, calm: bool) -> Floats:
    """A surface in 0..1 (SIZE, SIZE, 3): one colour, stripes, checks, dots or blotches; calm: less contrast."""
    first, second = _colour(rng), _colour(rng)
    pattern = PATTERNS[int(rng.integers(len(PATTERNS)))](rng)
    share = pattern * (rng.uniform(0.0, 0.35) if calm else rng.uniform(0.1, 0.9))
    weave = 1 + rng.normal(0, 0.03, (SIZE, SIZE))
    return np.asarray((first * (1 - share[..., None]) + second * share[..., None]) * weave[..., None])


def _colour(rng: Rng) -> Floats:
    """Any colour, the greyish ones the likelier."""
    grey = rng.uniform(0.12, 0.9)
    return np.asarray(np.clip(grey + rng.normal(0, 0.13, 3), 0.03, 0.97))


def _stripes(rng: Rng) -> Floats:
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    angle = rng.uniform(0, np.pi)
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * rng.uniform(15, 90) + rng.uniform(0, 6))
    return np.asarray(wave > rng.uniform(-0.5, 0.7), np.float64)


def _checks(rng: Rng) -> Floats:
    one = _stripes(rng)
    return np.asarray((one + one.T) / 2)


def _dots(rng: Rng) -> Floats:
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    many = rng.uniform(15, 60)
    return np.asarray(np.sin(x * many) * np.sin(y * many) > rng.uniform(0.3, 0.8), np.float64)


def _blotches(rng: Rng) -> Floats:
    return _waves(rng, cells=int(rng.integers(3, 24)))


def _plain(rng: Rng) -> Floats:
    return np.zeros((SIZE, SIZE))


PATTERNS: Sequence[Callable[[Rng], Floats]] = (_plain, _plain, _stripes, _checks, _dots, _blotches)


def _waves(rng: Rng, *, cells: int) -> Floats:
    """Soft light and dark, 0..1 (SIZE, SIZE), so many cells wide."""
    from PIL import Image

    noise = Image.fromarray(rng.integers(0, 256, (cells, cells), dtype=np.uint8))
    return np.asarray(noise.resize((SIZE, SIZE), Image.Resampling.BICUBIC), np.float64) / 255


def _blurred(mask: Floats, *, radius: float) -> Floats:
    from PIL import Image, ImageFilter

    image = Image.fromarray(np.rint(255 * np.clip(mask, 0, 1)).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), np.float64) / 255


def _lit(picture: Floats, rng: Rng) -> RGB:
    """Light from somewhere, bright or dim, warm or cold, a little haze and grain; to bytes."""
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    light: Any = rng.uniform(0.55, 1.15) * (1 + rng.uniform(0, 0.4) * (x * np.cos(angle) + y * np.sin(angle)))
    warm = np.array([1 + (shift := rng.normal(0, 0.05)), 1.0, 1 - shift])
    haze = rng.uniform(0, 0.5) ** 2
    lit = picture * light[..., None] * warm * (1 - haze) + 0.65 * haze + rng.normal(0, 0.012, picture.shape)
    return np.asarray(np.clip(np.rint(255 * lit), 0, 255), np.uint8)
