"""Sizes of gage studies: at the study's own size the interval is its own, and more devices make it narrower."""

from types import SimpleNamespace

import numpy as np
import pytest

from analysis.metrology.gage import gage_of
from analysis.metrology.gage_planning import expected_grr, sizes
from device_agents.errors import BadInput


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(4)
    cube = rng.normal(0, 3, (30, 1, 1)) + rng.normal(0, 1, (1, 6, 1)) + rng.normal(0, 0.7, (30, 6, 1))
    cube = cube + rng.normal(0, 0.4, (30, 6, 3))
    part, operator, _ = (axis.ravel() for axis in np.indices(cube.shape))
    return gage_of(cube.ravel(), part, operator)


def test_its_own_size_has_its_own_interval(found):
    percent, low, high = expected_grr(found, parts=30, operators=6, repeats=3)
    assert percent == pytest.approx(found.percent_grr)
    assert (low, high) == pytest.approx(found.percent_grr_interval, rel=1e-6)


def test_aiags_printed_components():
    # AIAG, Measurement Systems Analysis, 4th edition, ANOVA method, deviations: equipment 0.199933,
    # appraiser 0.226838, no interaction, part 1.042327; %GRR 27.9.
    variances = {"repeatability": 0.199933, "interaction": 0.0, "operator": 0.226838, "part": 1.042327}
    printed = SimpleNamespace(variance=lambda name: variances[name] ** 2)
    percent, low, high = expected_grr(printed, parts=10, operators=3, repeats=3)
    assert percent == pytest.approx(27.9, abs=0.05)
    assert low < percent < high


def test_more_devices_and_scenes_make_it_narrower(found):
    rows = sizes(found, devices=(2, 6, 20), repeats=(2,))
    assert [(row["scenes"], row["devices"]) for row in rows] == [(30, 6), (30, 20), (60, 6), (60, 20)]
    assert rows[0]["width"] > rows[1]["width"]
    assert rows[1]["width"] > rows[3]["width"]
    assert rows[3]["photographs"] == 60 * 20 * 2


def test_too_small(found):
    with pytest.raises(BadInput, match="got 30, 1 and 2"):
        expected_grr(found, parts=30, operators=1, repeats=2)
