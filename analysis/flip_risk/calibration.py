"""Is a risk of 30 % a risk of 30 %? Reliability by bins of equal size, Brier score and log loss."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.statistics import rate_interval
from device_agents.errors import BadInput

BINS = 8


def reliability(risks: ArrayLike, flips: ArrayLike, clusters: ArrayLike, *, level: float = 0.95) -> pd.DataFrame:
    """Give one row a bin of the risk, of about equally many rows: rows, risk (mean), rate (of flips), low, high.

    risks: (rows,), 0..1; equal risks are never parted. The interval of the rate is by clusters.
    """
    risk, flip = _checked(risks, flips)
    names = np.asarray(clusters, dtype=object)
    edges = np.unique(np.quantile(risk, np.linspace(0, 1, BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, risk, side="left")
    rows = []
    for one in np.unique(bins):
        inside = bins == one
        interval = rate_interval(flip[inside].astype(float), names[inside], level=level)
        rows.append({"rows": int(inside.sum()), "risk": float(risk[inside].mean()), "rate": float(flip[inside].mean())})
        rows[-1] |= {"low": interval.low, "high": interval.high}
    return pd.DataFrame(rows)


def brier(risks: ArrayLike, flips: ArrayLike) -> float:
    """Give the mean squared distance of the risk from what happened (Brier 1950), 0 to 1; the lower the better."""
    risk, flip = _checked(risks, flips)
    return float(np.square(risk - flip).mean())


def skill(risks: ArrayLike, flips: ArrayLike) -> float:
    """Give 1 - Brier score / that of the flips' own rate for all: 1 perfect, 0 no better than the rate."""
    _, flip = _checked(risks, flips)
    rate = flip.mean()
    return float(1 - brier(risks, flips) / (rate * (1 - rate))) if 0 < rate < 1 else float("nan")


def calibration_error(table: pd.DataFrame) -> float:
    """Give the mean distance of risk and rate over the bins of reliability, by their rows."""
    return float((table["rows"] * (table["risk"] - table["rate"]).abs()).sum() / table["rows"].sum())


def _checked(risks: ArrayLike, flips: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    risk, flip = np.asarray(risks, dtype=np.float64), np.asarray(flips, dtype=bool)
    if risk.shape != flip.shape or risk.ndim != 1 or not bool(((risk >= 0) & (risk <= 1)).all()):
        raise BadInput(f"expected risks of 0 to 1 with a flip each, got {risk.shape} and {flip.shape}")
    return risk, flip
