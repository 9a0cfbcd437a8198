"""A plausible long predictions table with generated pictures, for tests and for looking at the report."""

from __future__ import annotations

import zlib

import numpy as np
import pandas as pd

CLASSES = {
    "n02823428": "beer bottle",
    "n04557648": "water bottle",
    "n04591713": "wine bottle",
    "n02769748": "backpack",
    "n04026417": "purse",
    "n07892512": "red wine",
    "n02782093": "balloon",
    "n03916031": "perfume",
}
DEVICES = {
    "pixel-6-like": 0.0,
    "galaxy-s10-like": 0.35,
    "moto-g5-like": -0.5,
    "pi-camera-3": 0.15,
    "lg-k10-like": -0.15,
}


def predictions(
    *,
    scenes: int = 20,
    devices: int = 5,
    angles: tuple[int, ...] = (-20, -10, 0, 10, 20),
    repeats: int = 2,
    missing: float = 0.0,
    seed: int = 1,
) -> pd.DataFrame:
    """A long table: a scene has a margin, a device a bias, a shot some noise; right where their sum is positive."""
    rng = np.random.default_rng(seed)
    names = [*DEVICES, *[f"device-{n}" for n in range(len(DEVICES), 100)]][:devices]
    axes = pd.MultiIndex.from_product(
        [range(scenes), angles, range(repeats), range(devices)], names=["s", "angle", "repeat", "d"]
    )
    table = axes.to_frame(index=False)
    bias = np.array([DEVICES.get(name, 0.1) for name in names])
    margin = rng.normal(1.0, 2.0, scenes)[table["s"]] + bias[table["d"]]
    margin = margin + rng.normal(0, 0.4, (scenes, devices))[table["s"], table["d"]]
    margin = margin - 0.0008 * table["angle"].to_numpy() ** 2 + rng.normal(0, 0.35, len(table))
    table["scene"] = [f"scene-{s:03d}" for s in table["s"]]
    table["device"] = [names[d] for d in table["d"]]
    keys = list(CLASSES)
    category = table["s"].to_numpy() % 5
    table["category"] = [keys[c] for c in category]
    table["cluster"] = table["scene"]
    table["labels"] = [(keys[c], "n07892512") if c == 2 else (keys[c],) for c in category]
    table["ambiguous"] = [("n03916031",) if c == 1 else () for c in category]
    drift = rng.random(len(table)) < 0.15
    other = (category + 1 + table["s"].to_numpy() % 4 + drift) % 8
    other = np.where(other == category, 6, other)
    rows = [_ranked(c, o, m) for c, o, m in zip(category, other, margin, strict=True)]
    for rank in range(5):
        table[f"label_{rank + 1}"] = [keys[row[rank]] for row in rows]
    top = 1 / (1 + np.exp(-np.abs(margin))) * rng.uniform(0.75, 1.0, len(table))
    for rank in range(5):
        table[f"score_{rank + 1}"] = top * 0.35**rank
    table["picture"] = [
        f"{s}|{a}|{r}|{d}"
        for s, a, r, d in zip(table["scene"], table["angle"], table["repeat"], table["device"], strict=True)
    ]
    table["environment"] = "0123456789abcdef"
    table["model"] = "mobilenet-v2"
    table["error"] = ""
    lost = rng.random(len(table)) < missing
    table.loc[lost, "error"] = "TimedOut: no new file within 20 s"
    table.loc[lost, [f"label_{rank}" for rank in range(1, 6)]] = None
    table.loc[lost, [f"score_{rank}" for rank in range(1, 6)]] = np.nan
    from analysis.verdicts import table_verdicts

    table["verdict"] = table_verdicts(table)
    return table.drop(columns=["s", "d"])


def scene_picture(scene: str, size: int = 360) -> np.ndarray:
    """A bottle- or bag-like shape on a coloured ground; the same for the same name."""
    rng = np.random.default_rng(zlib.crc32(scene.encode()))
    y, x = np.mgrid[0:size, 0:size] / size
    ground, body = rng.uniform(60, 230, 3), rng.uniform(20, 220, 3)
    light = (0.75 + 0.35 * x - 0.2 * y)[..., None]
    picture = ground * light
    wide, tall = rng.uniform(0.12, 0.3), rng.uniform(0.3, 0.42)
    inside = (np.abs((x - 0.5) / wide) ** 4 + np.abs((y - 0.55) / tall) ** 4) < 1
    neck = (np.abs(x - 0.5) < wide / 3) & (y > 0.06) & (y < 0.4)
    shade = (0.6 + 0.6 * np.exp(-(((x - 0.42) / 0.08) ** 2)))[..., None]
    picture = np.where((inside | neck)[..., None], body * shade, picture)
    band = inside & (np.abs(y - 0.6) < 0.1)
    stripes = 0.5 + 0.5 * np.sign(np.sin(60 * x + 30 * y))
    picture = np.where(band[..., None], 255 - body * stripes[..., None], picture)
    return np.clip(picture, 0, 255).astype(np.uint8)


def device_picture(picture: str, size: int = 360) -> np.ndarray:
    """The scene as a device renders it: its own white balance, contrast and noise."""
    scene, _, _, device = picture.split("|")
    rng = np.random.default_rng(zlib.crc32(picture.encode()))
    look = np.random.default_rng(zlib.crc32(device.encode()))
    base = scene_picture(scene, size).astype(float) / 255
    gains, gamma = look.uniform(0.88, 1.1, 3), look.uniform(0.85, 1.2)
    base = np.clip(base * gains, 0, 1) ** gamma
    return np.clip(base * 255 + rng.normal(0, 4, base.shape), 0, 255).astype(np.uint8)


def _ranked(category: int, other: int, margin: float) -> list[int]:
    place = 0 if margin > 0 else min(1 + int(-margin * 1.3), 5)
    rest = [other, *[n for n in range(8) if n not in (category, other)]]
    rest.insert(place, category)
    return rest[:5]
