import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import friedmanchisquare

from analysis.papers.input_dependence import base_label_scores, dependence, kendall_w
from analysis.papers.noise_families import subjects
from tests.analysis.paper_sample import predictions

CHANGES = {name: {"resizer": name} for name in ("box", "cubic", "area")}


def test_equal_ranks_agree_wholly_and_opposite_ones_not_at_all():
    assert kendall_w(np.array([[1.0, 2, 3, 4], [10, 20, 30, 40]]))[0] == pytest.approx(1)
    assert kendall_w(np.array([[1.0, 2, 3, 4], [4, 3, 2, 1]]))[0] == pytest.approx(0)


def test_kendalls_w_by_hand():
    """Three judges, four objects: rank sums 4, 7, 8, 11, S = 25, W = 12 * 25 / (9 * 60) = 0.5556."""
    values = np.array([[1.0, 2, 3, 4], [2, 1, 3, 4], [1, 4, 2, 3]])
    assert values.sum(axis=0).tolist() == [4, 7, 8, 11]
    assert kendall_w(values)[0] == pytest.approx(12 * 25 / 540)


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 6), st.integers(3, 8), st.integers(0, 2**31))
def test_the_chance_is_friedmans(judges, objects, seed):
    values = np.random.default_rng(seed).integers(0, 5, (judges, objects)).astype(float)
    agreement, chance = kendall_w(values)
    if math.isnan(agreement):
        assert all(len(set(row)) == 1 for row in values)
        return
    expected = friedmanchisquare(*values.T)
    assert chance == pytest.approx(expected.pvalue)
    assert judges * (objects - 1) * agreement == pytest.approx(expected.statistic)
    assert -1e-9 <= agreement <= 1 + 1e-9


def test_too_few_give_no_number():
    assert all(math.isnan(one) for one in kendall_w(np.ones((1, 9))))
    assert all(math.isnan(one) for one in kendall_w(np.ones((3, 2))))
    assert all(math.isnan(one) for one in kendall_w(np.ones((3, 5))))


def sample(**left_out):
    letters = {"base": "RRRR", "box": "WRRR", "cubic": "WWRR", "area": "RRWR"}
    answers = {(name, "", ""): text for name, text in letters.items() if name not in left_out}
    return predictions(answers, changes=CHANGES)


def test_scores_follow_the_bases_first_label():
    scores = base_label_scores(subjects(sample())[0])
    # right: cup 0.9; wrong: cup is second with 0.3
    expected = ([0.9, 0.3, 0.3, 0.9], [0.9, 0.9, 0.3, 0.9], [0.9, 0.9, 0.9, 0.3], [0.9] * 4)
    assert scores.tolist() == [pytest.approx(row) for row in expected]


def test_a_label_out_of_sight_scores_at_most_the_last_one():
    table = sample()
    lost = (table["environment"] == "box") & (table["scene"] == "s0")
    table.loc[lost, "label_2"] = "sock"
    table.loc[lost, "score_2"] = 0.1
    assert base_label_scores(subjects(table)[0])[0, 1] == pytest.approx(0.1)


def test_dependence_of_a_family():
    found = dependence(subjects(sample())[0], "resizer")
    # base and box are 0.6 apart on the first picture; cubic and area on all but the last
    assert found.agreement == pytest.approx(kendall_w(np.array([[4.0, 2, 2, 2], [3, 3, 3, 1]]))[0])
    assert found.touched == 1  # every tensor differs
    assert found.median == pytest.approx(0.2)
    assert found.most == pytest.approx(np.quantile([0.4, 0.2, 0.2, 0], 0.9))


def test_noise_that_knows_nothing_of_the_picture_shows_no_dependence():
    """Scores are the picture's plus independent noise, the base's own included; |change| from one base would agree."""
    rng = np.random.default_rng(3)
    letters = "R" * 300
    table = predictions({(name, "", ""): letters for name in ("base", *CHANGES)}, changes=CHANGES)
    table["score_1"] = 0.5 + 0.1 * rng.normal(size=len(table))
    scores = base_label_scores(subjects(table)[0])
    assert kendall_w(np.abs(scores[:, 1:] - scores[:, [0]]).T)[1] < 0.001
    assert dependence(subjects(table)[0], "resizer").chance > 0.01


def test_one_pair_cannot_agree_with_itself():
    found = dependence(subjects(sample(area=0))[0], "resizer")
    assert math.isnan(found.agreement)
    assert found.median == pytest.approx(0.15)
    nothing = dependence(subjects(sample())[0], "colour")
    assert math.isnan(nothing.touched)
