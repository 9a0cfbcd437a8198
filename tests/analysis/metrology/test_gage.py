"""Gage R&R against printed examples: AIAG's Measurement Systems Analysis, and Montgomery's Design and Analysis."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.metrology.breakdown import breakdown
from analysis.metrology.gage import SOURCES, gage, gage_of
from device_agents.errors import BadInput
from tests.analysis.sample import predictions

# AIAG, Measurement Systems Analysis, 4th edition, 2010, gage study (table III-B 6): 10 parts, 3 appraisers, 3 trials.
AIAG = """
0.29 0.41 0.64 0.08 0.25 0.07 0.04 -0.11 -0.15;-0.56 -0.68 -0.58 -0.47 -1.22 -0.68 -1.38 -1.13 -0.96
1.34 1.17 1.27 1.19 0.94 1.34 0.88 1.09 0.67;0.47 0.50 0.64 0.01 1.03 0.20 0.14 0.20 0.11
-0.80 -0.92 -0.84 -0.56 -1.20 -1.28 -1.46 -1.07 -1.45;0.02 -0.11 -0.21 -0.20 0.22 0.06 -0.29 -0.67 -0.49
0.59 0.75 0.66 0.47 0.55 0.83 0.02 0.01 0.21;-0.31 -0.20 -0.17 -0.63 0.08 -0.34 -0.46 -0.56 -0.49
2.26 1.99 2.01 1.80 2.12 2.19 1.77 1.45 1.87;-1.36 -1.25 -1.31 -1.68 -1.62 -1.50 -1.49 -1.77 -2.16
"""
# Montgomery, Design and Analysis of Experiments, "A measurement systems capability study": 20 parts, 3 operators, 2
# measurements; its interaction component comes out at -0.14.
MONTGOMERY = """
21 20 20 20 19 21;24 23 24 24 23 24;20 21 19 21 20 22;27 27 28 26 27 28;19 18 19 18 18 21;23 21 24 21 23 22
22 21 22 24 22 20;19 17 18 20 19 18;24 23 25 23 24 24;25 23 26 25 24 25;21 20 20 20 21 20;18 19 17 19 18 19
23 25 25 25 25 25;24 24 23 25 24 25;29 30 30 28 31 30;26 26 25 26 25 27;20 20 19 20 20 20;19 21 19 19 21 23
25 26 25 24 25 25;19 19 18 17 19 17
"""


def study(text, operators, repeats):
    rows = [line.split() for line in text.strip().replace("\n", ";").split(";")]
    cube = np.array(rows, dtype=float).reshape(len(rows), operators, repeats)
    part, operator, _ = (axis.ravel() for axis in np.indices(cube.shape))
    return cube.ravel(), part, operator


def simulated(rng, parts, operators, repeats, deviations):
    part, operator, both, error = deviations
    cube = rng.normal(0, part, (parts, 1, 1)) + rng.normal(0, operator, (1, operators, 1))
    cube = cube + rng.normal(0, both, (parts, operators, 1)) + rng.normal(0, error, (parts, operators, repeats))
    return cube.ravel(), *(axis.ravel() for axis in np.indices(cube.shape)[:2])


def deviations(found):
    return found.components.set_index("source")["deviation"]


def test_aiag_table_of_variance():
    table = gage_of(*study(AIAG, 3, 3)).anova.set_index("source")
    assert table["df"].tolist() == [9, 2, 18, 60]
    assert table["ss"].round(4).tolist() == [88.3619, 3.1673, 0.3590, 2.7589]
    assert table["ss"].sum() == pytest.approx(94.6471, abs=5e-5)
    assert table["ms"].round(5).tolist() == [9.81799, 1.58363, 0.01994, 0.04598]
    assert table["f"]["part x operator"] == pytest.approx(0.434, abs=5e-4)
    # The manual divides all by the equipment's mean square; ours, of random effects, by the interaction's (as Minitab).
    assert table["ms"]["part"] / table["ms"]["repeatability"] == pytest.approx(213.52, abs=0.005)
    assert table["ms"]["operator"] / table["ms"]["repeatability"] == pytest.approx(34.44, abs=0.005)
    assert table["f"][["part", "operator"]].tolist() == pytest.approx([492.291, 79.406], abs=5e-4)


def test_aiag_percentages_with_the_interaction_taken_into_the_error():
    found = gage_of(*study(AIAG, 3, 3), pool_above=0.25)
    assert found.method == "anova, interaction (p = 0.974) taken into the error"
    sigma = deviations(found)
    assert sigma["repeatability"] == pytest.approx(0.199933, abs=1e-6)
    assert sigma["operator"] == pytest.approx(0.226838, abs=1e-6)
    assert sigma["gage"] == pytest.approx(0.302373, abs=2e-6)
    assert sigma["part"] == pytest.approx(1.042327, abs=1e-6)
    percent = found.components.set_index("source")
    shares = percent["percent_study"][["repeatability", "operator", "gage", "part"]]
    assert shares.round(1).tolist() == [18.4, 20.9, 27.9, 96.0]
    assert percent["percent_contribution"][["repeatability", "operator", "gage", "part"]].round(1).tolist() == [
        3.4,
        4.4,
        7.8,
        92.2,
    ]
    assert 1.41 * sigma["part"] / sigma["gage"] == pytest.approx(4.861, abs=5e-4)
    assert found.distinct == 4
    assert found.percent_grr_interval[0] < found.percent_grr < found.percent_grr_interval[1]


def test_montgomery_shows_a_negative_component():
    found = gage_of(*study(MONTGOMERY, 3, 2))
    assert found.anova["ss"].round(3).tolist() == [1185.425, 2.617, 27.050, 59.500]
    assert found.anova["ms"].round(2).tolist() == [62.39, 1.31, 0.71, 0.99]
    assert found.variance("interaction") == pytest.approx(-0.14, abs=0.005)
    assert found.variance("operator") == pytest.approx(0.015, abs=0.0005)
    assert found.variance("part") == pytest.approx(10.28, abs=0.005)
    assert deviations(found)["interaction"] == 0
    assert found.notes == ("negative, taken as 0 in percentages: interaction",)
    reduced = gage_of(*study(MONTGOMERY, 3, 2), pool_above=0.05)
    found = [reduced.variance(name) for name in ("part", "operator", "repeatability")]
    assert found == pytest.approx([10.2513, 0.0106, 0.88316], abs=5e-5)


def test_reml_on_a_balanced_study_is_the_anova():
    rng = np.random.default_rng(1)
    values, part, operator = simulated(rng, 15, 4, 3, (2.0, 0.5, 0.4, 0.8))
    whole = gage_of(values, part, operator)
    more = gage_of(np.append(values, values[0]), np.append(part, 0), np.append(operator, 0))
    assert more.method.startswith("reml (60 of 60 cells, 3.01 repeats")
    for source in SOURCES:
        assert more.variance(source) == pytest.approx(whole.variance(source), rel=0.05, abs=0.02)


def test_a_study_of_1500_scenes_5_devices_5_repeats_with_gaps_takes_seconds():
    rng = np.random.default_rng(2)
    values, part, operator = simulated(rng, 1500, 5, 5, (2.0, 0.3, 0.5, 0.4))
    keep = rng.random(len(values)) > 0.1
    start = time.monotonic()
    found = gage_of(values[keep], part[keep], operator[keep])
    took = time.monotonic() - start
    print(f"\n{keep.sum()} values, REML and intervals: {took:.2f} s")
    assert took < 30
    assert found.method.startswith("reml (7500 of 7500 cells, ")
    assert found.variance("part") == pytest.approx(4, rel=0.1)
    assert found.variance("interaction") == pytest.approx(0.25, rel=0.05)
    assert found.variance("repeatability") == pytest.approx(0.16, rel=0.03)
    low, high = found.components.set_index("source").loc["operator", ["low", "high"]]
    assert low < 0.09 < high


def test_without_repeats_the_error_holds_the_interaction():
    rng = np.random.default_rng(0)
    values, part, operator = simulated(rng, 400, 4, 1, (1.0, 0.3, 0.6, 0.8))
    for keep in (slice(None), rng.random(1600) > 0.1):
        found = gage_of(values[keep], part[keep], operator[keep])
        assert found.variance("repeatability") == pytest.approx(1.0, rel=0.15)
        assert found.variance("interaction") == 0
        assert found.notes[-1] == "no repeats: repeatability holds the interaction too"


def test_repeats_that_never_differ_have_no_error():
    rng = np.random.default_rng(4)
    values, part, operator = simulated(rng, 30, 3, 2, (1.0, 0.3, 0.5, 0.0))
    for keep in (slice(None), rng.random(180) > 0.1):
        found = gage_of(values[keep], part[keep], operator[keep])
        assert found.variance("repeatability") == pytest.approx(0, abs=1e-12)
        assert found.variance("interaction") == pytest.approx(0.25, rel=0.5)


def test_of_predictions_counts_what_is_censored_or_missing():
    table = predictions(scenes=12, angles=(0,), missing=0.05)
    found = gage(table)
    assert found.parts == 12
    assert found.operators == 5
    assert any("values missing" in note for note in found.notes)
    assert gage(predictions(scenes=12, angles=(0,))).method == "anova"
    outside = predictions(scenes=12, angles=(0,))
    outside.loc[:9, "labels"] = pd.Series([("n00000000",)] * 10)
    assert "10 of 120 values censored (10 at most, 0 at least): their bounds are used" in gage(outside).notes
    assert "10 of 120 values censored (10 at most, 0 at least): left out" in gage(outside, censored="drop").notes
    assert gage(outside, censored="drop").values == 110


def test_breakdown_finds_what_was_put_in():
    rng = np.random.default_rng(5)
    shape = (400, 6, 4)
    cube = rng.normal(0, 2.0, (400, 1, 1)) + rng.normal(0, 0.5, (400, 6, 1)) + rng.normal(0, 0.3, (400, 1, 4))
    cube = cube + rng.normal(0, 0.4, (1, 6, 4)) + rng.normal(0, 0.25, shape)
    s, d, r = (axis.ravel() for axis in np.indices(shape))
    p = 1 / (1 + np.exp(-cube.ravel()))
    table = pd.DataFrame(
        {"scene": s, "angle": 0, "device": d, "repeat": r, "labels": [("a",)] * len(p), "ambiguous": [()] * len(p)}
    )
    table = table.assign(label_1="a", score_1=p, label_2="b", score_2=1 - p).iloc[1:]
    found = breakdown(table)
    assert (found.used, found.left_out, found.censored) == (399, 1, 0)
    parts = found.components.set_index("effect")
    truth = {"scene": 4, "scene x device": 0.25, "scene x repeat": 0.09, "scene x device x repeat and error": 0.0625}
    for effect, variance in truth.items():
        assert parts["variance"][effect] == pytest.approx(variance, rel=0.15)
        assert parts["low"][effect] < variance < parts["high"][effect]
    assert parts["low"]["device x repeat"] < 0.16 < parts["high"]["device x repeat"]
    assert parts["percent_contribution"].sum() == pytest.approx(100)
    with pytest.raises(BadInput, match="0 complete"):
        breakdown(table[table["scene"] == 0])


def test_bad_input_is_explained():
    with pytest.raises(BadInput, match="two operators or more, got 2 and 1"):
        gage_of([1.0, 2.0], [0, 1], [0, 0])
    with pytest.raises(BadInput, match="differ"):
        gage_of([1.0] * 8, [0, 0, 1, 1] * 2, [0] * 4 + [1] * 4)
    with pytest.raises(BadInput, match="'angle'"):
        gage(predictions(scenes=3).drop(columns="angle"))
    with pytest.raises(BadInput, match="'keep'"):
        gage(predictions(scenes=3), censored="keep")
    with pytest.raises(BadInput, match="finite"):
        gage_of([1.0, np.nan], [0, 1], [0, 1])
    table = predictions(scenes=3)
    with pytest.raises(BadInput, match="one environment"):
        gage(pd.concat([table, table]))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 50), st.floats(-100, 100))
def test_units_and_origin_do_not_matter(seed, unit, origin):
    rng = np.random.default_rng(seed)
    values, part, operator = simulated(rng, 6, 3, 2, (1.0, 0.3, 0.2, 0.4))
    one, two = gage_of(values, part, operator), gage_of(values * unit + origin, part, operator)
    assert two.percent_grr == pytest.approx(one.percent_grr, rel=1e-6)
    assert two.components["variance"].tolist() == pytest.approx(
        (one.components["variance"] * unit**2).tolist(), rel=1e-6
    )
    mixed = rng.permutation(len(values))
    assert gage_of(values[mixed], part[mixed], operator[mixed]).percent_grr == pytest.approx(one.percent_grr)
    assert one.percent_grr_interval[0] <= one.percent_grr_interval[1] <= 100
    sources = one.components.set_index("source")["variance"]
    assert sources["total"] == pytest.approx(sources["gage"] + sources["part"])
