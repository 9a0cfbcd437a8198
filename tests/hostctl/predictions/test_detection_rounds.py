"""A stacked design's rounds for a detector: what is chosen is what mean average precision loses most to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from device_agents.records import Environment
from device_agents.tasks.answers import Box, Detections, detections_text
from hostctl.predictions.conditions import Condition
from hostctl.predictions.designs import scoring_half
from hostctl.predictions.detection_rounds import lowest_precision, precision_round

BOX: Box = (0.25, 0.25, 0.75, 0.75)
FAR: Box = (0.0, 0.0, 0.1, 0.1)
PLAIN = Environment(
    model="m",
    model_sha256="a" * 64,
    decoder="pillow",
    view="whole",
    colour="rgb",
    fit="squash",
    resizer="pillow-bilinear",
    scaling="bytes",
    runtime="onnxruntime",
)
BASE, OPENCV, MOVED = (
    Condition(one) for one in (PLAIN, replace(PLAIN, decoder="opencv"), replace(PLAIN, post="offset-1"))
)
NAMES = [f"s{number}" for number in range(12)]
SCORING = scoring_half(pd.Series(NAMES)).to_numpy()


def row(condition: Condition, scene: str, right: bool) -> dict[str, Any]:
    truth, found = Detections((BOX,), ("cat",), (1.0,)), Detections((BOX if right else FAR,), ("cat",), (0.9,))
    keys = {"scene": scene, "angle": 0, "repeat": 0, "device": "", "cluster": scene, "error": ""}
    return {**keys, "condition": condition.name, "truth": detections_text(truth), "detail": detections_text(found)}


def table() -> pd.DataFrame:
    """OpenCV loses all of the choosing half and nothing of the other; offset 1 half of each."""
    rows = []
    for place, name in enumerate(NAMES):
        rows.append(row(BASE, name, True))
        rows.append(row(OPENCV, name, bool(SCORING[place])))
        rows.append(row(MOVED, name, place % 2 == 0))
    return pd.DataFrame(rows)


def test_the_worst_on_the_choosing_half_is_chosen_whatever_the_other_says() -> None:
    assert 0 < SCORING.sum() < len(NAMES)
    assert lowest_precision(table(), [BASE, OPENCV, MOVED]) == OPENCV
    assert lowest_precision(table(), [BASE, MOVED], labels=["cat"]) == MOVED
    assert lowest_precision(table(), [BASE], labels=["dog"]) is None


def test_a_round_is_scored_on_the_other_half() -> None:
    found = precision_round(table(), OPENCV, BASE, 1, ("decoder", {"decoder": "opencv"}))
    assert (found["family"], found["variant"], found["choosing_accuracy"]) == ("decoder", "opencv", 0.0)
    assert (found["accuracy"], found["map50"], found["difference"]) == (1.0, 1.0, 0.0)
    assert found["difference_interval"] == [0.0, 0.0]
    moved = precision_round(table(), MOVED, BASE, 2, ("post", {"post": "offset-1"}))
    right = np.array([place % 2 == 0 for place in range(len(NAMES))])[SCORING]
    assert moved["difference"] == moved["accuracy"] - 1.0
    assert 0.0 < moved["accuracy"] < 1.0
    assert moved["accuracy"] == pytest.approx(expected(right))
    low, high = moved["difference_interval"]
    assert low <= moved["difference"] <= high


def expected(right: np.ndarray) -> float:
    """COCO's average precision of boxes of equal score in the order of pictures, by its definition."""
    hits = np.cumsum(right)
    precision, recall = hits / np.arange(1, len(right) + 1), hits / len(right)
    best = [max((p for p, r in zip(precision, recall, strict=True) if r >= level - 1e-12), default=0.0)
            for level in np.linspace(0, 1, 101)]  # fmt: skip
    return float(np.mean(best))


def test_the_base_itself_has_no_difference() -> None:
    found = precision_round(table(), BASE, BASE, 0)
    assert (found["round"], found["accuracy"], found["difference"]) == (0, 1.0, 0.0)
