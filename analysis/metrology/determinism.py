"""The determinism floor: the same input tensor again, in the same environment, should give the same scores.

What differs here no camera, file or resizer can explain: it is the runtime, its threads or its hardware. Instability
below this floor cannot be measured.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.instability import group_codes
from analysis.run_folder.parts import LABELS, SCORES
from analysis.statistics import clopper_pearson
from device_agents.errors import BadInput

FLOOR = ("inputs", "inferences", "labels_differ", "scores_differ", "largest", "low", "high", "copies")


def determinism(
    table: pd.DataFrame, *, by: Sequence[str] = ("environment", "machine"), level: float = 0.95
) -> pd.DataFrame:
    """Compare predictions with one tensor fingerprint: one row a value of by, with the columns of FLOOR.

    inputs: tensors inferred twice or more; inferences: how often in all. labels_differ, scores_differ: inputs whose
    first labels, or stored labels and scores, are not all the same. largest: the largest difference of a score at one
    rank, 0..1. low, high: the exact interval (Clopper and Pearson) of the rate of labels_differ.

    A run holds one prediction of a picture in an environment, so the same input comes from pictures that give the same
    tensor, or from the tables of two runs, one under the other. The host infers a tensor once and shares the answer
    among all pictures that give it, with its very latency: such copies are no evidence, and are counted apart. So a
    tensor counts by its distinct latencies; where none was measured each prediction counts. Failed predictions are left
    out. Raises BadInput for absent columns.
    """
    needed = [*by, "tensor_fingerprint", "label_1", "score_1"]
    absent = [name for name in needed if name not in table.columns]
    if absent:
        raise BadInput(f"expected a predictions table with the columns {absent}, got {list(table.columns)}")
    fine = (table["tensor_fingerprint"] != 0) & table["label_1"].notna() & (table["label_1"] != "")
    if "error" in table.columns:
        fine &= table["error"].fillna("") == ""
    rows = table[fine].reset_index(drop=True)
    rows = rows.assign(input=group_codes(rows, (*by, "tensor_fingerprint")), place=group_codes(rows, by))
    single = rows[_first_of_each_inference(rows)]
    found = []
    for place, part in rows.groupby("place"):
        own = single[single["place"] == place]
        again = own[own.groupby("input")["input"].transform("size") >= 2]
        names = {name: part[name].iloc[0] for name in by}
        found.append({**names, **_floor(again, level), "copies": len(part) - len(own)})
    return pd.DataFrame(found, columns=[*by, *FLOOR])


def _first_of_each_inference(rows: pd.DataFrame) -> pd.Series[bool]:
    if "latency_ms" not in rows.columns:
        return pd.Series(True, index=rows.index)
    return ~rows.duplicated(["input", "latency_ms"]) | rows["latency_ms"].isna()


def _floor(rows: pd.DataFrame, level: float) -> dict[str, float]:
    codes = group_codes(rows, ["input"])
    inputs = int(codes.max(initial=-1)) + 1
    labels = [name for name in LABELS if name in rows.columns]
    scores = rows[[name for name in SCORES if name in rows.columns]].to_numpy(dtype=np.float64)
    top = group_codes(rows, ["label_1"])
    all_labels = group_codes(rows, labels)
    largest = _spread(np.nan_to_num(scores, nan=-1.0), codes, inputs)
    differ = _spread(top[:, None].astype(np.float64), codes, inputs) > 0
    stored = (_spread(all_labels[:, None].astype(np.float64), codes, inputs) > 0) | (largest > 0)
    low, high = clopper_pearson(int(differ.sum()), inputs, level=level) if inputs else (np.nan, np.nan)
    numbers = {"inputs": inputs, "inferences": len(rows), "labels_differ": int(differ.sum())}
    numbers |= {"scores_differ": int(stored.sum())}
    return numbers | {"largest": float(largest.max(initial=0.0)), "low": low, "high": high}


def _spread(
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    codes: np.ndarray[tuple[int], np.dtype[np.int64]],
    size: int,
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Largest minus smallest of each column within each group, and of those the largest: (size,)."""
    low, high = np.full((size, values.shape[1]), np.inf), np.full((size, values.shape[1]), -np.inf)
    np.minimum.at(low, codes, values)
    np.maximum.at(high, codes, values)
    found: np.ndarray[tuple[int], np.dtype[np.float64]] = (high - low).max(axis=1)
    return found
