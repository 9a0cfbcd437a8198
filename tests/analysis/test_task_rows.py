"""Which task a table is of, told by its answers; a classifier's table stays as it is."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.task_rows import TASK_ROWS, classification_rows, task_of, task_rows
from device_agents.tasks.answers import Mask, mask_text
from tests.analysis.detection_sample import predictions


def test_the_answers_tell_the_task() -> None:
    mask = mask_text(Mask(1, 1, np.zeros((1, 1), np.uint8), ("sky",)))
    assert task_of(predictions()) == "detection"
    assert task_of(predictions().assign(detail="")) == "detection"  # all failed: the truth tells
    assert task_of(pd.DataFrame({"detail": ["", None, mask]})) == "segmentation"
    assert task_of(pd.DataFrame({"detail": ["", ""], "truth": ""})) == "classification"
    assert task_of(pd.DataFrame({"label_1": ["cat"]})) == "classification"
    assert set(TASK_ROWS) == {"classification", "detection", "segmentation"}


def test_rows_have_no_long_texts() -> None:
    table = pd.DataFrame({"label_1": ["cat"], "detail": "", "truth": ""})
    assert classification_rows(table) is table
    assert list(task_rows(table).columns) == ["label_1"]
    rows = task_rows(predictions())
    assert len(rows) == 12
    assert not {"detail", "truth"} & set(rows.columns)
    assert list(task_rows(predictions().assign(truth=""))["label_1"]) == list(predictions()["label_1"])
