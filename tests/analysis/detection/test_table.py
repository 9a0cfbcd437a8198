"""SysNoise's table 3 from a drawn run whose mean average precisions are known: rows, intervals, steps, published."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.detection.noises import step_rows, study_of
from analysis.detection.published import BESIDE, detection_rows
from analysis.detection.table import detection_table
from analysis.papers.noise_families import measured_subjects
from analysis.papers.table_page import write_table
from device_agents.errors import BadInput
from device_agents.tasks.answers import Box, Detections, detections_text

BOX: Box = (0.25, 0.25, 0.75, 0.75)
FAR: Box = (0.0, 0.0, 0.1, 0.1)
PICTURES = 8
FILE, CEIL = "a" * 64, "c" * 64
TRUTH = detections_text(Detections((BOX, FAR), ("cat", "unicorn"), (1.0, 1.0)))
VARIANTS = {
    CEIL: {"of": FILE, "noise": "ceil", "variant": "ceil", "runtime": "onnxruntime", "base_runtime": "onnxruntime"}
}


def answer(right: bool) -> str:
    return detections_text(Detections((BOX if right else FAR,), ("cat",), (0.9,)))


def rows(name: str, found: int, **changes: Any) -> list[dict[str, Any]]:
    """Predictions of an environment that finds the object in the first ``found`` pictures."""
    made = []
    for number in range(PICTURES):
        row = {"scene": f"s{number}", "angle": 0, "repeat": 0, "device": "", "picture": f"p{number}"}
        row |= {"cluster": f"s{number}", "category": "cat", "labels": ("cat",), "ambiguous": (), "error": ""}
        row |= {"model": "drawn", "model_sha256": FILE, "decoder": "pillow", "view": "whole", "colour": "rgb"}
        row |= {"fit": "squash", "resizer": "pillow-bilinear", "scaling": "bytes", "runtime": "onnxruntime"}
        row |= {"threads": 1, "post": "", "machine": "host", "environment": name, "latency_ms": 60.0}
        row |= {"label_1": "cat", "score_1": 0.9, "verdict": "right", "truth": TRUTH, "detail": answer(number < found)}
        made.append(row | {"tensor_fingerprint": 1 + zlib.crc32(f"{name} {number}".encode())} | changes)
    return made


def table() -> pd.DataFrame:
    some = rows("base", 8) + rows("opencv", 6, decoder="opencv") + rows("ffmpeg", 4, decoder="ffmpeg")
    same = [
        {**row, "tensor_fingerprint": one["tensor_fingerprint"]}
        for row, one in zip(rows("twin", 8, decoder="twin"), rows("base", 8), strict=True)
    ]
    tensors = [row["tensor_fingerprint"] for row in rows("base", 8)]
    post = [
        {**row, "tensor_fingerprint": mark}
        for row, mark in zip(rows("moved", 2, post="offset-1"), tensors, strict=True)
    ]
    ceil = [
        {**row, "tensor_fingerprint": mark}
        for row, mark in zip(rows("ceil", 7, model_sha256=CEIL), tensors, strict=True)
    ]
    both = rows("both", 1, decoder="opencv", post="offset-1")
    return pd.DataFrame([*some, *same, *post, *ceil, *both])


def ap(found: int) -> float:
    """COCO's average precision of one class where the surest boxes are right: 101 recalls, in their order of picture.

    Boxes of equal score stand in the order of pictures: the first ``found`` are right, so precision is 1 up to the
    recall found / 8.
    """
    return float(np.mean(np.linspace(0, 1, 101) <= found / PICTURES + 1e-9))


def made(**more: Any) -> Any:
    return detection_table(table(), bases=["base"], variants=VARIANTS, labels={"drawn": ["cat", "dog"]}, **more)


def test_rows_are_the_differences_of_known_precisions() -> None:
    numbers = made().parts[1].frame.set_index("family")
    assert numbers.loc["decoder", "distinct"] == 2  # the twin has the base's tensors
    assert numbers.loc["decoder", "mean"] == pytest.approx(1 - (ap(6) + ap(4)) / 2)
    assert numbers.loc["decoder", "max"] == pytest.approx(1 - ap(4))
    assert numbers.loc["decoder", "worst"] == "ffmpeg"
    assert numbers.loc["post offset-1", "mean"] == pytest.approx(1 - ap(2))
    assert numbers.loc["ceil ceil", "mean"] == pytest.approx(1 - ap(7))
    assert numbers.loc["ceil ceil", "half"] == pytest.approx(1 - ap(7))  # boxes lie exactly or not at all
    assert numbers.loc["post offset-1", "low"] < numbers.loc["post offset-1", "mean"]
    assert numbers.loc["post offset-1", "high"] <= 1.0
    assert numbers.loc["post offset-1", "instability"] == pytest.approx(6 / 8)


def test_boxes_that_lie_badly_lose_at_high_overlaps_alone() -> None:
    # 0.4 of 0.5 wide: an overlap of 0.8, which the overlaps 0.85, 0.9 and 0.95 refuse, in every picture and draw.
    narrow = detections_text(Detections(((0.25, 0.25, 0.6501, 0.75),), ("cat",), (0.9,)))
    off = pd.DataFrame(rows("off", 8, resizer="pillow-box", detail=narrow))
    found = detection_table(pd.concat([table(), off]), bases=["base"], variants=VARIANTS, labels={"drawn": ["cat"]})
    row = found.parts[1].frame.set_index("family").loc["resizer"]
    assert (row["mean"], row["low"], row["high"]) == pytest.approx((0.3, 0.3, 0.3))
    assert (row["half"], row["half_low"], row["half_high"]) == (0.0, 0.0, 0.0)


def test_the_printed_row_stands_above_the_papers() -> None:
    printed = made().parts[0].frame
    ours = printed.iloc[0]
    assert ours["trained"] == "100.00"
    assert ours["post"] == f"{100 * (1 - ap(2)):.2f}"
    assert (ours["upsample"], ours["int8"], ours["combined"]) == ("-", "-", "-")
    beside = printed[printed["model"] == BESIDE].iloc[0]
    assert (beside["decode"], beside["post"], beside["combined"]) == ("0.01 (0.02)", "3.00", "8.93")
    assert detection_rows().shape == (5, 12)


def test_classes_that_the_model_does_not_have_count_nowhere() -> None:
    (subject,) = measured_subjects(table(), bases=["base"], command="x", variants=VARIANTS)
    known = study_of(subject, labels=["cat", "dog"])
    assert known.measured.values[0] == 1.0  # the unicorn is no class of the model
    assert known.measured.objects is not None
    assert set(known.measured.objects["category"]) == {"cat"}
    assert study_of(subject, labels=["cat", "unicorn"]).measured.values[0] == pytest.approx(0.5)
    with pytest.raises(BadInput, match="expected objects of the classes"):
        study_of(subject, labels=["dog"])


ROUNDS = [
    {"family": "", "variant": "", "environment": "base"},
    {"family": "post", "variant": "offset-1", "environment": "moved"},
    {"family": "decoder", "variant": "opencv", "environment": "both"},
]


def second_half(clusters: pd.Series[Any]) -> pd.Series[Any]:
    return clusters.isin(["s0", "s1", "s2", "s3"])


def test_steps_are_scored_on_the_half_that_did_not_choose() -> None:
    (subject,) = measured_subjects(table(), bases=["base"], command="x", variants=VARIANTS)
    steps = step_rows(study_of(subject, labels=["cat"]), ROUNDS, second_half)
    half = [float(np.mean(np.linspace(0, 1, 101) <= found / 4 + 1e-9)) for found in (4, 2, 1)]
    assert steps["map"].tolist() == pytest.approx(half)
    assert steps["lost"].tolist() == pytest.approx([0.0, 1 - half[1], 1 - half[2]])
    assert steps["extra"].tolist() == pytest.approx([0.0, 1 - half[1], half[1] - half[2]])
    assert steps["alone"].tolist()[1:] == pytest.approx([1 - ap(2), 1 - ap(6)])
    assert steps["items"].tolist() == [4, 4, 4]


def test_the_page_holds_the_combined_column_and_the_steps(tmp_path: Path) -> None:
    found = made(rounds={"drawn": ROUNDS}, scoring=second_half)
    assert [part.name for part in found.parts] == ["sysnoise-det", "numbers", "steps", "variants"]
    assert found.parts[0].frame.iloc[0]["combined"] == "74.26"
    page, numbers = write_table(tmp_path, found, provenance={"run": "drawn"}, virtual=False)
    assert "Step by step" in page.read_text()
    assert "post=offset-1" in page.read_text()
    assert "combined" in numbers.read_text()


def test_a_run_without_boxes_is_refused() -> None:
    empty = table().assign(truth="")
    with pytest.raises(BadInput, match="a picture with labelled boxes"):
        detection_table(empty, bases=["base"], variants=VARIANTS)
