"""Graphs: the dominators of small ones by hand, pieces that put together are the whole, for ONNX and TFLite."""

import numpy as np
import pytest

from device_agents.errors import BadInput
from device_agents.runtimes import RUNTIMES
from hostctl.causes.layer_cuts import Graph, Node, dominators, read_graph
from tests.device_agents.tiny_models import write_onnx, write_tflite


def graph(*nodes, source="in", sink="out"):
    return Graph(tuple(Node(kind, tuple(inputs.split()), tuple(outputs.split())) for kind, inputs, outputs in nodes),
                 source, sink, {}, lambda start, end: b"")  # fmt: skip


def test_a_chain_dominates_and_a_branch_does_not():
    chain = graph(("conv", "in w", "a"), ("relu", "a", "b"), ("add", "b c", "out"))
    assert dominators(chain) == ["in", "a", "b", "out"]
    residual = graph(
        ("conv", "in", "a"), ("conv", "a", "b"), ("conv", "b", "c"), ("add", "a c", "d"), ("relu", "d", "out")
    )
    assert dominators(residual) == ["in", "a", "d", "out"]


def test_constants_shapes_and_unread_results_do_not_hide_a_dominator():
    nodes = [("const", "w", "k"), ("split", "in", "a unread"), ("mul", "a k", "b"), ("add", "b k", "out")]
    assert dominators(graph(*nodes)) == ["in", "a", "b", "out"]
    long_way = [("conv", "in", "a"), ("conv", "in", "b"), ("cat", "a b", "c"), ("conv", "c", "out")]
    assert dominators(graph(*long_way)) == ["in", "c", "out"]


def write_residual(path):
    """y = relu(x W + 1); z = y + y V; scores = z U: an ONNX model with one residual."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(2)
    sizes = {"W": (12, 5), "one": (5,), "V": (5, 5), "U": (5, 12)}
    constants = [
        numpy_helper.from_array(rng.normal(size=size).astype(np.float32), name) for name, size in sizes.items()
    ]
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("MatMul", ["flat", "W"], ["a"]),
        helper.make_node("Add", ["a", "one"], ["b"]),
        helper.make_node("Relu", ["b"], ["y"]),
        helper.make_node("MatMul", ["y", "V"], ["v"]),
        helper.make_node("Add", ["y", "v"], ["z"]),
        helper.make_node("MatMul", ["z", "U"], ["scores"]),
    ]
    entry = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 2, 2, 3])
    exit_ = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 12])
    made = helper.make_model(
        helper.make_graph(nodes, "residual", [entry], [exit_], constants),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=8,
    )
    path.write_bytes(made.SerializeToString())
    return path


def test_the_pieces_of_an_onnx_model_put_together_are_the_model(tmp_path):
    path = write_residual(tmp_path / "m.onnx")
    found = read_graph(path)
    cuts = dominators(found)
    assert cuts == ["input", "flat", "a", "b", "y", "z", "scores"]
    tensor = np.random.default_rng(3).normal(size=(1, 2, 2, 3)).astype(np.float32)
    whole = RUNTIMES["onnxruntime"](path, 1)(tensor)
    for name in cuts[1:-1]:
        (tmp_path / "before.onnx").write_bytes(found.cut("input", name))
        (tmp_path / "after.onnx").write_bytes(found.cut(name, "scores"))
        middle = RUNTIMES["onnxruntime"](tmp_path / "before.onnx", 1)(tensor)
        again = RUNTIMES["onnxruntime"](tmp_path / "after.onnx", 1)(middle.reshape(1, *found.shapes[name]))
        np.testing.assert_allclose(again, whole, rtol=1e-5)


@pytest.mark.parametrize("kind", ["FLOAT32", "UINT8"])
def test_a_tflite_model_is_read_and_cut(tmp_path, kind):
    scale = {"scale": 0.5, "zero_point": 3} if kind == "UINT8" else {}
    path = write_tflite(tmp_path / "m.tflite", kind=kind, **scale)
    found = read_graph(path)
    assert dominators(found) == ["input", "scores"]
    assert (found.nodes[0].kind, found.shapes) == ("RESHAPE", {"input": (2, 2, 3), "scores": (12,)})
    (tmp_path / "again.tflite").write_bytes(found.cut("input", "scores"))
    tensor = np.arange(12, dtype=np.uint8 if kind == "UINT8" else np.float32).reshape(1, 2, 2, 3)
    one, two = (RUNTIMES["litert"](tmp_path / name, 1)(tensor) for name in ("m.tflite", "again.tflite"))
    np.testing.assert_array_equal(one, two)


def test_files_that_cannot_be_cut_are_refused(tmp_path):
    for name in ("m.onnx", "m.tflite"):
        (tmp_path / name).write_bytes(b"no model at all")
        with pytest.raises(BadInput, match=f"{name} is no"):
            read_graph(tmp_path / name)
    with pytest.raises(BadInput, match="keras"):
        read_graph(tmp_path / "m.keras")
    with pytest.raises(BadInput, match="one input and one output"):
        read_graph(write_tflite(tmp_path / "two.tflite", outputs=2))
    assert dominators(read_graph(write_onnx(tmp_path / "tiny.onnx"))) == ["input", "scores"]
