import dataclasses
import hashlib
import json

import numpy as np
import pytest
from onnx import helper
from PIL import Image

from capture.scenes import read_scenes
from device_agents.errors import BadInput, KitError
from device_agents.sidecar import read_sidecar
from stability_train import variant_files
from stability_train.make_variants import compare
from stability_train.variant_files import asked_names, copy_variants, make_variants
from stability_train.variants import ARCHITECTURE, PRECISIONS, plan
from tests.device_agents.tiny_models import tiny_sidecar
from tests.stability_train.tiny_networks import dense_weights, write_dense, write_onnx


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """Ten pictures in place of the packaged photographs, which would have to be fetched."""
    rng = np.random.default_rng(2)
    (tmp_path / "pictures" / "cup").mkdir(parents=True)
    for number in range(10):
        Image.fromarray(rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)).save(
            tmp_path / "pictures" / "cup" / f"{number}.png"
        )
    scenes = tuple(read_scenes(tmp_path / "pictures"))
    shown = dataclasses.make_dataclass("Shown", ["scenes"])(scenes)
    monkeypatch.setattr(variant_files, "photographs", lambda *_, **__: shown)
    return tmp_path / "pictures"


@pytest.fixture
def source(tmp_path):
    return write_dense(tmp_path / "tiny.tflite", dense_weights())


def test_made_once_and_checked(tmp_path, pictures, source):
    labels = tmp_path / "labels.csv"
    labels.write_text("label,name\n" + "".join(f"c{number},c{number}\n" for number in range(100)))
    card = tiny_sidecar(outputs="logits", labels=str(labels))
    asked = {"float32": True, "float16": True, "int8-dynamic": True}
    given = {"calibration": pictures, "cache": tmp_path / "cache"}
    made, lacking = make_variants(source, card, asked, **given)
    assert lacking == {}
    assert [one.name for one in made] == list(asked)
    assert (made[0].max_difference, made[0].flips, made[0].pictures) == (0.0, 0, 10)
    assert 0 < made[1].max_difference < made[2].max_difference < 1
    assert made[1].sidecar.name == "tiny-float16"
    assert made[1].sidecar.variant == "float16"
    assert made[1].sidecar.source_sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert made[1].sidecar.calibration == ()
    assert made[1].sidecar.labels == str(labels)
    times = [one.path.stat().st_mtime_ns for one in made]
    again, _ = make_variants(source, card, asked, **given)
    assert (again, [one.path.stat().st_mtime_ns for one in again]) == (made, times)
    copied = copy_variants(made, tmp_path / "out")
    assert copied[1].path == tmp_path / "out" / "tiny-float16.tflite"
    assert read_sidecar(copied[1].path).labels == "../labels.csv"


@pytest.mark.slow
def test_calibrated_variants_name_their_pictures(tmp_path, pictures, source):
    card = tiny_sidecar(outputs="logits")
    asked = {"int8": True, "int8-per-tensor": True, "int16x8": True}
    said = []
    made, _ = make_variants(source, card, asked, calibration=pictures, cache=tmp_path / "cache", progress=said.append)
    hashes = {hashlib.sha256(file.read_bytes()).hexdigest() for file in pictures.rglob("*.png")}
    for one in made:
        assert set(one.sidecar.calibration) == hashes
        assert 0 < one.max_difference < 0.2
    assert any("few: 10 pictures" in line for line in said)
    other = write_onnx(
        tmp_path / "o.onnx",
        [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "w"], ["y"], transB=1)],
        shape=(1, 2, 2, 3),
        constants={"w": dense_weights()},
    )
    made, lacking = make_variants(
        other, card, dict.fromkeys(PRECISIONS, False), calibration=pictures, cache=tmp_path / "cache"
    )
    assert {one.name for one in made} == {
        *("float16", "float16-compute", "float32", "int16x8", "int8", "int8-dynamic", "int8-per-tensor"),
    }
    assert lacking["ceil"].endswith("expected a strided max-pool for ceil mode, got a model without one")
    assert "is made from .keras files" in lacking["bfloat16"]


def test_all_that_cannot_be_made_is_said_at_once_before_any_work(tmp_path, pictures, source):
    asked = {"float16": True, "ceil": True, "bfloat16": True, "floor": False}
    with pytest.raises(BadInput, match=r"ceil: .* made from .onnx or .keras files, got tiny.tflite.*; bfloat16: "):
        make_variants(source, tiny_sidecar(), asked, cache=tmp_path / "cache")
    (tmp_path / "few" / "cup").mkdir(parents=True)
    Image.new("RGB", (2, 2)).save(tmp_path / "few" / "cup" / "a.png")
    with pytest.raises(BadInput, match="expected 8 to 2000 distinct pictures, got 1"):
        make_variants(source, tiny_sidecar(), {"int8": True}, calibration=tmp_path / "few", cache=tmp_path / "cache")
    strange = write_dense(tmp_path / "strange.tflite", dense_weights(), extra="EXP")
    with pytest.raises(BadInput, match=r"int8: .*got EXP \(1\)"):
        make_variants(strange, tiny_sidecar(), {"int8": True}, calibration=pictures, cache=tmp_path / "cache")
    assert not (tmp_path / "cache" / "variants").exists()


def test_names_and_globs():
    assert asked_names("int8, float*") == {
        "int8": True,
        "float16": False,
        "float16-compute": False,
        "float32": False,
    }
    assert set(asked_names("all")) == {name for name, one in PRECISIONS.items() if one.noise != ARCHITECTURE}
    with pytest.raises(BadInput, match="unknown precision 'int9'"):
        asked_names("int9")
    with pytest.raises(BadInput, match="expected variants of a model"):
        asked_names(" ,")


def test_the_zoos_keras_file_stands_in_for_formats_that_only_keras_computes(tmp_path, source):
    keras = tmp_path / "tiny.keras"
    keras.write_bytes(b"")
    assert variant_files._keras_beside(source) is None
    (tmp_path / "provenance.json").write_text(json.dumps({"files": {"tiny.tflite": {}, "tiny.keras": {}}}))
    assert variant_files._keras_beside(source) == keras
    assert plan("bfloat16", source, keras=keras).suffix == ".keras"
    assert plan("int8", keras).convert


def test_scores_compared_by_hand():
    expected = np.array([[1.0, 2.0], [3.0, 0.0]])
    found = compare(expected, np.array([[1.0, 0.5], [3.0, 0.25]]))
    assert (found.max_difference, found.flips, found.pictures) == (1.5, 1, 2)
    with pytest.raises(KitError, match="expected finite scores, got infinite or no numbers on 1 of 2"):
        compare(expected, np.array([[1.0, np.inf], [3.0, 0.25]]))
    with pytest.raises(KitError, match="expected 2 scores as the source gives, got 3"):
        compare(expected, np.zeros((2, 3)))
