"""Coefficients against printed examples and statsmodels.

Gwet's own examples are the outputs printed in the README of his R package irrCAC; Fleiss' is the well-known example of
14 raters and 10 subjects; AIAG's cross-tabulations are those of the attribute study in Measurement Systems Analysis.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.metrology.kappa import cohen_kappa, counts, fleiss_kappa, gwet_ac1
from analysis.statistics import clopper_pearson
from device_agents.errors import BadInput

ABSTRACTORS = [[13, 0, 0], [0, 20, 7], [0, 4, 56]]
SIX_RATERS = """0 0 0 6 0;0 3 0 0 3;0 1 4 0 1;0 0 0 0 6;0 3 0 3 0;2 0 4 0 0;0 0 4 0 2;2 0 3 1 0;2 0 0 4 0;0 0 0 0 6
1 0 0 5 0;1 1 0 4 0;0 3 3 0 0;1 0 0 5 0;0 2 0 3 1"""
FOUR_RATERS = "11-1 2232 3333 3333 2222 1234 4444 1121 2222 -555 --11 --3-"
FLEISS = "0 0 0 0 14;0 2 6 4 2;0 0 3 5 6;0 3 9 2 0;2 2 8 1 1;7 7 0 0 0;3 2 6 3 0;2 5 3 2 2;6 5 2 1 0;0 2 2 3 7"


def table(text):
    return np.array([[int(cell) for cell in row.split()] for row in text.replace("\n", ";").split(";")])


def ratings(cross):
    """Two lists of labels with this cross-tabulation."""
    cross = np.asarray(cross)
    rows, columns = (np.repeat(axis.ravel(), cross.ravel()) for axis in np.indices(cross.shape))
    return rows.astype(str), columns.astype(str)


def test_cohen_gwet_two_abstractors():
    found = cohen_kappa(*ratings(ABSTRACTORS))
    assert found.value == pytest.approx(0.7964094, abs=5e-8)
    # For two raters irrCAC divides by n where the other functions, and ours, divide by n - 1.
    assert found.standard_error * np.sqrt(99 / 100) == pytest.approx(0.05891072, abs=5e-9)
    assert (found.agreement, found.subjects) == (pytest.approx(0.89), 100)
    pair = counts(np.column_stack(ratings(ABSTRACTORS)).astype(object))
    ac1 = gwet_ac1(pair)
    assert ac1.value == pytest.approx(0.8493305, abs=5e-8)
    assert ac1.standard_error * np.sqrt(99 / 100) == pytest.approx(0.04321747, abs=5e-9)
    assert (round(ac1.low, 2), round(ac1.high, 2)) == (0.76, 0.94)
    assert fleiss_kappa(pair).value == pytest.approx(0.7962397, abs=5e-8)  # for two raters it is Scott's pi


def test_gwet_six_raters_15_patients():
    fleiss, ac1 = fleiss_kappa(table(SIX_RATERS)), gwet_ac1(table(SIX_RATERS))
    assert fleiss.value == pytest.approx(0.4139265, abs=5e-8)
    assert fleiss.standard_error == pytest.approx(0.08119291, abs=5e-9)
    assert (fleiss.agreement, fleiss.chance) == (pytest.approx(0.5511111), pytest.approx(0.2340741))
    assert (round(fleiss.low, 2), round(fleiss.high, 3)) == (0.24, 0.588)
    assert ac1.value == pytest.approx(0.4448007, abs=5e-8)
    assert ac1.standard_error == pytest.approx(0.08418757, abs=5e-9)
    assert (round(ac1.low, 3), round(ac1.high, 3)) == (0.264, 0.625)


def test_gwet_four_raters_with_missing_ratings():
    cells = np.array([[None if one == "-" else one for one in row] for row in FOUR_RATERS.split()], dtype=object)
    found = gwet_ac1(counts(cells))
    assert found.value == pytest.approx(0.77544, abs=5e-6)
    assert found.agreement == pytest.approx(0.8181818)
    assert found.chance == pytest.approx(0.1903212)
    assert fleiss_kappa(counts(cells)).value == pytest.approx(0.76117, abs=5e-6)


def test_fleiss_14_raters_10_subjects():
    from statsmodels.stats.inter_rater import fleiss_kappa as reference

    found = fleiss_kappa(table(FLEISS))
    assert round(found.value, 3) == 0.210
    assert round(found.agreement, 3) == 0.378
    assert round(found.chance, 3) == 0.213
    assert found.value == pytest.approx(reference(table(FLEISS)))


def test_cohen_two_raters_yes_and_no():
    # The textbook's 50 grant applications: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: (0.7 - 0.5) / (1 - 0.5).
    assert cohen_kappa(*ratings([[20, 5], [10, 15]])).value == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("cross", "printed"),
    [
        ([[44, 6], [3, 97]], 0.86),
        ([[42, 5], [9, 94]], 0.79),
        ([[43, 7], [8, 92]], 0.78),
        ([[45, 5], [3, 97]], 0.88),
        ([[45, 2], [3, 100]], 0.92),
        ([[42, 9], [6, 93]], 0.77),
    ],
)
def test_aiag_attribute_study(cross, printed):
    """A x B, B x C, A x C, and each appraiser against the reference."""
    assert round(cohen_kappa(*ratings(cross)).value, 2) == printed


def test_statsmodels_gives_the_same_kappa_and_error():
    from statsmodels.stats.inter_rater import cohens_kappa

    cross = np.random.default_rng(1).integers(1, 30, (4, 4))
    theirs = cohens_kappa(cross)
    ours = cohen_kappa(*ratings(cross))
    size = cross.sum()
    assert ours.value == pytest.approx(theirs.kappa)
    assert ours.standard_error * np.sqrt((size - 1) / size) == pytest.approx(theirs.std_kappa)


def test_kappa_paradox():
    # 118 of 125 alike, nearly all "yes": kappa is near 0, AC1 is not.
    a, b = ratings([[118, 5], [2, 0]])
    assert cohen_kappa(a, b).value < 0
    assert gwet_ac1(counts(np.column_stack([a, b]).astype(object))).value == pytest.approx(0.94, abs=0.005)


def test_clusters_widen_and_the_bootstrap_agrees():
    rng = np.random.default_rng(2)
    truth = np.repeat(rng.integers(0, 3, 60), 8)
    slip = np.repeat(rng.random(60) < 0.2, 8)
    a, b = truth.astype(str), np.where(slip, (truth + 1) % 3, truth).astype(str)
    clusters = np.repeat(np.arange(60), 8)
    alone, together = cohen_kappa(a, b), cohen_kappa(a, b, clusters=clusters)
    assert together.standard_error > 2 * alone.standard_error
    drawn = cohen_kappa(a, b, clusters=clusters, rng=np.random.default_rng(3))
    assert (drawn.low, drawn.high) == (pytest.approx(together.low, abs=0.03), pytest.approx(together.high, abs=0.03))
    assert drawn.method == "bootstrap of clusters"
    assert (together.clusters, together.subjects) == (60, 480)


def test_full_agreement_has_an_exact_interval():
    a = np.array(list("abab"))
    found = cohen_kappa(a, a)
    low = clopper_pearson(4, 4)[0]
    assert (found.value, found.high, found.low) == (1, 1, pytest.approx((low - 0.5) / 0.5))
    one = cohen_kappa(np.array(list("aaaa")), np.array(list("aaaa")))
    assert np.isnan(one.value)
    assert one.method == "undefined: every label is the same"
    assert gwet_ac1([[2, 0], [2, 0], [2, 0]]).value == 1


def test_more_possible_categories_raise_ac1():
    assert gwet_ac1(table(SIX_RATERS), categories=1000).value > gwet_ac1(table(SIX_RATERS)).value
    with pytest.raises(BadInput, match="5 categories"):
        gwet_ac1(table(SIX_RATERS), categories=4)


def test_bad_input_is_explained():
    with pytest.raises(BadInput, match="one length"):
        cohen_kappa(["a"], ["a", "b"])
    with pytest.raises(BadInput, match="two ratings"):
        fleiss_kappa([[1, 0], [0, 1]])
    with pytest.raises(BadInput, match=r"\(subjects, raters\)"):
        counts(np.array(["a"], dtype=object))
    with pytest.raises(BadInput, match="cluster"):
        cohen_kappa(["a", "b"], ["a", "b"], clusters=[1])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abc"), min_size=3, max_size=3), min_size=3, max_size=20), st.randoms())
def test_names_and_order_do_not_matter(rows, shuffler):
    cells = np.array(rows, dtype=object)
    found = [fleiss_kappa(counts(cells)), gwet_ac1(counts(cells))]
    shuffler.shuffle(rows)
    mixed = np.array([sorted(row) for row in rows], dtype=object)
    renamed = np.vectorize({"a": "z", "b": "x", "c": "y"}.get)(mixed).astype(object)
    for one, other in zip(found, [fleiss_kappa(counts(renamed)), gwet_ac1(counts(renamed))], strict=True):
        assert other.value == pytest.approx(one.value, nan_ok=True)
        assert other.standard_error == pytest.approx(one.standard_error, nan_ok=True, abs=1e-9)
        assert np.isnan(one.value) or one.value <= 1
    a, b = cells[:, 0], cells[:, 1]
    assert cohen_kappa(a, b).value == pytest.approx(cohen_kappa(b, a).value, nan_ok=True)
