"""The long table of predictions as one row a picture with its features, and one row a picture and other device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.instability import group_codes
from analysis.run_folder.parts import LABELS, SCORES
from device_agents.errors import BadInput
from device_agents.flip_risk import FEATURES, feature_values
from device_agents.records import Prediction

ITEM = ("scene", "angle", "repeat")
NEEDED = (*ITEM, "picture", "device", "cluster", "perturbation", "label_1", "score_1")


def picture_rows(table: pd.DataFrame, perturbations: Sequence[str]) -> pd.DataFrame:
    """Give one row a picture: picture, scene, device, item, cluster, label, scores (tuple) and the features.

    table: predictions of pictures as they were shot in one setup, and in that setup with each of the perturbations.
    label is "" where there is no answer; the features (of device_agents.flip_risk) are NaN where the answer or one of
    the tries is lacking. Raises BadInput for absent columns or a picture predicted twice.
    """
    absent = [name for name in NEEDED if name not in table.columns]
    if absent:
        raise BadInput(f"expected a predictions table with the columns {absent}, got {list(table.columns)}")
    if table.duplicated(["picture", "perturbation"]).any():
        raise BadInput("expected one setup, got a picture predicted twice in the same perturbation")
    answers = read_answers(table)
    first = table[table["perturbation"] == ""].reset_index(drop=True)
    rows = []
    for picture in first["picture"]:
        base, tries = answers[picture, ""], [answers.get((picture, name)) for name in perturbations]
        found = feature_values(base, [one for one in tries if one is not None]) if None not in tries else None
        told = {name: float("nan") for name in FEATURES} if found is None else found
        rows.append({"label": base.labels[0] if base.labels else "", "scores": base.scores, **told})
    columns = first[["picture", "scene", "device", "cluster"]].assign(item=group_codes(first, ITEM))
    return pd.concat([columns, pd.DataFrame(rows, columns=["label", "scores", *FEATURES])], axis=1)


def pair_rows(pictures: pd.DataFrame, *, tried: bool = True) -> pd.DataFrame:
    """Give one row a picture and other device of the same item: row (of pictures), device, other, cluster, flip.

    flip: the other device's photograph has another first label. Pictures without features are no rows (before they are
    ``tried``: without an answer), photographs without an answer are no other device's.
    """
    own = pictures[["item", "device", "label", "cluster"]].assign(row=np.arange(len(pictures)))
    asked = own[pictures[list(FEATURES)].notna().all(axis=1) if tried else own["label"] != ""]
    others = own.loc[own["label"] != "", ["item", "device", "label"]]
    both = asked.merge(others, on="item", suffixes=("", "_other"))
    both = both[both["device"] != both["device_other"]].rename(columns={"device_other": "other"})
    flips = (both["label"] != both["label_other"]).to_numpy(dtype=bool)
    return both[["row", "device", "other", "cluster"]].assign(flip=flips).reset_index(drop=True)


def read_answers(table: pd.DataFrame) -> dict[tuple[str, str], Prediction]:
    """Give each answer of a predictions table of one setup by its picture and perturbation; a failure has no labels."""
    names = [name for name in (*LABELS, *SCORES) if name in table.columns]
    labels, scores = ([one for one in names if one in some] for some in (LABELS, SCORES))
    failed = table["error"].fillna("") if "error" in table.columns else pd.Series("", index=table.index)
    cells = zip(
        table["picture"].astype(str),
        table["perturbation"].astype(str),
        table[labels].astype(object).where(table[labels].notna(), "").to_numpy(),
        table[scores].to_numpy(dtype=np.float64),
        failed,
        strict=True,
    )
    found = {}
    for picture, perturbation, words, numbers, error in cells:
        given = [(str(word), float(number)) for word, number in zip(words, numbers, strict=True) if word and not error]
        known = tuple(word for word, _ in given), tuple(number for _, number in given)
        found[picture, perturbation] = Prediction(picture, perturbation, *known, error=str(error))
    return found
