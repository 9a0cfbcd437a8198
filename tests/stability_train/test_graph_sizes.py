"""Sizes in a graph follow its feature maps: a pyramid with fixed reshapes, in ceil mode and at another input size."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from device_agents.errors import BadInput
from device_agents.runtimes import NETWORKS
from stability_train.graph_edits import onnx_ceil
from stability_train.graph_sizes import onnx_input_size


def pyramid(path: Path, *, size: int, shuffle: tuple[int, ...] = ()) -> Path:
    """A strided max-pool, a channel shuffle with fixed sizes, a smaller map, upsampled and added; two outputs.

    Sides: pooled p = floor((size - 1) / 2) + 1; the smaller one floor((p - 1) / 2) + 1.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    pooled = (size - 1) // 2 + 1
    small = (pooled - 1) // 2 + 1
    rng = np.random.default_rng(0)
    shapes = {
        "part": shuffle or (1, 2, 2, pooled, pooled),
        "whole": (1, 4, pooled, pooled),
        "joined": (1, 4, pooled * pooled),
        "up": (1, 4, pooled, pooled),
    }
    constants = [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in shapes.items()]
    constants.append(numpy_helper.from_array(rng.normal(0, 1, (4, 4, 3, 3)).astype(np.float32), "weights"))
    constants.append(numpy_helper.from_array(np.zeros(0, np.float32), "none"))
    nodes = [
        helper.make_node("MaxPool", ["x"], ["pooled"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Reshape", ["pooled", "part"], ["parted"]),
        helper.make_node("Transpose", ["parted"], ["turned"], perm=[0, 2, 1, 3, 4]),
        helper.make_node("Reshape", ["turned", "whole"], ["shuffled"]),
        helper.make_node("Conv", ["shuffled", "weights"], ["small"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Resize", ["small", "none", "none", "up"], ["large"], mode="linear"),
        helper.make_node("Add", ["large", "shuffled"], ["sum"]),
        helper.make_node("Reshape", ["sum", "joined"], ["cells"]),
    ]
    entry = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, size, size])
    cells = helper.make_tensor_value_info("cells", TensorProto.FLOAT, [1, 4, pooled * pooled])
    low = helper.make_tensor_value_info("small", TensorProto.FLOAT, [1, 4, small, small])
    graph = helper.make_graph(nodes, "pyramid", [entry], [cells, low], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    onnx.save(model, path)
    return path


def run(path: Path, size: int) -> tuple[np.ndarray, ...]:
    picture = np.random.default_rng(1).normal(0, 1, (1, 4, size, size)).astype(np.float32)
    return NETWORKS["onnxruntime"](path, 1)(picture)


def test_ceil_mode_runs_where_sizes_were_written_down(tmp_path: Path) -> None:
    source = pyramid(tmp_path / "floor.onnx", size=8)  # (8 + 2 - 3) / 2 is no whole number
    onnx_ceil(source, tmp_path / "ceil.onnx", ceil=True)
    assert [one.shape for one in run(source, 8)] == [(1, 4, 16), (1, 4, 2, 2)]
    assert [one.shape for one in run(tmp_path / "ceil.onnx", 8)] == [(1, 4, 25), (1, 4, 3, 3)]


def test_where_floor_and_ceil_give_the_same_size_the_difference_is_exactly_zero(tmp_path: Path) -> None:
    source = pyramid(tmp_path / "floor.onnx", size=9)
    onnx_ceil(source, tmp_path / "ceil.onnx", ceil=True)
    floor, ceil = run(source, 9), run(tmp_path / "ceil.onnx", 9)
    assert all(np.array_equal(before, after) for before, after in zip(floor, ceil, strict=True))


def test_another_input_size_gives_what_an_export_of_that_size_gives(tmp_path: Path) -> None:
    source, wanted = pyramid(tmp_path / "small.onnx", size=8), pyramid(tmp_path / "large.onnx", size=11)
    onnx_input_size(source, tmp_path / "made.onnx", height=11, width=11)
    for ours, theirs in zip(run(tmp_path / "made.onnx", 11), run(wanted, 11), strict=True):
        assert np.array_equal(ours, theirs)


def test_a_reshape_that_mixes_height_with_channels_is_refused(tmp_path: Path) -> None:
    source = pyramid(tmp_path / "floor.onnx", size=8, shuffle=(1, 2, 8, 2, 2))
    with pytest.raises(BadInput, match="its size cannot follow"):
        onnx_ceil(source, tmp_path / "ceil.onnx", ceil=True)


@pytest.mark.parametrize(("name", "size"), [("nanodet_m_416_float", 418), ("fastestdet_352_float", 354)])
def test_detectors_at_a_size_without_a_difference_are_equal_bit_by_bit(name: str, size: int, tmp_path: Path) -> None:
    if not os.environ.get("INSTABILITY_DATA"):
        pytest.skip("INSTABILITY_DATA is not set")
    source = Path(os.environ["INSTABILITY_DATA"]) / "models" / "detection" / f"{name}.onnx"
    onnx_input_size(source, tmp_path / "floor.onnx", height=size, width=size)
    onnx_ceil(tmp_path / "floor.onnx", tmp_path / "ceil.onnx", ceil=True)
    picture = np.random.default_rng(0).normal(0, 1, (1, 3, size, size)).astype(np.float32)
    floor, ceil = (NETWORKS["onnxruntime"](tmp_path / f"{one}.onnx", 1)(picture) for one in ("floor", "ceil"))
    assert all(np.array_equal(before, after) for before, after in zip(floor, ceil, strict=True))
