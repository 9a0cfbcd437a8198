"""Predictions of perturbed pictures, made up: a margin falls as a perturbation grows, and the label flips below 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

LABELS = ("n02823428", "n04557648", "n04591713", "n02769748", "n04026417", "n07892512", "n02782093", "n03916031")


def rows(
    given: Mapping[str, Mapping[str, Sequence[str]]],
    *,
    accepted: Mapping[str, Sequence[str]] | None = None,
    scores: Sequence[float] = (0.5, 0.2, 0.1, 0.05, 0.05),
    model: str = "m",
    clusters: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """A table of answers written by hand: picture -> perturbation -> its labels, best first; () is a failure."""
    made = []
    for picture, answers in given.items():
        for perturbation, labels in answers.items():
            row = {"picture": picture, "scene": picture, "angle": 0, "repeat": 0, "device": "host", "isp": ""}
            row |= {"codec": "", "cluster": (clusters or {}).get(picture, picture), "model": model}
            row |= {"environment": f"{model}-{perturbation}", "perturbation": perturbation, "category": "c"}
            row |= {"labels": tuple((accepted or {}).get(picture, ())), "ambiguous": ()}
            for rank in range(1, 6):
                there = rank <= len(labels)
                row |= {f"label_{rank}": labels[rank - 1] if there else ""}
                row |= {f"score_{rank}": scores[rank - 1] if there else np.nan}
            made.append({**row, "error": "" if labels else "decode: cannot read"})
    return pd.DataFrame(made)


def sample(
    perturbations: Sequence[str],
    *,
    pictures: int = 40,
    models: Sequence[str] = ("m",),
    clusters: int = 0,
    spread: float = 1.0,
    seed: int = 1,
) -> pd.DataFrame:
    """A plausible long table of every model, picture and perturbation; later models are steadier."""
    rng = np.random.default_rng(seed)
    cells = pd.MultiIndex.from_product(
        [range(len(models)), range(pictures), range(len(perturbations))], names=["m", "p", "n"]
    ).to_frame(index=False)
    strength = np.array([int(name.partition("+")[0].rpartition("-")[2] or 0) if name else 0 for name in perturbations])
    fall = spread * 0.15 * strength[cells["n"]] / (1 + cells["m"].to_numpy())
    margin = rng.normal(1.5, 1.0, pictures)[cells["p"]] - fall + rng.normal(0, 0.3, len(cells))
    right = cells["p"].to_numpy() % len(LABELS)
    best = np.where(margin > 0, right, (right + 1) % len(LABELS))
    table = pd.DataFrame({"picture": [f"p{n:04d}" for n in cells["p"]], "scene": [f"s{n:04d}" for n in cells["p"]]})
    table = table.assign(angle=0, repeat=0, device="host", isp="", codec="", category="c", ambiguous=[()] * len(cells))
    table["cluster"] = [f"c{n % (clusters or pictures):04d}" for n in cells["p"]]
    table["labels"] = [(LABELS[n],) for n in right]
    table["model"] = [models[n] for n in cells["m"]]
    table["perturbation"] = [perturbations[n] for n in cells["n"]]
    table["environment"] = table["model"] + "|" + table["perturbation"]
    first = 1 / (1 + np.exp(-np.abs(margin)))
    for rank in range(1, 6):
        table[f"label_{rank}"] = np.array(LABELS)[(best + rank - 1) % len(LABELS)]
        table[f"score_{rank}"] = first if rank == 1 else (1 - first) * 0.2
    return table.assign(error="")
