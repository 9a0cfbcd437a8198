"""The variant with all of SysNoise's noises of inference: what it holds, and which models have none to hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from device_agents.errors import BadInput
from stability_train.variants import make, plan
from tests.stability_train.tiny_networks import run_onnx, write_onnx

RNG = np.random.default_rng(5)
KERNELS = RNG.normal(0, 1, (3, 3, 1, 1)).astype(np.float32)
PICTURES = [RNG.normal(0, 1, (1, 3, 8, 8)).astype(np.float32) for _ in range(6)]


def network(path: Path) -> Path:
    """A strided max-pool of 8 to 4 (ceil: 5), a convolution, and nearest upsampling to twice the size."""
    nodes = [
        helper.make_node("MaxPool", ["x"], ["p"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["p", "w"], ["c"]),
        helper.make_node("Resize", ["c", "", "twice"], ["y"], mode="nearest"),
    ]
    constants = {"w": KERNELS, "twice": np.array([1, 1, 2, 2], np.float32)}
    return write_onnx(path, nodes, shape=(1, 3, 8, 8), constants=constants)


def test_pooling_upsampling_and_int8_are_changed_at_once(tmp_path: Path) -> None:
    source = network(tmp_path / "plain.onnx")
    made = tmp_path / "made.onnx"
    make(plan("every-noise", source), made, PICTURES)
    graph = onnx.load(made).graph
    settings = {node.op_type: {one.name: one for one in node.attribute} for node in graph.node}
    assert settings["MaxPool"]["ceil_mode"].i == 1
    assert settings["Resize"]["mode"].s == b"linear"
    assert any(array.data_type == onnx.TensorProto.INT8 for array in graph.initializer)
    assert [run_onnx(path, PICTURES[0]).shape for path in (source, made)] == [(1, 3, 8, 8), (1, 3, 10, 10)]
    assert not list(tmp_path.glob("edited-*"))


def test_a_model_with_neither_is_refused(tmp_path: Path) -> None:
    source = write_onnx(
        tmp_path / "conv.onnx",
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        shape=(1, 3, 8, 8),
        constants={"w": KERNELS},
    )
    with pytest.raises(BadInput, match="a strided max-pool or upsampling beside what INT8 changes, got neither"):
        plan("every-noise", source)
