"""Resampled precisions against mean_precisions of the pictures written out as often as they were drawn."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.detection.precision import mean_precisions
from analysis.detection.resampling import Draws, draw_weights, percentiles
from device_agents.errors import BadInput
from device_agents.tasks.answers import Detections

pytest.importorskip("pycocotools", reason="the extra 'detection' is not installed")


def draw(rng: np.random.Generator, count: int, *, truth: bool) -> Detections:
    corner, size = rng.uniform(0, 0.3, (count, 2)), rng.uniform(0.3, 0.6, (count, 2))
    scores = np.ones(count) if truth else np.sort(rng.random(count))[::-1]
    labels = tuple(map(str, rng.choice(["cat", "dog", "elk"], count)))
    marks = tuple((rng.random(count) < 0.1).tolist()) if truth else ()
    boxes = np.hstack([corner, corner + size]).tolist()
    return Detections(tuple(map(tuple, boxes)), labels, tuple(scores.tolist()), marks)


def test_equals_the_drawn_pictures_evaluated_anew() -> None:
    rng = np.random.default_rng(8)
    truths = [draw(rng, int(rng.integers(0, 5)), truth=True) for _ in range(12)]
    answers = [draw(rng, 5, truth=False) for _ in truths]
    weights = np.vstack([np.ones(12, dtype=np.int64), draw_weights(range(12), draws=8, rng=rng)])
    draws = Draws(weights)
    mean_precisions(truths, {"a": answers}, watch=draws.watch)
    for row, (ap50, ap) in zip(weights, draws.values("a"), strict=True):
        drawn = np.repeat(np.arange(12), row)
        again = mean_precisions([truths[one] for one in drawn], {"a": [answers[one] for one in drawn]})["a"]
        assert ap50 == pytest.approx(again.ap50, abs=1e-12)
        assert ap == pytest.approx(again.ap, abs=1e-12)


def test_clusters_are_drawn_whole() -> None:
    weights = draw_weights(["a", "a", "b", "c", "c"], draws=50, rng=np.random.default_rng(0))
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3] == weights[:, 4]).all()
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()
    with pytest.raises(BadInput, match="expected pictures and draws"):
        draw_weights([], draws=3, rng=np.random.default_rng(0))


def test_a_draw_without_objects_is_not_a_number() -> None:
    truth, none = Detections(((0, 0, 1, 1),), ("cat",), (1.0,)), Detections((), (), ())
    draws = Draws(np.array([[1, 0], [0, 2]]))
    mean_precisions([truth, none], {"a": [Detections(((0, 0, 1, 1),), ("cat",), (0.5,)), none]}, watch=draws.watch)
    assert draws.values("a")[0] == pytest.approx([1.0, 1.0], abs=1e-12)
    assert np.isnan(draws.values("a")[1]).all()
    assert percentiles([0.0, float("nan"), 1.0]) == pytest.approx((0.025, 0.975))
    assert np.isnan(percentiles([])).all()
