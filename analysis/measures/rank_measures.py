"""How alike two short ranked lists of labels are: Jaccard, Kendall's tau for partial lists, rank-biased overlap.

Lists are rows of label codes, int64 (items, ranks), best first, -1 for none (only at the end). Each list names a label
once. Two lists of different length are both cut to the shorter: what one does not tell cannot be compared. Everything
is 1 for equal lists, and NaN where a list is empty. All are symmetric.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from device_agents.errors import BadInput

Codes = NDArray[np.int64]
Array = NDArray[np.float64]
PERSISTENCE = 0.7


def jaccard(a: Codes, b: Codes) -> Array:
    """Shared labels over all labels of both lists, 0..1, float64 (items,); order does not matter (Jaccard 1901)."""
    a, b, size = _cut(a, b)
    shared = _places(a, b).any(axis=2).sum(axis=1).astype(np.float64)
    return _divide(shared, 2 * size - shared)


def kendall(a: Codes, b: Codes) -> Array:
    """Kendall's tau over the labels of both lists, -1..1, float64 (items,).

    The rule for partial lists is that of Fagin, Kumar and Sivakumar (Comparing top k lists, 2003) with p = 1/2: a label
    outside a list stands below all of its labels; where two labels are both outside one list, the order there is
    unknown and the pair counts half as discordant. tau = 1 - 2 K / pairs, with K their distance: (concordant -
    discordant) / pairs. Lists of the same labels give the usual tau; disjoint lists of five give -0.56. NaN for a
    single label in all.
    """
    a, b, size = _cut(a, b)
    union = np.concatenate([a, np.where(_places(b, a).any(axis=2), -1, b)], axis=1)
    ranks = [_ranks(union, one, size) for one in (a, b)]
    ahead = [np.sign(rank[:, :, None] - rank[:, None, :]) for rank in ranks]
    there = union >= 0
    both = there[:, :, None] & there[:, None, :]
    agree = np.where(both, ahead[0] * ahead[1], np.int8(0)).sum(axis=(1, 2), dtype=np.int64) / 2
    labels = there.sum(axis=1)
    return _divide(agree.astype(np.float64), labels * (labels - 1) / 2)


def overlap(a: Codes, b: Codes, *, p: float = PERSISTENCE) -> tuple[Array, Array, Array]:
    """Rank-biased overlap with its tail: (extrapolated, low, high), each 0..1, float64 (items,).

    A reader goes on to the next rank with chance p; the overlap is what share of the labels read so far is shared, on
    average (Webber, Moffat, Zobel: A similarity measure for indefinite rankings, 2010; equations 23 for the first,
    11 and 30 for the bounds). Only the stored ranks are known: low supposes that nothing further is shared, high that
    all is, and the extrapolated value that the last share goes on; equal lists of five at p = 0.7 give (1, 0.94, 1).
    p = 0.7 puts 94 % of the weight on the first five labels; at 0.9 it would be 67 %. Raises BadInput unless 0 < p < 1.
    """
    if not 0 < p < 1:
        raise BadInput(f"expected p between 0 and 1, got {p}")
    a, b, size = _cut(a, b)
    depth = np.arange(1, a.shape[1] + 1)
    shared = np.stack([_places(a[:, :d], b[:, :d]).any(axis=2).sum(axis=1) for d in depth], axis=1)
    known = depth <= size[:, None]
    last = np.where(size > 0, shared.max(axis=1), 0)
    seen = np.where(known, shared / depth * p**depth, 0).sum(axis=1)
    within = np.where(known, p**depth / depth, 0).sum(axis=1)
    extrapolated = _divide(last * p**size, size) + (1 - p) / p * seen
    low = (1 - p) / p * (seen + last * (-np.log1p(-p) - within))
    further = np.arange(1, 2 * a.shape[1] + 1)
    full = 2 * size - last
    growing = (further > size[:, None]) & (further <= full[:, None])
    rising = (last[:, None] + 2 * (further - size[:, None])) / further * p**further
    high = (1 - p) / p * (seen + np.where(growing, rising, 0).sum(axis=1)) + p**full
    empty = size == 0
    return tuple(np.where(empty, np.nan, np.clip(one, 0, 1)) for one in (extrapolated, low, high))  # type: ignore[return-value]


def _cut(a: Codes, b: Codes) -> tuple[Codes, Codes, NDArray[np.int64]]:
    """Both lists cut to the shorter, and its length (items,)."""
    if a.shape != b.shape or a.ndim != 2:
        raise BadInput(f"expected two lists of labels as (items, ranks), got shapes {a.shape} and {b.shape}")
    size = np.minimum((a >= 0).sum(axis=1), (b >= 0).sum(axis=1))
    known = np.arange(a.shape[1]) < size[:, None]
    return np.where(known, a, -1), np.where(known, b, -1), size


def _places(a: Codes, b: Codes) -> NDArray[np.bool_]:
    """Whether label i of a is label j of b: (items, i, j)."""
    return np.asarray((a[:, :, None] == b[:, None, :]) & (a[:, :, None] >= 0))


def _ranks(labels: Codes, ranked: Codes, size: NDArray[np.int64]) -> NDArray[np.int8]:
    """The rank of each label in a list, from 0; the list's length for those that are not in it."""
    same = _places(labels, ranked)
    return np.where(same.any(axis=2), same.argmax(axis=2), size[:, None]).astype(np.int8)


def _divide(top: Array, bottom: NDArray[np.int64] | Array) -> Array:
    return np.asarray(np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0))
