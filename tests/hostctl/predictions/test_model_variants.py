"""Variants of a model in a study of a run: made, noted, compared; and apart from what they were calibrated with."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from analysis.store import Run
from capture.scenes import read_scenes
from device_agents.errors import BadInput
from hostctl import commands
from hostctl.predictions import model_variants
from hostctl.runs import tabling
from stability_train import variant_files
from tests.device_agents.tiny_models import tiny_sidecar
from tests.stability_train.tiny_networks import dense_weights, write_dense


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A dense model, 12 pictures to evaluate and 9 to check and calibrate with."""
    monkeypatch.setenv("INSTABILITY_CACHE", str(tmp_path / "cache"))
    write_dense(tmp_path / "tiny.tflite", dense_weights())
    (tmp_path / "tiny.tflite.json").write_text(json.dumps(dataclasses.asdict(tiny_sidecar(outputs="logits"))))
    rng = np.random.default_rng(5)
    for folder, count in (("shown", 12), ("other", 9)):
        (tmp_path / folder / "7").mkdir(parents=True)
        for number in range(count):
            file = tmp_path / folder / "7" / f"{number}.png"
            Image.fromarray(rng.integers(0, 256, (5, 4, 3), dtype=np.uint8)).save(file)
    other = dataclasses.make_dataclass("Shown", ["scenes"])(tuple(read_scenes(tmp_path / "other")))
    monkeypatch.setattr(variant_files, "photographs", lambda *_, **__: other)
    return {"scenes": tmp_path / "shown", "out": tmp_path / "run", "model": str(tmp_path / "tiny.tflite"), "workers": 1}


@pytest.mark.slow
def test_precision_is_one_more_family_of_a_study(study, tmp_path):
    given = {"vary": ["precision=float16,int8,float32", "resizer=pillow-box"], "calibration": tmp_path / "other"}
    result = commands.predict(**study, **given)
    assert [row["changed"] for row in result["rows"]] == [
        {},
        {"precision": "float16"},
        {"precision": "int8"},
        {"resizer": "pillow-box"},
    ]
    assert result["failed"] == 0
    with Run.open(study["out"], write=False) as run:
        note = run.note("model_variants")
        table = run.predictions()
    assert sorted(one["variant"] for one in note.values()) == ["float16", "int8"]
    assert len({one["of"] for one in note.values()}) == 1
    assert set(table["model"]) == {"tiny"}
    assert table["model_sha256"].nunique() == 3
    parts = tabling.table(study["out"], "sysnoise-cls")["parts"]
    noises = {row["noise"] for row in parts["numbers"]["rows"]}
    assert {"precision: float16", "precision: int8"} <= noises
    assert parts["sysnoise-cls"]["rows"][0]["precision"] != "-/-"


def test_pictures_that_it_was_calibrated_with_are_refused(study, tmp_path):
    with pytest.raises(BadInput, match=r"tiny-int8: expected calibration pictures apart from the run's pictures and"):
        commands.predict(**study, vary=["precision=int8"], calibration=study["scenes"])


def test_a_variant_that_cannot_be_made_is_refused_before_any_work(study):
    with pytest.raises(BadInput, match=r"ceil: precision 'ceil' is made from .onnx or .keras files, got tiny.tflite"):
        commands.predict(**study, vary=["precision=ceil"])


def test_vary_prints_names_files_and_differences(study, tmp_path):
    result = model_variants.vary_model(study["model"], precision="float16,fl*,c*", out=tmp_path / "out")
    assert [row["name"] for row in result["rows"]] == ["float16", "float32"]
    assert result["rows"][1]["max_difference"] == 0
    assert set(result["left_out"]) == {"ceil", "float16-compute", "floor"}
    text = model_variants.vary_text(result)
    assert str(tmp_path / "out" / "tiny-float16.tflite") in text
    assert "max difference of logits, and first labels that flip, on 9 photographs" in text
    assert "left out: ceil: precision 'ceil' is made from" in text
