"""Turned, zoomed and moved pictures: geometry at the model's size, what comes in at the edges mirrored.

A camera that is turned or moved sees more of the scene there. A mirrored edge (no pixel twice: 3 2 1 2 3) has the
scene's own texture and brightness; black corners would be a cue of their own, and repeated edge pixels streaks.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from device_agents.decode import RGB


def rotate(picture: RGB, rng: np.random.Generator, *, degrees: float) -> RGB:
    """Turn about the centre, anticlockwise as seen, bicubic (Pillow); uint8 (height, width, 3)."""
    angle = math.radians(degrees)
    return _transformed(picture, cosine=math.cos(angle), sine=math.sin(angle))


def zoom(picture: RGB, rng: np.random.Generator, *, percent: float) -> RGB:
    """Enlarge about the centre to ``percent``, bicubic (Pillow); below 100 mirrored edges come into view."""
    return _transformed(picture, cosine=100 / percent, sine=0.0)


def translate(picture: RGB, rng: np.random.Generator, *, pixels: int) -> RGB:
    """Move right by whole pixels, left where negative; the pixels stay as they are."""
    return _shifted(picture, 0, pixels)


def off_centre(picture: RGB, rng: np.random.Generator, *, percent: float) -> RGB:
    """Move by ``percent`` of the shorter side in a random direction, by whole pixels; one for all percents."""
    angle = rng.uniform(0, 2 * math.pi)
    distance = percent / 100 * min(picture.shape[:2])
    return _shifted(picture, round(distance * math.sin(angle)), round(distance * math.cos(angle)))


def _shifted(picture: RGB, down: int, right: int) -> RGB:
    height, width = picture.shape[:2]
    wide = np.pad(picture, ((abs(down),) * 2, (abs(right),) * 2, (0, 0)), mode="reflect")
    top, left = abs(down) - down, abs(right) - right
    return np.ascontiguousarray(wide[top : top + height, left : left + width])


def _transformed(picture: RGB, *, cosine: float, sine: float) -> RGB:
    """Read each pixel at centre + (cosine, -sine; sine, cosine) (pixel - centre); coordinates are edges', not centres'.

    The picture is padded by mirroring as far as anything is read, and two pixels for the bicubic taps.
    """
    height, width = picture.shape[:2]
    reach_x = (width * abs(cosine) + height * abs(sine) - width) / 2
    reach_y = (width * abs(sine) + height * abs(cosine) - height) / 2
    pad = 2 + max(0, math.ceil(reach_x), math.ceil(reach_y))
    wide = Image.fromarray(np.pad(picture, ((pad, pad), (pad, pad), (0, 0)), mode="reflect"))
    x, y = width / 2, height / 2
    matrix = (cosine, -sine, pad + x - cosine * x + sine * y, sine, cosine, pad + y - sine * x - cosine * y)
    return np.asarray(wide.transform((width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC))
