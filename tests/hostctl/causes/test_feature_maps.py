"""Feature maps: measured and drawn by hand, and a small ONNX model with and without ceil mode."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from capture.scenes import read_scenes
from device_agents.errors import BadInput
from device_agents.sidecar import read_sidecar
from hostctl import cli
from hostctl.causes.feature_maps import (
    ALONE,
    draw_difference,
    draw_map,
    feature_maps,
    feature_maps_text,
    measure,
    read_map,
)
from hostctl.causes.layer_cuts import read_graph
from stability_train import variant_files
from tests.device_agents.tiny_models import tiny_sidecar
from tests.stability_train.tiny_networks import write_onnx

SIDE, CHANNELS = 12, 4


def test_measures_by_hand():
    base = np.zeros((2, 2, 1))
    base[..., 0] = [[3.0, 0.0], [0.0, 4.0]]
    other = base + np.array([[[0.0], [0.5]], [[0.0], [0.0]]])
    found = measure(base, other)
    assert found["relative"] == pytest.approx(0.5 / 5)
    assert found["largest"] == 0.5
    assert found["correlation"] == pytest.approx(np.corrcoef(base.ravel(), other.ravel())[0, 1])
    assert found["alone"] == 0
    larger = np.pad(base, ((0, 1), (0, 1), (0, 0)))
    assert measure(base, larger) == pytest.approx({"relative": 0, "largest": 0, "correlation": 1, "alone": 1 - 4 / 9})
    assert measure(np.zeros((2, 2, 1)), np.zeros((2, 2, 1)))["relative"] == 0


def test_drawn_with_its_own_largest_value_and_what_is_alone_in_orange():
    base, other = np.zeros((2, 2, 3)), np.zeros((3, 3, 3))
    other[0, 1] = [1.0, 2.0, 3.0]  # the mean over the channels: 2
    other[1, 1] = 1.0
    drawn = draw_difference(base, other)
    times = drawn.shape[0] // 3
    assert drawn.shape == (3 * times, 3 * times, 3)
    small = drawn[::times, ::times]
    assert small[0, 1].tolist() == [255, 255, 255]
    assert small[1, 1].tolist() == [128, 128, 128]
    assert small[0, 0].tolist() == [0, 0, 0]
    assert small[2, 0].tolist() == list(ALONE)
    assert draw_map(np.dstack([[[1.0, 3.0]], [[1.0, 5.0]]]))[0, [0, -1], 0].tolist() == [0, 255]
    assert draw_map(np.ones((2, 2, 1))).max() == 0


@pytest.fixture
def model(tmp_path, monkeypatch):
    """Convolution, pool of an odd size, convolution, mean; ten pictures in place of the packaged photographs."""
    from onnx import helper

    rng = np.random.default_rng(1)
    nodes = [
        helper.make_node("Conv", ["x", "first"], ["early"], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["early"], ["bent"]),
        helper.make_node("MaxPool", ["bent"], ["pooled"], kernel_shape=[3, 3], strides=[2, 2]),
        helper.make_node("Conv", ["pooled", "second"], ["late"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["late"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["y"]),
    ]
    constants = {
        "first": rng.normal(size=(CHANNELS, 3, 3, 3)).astype(np.float32),
        "second": rng.normal(size=(5, CHANNELS, 3, 3)).astype(np.float32),
    }
    path = write_onnx(tmp_path / "net.onnx", nodes, shape=(1, 3, SIDE, SIDE), out=(1, 5), constants=constants)
    card = tiny_sidecar(
        outputs="logits", layout="nchw", input_height=SIDE, input_width=SIDE, fit="squash", scaling="zero-one"
    )
    Path(f"{path}.json").write_text(json.dumps(dataclasses.asdict(card)))
    (tmp_path / "pictures" / "cup").mkdir(parents=True)
    for number in range(10):
        pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / "cup" / f"{number}.png")
    shown = dataclasses.make_dataclass("Shown", ["scenes"])(tuple(read_scenes(tmp_path / "pictures")))
    monkeypatch.setattr(variant_files, "photographs", lambda *_, **__: shown)
    monkeypatch.setenv("INSTABILITY_CACHE", str(tmp_path / "cache"))
    return path


def picture(tmp_path: Path) -> Path:
    return tmp_path / "pictures" / "cup" / "0.png"


def test_ceil_mode_differs_at_the_border_alone(tmp_path, model):
    found = feature_maps(
        picture(tmp_path), model=str(model), precision="ceil", layers=("bent", "pooled", "late"), out=tmp_path / "out"
    )
    early, pooled, late = found["rows"]
    assert [row["layer"] for row in found["rows"]] == ["bent", "pooled", "late"]
    assert (early["shape"], early["relative"], early["alone"]) == ("10 x 10 x 4", 0, 0)
    # floor((10 - 3) / 2) + 1 = 4 and ceil((10 - 3) / 2) + 1 = 5 places a side
    assert (pooled["shape"], pooled["relative"], pooled["alone"]) == ("5 x 5 x 4", 0, pytest.approx(1 - 16 / 25))
    assert late["relative"] > 0
    page = (tmp_path / "out" / "feature-maps.html").read_text()
    assert "36.0&nbsp;% of places only in one" in page
    assert "no difference" in page
    assert "<script" not in page
    assert (tmp_path / "out" / "feature-maps.csv").read_text().startswith("variant,layer,shape,relative")
    assert "pooled" in feature_maps_text(found)


def test_a_map_is_what_the_runtime_computes(tmp_path, model):
    import onnxruntime

    graph = read_graph(model)
    tensor = np.random.default_rng(2).random((1, 3, SIDE, SIDE)).astype(np.float32)
    late = read_map(model, graph, "late", tensor)
    scores = onnxruntime.InferenceSession(model).run(None, {"x": tensor})[0][0]
    assert late.shape == (4, 4, 5)
    assert late.mean(axis=(0, 1)) == pytest.approx(scores, abs=1e-5)
    with pytest.raises(BadInput, match="expected a map of three sizes at y"):
        read_map(model, graph, "y", tensor)
    assert read_sidecar(model).layout == "nchw"


def test_what_cannot_be_shown_is_said(tmp_path, model):
    given = {"model": str(model), "out": tmp_path / "out"}
    with pytest.raises(BadInput, match="layer .nowhere.: expected one tensor, got 0"):
        feature_maps(picture(tmp_path), precision="ceil", layers=("nowhere",), **given)
    with pytest.raises(BadInput, match="unknown precision 'ceiling'"):
        feature_maps(picture(tmp_path), precision="ceiling", **given)
    other = tmp_path / "net.keras"
    other.write_bytes(b"")
    Path(f"{other}.json").write_text(Path(f"{model}.json").read_text())
    with pytest.raises(BadInput, match="suffix"):
        feature_maps(picture(tmp_path), model=str(other), precision="ceil", out=tmp_path / "out")


@pytest.mark.parametrize(
    "words",
    [
        ["--vary", "precision=ceil"],
        ["--model", "mobilenet-v2"],
        ["--model", "mobilenet-v2", "--vary", "precision=ceil", "--vary", "decoder"],
    ],
)
def test_the_command_says_what_feature_maps_need(tmp_path, capsys, words):
    assert cli.main(["noise", "photo.jpg", *words]) == 2
    assert "feature maps: expected one picture, --model MODEL and --vary precision=VARIANT" in capsys.readouterr().err


def test_the_command_shows_them(tmp_path, model, capsys):
    words = ["noise", str(picture(tmp_path)), "--model", str(model), "--vary", "precision=ceil", "--quiet", "--json"]
    assert cli.main([*words, "--layer", "pooled", "--out", str(tmp_path / "out")]) == 0
    assert [row["layer"] for row in json.loads(capsys.readouterr().out)["rows"]] == ["pooled"]
