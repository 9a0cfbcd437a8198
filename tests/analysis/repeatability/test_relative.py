import numpy as np
import pandas as pd
import pytest

from analysis.repeatability.numbers import suite_numbers
from analysis.repeatability.relative import COLUMNS, ratio_interval, relative_numbers
from analysis.repeatability.suites import SUITES
from device_agents.errors import BadInput
from tests.analysis.perturbed_sample import rows, sample

FRAMES = SUITES["sequences"]._replace(families=SUITES["sequences"].families[:3])


def test_mfr_is_the_mean_of_flip_probabilities_over_the_baseline_s():
    table = sample(FRAMES.perturbations, pictures=25, models=("plain", "other"), spread=0.5)
    found = relative_numbers(table, FRAMES, baseline="plain")
    assert tuple(found.columns) == COLUMNS
    assert set(found["model"]) == {"other"}
    rate = found.set_index(["family", "measure"])["value"]
    flips = suite_numbers(table, FRAMES).set_index(["model", "family", "measure"])["value"]
    names = [family.name for family in FRAMES.families]
    by_family = {
        name: flips["other", name, "flip-probability"] / flips["plain", name, "flip-probability"] for name in names
    }
    for name, ratio in by_family.items():
        assert rate[name, "flip-rate"] == pytest.approx(ratio)
    assert rate["all", "mfr"] == pytest.approx(np.mean(list(by_family.values())))
    difference = flips["other", "all", "flip-probability"] - flips["plain", "all", "flip-probability"]
    assert rate["all", "flip-probability-difference"] == pytest.approx(difference)


def test_a_model_that_answers_as_the_baseline_has_a_flip_rate_of_exactly_1():
    table = sample(FRAMES.perturbations, pictures=10, spread=0.5)
    both = pd.concat([table, table.assign(model="copy")])
    found = relative_numbers(both, FRAMES, baseline="m").set_index(["family", "measure"])
    assert found.loc[("all", "mfr"), ["value", "low", "high"]].tolist() == pytest.approx([1, 1, 1])


def test_a_baseline_that_never_flips_has_no_ratio_but_a_difference():
    pair = SUITES["shift"]._replace(families=SUITES["shift"].families[:1])
    steady = rows({name: {"shift-crop-0": "ab", "shift-crop-1": "ab"} for name in "pqr"}, model="steady")
    other = rows({name: {"shift-crop-0": "ab", "shift-crop-1": "ba"} for name in "pqr"}, model="other")
    table = pd.concat([steady, other])
    found = relative_numbers(table, pair, baseline="steady").set_index("measure")
    assert np.isnan(found.loc["flip-rate", "value"])
    assert found.loc["flip-probability-difference", "value"] == 1
    with pytest.raises(BadInput, match=r"unknown baseline model 'alexnet'; known: .*steady"):
        relative_numbers(table, pair, baseline="alexnet")
    with pytest.raises(BadInput, match="another model beside the baseline 'steady'"):
        relative_numbers(steady, pair, baseline="steady")


def test_only_pictures_that_both_answered_are_compared():
    pair = SUITES["shift"]._replace(families=SUITES["shift"].families[:1])
    one = rows({name: {"shift-crop-0": "ab", "shift-crop-1": "ba"} for name in "pqr"}, model="one")
    other = rows({"q": {"shift-crop-0": "ab", "shift-crop-1": "ba"}, "r": {"shift-crop-0": "ab"}}, model="other")
    found = relative_numbers(pd.concat([one, other]), pair, baseline="one").set_index("measure")
    assert found.loc["flip-rate", ["value", "pictures", "missing"]].tolist() == [1, 1, 1]


def test_the_interval_of_a_ratio_covers_the_truth_about_as_often_as_it_says():
    rng, held = np.random.default_rng(5), 0
    for _ in range(400):
        cluster = rng.normal(0, 0.1, 40).repeat(3)
        bottom = (rng.random(120) < np.clip(0.4 + cluster, 0, 1)).astype(float)
        top = (rng.random(120) < np.clip(0.2 + cluster, 0, 1)).astype(float)
        _, low, high = ratio_interval([top], [bottom], np.arange(40).repeat(3))
        held += low <= 0.5 <= high
    assert 0.92 <= held / 400 <= 0.98


def test_one_cluster_has_no_interval():
    value, low, high = ratio_interval([np.array([1.0, 0.0])], [np.array([1.0, 1.0])], np.array(["c", "c"]))
    assert value == 0.5
    assert np.isnan([low, high]).all()


def test_a_model_that_never_flips_has_no_interval():
    value, low, high = ratio_interval([np.zeros(4)], [np.array([1.0, 0.0, 1.0, 0.0])], np.arange(4))
    assert value == 0
    assert np.isnan([low, high]).all()
