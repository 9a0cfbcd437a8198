import numpy as np
import pytest

from device_agents.errors import BadInput
from device_agents.runtimes import NETWORKS
from hostctl.causes.layer_cuts import read_graph
from hostctl.differences.one_output import with_one_output
from tests.device_agents.tiny_models import write_onnx, write_onnx_boxes, write_tflite

TENSOR = np.linspace(0.1, 0.4, 12, dtype=np.float32).reshape(1, 2, 2, 3)


def test_each_output_of_a_detector_alone_is_what_it_was(tmp_path):
    path = write_onnx_boxes(tmp_path / "boxes.onnx", boxes=[[0, 0, 1, 1]], labels=[3], scores=[0.8])
    whole = NETWORKS["onnxruntime"](path, 1)(TENSOR)
    alone = tmp_path / "alone.onnx"
    alone.write_bytes(with_one_output(path, TENSOR.shape, 2))
    (scores,) = NETWORKS["onnxruntime"](alone, 1)(TENSOR)
    np.testing.assert_array_equal(scores, whole[2])
    # What only the other outputs needed is gone: the graph can be cut.
    assert [node.kind for node in read_graph(alone).nodes] == ["ReduceMean", "Greater", "Where", "Mul"]


def test_sizes_left_open_become_those_of_the_input(tmp_path):
    path = tmp_path / "fixed.onnx"
    path.write_bytes(with_one_output(write_onnx(tmp_path / "m.onnx"), (1, 2, 2, 3), 0))
    assert read_graph(path).shapes["scores"] == (12,)


def test_the_second_output_of_a_tflite_file_is_given_alone_and_a_single_one_is_left_as_it_is(tmp_path):
    single = write_tflite(tmp_path / "one.tflite")
    assert with_one_output(single, TENSOR.shape, 0) == single.read_bytes()
    path = tmp_path / "alone.tflite"
    path.write_bytes(with_one_output(write_tflite(tmp_path / "two.tflite", outputs=2), TENSOR.shape, 0))
    (found,) = NETWORKS["litert"](path, 1)(TENSOR)
    np.testing.assert_array_equal(found, TENSOR.reshape(1, 12))
    with pytest.raises(BadInput, match="can be cut"):
        with_one_output(tmp_path / "m.keras", TENSOR.shape, 0)
