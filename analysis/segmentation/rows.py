"""A segmentation run's verdicts: each region of the truth in each condition, in the columns of the predictions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.run_folder.parts import LABELS, SCORES
from analysis.segmentation.masks import answered
from analysis.segmentation.regions import Judged, Regions, judge_regions, regions
from device_agents.errors import BadInput
from device_agents.tasks.answers import read_mask

DROPPED = ("detail", "truth", *LABELS[1:], *SCORES[1:])
MISPLACED, SPREAD = ", misplaced", ", far too wide"


def segmentation_rows(table: pd.DataFrame, *, whole_classes: bool = False) -> pd.DataFrame:
    """Turn predictions into rows of prediction x region of the truth, with a verdict each.

    table: the long table with detail and truth. The rows keep its columns but detail, truth and the lower ranks;
    ``object`` is the region's name within its scene ("car 2"; with whole_classes all of a class is one), ``category``
    and ``labels`` its class; label_1 is the class that most of it was given, misplaced where its overlap decides
    otherwise, ``overlap`` the IoU; a mask has no score, so that score_1 is NaN. Where no scene has a truth the table
    comes back as it is. Raises BadInput where an answer that did not fail has no mask, and for masks that cannot be
    compared with their truth.
    """
    truths = texts(table, "truth")
    if not (truths != "").any():
        return table
    found = {text: regions(read_mask(text), whole_classes=whole_classes) for text in truths.unique() if text}
    if not any(one.names for one in found.values()):
        raise BadInput("expected masks with regions to judge, got truths that hold none; give masks with classes")
    judged: dict[tuple[str, str], list[Judged]] = {}
    rows, cells = list[int](), list[tuple[str, str, str, str, float]]()
    for place, (text, detail) in enumerate(zip(truths, details(table), strict=True)):
        if not text:
            continue
        one = found[text]
        if (text, detail) not in judged:  # many conditions give the same mask
            judged[text, detail] = _judged(one, detail)
        rows += [place] * len(one.names)
        cells += [_cell(name, *told) for name, told in zip(one.names, judged[text, detail], strict=True)]
    objects = pd.DataFrame(cells, columns=["object", "category", "verdict", "label_1", "overlap"])
    objects["score_1"] = np.nan
    objects["labels"] = _tuples((label,) for label in objects["category"])
    objects["ambiguous"] = _tuples((label + MISPLACED,) for label in objects["category"])
    kept = table.iloc[rows].drop(columns=[name for name in DROPPED if name in table.columns]).reset_index(drop=True)
    return kept.assign(**{str(name): objects[name] for name in objects.columns})


def details(table: pd.DataFrame) -> Sequence[str]:
    """The answers' texts, "" for those that failed; raises BadInput where one that did not fail has none."""
    found = texts(table, "detail")
    failed = texts(table, "error") != ""
    lacking = int(((found == "") & ~failed).sum())
    if lacking:
        raise BadInput(
            f"expected a mask in each of {len(table)} predictions, got {lacking} without; predict again with a "
            "segmentation model"
        )
    return list(found.where(~failed, ""))


def texts(table: pd.DataFrame, column: str) -> pd.Series[Any]:
    """A column of text, "" where the table has none or a cell is absent."""
    if column not in table.columns:
        return pd.Series("", index=table.index)
    return table[column].fillna("").astype(str)


def _judged(found: Regions, detail: str) -> list[Judged]:
    if not detail:
        return [Judged("missing", float("nan"), "")] * len(found.names)
    return judge_regions(found, answered(read_mask(detail), found.truth))


def _cell(name: str, verdict: str, iou: float, label: str) -> tuple[str, str, str, str, float]:
    """A row's object, category, verdict, label and overlap; the label says with the truth's what the verdict says."""
    category = name.rsplit(" ", 1)[0]
    if verdict == "right":
        label = category
    elif verdict == "ambiguous":
        label = category + MISPLACED
    elif label == category:  # found, with far more around it
        label = category + SPREAD
    return name, category, verdict, label, iou


def _tuples(values: Iterable[tuple[str, ...]]) -> pd.Series[Any]:
    cells = list(values)
    column = np.empty(len(cells), dtype=object)
    column[:] = cells
    return pd.Series(column)
