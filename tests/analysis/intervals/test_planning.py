import numpy as np
import pandas as pd
import pytest

from analysis.intervals import simulate
from analysis.intervals.effective import effective_beta
from analysis.intervals.planning import expected_width, measured_icc, plan, plans, step_seconds
from device_agents.errors import BadInput


@pytest.mark.parametrize(
    ("expect", "width", "items", "icc"),
    [(0.10, 0.06, 1, 0.0), (0.10, 0.06, 10, 0.3), (0.02, 0.02, 5, 0.5), (0.30, 0.10, 10, 0.1)],
)
def test_a_planned_study_is_as_wide_as_planned(expect, width, items, icc):
    found = plan(expect, width, items_per_cluster=items, icc=icc)
    sums = simulate.beta_binomial(
        np.random.default_rng(1), studies=1000, scenes=found.clusters, items=items, rate=expect, icc=icc
    )
    low, high = effective_beta(sums, np.array(float(items)), level=0.95)
    assert (high - low).mean() == pytest.approx(width, rel=0.04)
    assert found.items == found.clusters * items
    assert found.design_effect == pytest.approx(1 + (items - 1) * icc)


def test_independent_items_need_what_the_textbook_says():
    # 2 x 1.96 sqrt(0.1 x 0.9 / n) = 0.02 gives 3457
    assert plan(0.1, 0.02, items_per_cluster=1, icc=0.0).clusters == pytest.approx(3457, rel=0.01)


def test_one_scene_less_is_not_enough():
    found = plan(0.1, 0.1, items_per_cluster=4, icc=0.3)
    assert found.width <= 0.1
    assert expected_width(0.1, found.clusters - 1, items_per_cluster=4, icc=0.3) > 0.1


def test_repeats_save_scenes_the_less_the_more_alike_they_are():
    for icc in (0.0, 0.3, 1.0):
        scenes = [one.clusters for one in plans(0.1, 0.05, repeats=(1, 2, 10), icc=icc)]
        assert scenes == sorted(scenes, reverse=True)
        saved = scenes[0] / scenes[-1]
        assert saved == pytest.approx(1 / ((1 + 9 * icc) / 10), rel=0.1)


def test_icc_is_measured():
    rng = np.random.default_rng(2)
    for icc in (0.0, 0.3, 0.7):
        sums = simulate.beta_binomial(rng, studies=1, scenes=3000, items=6, rate=0.2, icc=icc)[0]
        marks = (np.arange(6) < sums[:, None]).ravel()
        assert measured_icc(marks, np.arange(3000).repeat(6)) == pytest.approx(icc, abs=0.04)
    assert np.isnan(measured_icc([0, 1, 0], ["a", "b", "c"]))


def test_seconds_of_a_stimulus_leave_breaks_out():
    rows = []
    for number, start in enumerate([0, 5, 10, 16, 21, 4000, 4005]):
        for device in range(3):
            text = (pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(seconds=start + 0.3 * device)).isoformat()
            rows.append({"scene": f"s{number}", "angle": 0, "repeat": 0, "session": 1, "started_utc": text})
    assert step_seconds(pd.DataFrame(rows)) == pytest.approx(5)
    assert np.isnan(step_seconds(pd.DataFrame(rows[:3])))


def test_bad_input_is_explained():
    with pytest.raises(BadInput, match="a width between 0 and 1"):
        plan(0.1, 2)
    with pytest.raises(BadInput, match="an ICC of 0 to 1"):
        plan(0.1, 0.1, icc=1.5)
    with pytest.raises(BadInput, match="a width that"):
        plan(0.5, 1e-6)
