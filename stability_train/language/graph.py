"""A Llama as an ONNX graph: token ids in, the scores of the next token at every place out.

Llama (Touvron et al. 2023): RMS normalisation before each half of a layer, rotary positions, keys and values shared
by groups of heads, SwiGLU. Only operators of opset 17, so that any runtime takes it. Nodes whose name begins with
``WIDE`` are computed in float32 in every precision, as PyTorch's Llama does (float16 cannot hold a sum of squares).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from device_agents.errors import BadInput
from stability_train.language.gguf import Array, Checkpoint, Sizes

OPSET = 17
WIDE = "wide/"
HEAD = "head"
INPUT, OUTPUT = "tokens", "logits"
MOST_BYTES = 2**31 - 2**24  # a protocol buffer ends at 2 GB
MASKED = -30_000.0  # of a score that may not count: exp of it is 0, and float16 holds it


@dataclass
class _Graph:
    """The graph while it is written: nodes and constants in order, and a number for each new name."""

    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)

    def node(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add an operator and give its output's name."""
        from onnx import helper

        output = f"{name or kind.lower()}-{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def constant(self, name: str, values: Array) -> str:
        """Add a constant, once a name, and give its name."""
        from onnx import numpy_helper

        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def whole(self, *values: int) -> str:
        """A constant list of whole numbers."""
        return self.constant(f"int:{','.join(map(str, values))}", np.array(values, np.int64))

    def number(self, value: float) -> str:
        """A constant number in float32."""
        return self.constant(f"float:{value!r}", np.array(value, np.float32))


def write_graph(checkpoint: Checkpoint, target: Path) -> None:
    """Write a checkpoint as a float32 ONNX file: tokens (batch, time) to scores (batch, time, vocabulary).

    Tokens are int64, time at most the checkpoint's context. Raises BadInput for a model past 2 GB in float32.
    """
    import onnx
    from onnx import TensorProto, helper

    sizes = checkpoint.sizes
    _check_size(checkpoint)
    graph = _Graph()
    cos, sin, mask = _places(graph, sizes)
    hidden = graph.node("Gather", graph.constant("embedding", checkpoint.weight("embedding")), INPUT, name="embedding")
    for layer in range(sizes.layers):
        hidden = _attention(graph, checkpoint, layer, hidden, cos, sin, mask)
        hidden = _mlp(graph, checkpoint, layer, hidden)
    last = _norm(graph, hidden, "norm", checkpoint.weight("norm"), sizes.epsilon)
    # The embedding once more, turned: ONNX Runtime's quantiser takes each matrix apart.
    logits = _linear(graph, last, HEAD, checkpoint)
    graph.nodes.append(helper.make_node("Identity", [logits], [OUTPUT], name=OUTPUT))
    places = helper.make_tensor_value_info(INPUT, TensorProto.INT64, ["batch", "time"])
    scores = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", "time", sizes.vocabulary])
    made = helper.make_graph(graph.nodes, checkpoint.name, [places], [scores])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    model.producer_name = "instability-kit"
    while graph.constants:  # each is let go once it is in: the weights would stand in memory twice
        model.graph.initializer.append(graph.constants.pop(next(iter(graph.constants))))
    onnx.save(model, target)


def _check_size(checkpoint: Checkpoint) -> None:
    sizes = checkpoint.sizes
    layer = sizes.width * (2 * sizes.width + 2 * sizes.groups * sizes.head_width + 3 * sizes.hidden)
    total = 4 * (sizes.layers * layer + 2 * sizes.vocabulary * sizes.width)
    if total > MOST_BYTES:
        raise BadInput(f"{checkpoint.name}: expected a model of at most 2 GB in float32, got {total / 1e9:.1f} GB")


def _places(graph: _Graph, sizes: Sizes) -> tuple[str, str, str]:
    """Cosines and sines (time, head width) of every place, and the mask (time, time) that hides what comes later."""
    half = sizes.head_width // 2
    angles = np.arange(sizes.context)[:, None] / sizes.rotary_base ** (np.arange(half) / half)[None, :]
    angles = np.concatenate([angles, angles], axis=1)
    ends = graph.node("Shape", INPUT, start=1, end=2)
    time = graph.node("Squeeze", ends, graph.whole(0))
    zero, one = (graph.constant(f"scalar:{value}", np.array(value, np.int64)) for value in (0, 1))
    found = []
    for name, values in (("cosines", np.cos(angles)), ("sines", np.sin(angles))):
        table = graph.constant(name, values.astype(np.float32))
        found.append(graph.node("Slice", table, graph.whole(0), ends, graph.whole(0), name=name))
    order = graph.node("Range", zero, time, one)
    later = graph.node(
        "Greater", graph.node("Unsqueeze", order, graph.whole(0)), graph.node("Unsqueeze", order, graph.whole(1))
    )
    mask = graph.node("Where", later, graph.number(MASKED), graph.number(0.0), name="mask")
    return found[0], found[1], mask


def _linear(graph: _Graph, hidden: str, name: str, checkpoint: Checkpoint) -> str:
    return graph.node("MatMul", hidden, graph.constant(name, checkpoint.weight(name).T), name=name)


def _norm(graph: _Graph, hidden: str, name: str, weight: Array, epsilon: float) -> str:
    """x / sqrt(mean(x^2) + epsilon) * weight (Zhang and Sennrich 2019)."""
    wide = f"{WIDE}{name}"
    square = graph.node("Mul", hidden, hidden, name=wide)
    mean = graph.node("ReduceMean", square, axes=[-1], keepdims=1, name=wide)
    root = graph.node("Sqrt", graph.node("Add", mean, graph.number(epsilon), name=wide), name=wide)
    scaled = graph.node("Div", hidden, root, name=name)
    return graph.node("Mul", scaled, graph.constant(name, weight), name=name)


def _attention(graph: _Graph, checkpoint: Checkpoint, layer: int, hidden: str, cos: str, sin: str, mask: str) -> str:
    """Add softmax(q k' / sqrt(d) + mask) v of the normalised hidden state to it."""
    sizes = checkpoint.sizes
    groups, shared, width = sizes.groups, sizes.heads // sizes.groups, sizes.head_width
    name = f"{layer}/attention-norm"
    norm = _norm(graph, hidden, name, checkpoint.weight(name), sizes.epsilon)

    def heads(kind: str, count: int) -> str:
        flat = _linear(graph, norm, f"{layer}/{kind}", checkpoint)
        split = graph.node("Reshape", flat, graph.whole(0, 0, count, width))
        return graph.node("Transpose", split, perm=[0, 2, 1, 3])

    query = _rotated(graph, heads("query", sizes.heads), cos, sin, width)
    query = graph.node("Reshape", query, graph.whole(0, groups, shared, -1, width))
    key = graph.node("Unsqueeze", _rotated(graph, heads("key", groups), cos, sin, width), graph.whole(2))
    value = graph.node("Unsqueeze", heads("value", groups), graph.whole(2))
    scores = graph.node("MatMul", query, graph.node("Transpose", key, perm=[0, 1, 2, 4, 3]), name=f"{layer}/scores")
    scaled = graph.node("Mul", scores, graph.number(width**-0.5), name=f"{layer}/scaled")
    shares = graph.node("Softmax", graph.node("Add", scaled, mask, name=f"{layer}/masked"), axis=-1)
    mixed = graph.node("MatMul", shares, value, name=f"{layer}/mixed")
    joined = graph.node("Reshape", graph.node("Transpose", mixed, perm=[0, 3, 1, 2, 4]), graph.whole(0, 0, sizes.width))
    return graph.node("Add", hidden, _linear(graph, joined, f"{layer}/output", checkpoint), name=f"{layer}/attention")


def _rotated(graph: _Graph, heads: str, cos: str, sin: str, width: int) -> str:
    """x cos + (-x2, x1) sin on the halves x1, x2 of each head (Su et al. 2021)."""
    half = width // 2
    first = graph.node("Slice", heads, graph.whole(0), graph.whole(half), graph.whole(3))
    second = graph.node("Slice", heads, graph.whole(half), graph.whole(width), graph.whole(3))
    turned = graph.node("Concat", graph.node("Neg", second), first, axis=-1)
    return graph.node("Add", graph.node("Mul", heads, cos), graph.node("Mul", turned, sin))


def _mlp(graph: _Graph, checkpoint: Checkpoint, layer: int, hidden: str) -> str:
    """Add down(silu(gate x) * up x) of the normalised hidden state to it (Shazeer 2020)."""
    name = f"{layer}/mlp-norm"
    norm = _norm(graph, hidden, name, checkpoint.weight(name), checkpoint.sizes.epsilon)
    gate = _linear(graph, norm, f"{layer}/gate", checkpoint)
    active = graph.node("Mul", gate, graph.node("Sigmoid", gate), name=f"{layer}/active")
    product = graph.node("Mul", active, _linear(graph, norm, f"{layer}/up", checkpoint), name=f"{layer}/product")
    return graph.node("Add", hidden, _linear(graph, product, f"{layer}/down", checkpoint), name=f"{layer}/mlp")
