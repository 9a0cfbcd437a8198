"""Differences without labels: between every two conditions' predictions, and between two pictures of one scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.instability import ITEM, group_codes, held
from analysis.measures.rank_measures import PERSISTENCE, jaccard, kendall, overlap
from analysis.measures.score_distances import DISTANCES, distributions
from analysis.run_folder.parts import LABELS, SCORES
from analysis.statistics import rate_interval
from device_agents.errors import BadInput

RGB = NDArray[np.uint8]

GAINS = (1, 2, 4, 8, 16, 32)
VISIBLE = 0.05
RANKED = ("jaccard", "kendall", "overlap", "overlap_low", "overlap_high")
DISTANT = (*DISTANCES, "kl_back")
COUNTED = ("items", "differ", "rate", "low", "high", "tied")


@dataclass(frozen=True)
class Grid:
    """Predictions laid out by item and condition.

    names: the conditions, in order of appearance. labels: int64 (items, conditions, ranks), codes of the labels, -1 for
    none (all of them where the prediction failed or is absent). scores: float64 of that shape, NaN for none. rows:
    int64 (items, conditions), the row in the table, -1 for none. clusters: (items,) names.
    """

    names: tuple[str, ...]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    rows: NDArray[np.int64]
    clusters: NDArray[np.object_]


def grid(table: pd.DataFrame, *, across: str = "device", item: Sequence[str] = ITEM) -> Grid:
    """Lay a predictions table out by the columns item and the condition across.

    Raises BadInput for absent columns, an empty table, or two predictions of one item and condition.
    """
    item = held(table, item)
    wanted = [name for name in LABELS if name in table.columns] or ["label_1"]
    marks = [name for name in SCORES if name in table.columns][: len(wanted)]
    absent = [name for name in (*item, across, *wanted) if name not in table.columns]
    if absent or len(marks) != len(wanted) or table.empty:
        raise BadInput(f"expected predictions with the columns {absent or SCORES}, got {len(table)} rows")
    items, conditions = group_codes(table, item), group_codes(table, [across])
    names = tuple(str(name) for name in pd.unique(table[across]))
    shape = int(items.max()) + 1, len(names)
    rows = np.full(shape, -1, dtype=np.int64)
    rows[items, conditions] = np.arange(len(table))
    more = len(table) - int((rows >= 0).sum())
    if more:
        raise BadInput(
            f"expected one prediction for each of {tuple(item)} and {across}, got {more} more: "
            "name what they differ in, in item or across, or choose one"
        )
    flat = pd.factorize(table[wanted].to_numpy(dtype=object).ravel(), use_na_sentinel=True)
    codes = flat[0].astype(np.int64).reshape(len(table), len(wanted))
    codes[(table[wanted] == "").to_numpy()] = -1
    failed = (
        table["error"].fillna("").astype(bool).to_numpy() if "error" in table.columns else np.zeros(len(table), bool)
    )
    codes[failed] = -1
    scores = np.where(codes >= 0, table[marks].to_numpy(dtype=np.float64), np.nan)
    labels = np.where(rows[..., None] >= 0, codes[rows], -1)
    cluster = table["cluster" if "cluster" in table.columns else item[0]].to_numpy(dtype=object)
    first = np.unique(items, return_index=True)[1]
    return Grid(names, labels, np.where(rows[..., None] >= 0, scores[rows], np.nan), rows, cluster[first])


def label_differences(found: Grid, *, level: float = 0.95) -> pd.DataFrame:
    """Compare every two conditions' first labels: one row a pair, a, b and the columns of COUNTED.

    items: those with a label on both sides; differ: those whose first labels are not the same; the interval is by
    clusters. tied: of those that differ, where one side's first two scores are exactly equal, so that the order of the
    classes decided (quantised scores). For an N x N matrix see matrix.
    """
    top, tied = found.labels[:, :, 0], _tied(found)
    rows = []
    for a, b in combinations(range(len(found.names)), 2):
        both = (top[:, a] >= 0) & (top[:, b] >= 0)
        differ = (top[:, a] != top[:, b])[both]
        interval = rate_interval(differ, found.clusters[both], level=level)
        rate = float(differ.mean()) if len(differ) else float("nan")
        by_tie = int((differ & (tied[:, a] | tied[:, b])[both]).sum())
        numbers = (int(both.sum()), int(differ.sum()), rate, interval.low, interval.high, by_tie)
        rows.append({"a": found.names[a], "b": found.names[b], **dict(zip(COUNTED, numbers, strict=True))})
    return pd.DataFrame(rows, columns=["a", "b", *COUNTED])


def score_differences(found: Grid, *, p: float = PERSISTENCE) -> pd.DataFrame:
    """Compare every two conditions' stored lists and scores: one row a pair, means over the items with both.

    Columns: a, b, items; RANKED (rank_measures: overlap is rank-biased overlap at p, with the bounds of its tail);
    DISTANT (score_distances; kl is of a to b, kl_back of b to a), each the mean; and max_worst, the largest max.
    """
    rows = []
    for a, b in combinations(range(len(found.names)), 2):
        both = (found.labels[:, [a, b], 0] >= 0).all(axis=1)
        labels = found.labels[both][:, a], found.labels[both][:, b]
        scores = found.scores[both][:, a], found.scores[both][:, b]
        ranked = (jaccard(*labels), kendall(*labels), *overlap(*labels, p=p))
        one, two = distributions(labels[0], scores[0], labels[1], scores[1])
        apart = [distance(one, two) for distance in DISTANCES.values()] + [DISTANCES["kl"](two, one)]
        means = dict(zip((*RANKED, *DISTANT), map(_mean, (*ranked, *apart)), strict=True))
        worst = float(np.nanmax(DISTANCES["max"](one, two), initial=0.0))
        rows.append({"a": found.names[a], "b": found.names[b], "items": int(both.sum()), **means, "max_worst": worst})
    return pd.DataFrame(rows, columns=["a", "b", "items", *RANKED, *DISTANT, "max_worst"])


def matrix(pairs: pd.DataFrame, column: str, *, diagonal: float) -> pd.DataFrame:
    """Turn rows a, b, column into an N x N table, the same above and below the diagonal; conditions in their order."""
    names = list(dict.fromkeys([*pairs["a"], *pairs["b"]]))
    values = pd.DataFrame(np.where(np.eye(len(names), dtype=bool), diagonal, np.nan), index=names, columns=names)
    for a, b, value in zip(pairs["a"], pairs["b"], pairs[column], strict=True):
        values.loc[a, b] = values.loc[b, a] = value
    return values


def _tied(found: Grid) -> NDArray[np.bool_]:
    """Whether the first two scores are exactly equal, (items, conditions)."""
    if found.scores.shape[2] < 2:
        return np.zeros(found.rows.shape, dtype=bool)
    return np.asarray(found.scores[:, :, 0] == found.scores[:, :, 1])


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def difference_picture(a: RGB, b: RGB, *, gain: float) -> RGB:
    """Show |a - b| for each pixel and channel, times gain, clipped to 255: black where the two are equal.

    a, b: uint8 (height, width, 3), sRGB; brought to one size first (see to_one_size). The result has that size.
    """
    return np.asarray(np.clip(gain * _distance(a, b), 0, 255).round(), dtype=np.uint8)


def gain_for(a: RGB, b: RGB) -> int:
    """Choose the largest of GAINS that leaves 99 % of the channel values of the difference picture unclipped."""
    high = float(np.percentile(_distance(a, b), 99))
    return max([gain for gain in GAINS if gain * high <= 255], default=GAINS[0])


def share_visible(a: RGB, b: RGB, *, threshold: float = VISIBLE) -> float:
    """Give the share (0..1) of pixels with a channel off by more than threshold x 255 (5 %: the paper's figure 1)."""
    return float((_distance(a, b) > 255 * threshold).any(axis=2).mean())


def to_one_size(a: RGB, b: RGB) -> tuple[RGB, RGB]:
    """Reduce both to the smaller height and width of the two (Pillow bilinear, which averages as it shrinks)."""
    from PIL import Image

    for one in (a, b):
        if one.dtype != np.uint8 or one.ndim != 3 or one.shape[2] != 3:
            raise BadInput(f"expected RGB pictures, uint8 (height, width, 3), got {one.dtype} {one.shape}")
    height, width = min(a.shape[0], b.shape[0]), min(a.shape[1], b.shape[1])

    def reduce(picture: RGB) -> RGB:
        if picture.shape[:2] == (height, width):
            return picture
        return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))

    return reduce(a), reduce(b)


def _distance(a: RGB, b: RGB) -> NDArray[np.int16]:
    one, two = to_one_size(a, b)
    return np.abs(one.astype(np.int16) - two.astype(np.int16))
