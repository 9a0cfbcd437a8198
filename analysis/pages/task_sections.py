"""TASK_SECTIONS: what a report shows of a task beyond its verdicts, made of the whole answers (boxes, masks)."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from analysis.detection.section import changes_section, precision_section, scores_section
from analysis.pages.sections import Section
from analysis.segmentation.section import masks_section, pixels_section
from analysis.tables import Study
from device_agents.errors import BadInput


def task_sections(
    study: Study, predictions: pd.DataFrame, *, task: str, level: float = 0.95
) -> tuple[list[Section], list[str]]:
    """Make every section that a task has, and say in a line each which cannot be made, and what is wanted.

    predictions: the run's, with detail and truth; told of are those that the study is about, each under the name that
    its condition has there.
    """
    answers = answers_in(study, predictions)
    made, lacking = [], []
    for title, make in TASK_SECTIONS.get(task, {}).items():
        try:
            made.append(make(study, answers, level))
        except BadInput as problem:  # one section less; the reader learns why
            lacking.append(f"{title}: {problem}")
    return made, lacking


def answers_in(study: Study, predictions: pd.DataFrame) -> pd.DataFrame:
    """Give the predictions that a study is about, conditions named and ordered as they are there.

    Pictures without any object are among them: they have no verdict, but a box in them is a false one.
    """
    names = study.table[[*MADE, "device"]].drop_duplicates()
    by_environment = study.summary["compared"] == "environment"
    keys = [*MADE] if by_environment else [*MADE, "device"]
    told = predictions.drop(columns="device") if by_environment else predictions
    return names.merge(told, on=keys, how="inner")


MADE = ("environment", "isp", "codec")  # what a condition is, beside the device
TASK_SECTIONS: dict[str, dict[str, Callable[[Study, pd.DataFrame, float], Section]]] = {
    "detection": {
        "Mean average precision": precision_section,
        "Boxes that come and go": changes_section,
        "At other scores": scores_section,
    },
    "segmentation": {
        "mIoU and pixel accuracy": masks_section,
        "By pixel": pixels_section,
    },
}
