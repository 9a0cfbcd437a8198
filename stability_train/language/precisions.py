"""PRECISIONS of a language model's ONNX graph: what each rounds, and on what it computes.

float32          as the GGUF file's weights are, widened
float16          weights and every operator's result rounded to float16, the inside of an operator and of a
bfloat16         normalisation in float32: what PyTorch and GPUs do with such a model
float16-weights  weights alone
int8             weights as int8, a scale a column; activations as uint8 with a scale and zero point of their own range,
                 made anew at each inference; integer kernels (ONNX Runtime's dynamic quantisation)
int8-mixed       LLM.int8() (Dettmers et al. 2022): weights symmetric, a scale a column; activations a scale a token,
                 but for columns with a value past 6, which are multiplied apart in float32, and the head; the integers'
                 sums are computed in float32
int8-weights     weights alone as int8, symmetric, a scale a column; arithmetic in float32
float16-compute  ONNX Runtime's own conversion: where a kernel is missing it computes in float32 and rounds between

Every file has the same input and output (float32). A CPU gains no speed from the rounded ones: each result is cast
there and back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from device_agents.errors import BadInput
from stability_train.half import onnx_float16, onnx_float16_compute
from stability_train.language.graph import HEAD, WIDE
from stability_train.quantise import onnx_dynamic
from stability_train.variants import Maker, copy

Array = np.ndarray[Any, np.dtype[Any]]

LARGE = 6.0  # LLM.int8()'s own
# Operators that compute new numbers; the others move or turn them, which rounds nothing.
COMPUTES = frozenset({"Add", "Div", "MatMul", "Mul", "Sigmoid", "Softmax", "Sub"})


def rounded(source: Path, target: Path, *, dtype: str) -> None:
    """Write a float32 graph with weights and results rounded to ``dtype``, "float16" or "bfloat16".

    Rounding is to the nearest, ties to even. Nodes named WIDE... keep float32. Raises BadInput for a weight that
    float16 cannot hold.
    """
    import onnx
    from onnx import helper

    model = onnx.load(source)
    kind = {"float16": onnx.TensorProto.FLOAT16, "bfloat16": onnx.TensorProto.BFLOAT16}[dtype]
    widened = [node for constant in model.graph.initializer for node in _stored(constant, dtype, kind, source)]
    nodes = []
    for node in model.graph.node:
        nodes.append(node)
        if node.op_type not in COMPUTES or node.name.startswith(WIDE):
            continue
        result = node.output[0]
        node.output[0] = f"{result}/exact"
        nodes.append(helper.make_node("Cast", [f"{result}/exact"], [f"{result}/{dtype}"], to=kind))
        nodes.append(helper.make_node("Cast", [f"{result}/{dtype}"], [result], to=onnx.TensorProto.FLOAT))
    _write(model, [*widened, *nodes], target)


def _stored(constant: Any, dtype: str, kind: int, source: Path) -> list[Any]:
    """Round a float32 constant in place, under another name; gives the node that widens it again."""
    import ml_dtypes
    import onnx
    from onnx import helper, numpy_helper

    if constant.data_type != onnx.TensorProto.FLOAT or not constant.dims:
        return []
    values, name = numpy_helper.to_array(constant), constant.name
    with np.errstate(over="ignore"):  # what is past the format is told below
        narrow = values.astype(np.float16 if dtype == "float16" else ml_dtypes.bfloat16)
    if not np.isfinite(narrow.astype(np.float32)).all():
        raise BadInput(f"{source}: expected weights within {dtype}, got one past it in {name}")
    stored = helper.make_tensor(f"{name}/{dtype}", kind, constant.dims, narrow.tobytes(), raw=True)
    constant.CopyFrom(stored)
    return [helper.make_node("Cast", [stored.name], [name], to=onnx.TensorProto.FLOAT)]


def int8_weights(source: Path, target: Path) -> None:
    """Write a graph whose matrices are round(w / s) s, with s = max|w| / 127 of a column: what int8 would hold."""
    import onnx

    model = onnx.load(source)
    _int8_matrices(model, {node.input[1] for node in model.graph.node if node.op_type == "MatMul"})
    onnx.save(model, target)


def int8_mixed(source: Path, target: Path) -> None:
    """Write a graph whose products are those of LLM.int8(): int8 by token and column, large columns apart.

    A column of the activations is large where any token's absolute value in it is LARGE or more.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(source)
    constants = {one.name for one in model.graph.initializer}
    linear = [node for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in constants]
    linear = [node for node in linear if node.input[1] != HEAD]
    _int8_matrices(model, {node.input[1] for node in linear}, exact="/exact")
    numbers = {
        "int8:zero": 0.0,
        "int8:large": LARGE,
        "int8:most": 127.0,
        "int8:least": float(np.finfo(np.float32).tiny),
    }
    for name, value in numbers.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
    mixed = {node.output[0] for node in linear}
    nodes: list[Any] = []
    for node in model.graph.node:
        nodes += _mixed(node) if node.output[0] in mixed else [node]
    _write(model, nodes, target)


def _mixed(node: Any) -> list[Any]:
    """The nodes of one product x W: round(small x / s) s W in int8, plus large x W exact, s = max|small x| / 127."""
    from onnx import helper

    made: list[Any] = []

    def add(kind: str, *inputs: str, name: str, **attributes: Any) -> str:
        made.append(
            helper.make_node(kind, list(inputs), [f"{node.name}/{name}"], name=f"{node.name}/{name}", **attributes)
        )
        return f"{node.name}/{name}"

    hidden, matrix = node.input
    columns = add("ReduceMax", add("Abs", hidden, name="sizes"), name="columns", axes=[0, 1], keepdims=1)
    over = add("Not", add("Less", columns, "int8:large", name="below"), name="over")
    large = add("Where", over, hidden, "int8:zero", name="large")
    small = add("Where", over, "int8:zero", hidden, name="small")
    rows = add("ReduceMax", add("Abs", small, name="small-sizes"), name="rows", axes=[-1], keepdims=1)
    scale = add("Div", add("Max", rows, "int8:least", name="some"), "int8:most", name="scale")
    whole = add("Round", add("Div", small, scale, name="steps"), name="whole")
    narrow = add("MatMul", add("Mul", whole, scale, name="rounded"), matrix, name="narrow")
    exact = add("MatMul", large, f"{matrix}/exact", name="exact")
    return [*made, helper.make_node("Add", [narrow, exact], list(node.output), name=node.name)]


def _int8_matrices(model: Any, matrices: Collection[str], *, exact: str = "") -> None:
    """Round matrices (in, out) to 127 steps each way, a scale a column; exact: of a name under which each stays.

    The steps are stored as the float32 values that they stand for: where the graph widens integers, ONNX Runtime 1.31
    fuses that with the product (MatMulNBits), whose results are up to 0.6 % of the largest off.
    """
    from onnx import numpy_helper

    for constant in [one for one in model.graph.initializer if one.name in matrices]:
        values, name = numpy_helper.to_array(constant), constant.name
        scales = np.maximum(np.abs(values).max(axis=0), np.finfo(np.float32).tiny) / np.float32(127)
        if exact:
            model.graph.initializer.append(numpy_helper.from_array(values, f"{name}{exact}"))
        constant.CopyFrom(numpy_helper.from_array(np.rint(values / scales) * scales, name))


def _write(model: Any, nodes: Sequence[Any], target: Path) -> None:
    import onnx

    kept = list(nodes)
    del model.graph.node[:]
    model.graph.node.extend(kept)
    onnx.save(model, target)


PRECISIONS: Mapping[str, Maker] = {
    "bfloat16": partial(rounded, dtype="bfloat16"),
    "float16": partial(rounded, dtype="float16"),
    "float16-compute": onnx_float16_compute,
    "float16-weights": onnx_float16,
    "float32": copy,
    "int8": onnx_dynamic,
    "int8-mixed": int8_mixed,
    "int8-weights": int8_weights,
}
