import numpy as np
import pandas as pd
import pytest

from analysis.instability import instability
from analysis.intervals import simulate
from analysis.intervals.population import population, population_of
from benchmarks.coverage import _truth_of_such
from device_agents.errors import BadInput
from tests.analysis.sample import predictions


def test_rate_and_interval_of_these_devices_are_the_usual_ones():
    table = predictions(scenes=40, angles=(0, 10))
    found = population(table)
    assert found.rate == pytest.approx(instability(table).rarefied(2))
    assert (found.m, found.devices) == (2, 5)
    assert found.such.low <= found.these.low < found.rate < found.these.high <= found.such.high
    assert population(table, m=3).rate == pytest.approx(instability(table).rarefied(3))


def test_the_jackknife_over_devices_by_hand():
    # Right, right, wrong in each of 400 scenes: pairs 2/3; without the odd device 0, without another 1.
    marks = np.tile(np.array([1, 1, 0], dtype=np.int8), (400, 1))
    found = population_of(marks, np.arange(400))
    assert found.rate == pytest.approx(2 / 3)
    assert found.these.half_width < 0.05
    assert found.such.half_width > 0.3  # three devices say little of others


def test_devices_that_are_all_alike_widen_nothing():
    marks = np.repeat((np.arange(60) % 5 > 0).astype(np.int8)[:, None], 4, axis=1)
    found = population_of(marks, np.arange(60))
    assert (found.such.low, found.such.high) == (found.these.low, found.these.high)
    assert found.rate == 0


def test_such_devices_are_covered_where_these_are_not():
    rng, truth, held = np.random.default_rng(4), _truth_of_such(0.7), np.zeros(2)
    for _ in range(150):
        lab = simulate.Latent(tuple(rng.normal(0, 0.7, 5)), mean=1.5)
        right = simulate.latent(rng, lab, studies=1, scenes=100, moments=4).right
        found = population_of(right.reshape(-1, 5).astype(np.int8), np.arange(100).repeat(4))
        held += [one.low <= truth <= one.high for one in (found.such, found.these)]
    print(held / 150)
    assert held[0] / 150 >= 0.92
    assert held[1] / 150 < 0.9


def test_bad_input_is_explained():
    with pytest.raises(BadInput, match="at least 3, got 2"):
        population_of(np.ones((4, 2), dtype=np.int8), np.arange(4))
    with pytest.raises(BadInput, match="got none"):
        population_of(np.full((4, 3), -1, dtype=np.int8), np.arange(4))
    with pytest.raises(BadInput, match="cannot hold"):
        population(pd.DataFrame({"scene": ["a"], "device": ["d"]}))
