"""What predictions of boxes or masks say where scenes have a truth: labelled objects judged, and mIoU beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from analysis.store import Run
from capture.scene_truth import mapped_truth, truth_labels
from hostctl.predictions.comparing import ITEM, compare
from hostctl.predictions.conditions import Condition

if TYPE_CHECKING:
    import pandas as pd


def model_classes(run: Run) -> list[str]:
    """The classes of the run's detectors, as its notes of models hold them."""
    return [label for one in (run.note("models") or {}).values() for label in one.get("labels", ())]


def of_known_classes(table: pd.DataFrame, run: Run) -> pd.DataFrame:
    """Leave out of a table's truths the objects of classes that the run's detectors lack: they cannot be found."""
    known = {label: label for label in model_classes(run)}
    texts = {text: mapped_truth(text, known) for text in set(table["truth"]) if known and truth_labels(text)}
    return table.assign(truth=[texts.get(text, text) for text in table["truth"]]) if texts else table


def compare_objects(
    table: pd.DataFrame, conditions: Sequence[Condition], rows: list[dict[str, Any]]
) -> dict[str, Any] | None:
    """Give the rows of comparing.compare with objects in the place of pictures; None where no scene has a truth.

    table: predictions with condition, detail and truth. rows: those of its pictures, whose failures stay. Keys: unit
    ("object"), objects (how many there are), rows, each with miou for masks (None where nothing was answered).
    """
    judged = _judged(table)
    if judged is None:
        return None
    mious = _mious(table)
    told = [
        {**of, **{key: one[key] for key in ("failed", "not_available")}}
        | ({"miou": mious.get(condition.name)} if mious else {})
        for one, of, condition in zip(rows, compare(judged, conditions), conditions, strict=True)
    ]
    return {"unit": "object", "objects": len(judged[[*ITEM, "object"]].drop_duplicates()), "rows": told}


def objects_right(table: pd.DataFrame) -> dict[str, Any]:
    """Give the share of a condition's objects that are right (objects: accuracy, interval, count), and miou for masks.

    Empty where no scene has a truth or nothing was answered. table: predictions with detail and truth.
    """
    from analysis.accuracy import accuracy

    judged = _judged(table)
    if judged is None or not judged["verdict"].isin(["right", "wrong"]).any():
        return {}
    row = accuracy(judged.assign(all="all"), by="all").iloc[0]
    found = {"accuracy": float(row["accuracy"]), "interval": [float(row["low"]), float(row["high"])]}
    mious = _mious(table.assign(condition="one"))
    return {"objects": found | {"count": len(judged)}, **({"miou": mious["one"]} if mious else {})}


def _judged(table: pd.DataFrame) -> pd.DataFrame | None:
    """The table's objects with their verdicts; None where its task has none, or no scene has a truth."""
    from analysis.instability import OBJECT
    from analysis.task_rows import task_rows

    if not (table["truth"].fillna("") != "").any() or not (table["detail"].fillna("") != "").any():
        return None
    rows = task_rows(table)
    return rows if OBJECT in rows.columns else None


def _mious(table: pd.DataFrame) -> dict[str, float | None]:
    """mIoU by condition, of masks; empty for another task."""
    from analysis.segmentation.measures import confusions
    from analysis.segmentation.scores import mean_iou
    from analysis.task_rows import task_of

    if task_of(table) != "segmentation":
        return {}
    found = confusions(table, across="condition", item=ITEM)
    return {
        name: mean_iou(found.summed(place)) if found.answered[place].any() else None
        for place, name in enumerate(found.conditions)
    }
