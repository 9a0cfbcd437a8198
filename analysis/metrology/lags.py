"""Repeat shots by the time between them: does the same device answer the same scene otherwise an hour later?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.instability import group_codes, held
from analysis.run_folder.parts import LABELS, SCORES
from analysis.statistics import Interval, difference_interval, rate_interval
from device_agents.errors import BadInput

UNKNOWN = "unknown"
LAGS = {  # the name of a bin, and the seconds at which it ends
    "under 10 s": 10.0,
    "10 s to 1 min": 60.0,
    "1 to 10 min": 600.0,
    "10 min to 1 h": 3600.0,
    "1 to 4 h": 4 * 3600.0,
    "4 h to a day": 86400.0,
    "a day or more": np.inf,
}
SAME, OTHER = "same device, again", "another device"
NEEDED = ("scene", "angle", "repeat", "device", "cluster", "taken_utc", "label_1", "score_1")
COLUMNS = ("device", "other", "scene", "cluster", "lag_s", "lag", "changed", "score_change")


def repeat_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """Give every two shots of a scene at an angle by one device, the earlier first, with the columns of COLUMNS.

    table: predictions of one environment with the photographs' taken_utc (ISO 8601, "" where unknown: the order is
    then that of the repeats, and the lag NaN). changed: another first label. score_change: how far the score of the
    earlier's first label is from its score in the later, 0..1; not among the later's stored labels, it is taken as
    halfway between 0 and the last one stored. Pairs of which one has no answer are left out. Raises BadInput.
    """
    return _pairs(table, (*held(table, ("scene", "angle")), "device"), order=("taken", "repeat"))


def device_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """Give every two devices' shots of one scene, angle and repeat, in the same columns: the reproducibility beside."""
    return _pairs(table, held(table, ("scene", "angle", "repeat")), order=("device",))


def lag_rows(pairs: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Give one row a bin of LAGS that has pairs, in order of time, and SAME for all.

    Columns: lag, pairs, objects, median_lag_s, changed (count), rate (P(top-1 changes)), low, high, score_change
    (mean), score_low, score_high; intervals by clusters.
    """
    rows = [_row(name, part, level) for name in (*LAGS, UNKNOWN) if len(part := pairs[pairs["lag"] == name])]
    return pd.DataFrame([*rows, _row(SAME, pairs, level)])


def device_rows(pairs: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Give the same columns for each device over all lags, with device in the place of lag."""
    rows = [_row(str(name), part, level) for name, part in pairs.groupby("device", sort=False, observed=True)]
    return pd.DataFrame(rows).rename(columns={"lag": "device"})


def other_row(pairs: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Give the row of device_pairs, called OTHER; empty where there are none."""
    return pd.DataFrame([_row(OTHER, pairs, level)] if len(pairs) else [])


def longer(pairs: pd.DataFrame, *, level: float = 0.95) -> tuple[str, str, float, Interval] | None:
    """Give the shortest and the longest bin, and P(top-1 changes) in the longest less that in the shortest.

    Paired by clusters; None where all pairs are in one bin, or their times are unknown.
    """
    found = [name for name in LAGS if (pairs["lag"] == name).any()]
    if len(found) < 2:
        return None
    short, long = (pairs[pairs["lag"] == name] for name in (found[0], found[-1]))
    interval = difference_interval(long["changed"], long["cluster"], short["changed"], short["cluster"], level=level)
    return found[0], found[-1], float(long["changed"].mean() - short["changed"].mean()), interval


def _pairs(table: pd.DataFrame, group: tuple[str, ...], *, order: tuple[str, ...]) -> pd.DataFrame:
    absent = [name for name in NEEDED if name not in table.columns]
    if absent:
        raise BadInput(f"expected a predictions table with the columns {absent}, got {list(table.columns)}")
    answered = table["label_1"].fillna("") != ""
    taken = pd.to_datetime(table["taken_utc"].replace("", None), format="ISO8601", utc=True)
    rows = table.assign(taken=taken)[answered].sort_values(list(order), kind="stable").reset_index(drop=True)
    first, second = _twos(group_codes(rows, group))
    lag = (rows["taken"].to_numpy()[second] - rows["taken"].to_numpy()[first]) / np.timedelta64(1, "s")
    own = {name: rows[name].to_numpy()[first] for name in ("device", "scene", "cluster")}
    found = pd.DataFrame(own).assign(other=rows["device"].to_numpy()[second], lag_s=np.abs(lag.astype(float)))
    found["lag"] = _named(found["lag_s"].to_numpy())
    labels = rows["label_1"].to_numpy(dtype=object)
    found["changed"] = (labels[first] != labels[second]).astype(np.float64)
    found["score_change"] = _score_change(rows, first, second)
    return found[list(COLUMNS)]


def _twos(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every two rows of a group, the one that stands first in the table first."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    firsts, seconds = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for members in np.split(order, starts[1:]):
        one, two = np.triu_indices(len(members), 1)
        firsts.append(members[one])
        seconds.append(members[two])
    return np.concatenate(firsts), np.concatenate(seconds)


def _score_change(rows: pd.DataFrame, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
    names = [(label, score) for label, score in zip(LABELS, SCORES, strict=True) if label in rows.columns]
    labels = rows[[label for label, _ in names]].astype(object).to_numpy()[second]
    scores = rows[[score for _, score in names]].to_numpy(dtype=np.float64)
    wanted = rows["label_1"].to_numpy(dtype=object)[first]
    same = labels == wanted[:, None]
    last = np.where(np.isnan(scores[second]), np.inf, scores[second]).min(axis=1)
    there = np.where(same, np.nan_to_num(scores[second]), 0.0).sum(axis=1)
    now = np.where(same.any(axis=1), there, last / 2)
    return np.asarray(np.clip(np.abs(scores[first, 0] - now), 0, 1))


def _named(lag_s: NDArray[np.float64]) -> NDArray[np.object_]:
    names = np.array([*LAGS, UNKNOWN], dtype=object)
    places = np.searchsorted(np.array(list(LAGS.values())), np.nan_to_num(lag_s), side="right")
    return np.where(np.isnan(lag_s), UNKNOWN, names[np.minimum(places, len(LAGS) - 1)])


def _row(name: str, pairs: pd.DataFrame, level: float) -> dict[str, object]:
    rate, score = (rate_interval(pairs[one], pairs["cluster"], level=level) for one in ("changed", "score_change"))
    known = pairs["lag_s"].dropna()
    return {
        "lag": name,
        "pairs": len(pairs),
        "objects": int(pairs["cluster"].nunique()),
        "median_lag_s": float(known.median()) if len(known) else float("nan"),
        "changed": int(pairs["changed"].sum()),
        "rate": float(pairs["changed"].mean()),
        "low": rate.low,
        "high": rate.high,
        "score_change": float(pairs["score_change"].mean()),
        "score_low": score.low,
        "score_high": score.high,
    }
