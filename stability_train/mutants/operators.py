"""OPERATOR_KINDS: mutants of what a layer computes: activations, padding, strides, axes, operators and their order.

The kinds of MutateNN (functions replaced, transposes put in, thresholds and types changed) on ONNX graphs instead of
TVM's, with those by which frameworks are known to differ: epsilon, ceil mode, and the side that padding goes to.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from stability_train.mutants.graph import Work, become, put, setting
from stability_train.mutants.weights import Kind

_POOLS = ("MaxPool", "AveragePool")
_PADDED = ("Conv", *_POOLS)
_NORMS = {"BatchNormalization": 1e-5, "InstanceNormalization": 1e-5, "LayerNormalization": 1e-5}
_EXCHANGED = {"Add": "Sub", "Sub": "Add", "Mul": "Add", "Div": "Mul", "MaxPool": "AveragePool"} | {
    "AveragePool": "MaxPool", "GlobalAveragePool": "GlobalMaxPool", "GlobalMaxPool": "GlobalAveragePool",
    "ReduceMean": "ReduceMax", "ReduceMax": "ReduceMin", "ReduceMin": "ReduceMax", "Max": "Min", "Min": "Max",
}  # fmt: skip
SMALL, LARGE = 1e-5, 1e-3  # PyTorch's epsilon, and Keras's


def _relu6(work: Work, node: Any, name: str) -> None:
    if work.opset < 11:
        become(node, "Clip", [name], min=0.0, max=6.0)
    else:
        become(node, "Clip", [name, work.add(np.array(0, np.float32)), work.add(np.array(6, np.float32))])


def _plain(work: Work, node: Any, name: str, *, kind: str, **settings: float) -> None:
    become(node, kind, [name], **settings)


ACTIVATIONS: dict[str, Callable[[Work, Any, str], None]] = {
    "Relu": partial(_plain, kind="Relu"),
    "Clip": _relu6,
    "LeakyRelu": partial(_plain, kind="LeakyRelu", alpha=0.1),
    "Sigmoid": partial(_plain, kind="Sigmoid"),
    "Tanh": partial(_plain, kind="Tanh"),
    "Elu": partial(_plain, kind="Elu", alpha=1.0),
    "HardSigmoid": partial(_plain, kind="HardSigmoid"),
}


def _is_activation(work: Work, node: Any) -> bool:
    return node.op_type in ACTIVATIONS and len(work.data(node)) == 1


def _exchange_activation(work: Work, node: Any, rng: np.random.Generator) -> str:
    before = str(node.op_type)
    after = str(rng.choice([one for one in ACTIVATIONS if one != before]))
    ACTIVATIONS[after](work, node, work.data(node)[0])
    return f"made {'Relu6' if after == 'Clip' else after}"


def _drop_activation(work: Work, node: Any, rng: np.random.Generator) -> str:
    become(node, "Identity", [work.data(node)[0]])
    return "left out"


def _has_bound(work: Work, node: Any) -> bool:
    return node.op_type == "Clip" and work.opset >= 11 and work.constant(node, 2) is not None


def _move_bound(work: Work, node: Any, rng: np.random.Generator) -> str:
    bound = work.constant(node, 2)
    assert bound is not None
    work.give(node, 2, np.asarray(bound * np.float32(0.99), bound.dtype))
    return f"upper bound {float(bound):g} made 1 % smaller"


def _has_padding(work: Work, node: Any) -> bool:
    if node.op_type == "Pad":
        pads = work.constant(node, 1) if work.opset >= 11 else setting(node, "pads")
        return pads is not None and any(pads)
    automatic = setting(node, "auto_pad", b"NOTSET")
    return node.op_type in _PADDED and (automatic.startswith(b"SAME") or any(setting(node, "pads", [])))


def _shift_padding(work: Work, node: Any, rng: np.random.Generator) -> str:
    """Take one row or column of padding from one end of an axis and put it at the other."""
    automatic = setting(node, "auto_pad", b"NOTSET")
    if node.op_type != "Pad" and automatic.startswith(b"SAME"):
        put(node, auto_pad="SAME_LOWER" if automatic == b"SAME_UPPER" else "SAME_UPPER")
        return "padding of the same size put at the other end where it is uneven"
    by_input = node.op_type == "Pad" and work.opset >= 11
    pads = np.array(work.constant(node, 1) if by_input else setting(node, "pads"), np.int64)
    axes = len(pads) // 2
    ends = [(axis, axis + axes) for axis in range(axes) if pads[axis] > 0]
    ends += [(axis + axes, axis) for axis in range(axes) if pads[axis + axes] > 0]
    giving, taking = ends[int(rng.integers(len(ends)))]
    before = pads.tolist()
    pads[giving] -= 1
    pads[taking] += 1
    if by_input:
        work.give(node, 1, pads)
    else:
        put(node, pads=pads.tolist())
    return f"padding {before} made {pads.tolist()}"


def _has_stride(work: Work, node: Any) -> bool:
    kernel = setting(node, "kernel_shape", [])
    return node.op_type in _PADDED and len(kernel) == 2


def _change_stride(work: Work, node: Any, rng: np.random.Generator) -> str:
    before = list(setting(node, "strides", [1, 1]))
    after = [1, 1] if max(before) > 1 else [2, 2]
    put(node, strides=after)
    return f"stride {before} made {after}"


def _is_pooling(work: Work, node: Any) -> bool:
    strided = max(setting(node, "strides", [1])) > 1 and setting(node, "auto_pad", b"NOTSET") == b"NOTSET"
    return node.op_type in _POOLS and strided and work.opset >= (10 if node.op_type == "MaxPool" else 19)


def _change_ceil(work: Work, node: Any, rng: np.random.Generator) -> str:
    ceil = 1 - int(setting(node, "ceil_mode", 0))
    put(node, ceil_mode=ceil)
    return f"ceil mode {'on' if ceil else 'off'}"


def _can_dilate(work: Work, node: Any) -> bool:
    kernel, dilations = setting(node, "kernel_shape", []), setting(node, "dilations", [1, 1])
    odd = len(kernel) == 2 and all(size % 2 for size in kernel) and max(kernel) > 1
    padded = setting(node, "auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
    return node.op_type == "Conv" and odd and padded and set(dilations) == {1}


def _dilate(work: Work, node: Any, rng: np.random.Generator) -> str:
    kernel, pads = setting(node, "kernel_shape"), list(setting(node, "pads", [0, 0, 0, 0]))
    put(node, dilations=[2, 2], pads=[one + size // 2 for one, size in zip(pads, [*kernel, *kernel], strict=True)])
    return "dilation 1 made 2, padded so that the size stays"


def _change_epsilon(work: Work, node: Any, rng: np.random.Generator) -> str:
    before = setting(node, "epsilon", _NORMS[node.op_type])
    after = SMALL if np.isclose(before, LARGE) else LARGE
    put(node, epsilon=after)
    return f"epsilon {before:.3g} made {after:g}"


def _has_axis(work: Work, node: Any) -> bool:
    return node.op_type in ("Softmax", "LogSoftmax") and len(work.shapes.get(node.input[0], ())) > 1


def _change_axis(work: Work, node: Any, rng: np.random.Generator) -> str:
    shape = work.shapes[node.input[0]]
    before = int(setting(node, "axis", -1 if work.opset >= 13 else 1)) % len(shape)
    others = [axis for axis in range(len(shape)) if axis != before]
    after = int(rng.choice([axis for axis in others if shape[axis] > 1] or others))
    put(node, axis=after)
    return f"axis {before} made {after}"


def _can_exchange(work: Work, node: Any) -> bool:
    return node.op_type in _EXCHANGED and bool(work.data(node))


def _exchange(work: Work, node: Any, rng: np.random.Generator) -> str:
    after = _EXCHANGED[node.op_type]
    node.op_type = after
    if node.op_type in _POOLS:  # each has settings that the other does not know
        settings = {name: setting(node, name) for name in ("kernel_shape", "strides", "pads", "ceil_mode", "auto_pad")}
        become(node, after, list(node.input), **{name: value for name, value in settings.items() if value is not None})
    return f"made {after}"


def _can_turn(work: Work, node: Any) -> bool:
    shape = work.shapes.get(node.input[0], ()) if node.input else ()
    return node.op_type in _PADDED and len(shape) == 4 and shape[2] == shape[3] > 1


def _turn_input(work: Work, node: Any, rng: np.random.Generator) -> str:
    from onnx import helper

    source, made = node.input[0], f"mutant_turned_{node.output[0]}"
    work.before(node, helper.make_node("Transpose", [source], [made], perm=[0, 1, 3, 2]))
    node.input[0] = made
    return "height and width of its input transposed"


def _keeps_channels(work: Work, node: Any) -> bool:
    """Whether a node takes one tensor and gives one with the same channels, whatever it holds."""
    sole = len(work.data(node)) == 1 and len(node.output) == 1
    return sole and (node.op_type in ACTIVATIONS or node.op_type in (*_POOLS, *_NORMS, "Mul", "Add"))


def _can_swap(work: Work, node: Any) -> bool:
    """Whether the node and the one after it can change places: nothing else reads what lies between."""
    if not _keeps_channels(work, node) or work.is_output(node.output[0]):
        return False
    after = work.readers(node.output[0])
    alike = len(after) == 1 and after[0].op_type == node.op_type
    return len(after) == 1 and _keeps_channels(work, after[0]) and not alike


def _swap_order(work: Work, node: Any, rng: np.random.Generator) -> str:
    after = work.readers(node.output[0])[0]
    source, between, end = work.data(node)[0], node.output[0], after.output[0]
    first, second = type(node)(), type(node)()
    first.CopyFrom(after)
    second.CopyFrom(node)
    for made, taken, wanted, given in ((first, between, source, between), (second, source, between, end)):
        names = [wanted if name == taken else name for name in made.input]
        del made.input[:], made.output[:]
        made.input.extend(names)
        made.output.append(given)
    nodes = work.model.graph.node
    after.CopyFrom(second)
    nodes.remove(node)
    work.before(after, first)  # not where the node was: constants that the other one reads may be made after that
    return f"and the {first.op_type} after it in the other order"


OPERATOR_KINDS: dict[str, Kind] = {
    "activation-dropped": Kind(_is_activation, _drop_activation),
    "activation-exchanged": Kind(_is_activation, _exchange_activation),
    "bound-one-percent": Kind(_has_bound, _move_bound),
    "ceil-mode": Kind(_is_pooling, _change_ceil),
    "dilation": Kind(_can_dilate, _dilate),
    "epsilon": Kind(lambda work, node: node.op_type in _NORMS, _change_epsilon),
    "operator-exchanged": Kind(_can_exchange, _exchange),
    "order-swapped": Kind(_can_swap, _swap_order, layers=2),
    "padding-shifted": Kind(_has_padding, _shift_padding),
    "softmax-axis": Kind(_has_axis, _change_axis),
    "stride": Kind(_has_stride, _change_stride),
    "transpose-inserted": Kind(_can_turn, _turn_input),
}
