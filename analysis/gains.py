"""Whether a training made answers steadier: its instability and accuracy beside those of its baselines, with tests.

A scheme is a way to train. Every comparison is paired: the same photographs, object by object. Instability is that of
a random pair of devices (I_2), which compares between sets of two devices and of many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.accuracy import accuracy
from analysis.instability import Result, instability, pairs
from analysis.intervals.accuracy_tests import holm, mcnemar
from analysis.intervals.significance import DRAWS, compare_instabilities
from analysis.statistics import difference_interval, rate_interval
from device_agents.errors import BadInput

ITEM = ("scene", "angle", "repeat", "seed")
ANSWER = (*ITEM, "device")
NEEDED = (*ANSWER, "cluster", "scheme", "label", "verdict")
LEARNT, UNSEEN, MIXED = "both in training", "one never seen", "all"


@dataclass(frozen=True)
class Devices:
    """Devices that are compared: their name as a set, the devices, and whether the training saw them."""

    name: str
    devices: tuple[str, ...]
    seen: str


def device_sets(devices: Sequence[str], *, clean: str = "", partner: str = "") -> list[Devices]:
    """Give what to compare: the clean device with its partner, with each other device, and every two devices.

    Without a clean device (trained on all of them) only every two. Raises BadInput for fewer than two devices.
    """
    if len(devices) < 2:
        raise BadInput(f"expected two devices or more to compare, got {', '.join(devices) or 'none'}")
    others = sorted((one for one in devices if one != clean), key=lambda one: one != partner)
    found = [Devices(f"{clean} and {one}", (clean, one), LEARNT if one == partner else UNSEEN) for one in others]
    found = found if clean in devices else []
    every = Devices(f"every two of {len(devices)} devices", tuple(devices), MIXED)
    return [*found, every] if len(devices) > 2 or not found else found


def instability_rows(table: pd.DataFrame, sets: Sequence[Devices], *, level: float = 0.95) -> pd.DataFrame:
    """Give the instability of each scheme over each set: scheme, label, compared, seen, rate, low, high, items, any.

    table: predictions with NEEDED. rate: of a random pair (I_2); any: the share of items with a right and a wrong
    answer among all devices of the set (the same for two devices). Intervals are by object.
    """
    rows: list[dict[str, Any]] = []
    for one in sets:
        for scheme, label, part in _schemes(table):
            result = _compared(part, one)
            shares = result.shares(2)
            ends = rate_interval(shares["share"], shares["cluster"], level=level)
            row: dict[str, Any] = {"scheme": scheme, "label": label, "compared": one.name, "seen": one.seen}
            row |= {"rate": _mean(shares["share"]), "low": ends.low, "high": ends.high, "items": len(shares)}
            rows.append(row | {"objects": int(shares["cluster"].nunique()), "any": result.rate})
    return pd.DataFrame(rows)


def instability_tests(
    table: pd.DataFrame,
    sets: Sequence[Devices],
    *,
    trained: str,
    rng: np.random.Generator,
    level: float = 0.95,
    draws: int = DRAWS,
) -> pd.DataFrame:
    """Compare the scheme ``trained`` with every other, over each set, on the items that both answered.

    Columns: compared, seen, baseline, label, before, after (I_2 of the baseline and of trained), difference (after -
    before), low, high (its paired interval by objects), cut (the share of before that is gone), p (labels swapped by
    object), holm (over all rows), objects and informative (objects that could come out otherwise).
    """
    rows: list[dict[str, Any]] = []
    for one in sets:
        new = table[table["scheme"] == trained]
        for scheme, label, part in _schemes(table[table["scheme"] != trained]):
            after, before = (_compared(some, one) for some in _common(new, part))
            if not after.items or not before.items:
                continue
            found = _tested(after, before, rng=rng, level=level, draws=draws)
            rows.append({"compared": one.name, "seen": one.seen, "baseline": scheme, "label": label, **found})
    frame = pd.DataFrame(rows)
    return frame.assign(holm=holm(frame["p"].to_numpy(float))) if len(frame) else frame


def accuracy_rows(table: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Give each scheme's accuracy by device, and over all of them: scheme, label, device, accuracy, low, high, ..."""
    rows = []
    for scheme, label, part in _schemes(table):
        of_all = accuracy(part.assign(device="all devices"), level=level)
        found = pd.concat([accuracy(part, level=level), of_all], ignore_index=True)
        rows.append(found.assign(scheme=scheme, label=label))
    return pd.concat(rows, ignore_index=True)


def accuracy_tests(table: pd.DataFrame, *, trained: str, clean: str = "", level: float = 0.95) -> pd.DataFrame:
    """Compare the accuracy of ``trained`` with every other scheme, on the clean device and on all devices.

    Columns: device, baseline, label, before, after, difference, low, high (paired, by objects), gained and lost
    (answers right in one alone), p (exact McNemar with an object's answers as one unit) and holm over all rows.
    """
    rows: list[dict[str, Any]] = []
    there = list(dict.fromkeys(table["device"]))
    for name, devices in ([(clean, [clean])] if clean in there else []) + [("all devices", there)]:
        chosen = table[table["device"].isin(devices)]
        new = chosen[chosen["scheme"] == trained]
        for scheme, label, part in _schemes(chosen[chosen["scheme"] != trained]):
            after, before = _common(new, part)
            if after.empty:
                continue
            found = _accuracies(after, before, level=level)
            test = mcnemar(pd.concat([after, before]), across="scheme", item=ANSWER).iloc[0]
            found |= {"gained": int(test["only_a"]), "lost": int(test["only_b"]), "p": float(test["p_clustered"])}
            rows.append({"device": name, "baseline": scheme, "label": label, **found})
    frame = pd.DataFrame(rows)
    return frame.assign(holm=holm(frame["p"].to_numpy(float))) if len(frame) else frame


def pair_rows(table: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Give the instability of every two devices for each scheme: scheme, label, a, b, rate, low, high, ..."""
    found = [
        pairs(part, item=ITEM, level=level).assign(scheme=scheme, label=label)
        for scheme, label, part in _schemes(table)
    ]
    return pd.concat(found, ignore_index=True)


def _schemes(table: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """The schemes in the order of their first prediction, with their rows."""
    absent = [name for name in NEEDED if name not in table.columns]
    if absent:
        raise BadInput(f"expected predictions of schemes with the columns {absent}, got {list(table.columns)}")
    return [
        (str(name), str(part["label"].iloc[0]), part) for name, part in table.groupby("scheme", sort=False) if len(part)
    ]


def _compared(part: pd.DataFrame, one: Devices) -> Result:
    return instability(part[part["device"].isin(one.devices)], item=ITEM)


def _common(a: pd.DataFrame, b: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The answers that both schemes gave, right or wrong."""
    sides = [one[one["verdict"].isin(["right", "wrong"])] for one in (a, b)]
    keys = [pd.MultiIndex.from_frame(one[list(ANSWER)]) for one in sides]
    first, second = sides[0][keys[0].isin(keys[1])], sides[1][keys[1].isin(keys[0])]
    return first, second


def _tested(
    after: Result, before: Result, *, rng: np.random.Generator, level: float, draws: int
) -> dict[str, float | int]:
    now, then = after.shares(2), before.shares(2)
    test = compare_instabilities(after, before, rng=rng, draws=draws)
    ends = difference_interval(now["share"], now["cluster"], then["share"], then["cluster"], level=level)
    new, old = _mean(now["share"]), _mean(then["share"])
    found: dict[str, float | int] = {"before": old, "after": new, "difference": new - old}
    found |= {"low": ends.low, "high": ends.high, "cut": 1 - new / old if old else float("nan"), "p": test.p}
    return found | {"objects": ends.clusters, "informative": test.informative}


def _accuracies(after: pd.DataFrame, before: pd.DataFrame, *, level: float) -> dict[str, float]:
    right = [(one["verdict"] == "right").to_numpy(float) for one in (after, before)]
    ends = difference_interval(right[0], after["cluster"], right[1], before["cluster"], level=level)
    new, old = float(right[0].mean()), float(right[1].mean())
    return {"before": old, "after": new, "difference": new - old, "low": ends.low, "high": ends.high}


def _mean(shares: pd.Series[float]) -> float:
    return float(shares.mean()) if len(shares) else float("nan")
