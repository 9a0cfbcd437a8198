"""Shots of a painted frame without a camera: a photograph, the raw taken together with it, and a run with some."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from analysis.store import Run
from capture import screen
from capture.raw import SRGB_TO_XYZ, Raw, write_dng
from device_agents.records import Corners, Picture, Step
from tests.fakes.rack import BOX, LAYOUT, picture_of, scenes

MARGIN_TOP, MARGIN_LEFT = 10, 16  # what the raw shows more of than the photograph


@dataclass(frozen=True)
class Shot:
    """The files of one shot, and the scene's corners in each as they truly are."""

    jpeg: bytes
    dng: bytes
    in_jpeg: Corners
    in_raw: Corners


def shoot(scene: str, *, stimulus: int = 1, margin: bool = True, orientation: int = 1) -> Shot:
    """Photograph the frame of a scene, sharp and without noise; the raw's margin is the ground."""
    frame = screen.render_frame(picture_of(scene), stimulus=stimulus, layout=LAYOUT).rgb
    top, left = (MARGIN_TOP, MARGIN_LEFT) if margin else (0, 0)
    seen = np.pad(frame, ((top, top), (left, left), (0, 0)), mode="edge")
    corners = screen.outer_corners(BOX)
    return Shot(
        _jpeg(frame),
        write_dng(raw_of(seen, orientation=orientation)),
        tuple((float(x), float(y)) for x, y in corners),
        tuple((float(x + left), float(y + top)) for x, y in corners),
    )


def raw_of(rgb: np.ndarray, *, orientation: int = 1) -> Raw:
    """The RGGB mosaic of a picture by a sensor whose colours are those of sRGB."""
    light = (rgb / 255.0) ** 2.2
    codes = np.rint(64 + light * (4095 - 64)).astype(np.uint16)
    mosaic = codes[..., 1].copy()
    mosaic[::2, ::2], mosaic[1::2, 1::2] = codes[::2, ::2, 0], codes[1::2, 1::2, 2]
    return Raw(mosaic, (64.0,) * 4, 4095, "RGGB", (1.0, 1.0, 1.0), np.linalg.inv(SRGB_TO_XYZ), orientation=orientation)


def run_of_shots(folder: Path, count: int, *, margin: bool = True) -> Run:
    """A run of one device that photographed some scenes, with a raw beside each photograph."""
    shown = scenes(count)
    run = Run.create(folder, settings={"lab": "fake"}, scenes=shown)
    run.add_steps([Step(one.scene, 0, 0, "phone", number, number, 0) for number, one in enumerate(shown, 1)])
    for number, one in enumerate(shown, 1):
        shot = shoot(one.scene, stimulus=number, margin=margin)
        picture = _picture(one.scene, shot.jpeg, ".jpg", shot.in_jpeg)
        raw = _picture(one.scene, shot.dng, ".dng", ())
        run.add_pictures([picture, raw], {picture.sha256: shot.jpeg, raw.sha256: shot.dng})
    return run


def _picture(scene: str, data: bytes, suffix: str, corners: Corners) -> Picture:
    return Picture(
        f"{scene}|0|0|phone|{suffix.lstrip('.')}",
        hashlib.sha256(data).hexdigest(),
        suffix,
        len(data),
        LAYOUT.width,
        LAYOUT.height,
        scene,
        device="phone",
        corners=corners,
        taken_utc="2026-11-22T10:00:00.000",
    )


def _jpeg(rgb: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()
