"""TASK_ROWS: from a run's predictions to verdicts of the smallest labelled unit of their task."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from analysis.detection.objects import detection_rows
from analysis.segmentation.rows import segmentation_rows

if TYPE_CHECKING:
    import pandas as pd

# How the text form of each task's answers and truths begins (device_agents/tasks/answers.py).
BEGINNINGS = {"detection": '{"boxes"', "segmentation": '{"height"'}
CLASSIFICATION = "classification"


def classification_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Give the table as it is: a classifier's smallest labelled unit is the picture."""
    return table


def task_of(table: pd.DataFrame) -> str:
    """Say by its answers which task a table of predictions is of: the first that is not empty tells."""
    for column in ("detail", "truth"):
        texts = table[column].fillna("") if column in table.columns else ()
        for text in texts:
            if text:
                return next((task for task, begin in BEGINNINGS.items() if text.startswith(begin)), CLASSIFICATION)
    return CLASSIFICATION


def task_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Give the verdict rows of a table's own task, without its long texts; raises BadInput as the task's rows do."""
    rows = TASK_ROWS[task_of(table)](table)
    return rows.drop(columns=[name for name in ("detail", "truth") if name in rows.columns])


TASK_ROWS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    CLASSIFICATION: classification_rows,
    "detection": detection_rows,
    "segmentation": segmentation_rows,
}
