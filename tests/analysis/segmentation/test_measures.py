"""mIoU, pixel accuracy and unstable pixels by condition, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.segmentation.measures import class_table, condition_masks, confusions
from device_agents.errors import BadInput
from tests.analysis.segmentation_sample import mask, street, study_table, table


def test_conditions_by_hand() -> None:
    found = condition_masks(study_table()).set_index("environment")
    base = found.loc["base"]
    assert (base["miou"], base["pixel_accuracy"], base["change"], base["unstable"]) == (1.0, 1.0, 0.0, 0.0)
    area = found.loc["area"]
    # A step to the right takes a column of 10 pixels from the car and gives it one, of 600 pixels: 20 are wrong.
    assert area["pixel_accuracy"] == pytest.approx(1 - 20 / 600)
    assert area["unstable"] == pytest.approx(20 / 600)
    ious = [(236 - 8) / (236 + 0), 0, 110 / 130]
    sky = 300 - 48
    ious = [(sky - 4) / (sky + 4), (300 - 72 - 6) / (300 - 72 + 6), 110 / 130]
    assert area["miou"] == pytest.approx(np.mean(ious))
    assert area["change"] == pytest.approx(np.mean(ious) - 1)
    assert (area["change_low"], area["change_high"]) == pytest.approx((area["change"],) * 2)  # every picture alike
    assert area["boundary"] > area["inside"] == 0.0
    near = found.loc["near"]
    assert near["pixel_accuracy"] == pytest.approx(1 - 120 / 2400)
    assert near["change_low"] < near["change"] < near["change_high"]
    assert found["pictures"].tolist() == [4] * 5


def test_classes_by_their_spread() -> None:
    found = class_table(study_table())
    assert found["category"].tolist()[0] == "car"
    assert found["base"].tolist() == [1.0, 1.0, 1.0]
    assert found.loc[0, "near"] == pytest.approx(0.75)
    assert found.loc[0, "spread"] == pytest.approx(1 - found.loc[0, "grown"])


def test_a_failed_prediction_counts_nowhere_and_mistakes_are_told() -> None:
    truth = mask(street(0))
    some = table({"a": truth, "b": truth}, {"one": {"a": truth, "b": truth}, "two": {"a": truth, "b": None}})
    found = confusions(some)
    assert found.answered.tolist() == [[True, True], [True, False]]
    assert condition_masks(some)["pictures"].tolist() == [2, 1]
    with pytest.raises(BadInput, match="mIoU needs labelled pixels"):
        confusions(some.assign(truth=""))
    with pytest.raises(BadInput, match="got some twice"):
        confusions(pd.concat([some, some]))
    other = table({"a": mask(street(0), labels=("sky", "tree", "bus"))}, {"one": {"a": truth}})
    with pytest.raises(BadInput, match="masks of one list of classes, got 2 lists"):
        confusions(pd.concat([some[some["scene"] == "b"], other]))
