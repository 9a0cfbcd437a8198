"""Measures against hand counts, ratios against their definitions, and draws that count seeds and objects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hostctl.remedies.remedy_numbers import (
    ALL,
    CLEAN_ERROR,
    CORRUPTION_ERROR,
    FLIPS,
    NATURAL_FLIPS,
    SHIFTED,
    Measure,
    against_standard,
    by_group,
    measures,
    overview,
    relative,
    resampled,
)
from stability_train.photos import Photo
from stability_train.remedies.conditions import Condition
from stability_train.remedies.study import Collected

CLASSES = ("a", "b")
CONDITIONS = (
    Condition("clean", "clean", "clean"),
    Condition("decoder:x", "decoder", "decoder", {"decoder": "x"}),
    Condition("fog-1", "corruptions", "fog", {}, "fog-1"),
    Condition("fog-2", "corruptions", "fog", {}, "fog-2"),
    Condition("snow-1", "corruptions", "snow", {}, "snow-1"),
    *(Condition(f"shot-noise-frame-0{n}", "sequences", "shot-noise") for n in range(3)),
    *(Condition(f"tilt-frame-0{n}", "sequences", "tilt") for n in range(3)),
    *(Condition(f"consistency-{n}", "shift", "consistency") for n in range(3)),
    Condition("gain-80", "natural", "gain"),
)
#          clean x  fog  snow noise  tilt   crops  gain
ANSWERS = {
    "standard": ["a b  ba   b   abb   abb    aab    b", "b b  bb   b   bbb   bbb    bbb    b"],
    "mixup": ["a a  aa   b   aab   aaa    aaa    a", "a b  bb   a   bbb   bba    bbb    b"],
}


def collected() -> Collected:
    photos = [Photo(f"p{n}", Path("p"), str(n), (label,), f"c{n}", f"p{n}") for n, label in enumerate(CLASSES)]
    letters = [["".join(row.split()) for row in rows] for rows in ANSWERS.values()]
    places = np.array([[[CLASSES.index(letter) for letter in row] for row in rows] for rows in letters])
    return Collected(
        tuple(ANSWERS),
        tuple(photos),
        np.array([0, 1]),
        CLASSES,
        CONDITIONS,
        np.eye(2, dtype=np.float32)[places],
        np.array([0.002, 0.003]),
        np.array([[10.0, 12.0], [20.0, 22.0]]),
    )


def test_every_measure_is_what_a_hand_counts() -> None:
    counted = {one.name: one for one in measures(collected())}
    assert counted[CLEAN_ERROR].counts[:, :, 0].tolist() == [[0, 0], [0, 1]]
    assert counted[ALL].counts[:, :, 0].tolist() == [[1, 0], [0, 1]]
    assert counted["decoder"].counts.tolist() == counted[ALL].counts.tolist()
    errors = counted[CORRUPTION_ERROR]
    assert errors.groups == ("fog", "snow")
    assert errors.of.tolist() == [2, 1]
    assert errors.counts.tolist() == [[[1, 1], [0, 0]], [[0, 1], [0, 1]]]
    assert counted[FLIPS].counts.tolist() == [[[2, 1], [0, 0]], [[1, 0], [0, 1]]], "noise against the first frame"
    assert counted[SHIFTED].counts[:, :, 0].tolist() == [[2, 0], [0, 0]]
    assert counted[NATURAL_FLIPS].counts[:, :, 0].tolist() == [[1, 0], [0, 1]]
    assert errors.shares.tolist() == [[2 / 3, 0], [1 / 3, 1 / 3]]


def test_ratios_are_means_over_kinds_of_sums_over_sums() -> None:
    assert relative(np.array([3, 1]), np.array([2, 4])) == pytest.approx((1.5 + 0.25) / 2)
    assert relative(np.array([3, 1]), np.array([2, 0])) == pytest.approx(1.5), "a kind without errors is left out"
    assert np.isnan(relative(np.array([3]), np.array([0])))
    found = collected()
    counted = measures(found)
    rows = overview(found, counted, rng=np.random.default_rng(0)).set_index("remedy")
    assert rows.loc["mixup", "relative_ce"] == pytest.approx((0 / 1 + 2 / 1) / 2)
    assert rows.loc["mixup", "relative_flips"] == pytest.approx((1 / 2 + 1 / 1) / 2)
    assert rows.loc["standard", "relative_ce"] == 1
    assert rows.loc["mixup", "accuracy"] == 0.5
    assert rows.loc["mixup", "accuracy_low"] <= 0.5 <= rows.loc["mixup", "accuracy_high"]
    assert rows.loc["mixup", "training_s"] == 21
    assert rows.loc["mixup", "inference_ms"] == pytest.approx(3)
    groups = by_group(found, next(one for one in counted if one.name == CORRUPTION_ERROR)).set_index("remedy")
    assert groups.loc["standard"].tolist() == [0.25, 0.5]
    assert groups.loc["mixup"].tolist() == [0, 2]


def test_differences_are_paired_by_object() -> None:
    found = collected()
    rows = against_standard(found, measures(found)).set_index("measure")
    row = rows.loc[CORRUPTION_ERROR]
    assert row["difference"] == pytest.approx(0)
    assert (row["seed_low"], row["seed_high"]) == pytest.approx((-1 / 3, 1 / 3))
    assert row["p"] == 1
    assert row["difference_low"] < 0 < row["difference_high"]


def test_a_remedy_that_is_always_better_is_found_to_be() -> None:
    found = collected()
    counts = np.stack([np.ones((12, 1), int), np.zeros((12, 1), int)])
    many = Collected(
        found.remedies,
        tuple(found.photos[0].__class__(f"p{n}", Path("p"), str(n), ("a",), f"c{n}", "s") for n in range(12)),
        np.arange(12) % 2,
        *(found.classes, found.conditions, found.probabilities, found.inference_s, found.training_s),
    )
    rows = against_standard(many, [Measure("m", ("g",), counts, np.array([1]))])
    assert rows["p"][0] == pytest.approx(2 / 2**12)
    assert rows["difference_high"][0] < 0


def test_draws_count_whole_seeds_and_whole_objects() -> None:
    seeds, clusters = np.array([0, 0, 0, 1, 1]), np.array(["x", "x", "y", "z", "w"], object)
    weights = resampled(seeds, clusters, rng=np.random.default_rng(1), draws=200)
    assert weights.shape == (200, 5)
    assert np.array_equal(weights[:, 0], weights[:, 1]), "pictures of one object stay together"
    assert set((weights[:, 0] + weights[:, 2]).tolist()) == {0, 2, 4}, "a seed is there not at all, once or twice"
    assert weights.mean(0) == pytest.approx([1] * 5, abs=0.35)
