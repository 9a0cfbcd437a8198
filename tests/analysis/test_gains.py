"""Gains by hand: the same photographs by two schemes, with counts small enough to check on paper."""

from __future__ import annotations

from math import comb

import numpy as np
import pandas as pd
import pytest

from analysis.gains import (
    LEARNT,
    MIXED,
    UNSEEN,
    accuracy_rows,
    accuracy_tests,
    device_sets,
    instability_rows,
    instability_tests,
    pair_rows,
)
from device_agents.errors import BadInput

DEVICES = ("a", "b", "c")


def predictions(answers: dict[str, dict[str, list[str]]], *, seeds: tuple[int, ...] = (0,)) -> pd.DataFrame:
    """answers: scheme -> device -> a string a seed of marks by object: "r" right, "w" wrong, "m" missing."""
    names = {"r": "right", "w": "wrong", "m": "missing"}
    rows = [
        {"scene": f"s{number}", "angle": 0, "repeat": 0, "seed": seed, "device": device, "cluster": f"o{number}"}
        | {"scheme": scheme, "label": f"the {scheme}", "verdict": names[mark]}
        for scheme, devices in answers.items()
        for device, marks in devices.items()
        for seed, marked in zip(seeds, marks, strict=True)
        for number, mark in enumerate(marked)
    ]
    return pd.DataFrame(rows)


#                object 0..9; a and b part on 6 with plain, on 1 when trained; c parts from a on 7 and 4
TABLE = predictions(
    {
        "trained": {"a": ["rrrrrrrrrr"], "b": ["rrrrrrrrrw"], "c": ["rrrrrrwwww"]},
        "plain": {"a": ["rrrrrrrrrw"], "b": ["wwwwwwrrrw"], "c": ["wwwwwwwrrw"]},
    }
)


def test_the_sets_are_the_clean_device_with_each_other_and_every_two() -> None:
    sets = device_sets(["c", "a", "b"], clean="a", partner="b")
    assert [(one.name, one.seen) for one in sets] == [
        ("a and b", LEARNT),
        ("a and c", UNSEEN),
        ("every two of 3 devices", MIXED),
    ]
    assert [one.name for one in device_sets(["a", "b"], clean="a", partner="b")] == ["a and b"]
    assert [one.name for one in device_sets(["a", "b", "c"])] == ["every two of 3 devices"]
    with pytest.raises(BadInput, match="expected two devices or more to compare, got a"):
        device_sets(["a"], clean="a")


def test_instability_by_scheme_and_devices() -> None:
    rows = instability_rows(TABLE, device_sets(DEVICES, clean="a", partner="b")).set_index(["compared", "scheme"])
    assert rows.loc[("a and b", "plain"), "rate"] == pytest.approx(0.6)
    assert rows.loc[("a and b", "trained"), "rate"] == pytest.approx(0.1)
    assert rows.loc[("a and c", "trained"), "rate"] == pytest.approx(0.4)
    # Of three devices a pair is drawn: 4 objects with one or two of three right, each 2 of 3 pairs apart.
    assert rows.loc[("every two of 3 devices", "trained"), "rate"] == pytest.approx(4 * (2 / 3) / 10)
    assert rows.loc[("every two of 3 devices", "trained"), "any"] == pytest.approx(0.4)
    low, high = rows.loc[("a and b", "plain"), ["low", "high"]]
    assert low < 0.6 < high


def test_the_test_of_instability_is_the_sign_test_where_objects_only_win() -> None:
    tests = instability_tests(
        TABLE, device_sets(DEVICES, clean="a", partner="b"), trained="trained", rng=np.random.default_rng(0)
    )
    row = tests.iloc[0]
    assert (row["before"], row["after"]) == (pytest.approx(0.6), pytest.approx(0.1))
    assert row["difference"] == pytest.approx(-0.5)
    assert row["cut"] == pytest.approx(5 / 6)
    # 6 objects became stable and 1 unstable: an exact two-sided sign test of 1 in 7.
    assert row["p"] == pytest.approx(2 * (comb(7, 0) + comb(7, 1)) / 2**7)
    assert row["informative"] == 7
    assert row["low"] < -0.5 < row["high"]
    assert (tests["holm"] >= tests["p"]).all()


def test_accuracy_is_compared_on_the_clean_device_and_on_all() -> None:
    tests = accuracy_tests(TABLE, trained="trained", clean="a").set_index("device")
    assert tests.loc["a", ["gained", "lost"]].tolist() == [1, 0]
    assert tests.loc["a", "p"] == 1.0
    every = tests.loc["all devices"]
    assert every["before"] == pytest.approx((9 + 3 + 2) / 30)
    assert every["after"] == pytest.approx((10 + 9 + 6) / 30)
    assert every["difference"] == pytest.approx(11 / 30)


def test_only_answers_that_both_gave_are_compared() -> None:
    table = predictions(
        {"trained": {"a": ["rrrr"], "b": ["rrww"]}, "untouched": {"a": ["rrmm"], "b": ["wwmm"]}},
    )
    tests = instability_tests(table, device_sets(["a", "b"]), trained="trained", rng=np.random.default_rng(0))
    assert tests.iloc[0][["before", "after", "objects"]].tolist() == [1.0, 0.0, 2]
    table = table[(table["scheme"] != "untouched") | (table["verdict"] == "missing")]
    assert instability_tests(table, device_sets(["a", "b"]), trained="trained", rng=np.random.default_rng(0)).empty
    assert accuracy_tests(table, trained="trained").empty


def test_seeds_are_items_and_an_object_stays_one_piece_of_evidence() -> None:
    table = predictions(
        {"trained": {"a": ["rrr", "rrr"], "b": ["rrr", "rrw"]}, "plain": {"a": ["rrr", "rrr"], "b": ["rww", "rww"]}},
        seeds=(0, 1),
    )
    row = instability_tests(table, device_sets(["a", "b"]), trained="trained", rng=np.random.default_rng(0)).iloc[0]
    assert (row["before"], row["after"]) == (pytest.approx(4 / 6), pytest.approx(1 / 6))
    assert (row["objects"], row["informative"]) == (3, 2)
    assert row["p"] == pytest.approx(0.5)  # both objects fell: 2 of the 4 exchanges are as far


def test_rows_by_device_and_by_pair_hold_every_scheme() -> None:
    accuracies = accuracy_rows(TABLE).set_index(["scheme", "device"])["accuracy"]
    assert accuracies["trained", "c"] == pytest.approx(0.6)
    assert accuracies["plain", "all devices"] == pytest.approx(14 / 30)
    found = pair_rows(TABLE).set_index(["scheme", "a", "b"])["rate"]
    assert found["plain", "b", "c"] == pytest.approx(0.1)
    with pytest.raises(BadInput, match="expected predictions of schemes with the columns"):
        accuracy_rows(TABLE.drop(columns="seed"))
