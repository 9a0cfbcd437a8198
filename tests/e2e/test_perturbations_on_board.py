"""Perturbed pictures on a virtual board: its own agent perturbs them, and equals the host's bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from analysis.store import Run
from device_agents.sidecar import sidecar_values
from hostctl import commands
from tests.device_agents.tiny_models import tiny_sidecar

LAB = """
name = "one board"
[display]
screen = "virtual"
width = 640
height = 480
[[device]]
name = "board"
kind = "virtual-board"
camera = "board-plain"
predicts = "agent"
"""
PERTURBATIONS = (  # one of each way: drawn, filtered, moved in the view, in a sequence, and one after another
    *("gaussian-noise-3", "frost-2", "glass-blur-2", "shift-crop-1", "shift-inpaint-1", "scale-black-101"),
    *("snow-frame-03", "translate-frame-05", "rotate--5", "camera-noise-8", "fog-3+stored-jpeg-85"),
)
SIZE = 32
COLUMNS = (
    "picture",
    "machine",
    "perturbation",
    "label_1",
    "score_1",
    "label_2",
    "score_2",
    "error",
    "resized_fingerprint",
)


def write_means(path: Path) -> Path:
    """Write a model whose three scores are the mean red, green and blue of 32 x 32 pixels: what operators need."""
    from onnx import TensorProto, helper

    mean = helper.make_node("ReduceMean", ["input"], ["scores"], axes=[1, 2], keepdims=0)
    shown = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, SIZE, SIZE, 3])
    told = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 3])
    model = helper.make_model(
        helper.make_graph([mean], "means", [shown], [told]), opset_imports=[helper.make_opsetid("", 13)]
    )
    model.ir_version = 8
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for number in range(3):
        base = Image.fromarray(rng.integers(0, 256, (14, 14, 3), dtype=np.uint8))
        base.resize((140, 140), Image.Resampling.BILINEAR).save(folder / f"p{number}.jpg", quality=80)
    (folder / "labels.csv").write_text("file,label\n" + "".join(f"p{number}.jpg,1\n" for number in range(3)))
    (tmp_path / "lab.toml").write_text(LAB)
    return folder / "labels.csv"


def test_a_perturbation_on_the_board_equals_the_hosts(tmp_path: Path, scenes: Path) -> None:
    model = write_means(tmp_path / "means.onnx")
    card = tiny_sidecar(input_height=SIZE, input_width=SIZE, resizer="pillow-bilinear")
    model.with_name(f"{model.name}.json").write_text(json.dumps(sidecar_values(card)))
    asked: dict[str, Any] = {"scenes": scenes, "out": tmp_path / "run", "model": str(model), "workers": 1}
    vary = [f"perturbation={','.join(PERTURBATIONS)}"]
    here = commands.predict(**asked, vary=vary)
    there = commands.predict(**asked, vary=vary, lab=tmp_path / "lab.toml", on="board")
    with Run.open(tmp_path / "run", write=False) as run:
        table = run.predictions(COLUMNS)
    host, board = (
        table[table["machine"] == name]
        .drop(columns="machine")
        .sort_values(["picture", "perturbation"])
        .reset_index(drop=True)
        for name in ("host", "board")
    )
    assert len(host) == 3 * (1 + len(PERTURBATIONS))
    assert host["error"].unique().tolist() == [""]
    assert host.equals(board)  # the pixels before scaling too, by their hash
    assert there["against_host"] == {"both": len(host), "differing": 0, "first_stage": {}}
    assert [row["flips"] for row in there["rows"]] == [row["flips"] for row in here["rows"]]
