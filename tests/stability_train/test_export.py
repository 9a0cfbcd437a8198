"""The names in an ONNX file; the exports themselves are tested by the models they give (test_zoo.py)."""

from __future__ import annotations

import numpy as np

from stability_train.export import _name_by_order


def graph(*, running: int, swapped: bool):
    """Two clips by one constant that the converter holds twice, under names that change from run to run."""
    from onnx import TensorProto, helper, numpy_helper

    names = ["b", "a"] if swapped else ["a", "b"]
    constants = [
        numpy_helper.from_array(np.float32(value), name) for name, value in zip(names, (0.0, 6.0), strict=True)
    ]
    first = helper.make_node("Clip", ["input", names[0], names[1]], [f"clip__{running}:0"], name=f"clip__{running}")
    second = helper.make_node("Add", [f"clip__{running}:0", names[1]], ["scores"], name=f"add__{running + 1}")
    sizes = [f"unk__{running}", 3]
    return helper.make_graph(
        [first, second],
        "tf2onnx",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, sizes)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, sizes)],
        initializer=sorted(constants, key=lambda constant: constant.name),
        doc_string=f"converted from {running}",
    )


def test_two_conversions_of_one_model_get_the_same_bytes():
    one, other = graph(running=7, swapped=False), graph(running=31, swapped=True)
    assert one.SerializeToString() != other.SerializeToString()
    for made in (one, other):
        _name_by_order(made)
    assert one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True)
    assert [node.name for node in one.node] == ["clip.0", "add.1"]


def test_the_renamed_graph_computes_what_it_computed():
    import onnxruntime
    from onnx import helper

    made = graph(running=7, swapped=True)
    _name_by_order(made)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (scores,) = session.run(["scores"], {"input": np.array([[-1, 5, 7]], np.float32)})
    np.testing.assert_array_equal(scores, [[6, 11, 12]])  # min(max(x, 0), 6) + 6
