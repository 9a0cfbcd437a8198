"""Precision by condition against mean_precisions itself, and its intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.detection.precision import mean_precisions
from analysis.detection.tables import class_precisions, condition_precisions
from device_agents.errors import BadInput
from tests.analysis.detection_sample import ANSWERS, EMPTY, TRUTH, predictions

pytest.importorskip("pycocotools", reason="the extra 'detection' is not installed")


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_every_condition_has_its_precision_and_change() -> None:
    table, precisions = condition_precisions(predictions(), across="environment", rng=rng())
    truths = [TRUTH, TRUTH, TRUTH, EMPTY]
    for name in ("usual", "other"):
        answers = [ANSWERS[scene, name] for scene in ("s1", "s2", "s3", "s4")]
        assert precisions[name].ap50 == mean_precisions(truths, {"only": answers})["only"].ap50
    rows = table.set_index("environment")
    assert rows.loc["usual", "ap50"] == pytest.approx(1.0)
    assert rows.loc["usual", ["ap50_change", "ap50_change_low", "ap50_change_high"]].tolist() == [0, 0, 0]
    assert rows.loc["other", "ap50_change"] == pytest.approx(rows.loc["other", "ap50"] - 1)
    assert rows.loc["other", "ap50_low"] <= rows.loc["other", "ap50"] <= rows.loc["other", "ap50_high"]
    assert rows["pictures"].tolist() == [4, 4]
    assert rows["objects"].tolist() == [6, 6]


def test_a_failed_answer_is_in_no_mean() -> None:
    given = predictions()
    given.loc[(given["scene"] == "s1") & (given["environment"] == "other"), ["detail", "error"]] = ["", "no memory"]
    table, _ = condition_precisions(given, across="environment", rng=rng())
    assert table["pictures"].tolist() == [4, 3]
    assert table["objects"].tolist() == [6, 4]


def test_classes_stand_by_their_spread() -> None:
    _, precisions = condition_precisions(predictions(), across="environment", rng=rng())
    table = class_precisions(precisions)
    assert table["category"].tolist() == ["cat", "dog"]
    assert table["spread"].iloc[0] > 0.5
    assert table["spread"].iloc[1] == 0.0


def test_without_truths_and_with_two_answers_it_is_refused() -> None:
    with pytest.raises(BadInput, match=r"expected scenes with a truth \(boxes\), got none"):
        condition_precisions(predictions().assign(truth=""), across="environment", rng=rng())
    with pytest.raises(BadInput, match="got some twice"):
        condition_precisions(pd.concat([predictions()] * 2), across="environment", rng=rng())
    with pytest.raises(BadInput, match="pictures without any"):
        condition_precisions(predictions(), across="environment", labels=["elk"], rng=rng())
