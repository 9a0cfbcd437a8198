"""Graphs under edit: what is no ONNX model is refused, sizes are fixed, and a change reaches one node alone."""

import numpy as np
import onnx
import pytest

from device_agents.errors import BadInput
from stability_train.mutants.graph import copied, fixed, inputs, opened, put, read_onnx, setting
from tests.fakes.mutant_network import SHAPE, network_bytes, write_network


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("model.tflite", b"x", "expected an .onnx model to change"),
        ("model.onnx", b"\xff\xff not a model", "is no ONNX model"),
        ("model.onnx", b"", "no operators"),
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=words) as problem:
        read_onnx(tmp_path / name)
    assert "\n" not in str(problem.value)
    with pytest.raises(BadInput, match="cannot read the model file"):
        read_onnx(tmp_path / "absent.onnx")


def test_sizes_are_worked_out_for_one_input(tmp_path):
    model = fixed(read_onnx(write_network(tmp_path / "m.onnx")), SHAPE)
    shapes = opened(model).shapes
    assert shapes["pool"] == (1, 8, 7, 7)
    assert shapes["scores"] == (1, 6)
    assert shapes["input"] == SHAPE


@pytest.mark.parametrize("shape", [(2, 3, 16, 16), (1, 4, 16, 16), (1, 3, 16)])
def test_an_input_that_the_model_does_not_take_is_refused(shape):
    with pytest.raises(BadInput, match="expected an input of shape"):
        fixed(onnx.load_model_from_string(network_bytes()), shape)


def test_two_inputs_are_refused():
    model = onnx.load_model_from_string(network_bytes())
    model.graph.input.append(onnx.helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, [1]))
    assert [one.name for one in inputs(model)] == ["input", "more"]
    with pytest.raises(BadInput, match="expected a model of one input, got 2: input, more"):
        fixed(model, SHAPE)


def test_a_change_reaches_the_copy_and_one_node_alone():
    base = opened(fixed(onnx.load_model_from_string(network_bytes()), SHAPE))
    before = base.model.SerializeToString()
    work = copied(base)
    node = work.model.graph.node[0]
    put(node, pads=[0, 0, 2, 2])
    work.give(node, 1, np.zeros((8, 3, 3, 3), np.float32))
    assert setting(node, "pads") == [0, 0, 2, 2]
    assert setting(node, "group", 7) == 7
    assert base.model.SerializeToString() == before
    assert node.input[1] not in [one.name for one in base.model.graph.initializer]
    assert not work.model.graph.value_info
