from __future__ import annotations

import logging

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from device_agents.errors import BadInput
from device_agents.runtimes import NETWORKS
from stability_train.language.gguf import read_checkpoint
from stability_train.language.graph import write_graph
from stability_train.language.precisions import LARGE, PRECISIONS, rounded
from tests.fakes import tiny_llama

TOKENS = np.array([[1, 5, 17, 2, 30, 33, 8, 8, 21, 0, 40, 3]], np.int64)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llama")
    write_graph(read_checkpoint(tiny_llama.write_gguf(folder / "tiny.gguf", tiny_llama.weights())), folder / "f.onnx")
    return folder / "f.onnx"


def answers(path, runtime="onnxruntime"):
    return NETWORKS[runtime](path, 1)(TOKENS)[0][0]


@pytest.mark.parametrize("name", sorted(PRECISIONS))
def test_every_precision_runs_close_to_float32_and_is_another_file(source, tmp_path, name):
    target = tmp_path / f"{name}.onnx"
    PRECISIONS[name](source, target)
    onnx.checker.check_model(onnx.load(target))
    exact, found = answers(source), answers(target)
    assert found.dtype == np.float32
    limits = {"float32": 0, "float16": 0.05, "float16-compute": 0.05, "float16-weights": 0.05, "bfloat16": 0.4}
    # Of scores from -5 to 5; random weights pass every error on. In int8 a layer has one scale for all activations.
    limits |= {"int8-weights": 0.8, "int8-mixed": 0.8, "int8": 1.5}
    difference = np.abs(found - exact).max()
    assert difference <= limits[name]
    assert (difference == 0) == (name == "float32")


@pytest.mark.parametrize(("name", "kind"), [("float16", np.float16), ("bfloat16", ml_dtypes.bfloat16)])
@pytest.mark.parametrize("runtime", ["onnxruntime", "onnxruntime-none"])
def test_rounded_scores_are_numbers_of_the_format_and_no_optimiser_undoes_it(source, tmp_path, name, kind, runtime):
    rounded(source, tmp_path / "r.onnx", dtype=name)
    found = answers(tmp_path / "r.onnx", runtime)
    np.testing.assert_array_equal(found, found.astype(kind).astype(np.float32))
    assert (answers(source) != answers(source).astype(kind).astype(np.float32)).mean() > 0.9


def test_bfloat16_equals_numpys_rounding_of_one_product(tmp_path):
    rng = np.random.default_rng(3)
    matrix = rng.normal(size=(4, 5)).astype(np.float32)
    one_product(tmp_path / "f.onnx", matrix)
    rounded(tmp_path / "f.onnx", tmp_path / "r.onnx", dtype="bfloat16")
    hidden = rng.normal(size=(1, 3, 4)).astype(ml_dtypes.bfloat16).astype(np.float32)
    product = hidden @ matrix.astype(ml_dtypes.bfloat16).astype(np.float32)
    (found,) = NETWORKS["onnxruntime"](tmp_path / "r.onnx", 1)(hidden)
    np.testing.assert_array_equal(found, product.astype(ml_dtypes.bfloat16).astype(np.float32))


def test_a_weight_past_float16_is_refused(tmp_path):
    one_product(tmp_path / "f.onnx", np.full((4, 5), 7e4, np.float32))
    with pytest.raises(BadInput, match="expected weights within float16, got one past it in weight"):
        rounded(tmp_path / "f.onnx", tmp_path / "r.onnx", dtype="float16")
    rounded(tmp_path / "f.onnx", tmp_path / "r.onnx", dtype="bfloat16")


def test_int8_weights_are_half_a_step_from_the_weights(source, tmp_path):
    PRECISIONS["int8-weights"](source, tmp_path / "w.onnx")
    weights = {one.name: numpy_helper.to_array(one) for one in onnx.load(source).graph.initializer}
    stored = {one.name: numpy_helper.to_array(one) for one in onnx.load(tmp_path / "w.onnx").graph.initializer}
    scales = np.abs(weights["1/down"]).max(axis=0) / 127
    whole = stored["1/down"] / scales
    np.testing.assert_allclose(whole, np.rint(whole), atol=1e-4)
    np.testing.assert_allclose(np.abs(whole).max(axis=0), 127, rtol=1e-6)
    assert (np.abs(stored["1/down"] - weights["1/down"]) <= scales / 2 * 1.001).all()
    np.testing.assert_array_equal(stored["embedding"], weights["embedding"])


def test_mixed_products_are_those_of_llm_int8_by_hand(tmp_path):
    rng = np.random.default_rng(5)
    matrix = rng.normal(size=(6, 4)).astype(np.float32)
    one_product(tmp_path / "f.onnx", matrix, name="0/down")
    PRECISIONS["int8-mixed"](tmp_path / "f.onnx", tmp_path / "m.onnx")
    hidden = rng.normal(size=(1, 3, 6)).astype(np.float32)
    hidden[0, 1, 2] = 40.0  # column 2 is large, for all tokens
    assert LARGE == 6.0
    small, large = hidden.copy(), np.zeros_like(hidden)
    small[..., 2], large[..., 2] = 0, hidden[..., 2]
    rows = np.abs(small).max(axis=-1, keepdims=True) / 127
    columns = np.abs(matrix).max(axis=0) / 127
    whole = np.rint(small / rows).astype(np.int32) @ np.rint(matrix / columns).astype(np.int32)
    (found,) = NETWORKS["onnxruntime"](tmp_path / "m.onnx", 1)(hidden)
    np.testing.assert_allclose(found, whole * rows * columns + large @ matrix, atol=1e-4)
    # A row of zeros has no range: it stays nothing.
    (nothing,) = NETWORKS["onnxruntime"](tmp_path / "m.onnx", 1)(np.zeros((1, 2, 6), np.float32))
    np.testing.assert_array_equal(nothing, 0)


def test_the_head_keeps_float32_in_the_mixed_form(source, tmp_path):
    PRECISIONS["int8-mixed"](source, tmp_path / "m.onnx")
    weights, found = (
        {one.name: numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}
        for path in (source, tmp_path / "m.onnx")
    )
    np.testing.assert_array_equal(found["head"], weights["head"])
    np.testing.assert_array_equal(found["0/query/exact"], weights["0/query"])
    assert (found["0/query"] != weights["0/query"]).any()


def test_the_quantiser_leaves_the_log_as_it_was(source, tmp_path):
    before = logging.root.manager.disable
    PRECISIONS["int8"](source, tmp_path / "q.onnx")
    assert logging.root.manager.disable == before


def one_product(path, matrix, name="weight"):
    from onnx import TensorProto, helper

    node = helper.make_node("MatMul", ["x", name], ["y"], name="product")
    entry = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "time", matrix.shape[0]])
    exit_ = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, "time", matrix.shape[1]])
    graph = helper.make_graph([node], "one", [entry], [exit_], [numpy_helper.from_array(matrix, name)])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
