"""Verdicts: is a prediction right, clearly wrong, ambiguous or missing, given what its scene accepts.

right      one of the first n labels is accepted
ambiguous  none is accepted, and at least one of the n is neither right nor clearly wrong
wrong      none of the n labels is accepted or ambiguous
missing    there is no prediction: it failed, or it has no label; never counted as wrong

Where nobody knows the right answer (the only accepted label is records.UNLABELLED) every answer is ambiguous: nothing
is right or wrong there, and whatever needs no truth still counts it.

The rule is the paper's (sections 2.2 and 3.2: several labels may be right, an answer must be *clearly* incorrect).
With growing n a verdict only moves from wrong to ambiguous to right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from device_agents.errors import BadInput
from device_agents.records import is_labelled

VERDICTS = ("right", "wrong", "ambiguous", "missing")


def verdicts(
    labels_top: pd.DataFrame | pd.Series[Any] | NDArray[Any],
    accepted: Iterable[Sequence[str]],
    ambiguous: Iterable[Sequence[str]],
    *,
    top_n: int = 1,
    failed: Iterable[bool] | None = None,
) -> NDArray[np.object_]:
    """Judge predictions: an object array (rows,) of "right", "wrong", "ambiguous" or "missing".

    labels_top: predicted labels, (rows, ranks), best first, or (rows,) for the best alone; absent ones None, NaN or "".
    accepted, ambiguous: for each row the scene's accepted labels and those that count as neither.
    top_n: how many of the first labels may hold the right one; more than there are columns means all of them.
    failed: for each row whether the prediction failed; such a row is missing whatever its labels.
    Raises BadInput where lengths differ, top_n is below 1, or a set of labels is one bare string.
    """
    if top_n < 1:
        raise BadInput(f"expected top_n of 1 or more, got {top_n}")
    top = _label_columns(labels_top)[:, :top_n]
    return _named(_judge(top, accepted, ambiguous, failed)[-1])


def first_verdicts(
    labels: NDArray[Any],
    names: Sequence[str],
    *,
    which: NDArray[Any],
    accepted: Sequence[tuple[str, ...]],
    ambiguous: Sequence[tuple[str, ...]],
    failed: NDArray[np.bool_],
) -> NDArray[np.int8]:
    """Judge first labels given as numbers: (rows,) int8, places in VERDICTS; for tables of many millions of rows.

    labels: (rows,) integers, places in names, below 0 where there is none. which: (rows,) integers, each row's place in
    accepted and ambiguous, so that rows share their scene's labels. failed: (rows,).
    """
    known = {label: number for number, label in enumerate(names) if label}
    codes = labels[:, None]
    if "" in names:
        codes = np.where(codes == names.index(""), -1, codes)
    judged: NDArray[np.int8] = _judge_codes(codes, known, accepted, ambiguous, failed, which)[0]
    return judged


def table_verdicts(table: pd.DataFrame, *, top_n: int = 1) -> NDArray[np.object_]:
    """Judge the rows of a long predictions table by its columns label_1.., labels, ambiguous and error."""
    return _named(table_verdict_codes(table, top_n=top_n))


def table_verdict_codes(table: pd.DataFrame, *, top_n: int = 1) -> NDArray[np.int8]:
    """Do as table_verdicts does, and give places in VERDICTS."""
    if top_n < 1:
        raise BadInput(f"expected top_n of 1 or more, got {top_n}")
    judged: NDArray[np.int8] = _judge_table(table, top_n)[-1]
    return judged


def table_verdict_curve(table: pd.DataFrame, *, up_to: int | None = None) -> NDArray[np.object_]:
    """Judge the rows of a predictions table for each n at once: (ranks, rows), n = 1 first, at most up_to ranks."""
    return _named(_judge_table(table, up_to))


def _judge_table(table: pd.DataFrame, up_to: int | None) -> NDArray[np.int8]:
    ranks = [name for name in table.columns if re.fullmatch(r"label_[1-9][0-9]*", str(name))]
    ranks = sorted(ranks, key=lambda name: int(name[6:]))[:up_to]
    absent = [name for name in ("label_1", "labels", "ambiguous") if name not in table.columns]
    if absent:
        raise BadInput(f"expected a predictions table with the columns {absent}, got {list(table.columns)}")
    failed = table["error"].fillna("").astype(bool) if "error" in table.columns else None
    return _judge(_label_columns(table[ranks]), table["labels"], table["ambiguous"], failed)


def _judge(
    top: NDArray[np.object_],
    accepted: Iterable[Sequence[str]],
    ambiguous: Iterable[Sequence[str]],
    failed: Iterable[bool] | None,
) -> NDArray[np.int8]:
    rows = len(top)
    codes, known = _label_codes(top)
    labels = _checked(accepted, rows, "accepted labels"), _checked(ambiguous, rows, "ambiguous labels")
    marks = np.zeros(rows, dtype=bool)
    if failed is not None:
        marks = np.asarray(_checked(failed, rows, "failure marks"), dtype=bool)
    return _judge_codes(codes, known, *labels, marks, np.arange(rows))


def _judge_codes(
    codes: NDArray[Any],
    known: dict[str, int],
    accepted: Sequence[Any],
    ambiguous: Sequence[Any],
    failed: NDArray[np.bool_],
    which: NDArray[Any],
) -> NDArray[np.int8]:
    """Judge numbered labels (rows, ranks) by the sets at the places which: places in VERDICTS, (ranks, rows)."""
    (number, sets), (other, unclear) = _distinct(accepted), _distinct(ambiguous)
    told = np.array([is_labelled(one) for one in sets], dtype=bool)[number[which]]
    right = _members(codes, known, which=number[which], sets=sets) & told
    neither = _members(codes, known, which=other[which], sets=unclear) | ~told
    return _verdict_codes(right, neither, (codes[:, 0] < 0) | failed)


def _verdict_codes(
    right: NDArray[np.bool_], unclear: NDArray[np.bool_], missing: NDArray[np.bool_]
) -> NDArray[np.int8]:
    """Places in VERDICTS of the shape of right; missing (rows,) goes before right, right before ambiguous."""
    codes = np.full(right.shape, VERDICTS.index("wrong"), dtype=np.int8)
    for name, cases in (("ambiguous", unclear), ("right", right), ("missing", np.broadcast_to(missing, right.shape))):
        codes[cases] = VERDICTS.index(name)
    return codes


def _named(codes: NDArray[np.int8]) -> NDArray[np.object_]:
    names: NDArray[np.object_] = np.array(VERDICTS, dtype=object)[codes]
    return names


def _label_columns(labels_top: pd.DataFrame | pd.Series[Any] | NDArray[Any]) -> NDArray[np.object_]:
    array = np.asarray(labels_top, dtype=object)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] == 0:
        raise BadInput(f"expected predicted labels as (rows, ranks), got an array of shape {array.shape}")
    return array


def _label_codes(top: NDArray[np.object_]) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Number the labels: codes of the shape of top with -1 for absent ones, and label -> code."""
    flat, uniques = pd.factorize(top.ravel(), use_na_sentinel=True)
    known = {str(label): number for number, label in enumerate(uniques)}
    codes = np.asarray(flat, dtype=np.int64).reshape(top.shape)
    if "" in known:
        codes[codes == known.pop("")] = -1
    return codes, known


def _distinct(sets: Sequence[Any]) -> tuple[NDArray[np.int64], list[tuple[str, ...]]]:
    """Number the distinct sets of labels: each row's number, and the sets, of which there are far fewer than rows."""
    objects = np.empty(len(sets), dtype=object)
    objects[:] = sets if all(type(one) is tuple for one in sets) else [_as_tuple(one) for one in sets]
    which, distinct = pd.factorize(objects)
    return np.asarray(which, dtype=np.int64), list(distinct)


def _members(
    codes: NDArray[Any], known: dict[str, int], *, which: NDArray[np.int64], sets: Sequence[tuple[str, ...]]
) -> NDArray[np.bool_]:
    """Whether any of the first n labels of a row is in the row's set: (ranks, rows), n = 1 first."""
    width = len(known) + 1
    pairs = [number * width + known[label] for number, one in enumerate(sets) for label in one if label in known]
    if not pairs:
        return np.zeros(codes.T.shape, dtype=bool)
    wanted = np.where(codes >= 0, which[:, None] * width + codes, -1)
    member = np.isin(wanted, np.asarray(pairs, dtype=np.int64))
    return np.logical_or.accumulate(member, axis=1).T


def _as_tuple(labels: Any) -> tuple[str, ...]:
    if isinstance(labels, tuple):
        return labels
    if isinstance(labels, str):
        raise BadInput(f"expected a set of labels such as ('{labels}',), got the bare string '{labels}'")
    return tuple(labels)


def _checked(values: Iterable[Any], rows: int, what: str) -> list[Any]:
    found = list(values)
    if len(found) != rows:
        raise BadInput(f"expected {what} for {rows} predictions, got {len(found)}")
    return found
