"""Small models whose differences are known: a chain of layers with a branch, one layer of which may be changed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from device_agents.sidecar import sidecar_values
from tests.device_agents.tiny_models import SIZE, tiny_sidecar

LAYERS = ("flat", "left", "right", "joined", "twice", "scores")
WEIGHTS = {"left": 2.0, "right": 3.0, "twice": 1.5, "scores": 0.1}


def write_branched(path: Path, *, changed: str = "", factor: float = 1.0, prefix: str = "") -> Path:
    """Write (1, 2, 2, 3) -> 12 scores: flat, left and right of it, joined (their sum), twice, scores.

    Each but "flat" and "joined" multiplies by a constant; that of ``changed`` is multiplied by ``factor`` first.
    """
    from onnx import TensorProto, helper, numpy_helper

    def name(layer: str) -> str:
        return layer if layer in ("scores", "input") else prefix + layer

    weights = {layer: value * (factor if layer == changed else 1) for layer, value in WEIGHTS.items()}
    constants = [
        numpy_helper.from_array(np.full(12, value, np.float32), f"w_{layer}") for layer, value in weights.items()
    ]
    nodes = [
        helper.make_node("Flatten", ["input"], [name("flat")]),
        helper.make_node("Mul", [name("flat"), "w_left"], [name("left")]),
        helper.make_node("Mul", [name("flat"), "w_right"], [name("right")]),
        helper.make_node("Add", [name("left"), name("right")], [name("joined")]),
        helper.make_node("Mul", [name("joined"), "w_twice"], [name("twice")]),
        helper.make_node("Mul", [name("twice"), "w_scores"], [name("scores")]),
    ]
    entry = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", SIZE, SIZE, 3])
    exit_ = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 12])
    graph = helper.make_graph(nodes, "branched", [entry], [exit_], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(made.SerializeToString())
    return with_sidecar(path)


def with_sidecar(path: Path, **changes: object) -> Path:
    """Write a tiny model's sidecar beside it."""
    path.with_name(f"{path.name}.json").write_text(json.dumps(sidecar_values(tiny_sidecar(**changes))))
    return path


def write_pictures(folder: Path, count: int) -> Path:
    """Write so many noisy pictures with a CSV that lists them; give the CSV."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    for number in range(count):
        Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).save(folder / f"p{number:02}.png")
    rows = [f"p{number:02}.png,{number % 12}" for number in range(count)]
    (folder / "labels.csv").write_text("\n".join(["file,label", *rows]) + "\n")
    return folder / "labels.csv"
