"""A run of coloured noise shot by several devices, each darker than the one before: enough to train a tiny model on."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image

from analysis.store import Run
from device_agents.records import Picture, Scene, Step
from tests.fakes.tiny_training import CLASSES

HEIGHT, WIDTH = 24, 20
CORNERS = ((-0.5, -0.5), (WIDTH - 0.5, -0.5), (WIDTH - 0.5, HEIGHT - 0.5), (-0.5, HEIGHT - 0.5))
Key = tuple[str, str]
START = datetime(2026, 1, 2, 23, 30, tzinfo=UTC)


def shot_run(
    folder: Path,
    *,
    objects: int = 6,
    devices: Sequence[str] = ("one", "two", "three"),
    repeats: int = 1,
    lacking: Sequence[Key] = (),
    also: str = "",
    taken_s: Sequence[float] = (),
) -> Path:
    """Write a run of ``objects`` scenes a class; lacking: (scene, device) without a picture; also: a label for all.

    taken_s: when each repeat was taken, in seconds from START; no times are noted where it is empty.
    """
    settings = {"lab": "tiny", "device": [{"name": name, "kind": "virtual-phone"} for name in devices]}
    names = [(label, number, f"{label}-{number}") for label in CLASSES for number in range(objects)]
    scenes = [Scene(scene, f"{scene}.png", "0" * 64, tuple(filter(None, (label, also)))) for label, _, scene in names]
    with Run.create(folder, settings=settings, scenes=scenes) as run:
        steps, order = [], 0
        for repeat in range(repeats):
            for label, number, scene in names:
                for place, device in enumerate(devices):
                    order += 1
                    steps.append(Step(scene, 0, repeat, device, order, order, place))
                    if (scene, device) not in lacking:
                        data = _png(CLASSES.index(label), number, repeat, place)
                        sha256 = hashlib.sha256(data).hexdigest()
                        key = f"{scene}|0|{repeat}|{device}|png"
                        shot = {"scene": scene, "repeat": repeat, "device": device, "corners": CORNERS}
                        if taken_s:
                            shot["taken_utc"] = (START + timedelta(seconds=taken_s[repeat])).isoformat()
                        run.add_picture(Picture(key, sha256, ".png", len(data), WIDTH, HEIGHT, **shot), {sha256: data})
            run.add_steps(steps)
        for device in devices:
            run.add_device(device, {"kind": "virtual-phone"}, 0.0)
    return folder


def _png(label: int, number: int, repeat: int, place: int) -> bytes:
    rng = np.random.default_rng([label, number])
    pixels = rng.integers(0, 120, (HEIGHT, WIDTH, 3)).astype(float)
    pixels[..., 2 - label] += 60
    shot = np.random.default_rng([label, number, repeat, place]).normal(0, 25, pixels.shape)
    stream = io.BytesIO()
    Image.fromarray((pixels * (1 - 0.2 * place) + shot).clip(0, 255).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()
