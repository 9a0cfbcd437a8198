"""Layers: a weight changed in one layer is found as the layer whose output must be replaced."""

import numpy as np
import pytest

from device_agents.runtimes import RUNTIMES
from hostctl.causes.layer_cuts import Graph, Node
from hostctl.causes.layers import Half, matched, substitute

DEPTH = 6


def write_chain(path, *, broken=-1, prefix="t"):
    """DEPTH layers that double and clip to 0..1000; in a broken one every second value is lost."""
    from onnx import TensorProto, helper, numpy_helper

    constants, nodes, last = [], [helper.make_node("Flatten", ["input"], [f"{prefix}flat"])], f"{prefix}flat"
    for number in range(DEPTH):
        weight = np.full(12, 2, np.float32)
        if number == broken:
            weight[::2] = 0
        constants.append(numpy_helper.from_array(weight, f"w{number}"))
        name = "scores" if number == DEPTH - 1 else f"{prefix}{number}"
        nodes.append(helper.make_node("Mul", [last, f"w{number}"], [name]))
        last = name
    entry = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 2, 2, 3])
    exit_ = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 12])
    graph = helper.make_graph(nodes, "chain", [entry], [exit_], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(made.SerializeToString())
    return path


def restores(scores):
    label = str(int(scores.argmax()))
    return label, label == "4"


@pytest.fixture
def tensor():
    values = np.linspace(0.1, 0.5, 12, dtype=np.float32)
    values[4] = 0.9
    return values.reshape(1, 2, 2, 3)


@pytest.mark.parametrize("most", [2, 4, 16])
@pytest.mark.parametrize("broken", range(DEPTH))
def test_the_first_substitution_that_restores_is_after_the_broken_layer(tmp_path, tensor, broken, most):
    good, bad = write_chain(tmp_path / "good.onnx"), write_chain(tmp_path / "bad.onnx", broken=broken)
    assert restores(RUNTIMES["onnxruntime"](good, 1)(tensor))[1]
    assert not restores(RUNTIMES["onnxruntime"](bad, 1)(tensor))[1]
    halves = (Half(path, "onnxruntime", 1, tensor) for path in (good, bad))
    rows = substitute(*halves, restores, most=most)
    first = next(row for row in rows if row["restores"])
    assert first["tensor"] == ("scores" if broken == DEPTH - 1 else f"t{broken}")
    assert (first["kind"], first["of"]) == ("Mul", DEPTH + 2)
    before = [row for row in rows if row["number"] < first["number"]]
    assert before[-1]["number"] == first["number"] - 1
    assert not any(row["restores"] for row in before)
    assert {row["relative"] == 0 for row in before} == {True}
    assert first["relative"] > 0.1


def test_the_same_model_and_input_restore_at_once(tmp_path, tensor):
    half = Half(write_chain(tmp_path / "m.onnx"), "onnxruntime", 1, tensor)
    rows = substitute(half, half, restores)
    assert (rows[0]["tensor"], rows[0]["restores"], rows[0]["relative"]) == ("input", True, 0.0)


def test_graphs_are_matched_by_name_or_by_place(tmp_path, tensor):
    one, two = write_chain(tmp_path / "a.onnx"), write_chain(tmp_path / "b.onnx", broken=2, prefix="other")
    rows = substitute(Half(one, "onnxruntime", 1, tensor), Half(two, "onnxruntime", 1, tensor), restores)
    assert next(row["tensor"] for row in rows if row["restores"]) == "other2"
    short = Graph((Node("x", ("in",), ("out",)),), "in", "out", {"in": (3,), "out": (3,)}, lambda start, end: b"")
    assert matched(short, short) == [("in", "in"), ("out", "out")]
    wide = Graph((Node("x", ("i",), ("o",)),), "i", "o", {"i": (3,), "o": (4,)}, lambda start, end: b"")
    assert matched(short, wide) == []
