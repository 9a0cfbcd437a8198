"""What-ifs by hand, the whole against the metric's own numbers, and intervals for conditions not yet seen."""

import numpy as np
import pandas as pd
import pytest

from analysis.attribution import RIGHT, UNCOUNTED, WRONG, plan_cells
from analysis.causes.attribution_answers import attribute, random_pairs, what_ifs
from analysis.causes.attribution_intervals import METHODS
from analysis.instability import instability

PLAN = plan_cells([{"isp": "a", "codec": "x"}, {"isp": "b", "codec": "y"}, {"isp": "c", "codec": "y"}])


def verdicts_of(plan, spoil, items=40):
    """spoil: for a variant the pictures that it turns wrong."""
    verdicts = np.full((len(plan.ways), items), RIGHT, dtype=np.int8)
    for number, way in enumerate(plan.ways):
        for variant in way:
            verdicts[number, spoil.get(variant, [])] = WRONG
    return verdicts


def test_what_ifs_by_hand():
    verdicts = verdicts_of(PLAN, {"b": range(8), "c": range(4), "y": range(10, 12)})
    found = attribute(PLAN, verdicts, np.arange(40))
    assert found.whole[0] == pytest.approx(10 / 40)
    assert sum(share for share, _ in found.shares.values()) == pytest.approx(10 / 40)
    # The stages flip other pictures, so nothing interacts, and shares are each stage's own: 8 and 2 of 40.
    assert [share for share, _ in found.shares.values()] == pytest.approx([8 / 40, 2 / 40])
    assert found.interactions["isp", "codec"][0] == pytest.approx(0)
    told = {(one.stage, one.variant): (one.rate[0], one.change[0]) for one in what_ifs(PLAN, verdicts, np.arange(40))}
    # With one ISP the codec's two pictures flip, with one codec the ISP's eight.
    assert told["isp", "b"] == pytest.approx((2 / 40, -8 / 40))
    assert told["codec", "y"] == pytest.approx((8 / 40, -2 / 40))
    assert list(told) == [("isp", "a"), ("isp", "b"), ("isp", "c"), ("codec", "x"), ("codec", "y")]


def test_an_isp_that_hides_what_the_codec_does():
    verdicts = verdicts_of(PLAN, {"b": range(8), "y": range(4)})
    told = {(one.stage, one.variant): one.rate[0] for one in what_ifs(PLAN, verdicts, np.arange(40))}
    assert told["isp", "a"] == pytest.approx(4 / 40)
    assert told["isp", "b"] == pytest.approx(0)  # it is wrong on all that the codec can turn wrong


def test_the_whole_and_its_interval_are_the_metrics_own():
    rng = np.random.default_rng(3)
    verdicts = rng.choice(np.array([RIGHT, RIGHT, RIGHT, WRONG, UNCOUNTED], dtype=np.int8), (len(PLAN.ways), 60))
    clusters = np.repeat([f"c{n}" for n in range(20)], 3)
    found = attribute(PLAN, verdicts, clusters, rng=rng)
    names = {RIGHT: "right", WRONG: "wrong", UNCOUNTED: "missing"}
    table = pd.DataFrame(
        {
            "scene": item,
            "angle": 0,
            "repeat": 0,
            "cluster": clusters[item],
            "device": n,
            "verdict": names[verdicts[way, item]],
        }
        for n, way in enumerate(PLAN.conditions)
        for item in range(60)
    )
    known = instability(table)
    assert (found.items, found.whole) == (known.items, (known.rate, known.interval()))
    assert found.checks.keys() == METHODS.keys()
    assert sum(share for share, _ in found.shares.values()) == pytest.approx(known.rate)
    assert not attribute(PLAN, verdicts, clusters).checks


def test_random_pairs_by_hand():
    verdicts = np.array([[1, 1, 1, 0], [1, 0, 1, 0], [0, 1, -1, 0]], dtype=np.int8)
    # Pairs: 1 of 4, 1 of 3, 2 of 3.
    found = random_pairs(verdicts, np.arange(4))
    assert found.rate == pytest.approx((1 / 4 + 1 / 3 + 2 / 3) / 3)
    assert found.such is not None
    assert found.unseen is not None
    assert found.unseen.high >= found.such.high
    two = random_pairs(verdicts[:2], np.arange(4))
    assert (two.rate, two.such, two.unseen) == (0.25, None, None)


def devices(rng, spread, count, clusters, size=1):
    """Each device spoils pictures at its own rate, beta distributed about 6 %; the same pictures are seen by all."""
    rates = rng.beta(0.06 / spread, 0.94 / spread, count)
    fragile = np.repeat(rng.choice([0.5, 1.5], clusters), size)
    spoiled = rng.random((count, clusters * size)) < rates[:, None] * fragile
    return np.where(spoiled, WRONG, RIGHT).astype(np.int8), rates


@pytest.mark.parametrize("count", [4, 8])
def test_intervals_for_such_devices_and_for_an_unseen_one_hold(count):
    rng = np.random.default_rng(count)
    spread, clusters = 0.02, 100
    many, _ = devices(rng, spread, 400, 4000)
    truth = random_rate(many)
    such = unseen = 0
    for _ in range(150):
        verdicts, rates = devices(rng, spread, count + 1, clusters)
        found = random_pairs(verdicts[:count], np.arange(clusters))
        such += found.such.low <= truth <= found.such.high
        # The device left out, against the seen ones' rates: two that spoil by chance differ at a (1 - b) + b (1 - a).
        new, others = rates[-1], rates[:count].mean()
        crossed = new + others - 2 * new * others * 1.25  # the mean of a squared fragility is 1.25
        unseen += found.unseen.low <= crossed <= found.unseen.high
    print(count, such / 150, unseen / 150)
    assert such >= 0.88 * 150
    assert unseen >= 0.88 * 150


def random_rate(verdicts):
    """The mean over items of the share of pairs that differ."""
    wrong = (verdicts == WRONG).sum(axis=0).astype(float)
    count = len(verdicts)
    return float((2 * wrong * (count - wrong) / (count * (count - 1))).mean())
