"""Sizes that an exporter wrote into an ONNX graph, made to follow where its feature maps became larger or smaller.

Exporters write a Reshape's target and a Resize's factor as constants. After a change of ceil mode or of the input's
size these are wrong, and the file does not run. A Reshape's target is worked out anew from what it was; a Resize whose
output meets another map (Add or Concat) gets that map's size, as code has it that upsamples to a given size.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from device_agents.errors import BadInput

Shape = tuple[int, ...]


def follow_sizes(before: Any, after: Any) -> None:
    """Change the constant sizes of ``after``, an edited copy of the ONNX model ``before``, so that its shapes fit.

    The nodes are the same in both. Does nothing where all shapes are free or fit already. Raises BadInput for a Reshape
    whose target does not follow from its input's height and width.
    """
    old = _shapes(before)
    del after.graph.value_info[:]
    _free_outputs(after)
    joined: dict[int, Shape] = {}
    for place in range(len(after.graph.node)):
        node = after.graph.node[place]
        if node.op_type not in ("Reshape", "Resize"):
            continue
        new = _shapes(after)
        source = node.input[0]
        if not _known(old, source) or not _known(new, source) or not _known(old, node.output[0]):
            continue
        if node.op_type == "Reshape" and old[source] != new[source]:
            _reshape(after, node, old[source], old[node.output[0]], new[source], joined)
        elif node.op_type == "Resize":
            _resize(after, node, new)


def onnx_input_size(source: Path, target: Path, *, height: int, width: int) -> None:
    """Write an NCHW model of a fixed input size for another one, as far as its sizes can follow; raises BadInput."""
    import onnx

    before = onnx.load(source)
    after = onnx.load(source)
    constants = {one.name for one in after.graph.initializer}
    entry = next(one for one in after.graph.input if one.name not in constants)
    sides = entry.type.tensor_type.shape.dim
    if len(sides) != 4:
        raise BadInput(f"{source}: expected an input (n, channels, height, width), got {len(sides)} axes")
    sides[2].dim_value, sides[3].dim_value = height, width
    follow_sizes(before, after)
    onnx.save(after, target)


def _reshape(model: Any, node: Any, was: Shape, target: Shape, now: Shape, joined: dict[int, Shape]) -> None:
    """Work out a Reshape's target anew. joined: by height * width together, as they are now, the two apart."""
    if target[-2:] == was[-2:]:
        made = (*target[:-2], *now[-2:])
    elif target.count(was[-2] * was[-1]) == 1:
        together = now[-2] * now[-1]
        joined[together] = now[-2:]
        made = tuple(together if side == was[-2] * was[-1] else side for side in target)
    elif was[-1] == target[-2] * target[-1] and now[-1] in joined:
        made = (*target[:-2], *joined[now[-1]])
    else:
        raise BadInput(
            f"expected a Reshape that keeps, joins or parts height and width, got {was} to {target} "
            f"({node.name or 'unnamed'}); its size cannot follow"
        )
    _constant(model, node, 1, made)


def _resize(model: Any, node: Any, new: dict[str, Shape]) -> None:
    """Give a Resize the size of the map that its output is added to or joined with, where its own differs."""
    for other in model.graph.node:
        if node.output[0] not in other.input or other.op_type not in ("Add", "Concat", "Mul", "Sum"):
            continue
        beside = [name for name in other.input if name != node.output[0] and _known(new, name)]
        mine, theirs = new.get(node.output[0]), new[beside[0]] if beside else None
        if theirs is None or mine is None or mine[-2:] == theirs[-2:]:
            continue
        roi = node.input[1] if len(node.input) > 1 else ""
        del node.input[1:]
        node.input.extend([roi, _no_scales(model), ""])
        _constant(model, node, 3, (*new[node.input[0]][:2], *theirs[-2:]))


def _no_scales(model: Any) -> str:
    """An empty list of factors, which opset 11 wants even where sizes are given and opset 13 refuses."""
    import numpy as np
    from onnx import numpy_helper

    if max((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), default=1) >= 13:
        return ""
    name = "no scales"
    if all(one.name != name for one in model.graph.initializer):
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(0, np.float32), name))
    return name


def _constant(model: Any, node: Any, place: int, values: Shape) -> None:
    """Give a node whole numbers of its own as its input at that place; several nodes may share the old ones."""
    import numpy as np
    from onnx import numpy_helper

    name = f"{node.output[0]}/size"
    model.graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
    node.input[place] = name


def _shapes(model: Any) -> dict[str, Shape]:
    """Each tensor's shape, 0 where a side is not fixed."""
    import onnx

    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    told = [*inferred.input, *inferred.value_info, *inferred.output]
    return {one.name: tuple(side.dim_value for side in one.type.tensor_type.shape.dim) for one in told}


def _known(shapes: dict[str, Shape], name: str) -> bool:
    return len(shapes.get(name, ())) >= 2 and all(shapes[name])


def _free_outputs(model: Any) -> None:
    """Forget the outputs' stated sizes, which the edited graph may not have; their batch stays."""
    for output in model.graph.output:
        for side in output.type.tensor_type.shape.dim[1:]:
            side.Clear()
