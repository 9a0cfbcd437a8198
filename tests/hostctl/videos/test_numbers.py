"""The numbers of videos, by hand and against scipy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostctl.videos.numbers import consecutive, correlations, flip_rate, spearman, synthetic_flips, window_accuracy


def video(labels, *, scene="v", model="m", right="a", times=None, cluster=""):
    """Frames with these labels; "-" failed, "?" is ambiguous."""
    verdicts = {"-": "missing", "?": "ambiguous", right: "right"}
    rows = [
        {
            "model": model,
            "scene": scene,
            "cluster": cluster or scene,
            "repeat": 2 * number,
            "time_s": times[number] if times else 0.1 * number,
            "label_1": None if label == "-" else label,
            "score_1": math.nan if label == "-" else 0.9 - 0.1 * number,
            "error": "broken" if label == "-" else "",
            "verdict": verdicts.get(label, "wrong"),
        }
        for number, label in enumerate(labels)
    ]
    return pd.DataFrame(rows)


def changed(frames, flips, name):
    """The frames again under a perturbation, of which those flip that say so."""
    turned = [f"not {label}" if flip else label for label, flip in zip(frames["label_1"], flips, strict=True)]
    return frames.assign(label_1=turned, perturbation=name)


def rng():
    return np.random.default_rng(0)


def test_pairs_are_of_neighbours_within_one_video_that_both_answer():
    frames = pd.concat([video("aab-b"), video("ca", scene="w", times=[0.0, 0.5])], ignore_index=True)
    pairs = consecutive(frames)
    assert list(zip(pairs["scene"], pairs["repeat"], pairs["next"], pairs["flip"], strict=True)) == [
        *(("v", 0, 2, 0), ("v", 2, 4, 1), ("w", 0, 2, 1))
    ]
    assert pairs["lag_s"].tolist() == pytest.approx([0.1, 0.1, 0.5])
    assert pairs["sure"].tolist() == pytest.approx([0.8, 0.7, 0.8])
    told = flip_rate(pairs)
    assert (told["pairs"], told["flips"], told["flip_rate"]) == (3, 2, pytest.approx(2 / 3))
    assert told["interval"][0] < 2 / 3 < told["interval"][1]


def test_one_video_has_no_interval_and_no_pair_no_rate():
    assert flip_rate(consecutive(video("ab")))["interval"] is None
    assert flip_rate(consecutive(video("a"))) == {"pairs": 0, "flips": 0, "flip_rate": None, "interval": None}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from("ab"), min_size=2, max_size=20))
def test_flips_count_changes_and_read_the_same_backwards(labels):
    forwards, backwards = (flip_rate(consecutive(video(some))) for some in (labels, labels[::-1]))
    assert forwards == backwards
    assert forwards["flips"] == sum(a != b for a, b in itertools.pairwise(labels))


def test_pm_k_by_hand():
    """a a b a a a a, k = 1: anchors 1 to 5; only 4 and 5 have none but right neighbours; alone 1, 3, 4, 5 are right."""
    told = window_accuracy(video("aabaaaa"), window=1)
    assert told == {"anchors": 5, "accuracy": pytest.approx(4 / 5), "pm_accuracy": pytest.approx(2 / 5)}


def test_pm_k_leaves_out_windows_with_an_unclear_or_missing_frame():
    assert window_accuracy(video("aaa?aaa"), window=1)["anchors"] == 2
    assert window_accuracy(video("aaa-aaa"), window=1) == {"anchors": 2, "accuracy": 1.0, "pm_accuracy": 1.0}
    assert window_accuracy(video("aaa"), window=2) == {"anchors": 0, "accuracy": None, "pm_accuracy": None}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from("ab"), min_size=5, max_size=20), st.integers(0, 2))
def test_pm_k_is_never_above_the_accuracy_and_pm_0_is_it(labels, window):
    told = window_accuracy(video(labels), window=window)
    assert told["pm_accuracy"] <= told["accuracy"]
    if window == 0:
        assert told["pm_accuracy"] == told["accuracy"] == np.mean([label == "a" for label in labels])


def test_synthetic_flips_are_shares_of_a_familys_changes():
    frames = video("aab-")
    perturbed = pd.concat([changed(frames, [0, 1, 0, 0], "up"), changed(frames, [0, 1, 1, 0], "down")])
    found = synthetic_flips(frames, perturbed, {"light": ("up", "down"), "none": ("other",)})
    assert found["light"].tolist()[:3] == [0.0, 1.0, 0.5]
    assert math.isnan(found["light"].iloc[3])
    assert found["none"].isna().all()


def test_spearman_is_scipys_and_three_points_have_six_orders():
    from scipy.stats import spearmanr

    x, y = np.array([1.0, 5, 5, 2, 9]), np.array([0.1, 0.3, 0.2, 0.2, 0.4])
    assert spearman(x, y, rng=None) == (pytest.approx(spearmanr(x, y).statistic), None)
    rho, p = spearman(np.array([1.0, 2, 3]), np.array([2.0, 4, 9]), rng=rng())
    assert (rho, p) == (pytest.approx(1), pytest.approx(2 / 6))  # of six orders, one as far up and one as far down
    assert spearman(x[:2], y[:2], rng=rng()) == (None, None)
    assert spearman(x, np.zeros(5), rng=rng()) == (None, None)


def several(scenes, models=("m",)):
    """Videos with 0, 1, 2, ... flips, and synthetic flips of as many frames."""
    frames, perturbed = [], []
    for model in models:
        for number in range(scenes):
            extra = models.index(model)
            some = video("ab" * (number + extra) + "a" * 20, scene=f"v{number}", model=model)
            frames.append(some)
            perturbed.append(changed(some, [place < number + extra for place in range(len(some))], "up"))
    return pd.concat(frames, ignore_index=True), pd.concat(perturbed, ignore_index=True)


@pytest.mark.parametrize(
    ("scenes", "models", "over", "points"),
    [
        (5, ("m",), ["videos"], 5),
        (2, ("m", "n"), ["frames", "frames"], None),
        (2, ("m", "n", "o"), ["models"], 3),
    ],
)
def test_correlations_run_over_what_there_is_enough_of(scenes, models, over, points):
    frames, perturbed = several(scenes, models)
    pairs, shares = consecutive(frames), synthetic_flips(frames, perturbed, {"light": ("up",)})
    rows = correlations(pairs, shares, ["light"], rng=rng())
    assert [row["over"] for row in rows] == over
    if points:
        assert [(row["points"], row["rho"]) for row in rows] == [(points, pytest.approx(1))]
        assert rows[0]["p"] is not None
    else:
        assert [row["model"] for row in rows] == list(models)
        assert all(row["p"] is None and row["points"] == sum(pairs["model"] == row["model"]) for row in rows)
