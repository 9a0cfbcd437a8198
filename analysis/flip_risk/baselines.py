"""Risks that need no fit, from the stored scores of one answer: the higher, the likelier to flip.

ODIN (Liang, Li and Srikant, ICLR 2018) has two parts. Here is its temperature (1000, section 3); its step against the
input's gradient needs a model that gives gradients, which no device's runtime does, and is left out. Only five scores
are stored: the rest of 1 is spread evenly over the other classes, none of which has more than the last one stored.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from device_agents.flip_risk import FLOOR

Array = NDArray[np.float64]
TEMPERATURE = 1000.0
WORDS = {
    "margin": "first score less the second",
    "max-probability": "first score (Hendrycks and Gimpel, ICLR 2017)",
    "entropy": "entropy of the scores",
    "temperature": f"first score at temperature {TEMPERATURE:g} (ODIN's, without its input step)",
    "changed": "share of perturbed tries with another first label",
}


def baselines(pictures: pd.DataFrame, *, classes: int | None) -> pd.DataFrame:
    """Give the risk of each baseline, a column each, for the rows of rows.picture_rows; NaN where there is no answer.

    classes: of the model; None leaves the temperature out, which needs to know them.
    """
    scores = [tuple(one) for one in pictures["scores"]]
    table = pd.DataFrame({"margin": -pictures["margin"].to_numpy(dtype=np.float64)}, index=pictures.index)
    table["max-probability"] = [-one[0] if one else np.nan for one in scores]
    table["entropy"] = pictures["entropy"].to_numpy(dtype=np.float64)
    if classes is not None and classes > 5:
        table["temperature"] = [-scaled_first(one, classes=classes) if one else np.nan for one in scores]
    table["changed"] = pictures["changed"].to_numpy(dtype=np.float64)
    return table


def scaled_first(scores: tuple[float, ...], *, classes: int, temperature: float = TEMPERATURE) -> float:
    """The first score at a temperature: exp(z1 / T) / sum of exp(z / T), z the logarithms of all classes' scores."""
    known = np.maximum(np.array(scores, dtype=np.float64), FLOOR)
    others = classes - len(known)
    logs = np.log(known) / temperature
    whole = float(np.exp(logs).sum())
    if others:
        rest = min(max(1 - float(np.sum(scores)), FLOOR) / others, float(known.min()))
        whole += others * float(np.exp(np.log(rest) / temperature))
    return float(np.exp(logs[0])) / whole
