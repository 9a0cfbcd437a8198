from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.instability import disagreement, excess, instability, pairs, within_device
from device_agents.errors import BadInput
from tests.analysis.sample import predictions

WORDS = {"R": "right", "W": "wrong", "A": "ambiguous", "M": "missing"}


def table_of(rows, **columns):
    """One scene a row of verdict letters, one device a letter; '.' leaves the prediction out."""
    cells = [(f"s{s}", f"d{d}", WORDS[mark]) for s, row in enumerate(rows) for d, mark in enumerate(row) if mark != "."]
    table = pd.DataFrame(cells, columns=["scene", "device", "verdict"])
    return table.assign(**({"angle": 0, "repeat": 0} | columns))


# By hand: s0 and s2 are unstable, s1 and s4 stable, s3 has one counted condition.
WORKED = table_of(["RRW", "WWW", "RAW", "RMA", "RRR"])


def test_worked_example():
    found = instability(WORKED)
    assert (found.unstable, found.items, found.uncounted, found.rate) == (2, 4, 1, 0.5)
    assert found.table["conditions"].tolist() == [3, 3, 2, 1, 3]
    assert found.table["unstable"].tolist() == [True, False, True, False, False]
    assert found.table[["right", "wrong", "ambiguous", "missing"]].to_numpy().tolist() == [
        [2, 1, 0, 0],
        [0, 3, 0, 0],
        [1, 1, 1, 0],
        [1, 0, 1, 1],
        [3, 0, 0, 0],
    ]


def test_rarefaction_by_hand():
    # Two of three right: pairs (RR, RW, RW) give 2/3; one right and one wrong of two give 1; the rest 0.
    found = instability(WORKED)
    assert found.shares(2)["share"].tolist() == pytest.approx([2 / 3, 0, 1, 0])
    assert found.rarefied(2) == pytest.approx((2 / 3 + 1) / 4)
    assert found.rarefied(3) == pytest.approx(1 / 3)
    assert np.isnan(found.rarefied(4))


def test_five_phones_two_right_rarefied_to_three():
    # 1 - (C(2,3) + C(3,3)) / C(5,3) = 1 - (0 + 1) / 10
    assert instability(table_of(["RRWWW"])).rarefied(3) == pytest.approx(0.9)


def test_pairs_by_hand():
    found = pairs(WORKED).set_index(["a", "b"])
    assert found["items"].tolist() == [3, 4, 3]
    assert found["unstable"].tolist() == [0, 2, 1]
    assert found["rate"].tolist() == pytest.approx([0, 0.5, 1 / 3])


def test_absent_predictions_are_like_missing_ones():
    assert instability(table_of(["RW.", "R..", "RRR"])).rate == 0.5


def test_no_pair_to_compare():
    found = instability(table_of(["R", "W"]))
    assert np.isnan(found.rate)
    assert (found.items, found.uncounted) == (0, 2)
    assert np.isnan(found.interval().low)
    assert np.isnan(found.rarefied(2))


def test_across_any_column_and_any_key():
    table = pd.DataFrame(
        {
            "scene": ["a", "a", "a", "a", "b", "b", "b", "b"],
            "isp": ["x", "x", "y", "y"] * 2,
            "codec": ["p", "q"] * 4,
            "verdict": [WORDS[mark] for mark in "RWRRWWWW"],
        }
    )
    assert instability(table, across="codec", item=("scene", "isp")).rate == pytest.approx(1 / 4)
    assert instability(table, across=["isp", "codec"], item="scene").rate == pytest.approx(1 / 2)
    assert instability(table, across="isp", item=["scene", "codec"]).by("codec")["rate"].tolist() == [0, 0.5]


def test_repeats_and_angles_are_kept_apart():
    marks = {(0, 0): "R", (0, 1): "W", (10, 0): "R", (10, 1): "W"}
    rows = [("s", "d", angle, repeat, WORDS[mark]) for (angle, repeat), mark in marks.items()]
    table = pd.DataFrame(rows, columns=["scene", "device", "angle", "repeat", "verdict"])
    assert within_device(table, over="repeat").rate == 1
    assert within_device(table, over="angle").rate == 0
    with pytest.raises(BadInput, match="'repeat' or 'angle', got 'device'"):
        within_device(table, over="device")


def test_excess_is_of_pairs_on_both_sides():
    # Each device agrees with itself, and one of the three is always wrong: random pairs of devices differ by 2/3.
    both = pd.concat([table_of(["RRW"] * 40), table_of(["RRW"] * 40, repeat=1)], ignore_index=True)
    found = excess(both, over="repeat")
    assert (found.cross, found.within) == pytest.approx((2 / 3, 0))
    assert found.excess == pytest.approx(2 / 3)
    assert 0.5 < found.interval.low < 2 / 3 < found.interval.high + 0.05
    assert excess(WORKED, over="repeat") is None


def test_devices_that_differ_by_noise_only_have_no_excess():
    rng = np.random.default_rng(2)
    chance = rng.random(3000)[:, None, None]
    marks = np.where(rng.random((3000, 2, 5)) < chance, "R", "W")
    both = pd.concat([table_of(["".join(row) for row in marks[:, n]], repeat=n) for n in (0, 1)], ignore_index=True)
    found = excess(both, over="repeat")
    assert found.excess == pytest.approx(0, abs=0.01)
    assert found.interval.low < 0 < found.interval.high
    assert instability(both).rate > within_device(both, over="repeat").rate + 0.2  # the raw rates do not compare


def test_disagreement_needs_no_truth():
    table = table_of(["WWW", "RRW", "RRM", "RMM"])
    table["label_1"] = ["x", "y", "y", "a", "a", "b", "a", "a", None, "a", None, None]
    found = disagreement(table)
    assert (found.unstable, found.items, found.uncounted) == (2, 3, 1)
    assert found.by("scene")["rate"].tolist()[:3] == [1, 1, 0]
    with pytest.raises(BadInput, match="expected verdicts"):
        found.rarefied(2)


def test_two_predictions_of_one_condition_are_refused_and_explained():
    table = pd.concat([WORKED.assign(environment="e1"), WORKED.assign(environment="e2")])
    with pytest.raises(BadInput, match=r"two for scene=s0, .*device=d0; they differ in environment"):
        instability(table)
    assert instability(table, item=("scene", "environment")).items == 8
    with pytest.raises(BadInput, match="the row is there twice"):
        instability(pd.concat([WORKED, WORKED]))


def test_other_bad_input_is_explained():
    with pytest.raises(BadInput, match="codec"):
        instability(WORKED, across="codec")
    with pytest.raises(BadInput, match="in both"):
        instability(WORKED, across="scene")
    with pytest.raises(BadInput, match="expected verdicts out of"):
        instability(WORKED.assign(verdict="correct"))
    with pytest.raises(BadInput, match="within one cluster"):
        instability(predictions(scenes=3), across=("device", "scene"), item=("angle", "repeat"))


def test_intervals_count_clusters():
    table = table_of(["RW"] * 10 + ["RR"] * 10)
    alone = instability(table).interval()
    shared = instability(table.assign(cluster=table["scene"].str[1:].astype(int) // 10)).interval()
    assert (alone.clusters, shared.clusters) == (20, 2)
    assert shared.half_width > alone.half_width


def test_more_labels_by_the_table():
    table = table_of(["RW", "RW"])
    table["label_1"], table["label_2"] = ["a", "b", "a", "b"], ["z", "a", "z", "z"]
    table["labels"], table["ambiguous"] = [("a",)] * 4, [()] * 4
    assert instability(table).rate == 1
    assert instability(table, top_n=2).rate == 0.5


MARKS = st.lists(st.text("RWAM", min_size=4, max_size=4), min_size=1, max_size=10)


@settings(max_examples=50, deadline=None)
@given(MARKS, st.permutations(range(4)))
def test_devices_and_rows_may_be_permuted(rows, order):
    first = instability(table_of(rows))
    second = instability(table_of(["".join(row[at] for at in order) for row in rows]))
    shuffled = instability(table_of(rows).sample(frac=1, random_state=1))
    for other in (second, shuffled):
        assert (other.unstable, other.items, other.uncounted) == (first.unstable, first.items, first.uncounted)


@settings(max_examples=50, deadline=None)
@given(MARKS)
def test_a_further_condition_never_makes_an_unstable_item_stable(rows):
    fewer, more = instability(table_of([row[:3] for row in rows])), instability(table_of(rows))
    assert more.unstable >= fewer.unstable
    assert 0 <= more.unstable <= more.items <= len(rows)
    if all(mark in "RW" for row in rows for mark in row):
        assert more.rate >= fewer.rate
        assert more.rarefied(2) <= more.rarefied(3) <= more.rarefied(4) == more.rate


@settings(max_examples=50, deadline=None)
@given(MARKS)
def test_missing_never_counts_as_wrong(rows):
    without = table_of([row.replace("M", ".").replace("A", ".") for row in rows])
    with_them = instability(table_of(rows))
    if len(without):
        assert instability(without).unstable == with_them.unstable
    assert instability(table_of([row.replace("R", "M") for row in rows])).unstable == 0  # none right: stable


@settings(max_examples=50, deadline=None)
@given(MARKS, st.sampled_from([2, 3]))
def test_rarefaction_against_every_subset(rows, m):
    shares = []
    for row in rows:
        counted = [mark for mark in row if mark in "RW"]
        subsets = list(combinations(counted, m))
        if subsets:
            shares.append(np.mean([len(set(subset)) > 1 for subset in subsets]))
    found = instability(table_of(rows)).rarefied(m)
    assert np.isnan(found) if not shares else found == pytest.approx(np.mean(shares))


def test_the_mean_of_all_pairs_is_the_rarefied_pair():
    table = predictions(scenes=30, devices=4)
    assert pairs(table)["rate"].mean() == pytest.approx(instability(table).rarefied(2))


def test_disagreement_is_never_below_instability():
    table = predictions(scenes=30)
    assert disagreement(table).unstable >= instability(table).unstable > 0


def test_a_prediction_that_is_there_twice_is_found_in_dense_and_in_sparse_tables():
    dense = table_of(["RRW", "WWW"])
    sparse = table_of(["." * n + "R" for n in range(200)])  # one condition an item: 200 of 40,000 pairs
    for table in (dense, sparse):
        assert len(instability(table).table) == table["scene"].nunique()
        with pytest.raises(BadInput, match="got two for scene=s1, angle=0, repeat=0, device=d"):
            instability(pd.concat([table, table[table["scene"] == "s1"].tail(1)], ignore_index=True))


def test_items_are_found_wherever_their_rows_stand():
    table = predictions(scenes=6, angles=(0, 10))
    shuffled = table.sample(frac=1, random_state=4)
    ordered, other = (instability(one).table.sort_values(["scene", "angle", "repeat"]) for one in (table, shuffled))
    pd.testing.assert_frame_equal(ordered.reset_index(drop=True), other.reset_index(drop=True))
