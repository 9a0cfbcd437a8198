"""Numbers of videos: flips between consecutive frames, pm-k accuracy, and whether synthetic flips tell of them.

All take the table of frames: one row a frame and model, sorted by time within a video, with the columns model, scene,
cluster, repeat (the frame's number), time_s, label_1, score_1, error ("" for none) and verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics import rate_interval

FEWEST_POINTS = 3  # of a correlation
PERMUTATIONS = 9_999
VIDEO = ["model", "scene"]

Floats = NDArray[np.float64]


def consecutive(frames: pd.DataFrame) -> pd.DataFrame:
    """Pair each frame with the next of its video, where both have an answer.

    Gives model, scene, cluster, repeat and time_s of the first frame, next (the second's number), lag_s, flip (0 or 1:
    another top-1 label), and sure, the lower of the two scores.
    """
    after = frames.groupby(VIDEO, sort=False)[["repeat", "time_s", "label_1", "score_1", "error"]].shift(-1)
    both = (frames["error"] == "") & (after["error"].fillna("-") == "")
    pairs = frames.loc[both, ["model", "scene", "cluster", "repeat", "time_s"]].copy()
    pairs["next"] = after.loc[both, "repeat"].astype(np.int64)
    pairs["lag_s"] = after.loc[both, "time_s"] - frames.loc[both, "time_s"]
    pairs["flip"] = (frames.loc[both, "label_1"] != after.loc[both, "label_1"]).astype(np.int64)
    pairs["sure"] = np.minimum(frames.loc[both, "score_1"], after.loc[both, "score_1"])
    return pairs


def flip_rate(pairs: pd.DataFrame) -> dict[str, Any]:
    """The share of pairs that flip, with its 95 % interval by clusters; None where there is one cluster or no pair.

    Pairs of one video share its scene, so that one video says nothing of how far another may lie.
    """
    found: dict[str, Any] = {"pairs": len(pairs), "flips": int(pairs["flip"].sum())}
    found["flip_rate"] = float(pairs["flip"].mean()) if len(pairs) else None
    interval = None
    if pairs["cluster"].nunique() > 1:
        known = rate_interval(pairs["flip"].to_numpy(), pairs["cluster"].to_numpy())
        interval = [known.low, known.high]
    return {**found, "interval": interval}


def window_accuracy(frames: pd.DataFrame, *, window: int) -> dict[str, Any]:
    """Accuracy and pm-k accuracy on the same anchors: Shankar et al., "Do Image Classifiers Generalize Across Time?".

    An anchor is a frame with ``window`` frames before and after it that are all right or clearly wrong; by pm-k it is
    right only if all of them are (ICCV 2021). Ambiguous and missing answers make no anchor. Gives anchors,
    accuracy and pm_accuracy, None without an anchor.
    """
    alone, together = [], []
    for _, video in frames.groupby(VIDEO, sort=False):
        verdicts = video["verdict"].to_numpy()
        for middle in range(window, len(verdicts) - window):
            seen = verdicts[middle - window : middle + window + 1]
            if np.isin(seen, ("right", "wrong")).all():
                alone.append(verdicts[middle] == "right")
                together.append((seen == "right").all())
    share = (float(np.mean(alone)), float(np.mean(together))) if alone else (None, None)
    return {"anchors": len(alone), "accuracy": share[0], "pm_accuracy": share[1]}


def synthetic_flips(frames: pd.DataFrame, changed: pd.DataFrame, families: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Each frame's share of flips under the perturbations of each family: a column a family, beside the frame's keys.

    changed: as frames, with the column perturbation. A frame is compared with itself unchanged; a pair of which one has
    no answer does not count, and a share of no pair is NaN.
    """
    keys = [*VIDEO, "repeat"]
    plain = frames.loc[frames["error"] == "", [*keys, "label_1"]]
    both = changed.loc[changed["error"] == ""].merge(plain, on=keys, suffixes=("", "_plain"))
    both = both.assign(flip=(both["label_1"] != both["label_1_plain"]).astype(float))
    found = frames[keys].copy()
    for family, names in families.items():
        some = both[both["perturbation"].isin(list(names))]
        rates = some.groupby(keys)["flip"].mean().rename(family).reset_index()
        found = found.merge(rates, on=keys, how="left")
    return found


def correlations(
    pairs: pd.DataFrame, synthetic: pd.DataFrame, families: Sequence[str], *, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """How far flips in videos and flips under each synthetic change go together: Spearman's rho, a row a family.

    Over models where there are three or more (rates over all frames); else, for each model, over its videos where there
    are three or more; else over the frames of all videos (a frame's flip to the next, and its share of synthetic ones),
    which are not independent and get no p. Gives model, family, over, points, rho and p (two-sided, by permutations,
    exact where they are few); rho is None where one side is all alike.
    """
    every, found = list(dict.fromkeys(pairs["model"])), []
    if len(every) >= FEWEST_POINTS:
        points = _rates(pairs, synthetic, families, by=["model"])
        return [_row("all", family, "models", points, rng) for family in families]
    for model in every:
        own, shown = pairs[pairs["model"] == model], synthetic[synthetic["model"] == model]
        if own["scene"].nunique() >= FEWEST_POINTS:
            over, points = "videos", _rates(own, shown, families, by=VIDEO)
        else:
            over, points = "frames", own.merge(shown, on=[*VIDEO, "repeat"])
        found += [_row(model, family, over, points, rng) for family in families]
    return found


def _rates(pairs: pd.DataFrame, synthetic: pd.DataFrame, families: Sequence[str], *, by: list[str]) -> pd.DataFrame:
    return pairs.groupby(by)[["flip"]].mean().join(synthetic.groupby(by)[list(families)].mean())


def _row(model: str, family: str, over: str, points: pd.DataFrame, rng: np.random.Generator) -> dict[str, Any]:
    known = points[["flip", family]].dropna().to_numpy(dtype=np.float64)
    rho, p = spearman(known[:, 0], known[:, 1], rng=rng if over != "frames" else None)
    return {"model": model, "family": family, "over": over, "points": len(known), "rho": rho, "p": p}


def spearman(x: Floats, y: Floats, *, rng: np.random.Generator | None) -> tuple[float | None, float | None]:
    """Spearman's rank correlation, ties by their mean rank, and its two-sided p by permutations (None without rng).

    x, y: (points,). (None, None) for fewer than three points or where x or y is all one value.
    """
    from scipy.stats import permutation_test, rankdata

    if len(x) < FEWEST_POINTS or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None, None
    ranks = [rank - rank.mean() for rank in (rankdata(x), rankdata(y))]
    length = float(np.sqrt(np.prod([(rank**2).sum() for rank in ranks])))

    def rho(shuffled: Floats, axis: int = -1) -> Floats:
        return np.asarray((shuffled * ranks[1]).sum(axis=axis) / length)

    if rng is None:
        return float(rho(ranks[0])), None
    kinds: dict[str, Any] = {"permutation_type": "pairings", "n_resamples": PERMUTATIONS, "rng": rng}
    return float(rho(ranks[0])), float(permutation_test((ranks[0],), rho, vectorized=True, **kinds).pvalue)
