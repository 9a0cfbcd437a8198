"""Photographs of a screen as a camera of known faults would take them, put into a run without any device."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np

from analysis.store import Run
from capture import screen
from capture.encode import encode_png
from device_agents.records import Picture, Scene, Step

LAYOUT, SMALL = screen.layout_for(720, 960), screen.layout_for(480, 640)
Corners = tuple[tuple[float, float], ...]
Camera = Callable[[np.ndarray, int], np.ndarray]  # the painted frame, float 0..255, and the number of the shot


def frame_of(chart: np.ndarray, stimulus: int, layout: screen.Layout) -> tuple[np.ndarray, Corners]:
    """The frame as painted, float32, and the corners of its scene."""
    frame = screen.render_frame(chart, stimulus=stimulus, layout=layout)
    return frame.rgb.astype(np.float32), tuple((float(x), float(y)) for x, y in screen.outer_corners(frame.scene_box))


def camera(*, blur=0.6, noise=0.8, band=0.0, moire=0.0, dim=0.0, red=0.0, seed=0) -> Camera:
    """A camera: blur in pixels, noise in codes, bands and waves as shares, light and red lost a shot as shares."""

    def shoot(frame: np.ndarray, number: int) -> np.ndarray:
        seen = cv2.GaussianBlur(frame, (0, 0), blur) * (1 - dim) ** number
        seen[..., 0] *= (1 - red) ** number
        rows, columns = np.mgrid[: frame.shape[0], : frame.shape[1]].astype(np.float32)
        seen *= (1 + band * np.sin(2 * np.pi * rows / 40))[..., None]
        detail = np.abs(np.diff(frame[..., 1], axis=1, prepend=np.float32(128))) > 20  # where fine lines are
        near = cv2.blur(detail.astype(np.float32), (25, 25))
        seen *= (1 + moire * near * np.sin(2 * np.pi * (columns + rows) / 70))[..., None]
        random = np.random.default_rng([seed, number]).standard_normal(seen.shape, np.float32)
        return np.rint(seen + noise * random).clip(0, 255).astype(np.uint8)

    return shoot


def shoot_all(
    run: Run,
    scenes: Mapping[str, np.ndarray],
    cameras: Mapping[str, Camera],
    *,
    shots: int,
    layout: screen.Layout = LAYOUT,
    minutes: Sequence[float] = (),
) -> None:
    """Plan and take ``shots`` photographs of each scene with each camera; the shot's number counts a scene's shots."""
    steps, order = [], 0
    for repeat in range(shots):
        for scene, chart in scenes.items():
            order += 1
            steps += [Step(scene, 0, repeat, name, order, order, place) for place, name in enumerate(cameras, 1)]
            frame, corners = frame_of(chart, order, layout)
            for name, shoot in cameras.items():
                data = encode_png(shoot(frame, repeat), level=0)
                sha256 = hashlib.sha256(data).hexdigest()
                key, (height, width) = f"{scene}|0|{repeat}|{name}|png", frame.shape[:2]
                taken = f"2026-01-05T10:{2 * repeat:02}:00+00:00"
                shot = {"repeat": repeat, "device": name, "corners": corners, "attempt": 1, "taken_utc": taken}
                record = Picture(key, sha256, ".png", len(data), width, height, scene, **shot)
                run.add_steps([one for one in steps if one.order == order])
                run.add_picture(record, {sha256: data})


def chart_scenes(names: Sequence[str]) -> list[Scene]:
    """Scenes of these names."""
    return [Scene(name, f"{name}.png", "0" * 64, ("chart",)) for name in names]
