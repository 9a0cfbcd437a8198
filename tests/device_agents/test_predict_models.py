"""What a model's defaults are, and what the data pack's models score."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from device_agents import runtimes
from device_agents.errors import BadInput, MissingExtra
from device_agents.predict import Job, JobPicture, default_environment, predict, write_job
from device_agents.records import Environment, Prediction, from_line
from device_agents.sidecar import Sidecar
from tests.device_agents.tiny_models import tiny_sidecar, write_onnx


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_onnx(tmp_path / "tiny.onnx")


def test_default_environment_says_everything(model: Path) -> None:
    environment = default_environment(tiny_sidecar(), model, view="crop", threads=2, machine="pi")
    assert environment == Environment(
        model="tiny",
        model_sha256=hashlib.sha256(model.read_bytes()).hexdigest(),
        decoder="pillow",
        view="crop",
        colour="rgb",
        fit="squash",
        resizer="pillow-nearest",
        scaling="zero-one",
        runtime="onnxruntime",
        runtime_version=runtimes.runtime_version("onnxruntime"),
        threads=2,
        machine="pi",
    )
    with pytest.raises(BadInput, match="unknown decoder"):
        default_environment(tiny_sidecar(), model, decoder="pil")
    with pytest.raises(MissingExtra, match="tflite-runtime"):
        default_environment(tiny_sidecar(), model, runtime="tflite-runtime")


def imagenet_sidecar(**changes: object) -> Sidecar:
    values = {"input_height": 224, "input_width": 224, "fit": "short-side-256-crop", "resizer": "pillow-bilinear"}
    return tiny_sidecar(**{**values, "scaling": "imagenet", "outputs": "logits", **changes})


def top_1(data_pack: Path, model: str, sidecar: Sidecar, *, every: int, **variants: object) -> list[bool]:
    with (data_pack / "imagenet" / "labels.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))[::every]
    with (data_pack / "labels" / "imagenet_classes.csv").open(encoding="utf-8") as lines:
        labels = tuple(row["wnid"] for row in csv.DictReader(lines))
    path = data_pack / "models" / "classification" / model
    environment = default_environment(sidecar, path, **variants)  # type: ignore[arg-type]
    pictures = tuple(JobPicture(row["file"], str(data_pack / "imagenet" / row["file"])) for row in rows)
    predictions = list(predict(Job(str(path), sidecar, pictures, (environment,), labels=labels)))
    assert [one.error for one in predictions if one.error] == []
    return [one.labels[0] == row["wnid"] for one, row in zip(predictions, rows, strict=True)]


def test_data_pack_float_model_scores_what_its_readme_says(data_pack: Path) -> None:
    # README of the data pack: top-1 84.2 % on imagenet/ (400 photographs).
    right = top_1(data_pack, "mobilenet_v2_1.0_224_float.tflite", imagenet_sidecar(), every=1)
    assert len(right) == 400
    assert 100 * np.mean(right) == pytest.approx(84.2, abs=0.3)


@pytest.mark.slow
def test_data_pack_other_models_score_what_their_readme_says(data_pack: Path) -> None:
    quantised = imagenet_sidecar(scaling="bytes", outputs="quantised", background=True)
    softmaxed = dataclasses.replace(quantised, scaling="minus-one-one", outputs="probabilities")
    planar = imagenet_sidecar(layout="nchw")
    caffe = dataclasses.replace(planar, scaling="caffe", colour_order="bgr")
    for model, sidecar, stated in (
        ("mobilenet_v2_1.0_224_quant.tflite", quantised, 88.5),
        ("mobilenet_v2_1.0_224_float.onnx", planar, 84.2),
        ("mobilenet_v1_0.25_224_float.tflite", softmaxed, 55.0),
        ("squeezenet1_0_float_ceil.onnx", caffe, 62.7),
    ):
        right = top_1(data_pack, model, sidecar, every=1)
        assert 100 * np.mean(right) == pytest.approx(stated, abs=0.3), model


def test_data_pack_kernels_agree_on_labels_where_the_model_is_float(data_pack: Path) -> None:
    answers = {
        name: top_1(data_pack, f"mobilenet_v2_1.0_224_float.{suffix}", sidecar, every=50, runtime=name)
        for name, suffix, sidecar in (
            ("litert", "tflite", imagenet_sidecar()),
            ("litert-builtin", "tflite", imagenet_sidecar()),
            ("litert-reference", "tflite", imagenet_sidecar()),
            ("onnxruntime", "onnx", imagenet_sidecar(layout="nchw")),
        )
    }
    assert len({tuple(right) for right in answers.values()}) == 1


@pytest.mark.slow
def test_data_pack_keras_file_agrees_with_its_tflite(data_pack: Path, tmp_path: Path) -> None:
    sidecar = imagenet_sidecar()
    folder = data_pack / "models" / "classification"
    files = sorted((data_pack / "imagenet").glob("*.JPEG"))[::100]
    lines = {}
    for suffix in ("keras", "tflite"):
        model = folder / f"mobilenet_v2_1.0_224_float.{suffix}"
        pictures = tuple(JobPicture(file.name, str(file)) for file in files)
        write_job(tmp_path / "job.json", Job(str(model), sidecar, pictures, (default_environment(sidecar, model),)))
        # In a process of its own: TensorFlow takes its number of threads once, and warns at import.
        command = [sys.executable, "-m", "device_agents", "predict", str(tmp_path / "job.json")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=True)
        lines[suffix] = [from_line(Prediction, line) for line in done.stdout.splitlines()]
    assert len(lines["keras"]) == len(files)
    for ours, theirs in zip(lines["keras"], lines["tflite"], strict=True):
        assert ours.error == ""
        assert ours.labels[0] == theirs.labels[0]
        assert ours.scores == pytest.approx(theirs.scores, abs=1e-4)
        assert ours.tensor_sha256 == theirs.tensor_sha256
