"""Predict on pictures with masks as a user does: objects and mIoU in the place of labels, the report, the table."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analysis.store import Run
from device_agents.sidecar import sidecar_values
from device_agents.tasks.answers import Detections, detections_text, read_detections, read_mask
from hostctl import commands, printing
from hostctl.predictions.objects import of_known_classes
from hostctl.runs.tabling import table, tables_text
from tests.device_agents.tiny_models import tiny_sidecar, write_onnx_mask

COLOURS = ((250, 0, 0), (0, 250, 0), (0, 0, 250))


@pytest.fixture
def setup(tmp_path):
    """A network that answers the strongest of R, G and B at 2 x 2 pixels, and pictures of four coloured quarters."""
    model = write_onnx_mask(tmp_path / "mask.onnx")
    card = tiny_sidecar(outputs="raw", task="segmentation", head="logits")
    (tmp_path / "mask.onnx.json").write_text(json.dumps(sidecar_values(card)))
    for part in ("images", "masks"):
        (tmp_path / "in" / part).mkdir(parents=True)
    (tmp_path / "in" / "mask-classes.csv").write_text("value,label\n0,0\n1,1\n2,2\n")
    for number in range(3):
        quarters = np.random.default_rng(number).permutation([0, 1, 2, number % 3]).reshape(2, 2)
        classes = np.kron(quarters, np.ones((15, 20), int)).astype(np.uint8)
        Image.fromarray(np.array(COLOURS, np.uint8)[classes]).save(tmp_path / "in" / "images" / f"p{number}.png")
        Image.fromarray(classes).save(tmp_path / "in" / "masks" / f"p{number}.png")
    return {"scenes": tmp_path / "in", "out": tmp_path / "run", "model": str(model), "workers": 1}


def test_one_condition_and_several(setup):
    alone = commands.predict(**setup)
    assert alone["miou"] == 1.0
    assert alone["objects"]["accuracy"] == 1.0
    text = printing.predict_text(alone)
    assert "objects right  100.0 %" in text
    assert "mIoU           100.0 %" in text
    assert "top-1" not in text
    with Run.open(setup["out"], write=False) as run:
        rows = run.predictions(("scene", "label_1", "score_1", "detail", "truth"))
    assert read_mask(rows["detail"].iloc[0]).classes.shape == (2, 2)
    assert read_mask(rows["truth"].iloc[0]).classes.shape == (30, 40)
    assert rows["score_1"].iloc[0] == 0.5
    found = commands.predict(**setup, vary=["colour=bt601-nv12-nearest", "resizer=opencv-area"])
    assert found["unit"] == "object"
    assert [row["miou"] for row in found["rows"]] == [1.0, 1.0, 1.0]
    assert [row["failed"] for row in found["rows"]] == [0, 0, 0]
    assert "objects with another label" in printing.predict_text(found)


def test_the_table_of_the_paper(setup):
    commands.predict(**setup, vary=["colour=bt601-nv12-nearest", "resizer=opencv-area,opencv-nearest"])
    found = table(setup["out"], "sysnoise-seg")
    assert found["headline"].startswith("tiny: mIoU 100.0 %, pixel accuracy 100.0 % on 3 pictures")
    assert "DeepLabV3 ResNet-50" in tables_text(found)


def test_a_picture_that_fails_is_a_record_and_the_others_count(setup):
    broken = setup["scenes"] / "images" / "p1.png"
    broken.write_bytes(broken.read_bytes()[:60])
    found = commands.predict(**setup)
    assert (found["failed"], found["miou"]) == (1, 1.0)


def test_objects_of_classes_that_no_model_has_do_not_count():
    both = Detections(((0.0, 0.0, 0.5, 0.5), (0.5, 0.5, 1.0, 1.0)), ("cat", "cupboard"), (1.0, 1.0))
    table = pd.DataFrame({"truth": [detections_text(both), ""]})
    notes = {"models": {"detector": {"labels": ["cat", "dog"]}}}
    kept = of_known_classes(table, SimpleNamespace(note=notes.__getitem__))["truth"]
    assert read_detections(kept[0]).labels == ("cat",)
    assert kept[1] == ""
    assert of_known_classes(table, SimpleNamespace(note={"models": None}.__getitem__)) is table
