"""The sentence at the top says no more than the intervals and Holm's steps do."""

import pytest

from hostctl.ood.text import headline, verdict_of


def result(area=(0.7, 0.6, 0.8), difference=(-0.2, -0.3, -0.1), p_holm=0.01):
    value, low, high = area
    known = {"set": "all unknown", "score": "max-probability", "area": 0.9, "low": 0.8, "high": 0.95}
    own = {"set": "all unknown", "score": "instability", "area": value, "low": low, "high": high}
    pair = dict(zip(("value", "low", "high"), difference, strict=True)) | {"p_holm": p_holm}
    pair |= {"set": "all unknown", "score": "instability", "baseline": "max-probability"}
    return {"pooled": "all unknown", "areas": [own, known], "differences": [pair]}


def test_the_headline_by_hand():
    assert headline(result()) == (
        "instability is a sign of unknown pictures: ROC area 0.700 [0.600, 0.800], surely below the highest score's "
        "0.900 (difference -0.200 [-0.300, -0.100])"
    )
    assert headline(result(area=(0.55, 0.45, 0.6))).startswith("instability is no sure sign of unknown pictures")
    assert headline(result(area=(0.3, 0.2, 0.4))).startswith("instability is a sign of known, not of unknown pictures")


@pytest.mark.parametrize(
    ("difference", "p_holm", "verdict"),
    [
        ((0.2, 0.1, 0.3), 0.01, "surely above"),
        ((0.2, 0.01, 0.3), 0.08, "not told apart from"),
        ((0.2, -0.01, 0.3), 0.01, "not told apart from"),
        ((-0.2, -0.3, -0.1), 0.049, "surely below"),
        ((0.2, 0.1, 0.3), None, "not told apart from"),
    ],
)
def test_better_is_said_where_the_interval_and_holms_p_agree(difference, p_holm, verdict):
    assert verdict_of(result(difference=difference, p_holm=p_holm)["differences"][0]) == verdict
