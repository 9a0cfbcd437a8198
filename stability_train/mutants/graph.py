"""An ONNX graph under edit: its constants and sizes, and the few ways in which a mutant changes a node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_agents.errors import BadInput, KitError, MissingExtra
from device_agents.runtime_libraries import read_model

Array = NDArray[Any]


class Unfit(KitError):
    """A node that a kind of mutant cannot change after all, with the reason."""


@dataclass
class Work:
    """A copy of a model that is being changed, with what is known of the original.

    constants: the values of initializers and Constant nodes by name. shapes: sizes of tensors with the batch, only
    those that are known. Tensors keep the names that they have in the original.
    """

    model: Any
    constants: Mapping[str, Any]
    shapes: Mapping[str, tuple[int, ...]]
    _made: int = field(default=0)

    @property
    def opset(self) -> int:
        """The version of the standard operators."""
        return next((one.version for one in self.model.opset_import if one.domain in ("", "ai.onnx")), 1)

    def constant(self, node: Any, slot: int) -> Array | None:
        """The constant that a node reads as its input number ``slot``; None where that is absent or no constant."""
        from onnx import numpy_helper

        name = node.input[slot] if slot < len(node.input) else ""
        return np.array(numpy_helper.to_array(self.constants[name])) if name in self.constants else None

    def data(self, node: Any) -> list[str]:
        """The node's inputs that are no constants."""
        return [name for name in node.input if name and name not in self.constants]

    def add(self, values: Array) -> str:
        """Put a new constant into the model and give its name, which no tensor of the original has."""
        from onnx import numpy_helper

        self._made += 1
        name = f"mutant_constant_{self._made}"
        self.model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def give(self, node: Any, slot: int, values: Array) -> None:
        """Let this node alone read other values as its input number ``slot``."""
        node.input[slot] = self.add(values)

    def readers(self, name: str) -> list[Any]:
        """The nodes that read a tensor."""
        return [node for node in self.model.graph.node if name in node.input]

    def is_output(self, name: str) -> bool:
        """Whether a tensor is one of the model's outputs."""
        return any(one.name == name for one in self.model.graph.output)

    def before(self, node: Any, made: Any) -> None:
        """Put a node into the graph ahead of another, so that the order stays one in which they can run."""
        number = next(place for place, one in enumerate(self.model.graph.node) if one.output == node.output)
        self.model.graph.node.insert(number, made)


def read_onnx(path: Path) -> Any:
    """Read an ONNX file; raises BadInput for another kind of file, MissingExtra where onnx is absent."""
    try:
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    except ImportError as problem:
        raise MissingExtra("mutants need onnx; pip install 'instability-kit[tensorflow]'") from problem
    if path.suffix.lower() != ".onnx":
        raise BadInput(
            f"expected an .onnx model to change, got {path.name}; convert it, or name a zoo model with .onnx"
        )
    try:
        model = onnx.load_model_from_string(read_model(path))
    except DecodeError as problem:
        raise BadInput(f"{path} is no ONNX model: {problem}") from problem
    if not model.graph.node or not model.graph.output:
        raise BadInput(f"{path} is no ONNX model: it has no operators or no output")
    return model


def fixed(model: Any, shape: Sequence[int]) -> Any:
    """Give a copy for one size of input, (1, ...): what the file says of all other sizes is worked out anew.

    Raises BadInput for more inputs than one, a batch other than 1, and sizes that the model does not take.
    """
    import onnx

    entries = inputs(model)
    if len(entries) != 1:
        raise BadInput(f"expected a model of one input, got {len(entries)}: {', '.join(one.name for one in entries)}")
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    sizes = inputs(copy)[0].type.tensor_type.shape.dim
    asked = [one.dim_value if one.HasField("dim_value") else want for one, want in zip(sizes, shape, strict=False)]
    if len(sizes) != len(shape) or asked != list(shape) or shape[0] != 1:
        raise BadInput(f"expected an input of shape {tuple(asked)} with a batch of 1, got {tuple(shape)}")
    for one, size in zip(sizes, shape, strict=True):
        one.dim_value = size
    del copy.graph.value_info[:]
    for output in copy.graph.output:
        for one in output.type.tensor_type.shape.dim:
            one.Clear()  # a mutant may give another size, and the original's is found again below
    try:
        return onnx.shape_inference.infer_shapes(copy)
    except onnx.shape_inference.InferenceError as problem:
        raise BadInput(f"the model's sizes do not fit together: {problem}") from problem


def opened(model: Any) -> Work:
    """Look at a fixed model's constants and sizes; the model itself is not copied."""
    graph = model.graph
    constants = {one.name: one for one in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    shapes = {}
    for one in (*graph.value_info, *graph.input, *graph.output):
        sizes = tuple(size.dim_value for size in one.type.tensor_type.shape.dim)
        if one.type.HasField("tensor_type") and sizes and all(sizes):
            shapes[one.name] = sizes
    return Work(model, constants, shapes)


def copied(base: Work) -> Work:
    """Copy a model to change it; constants and sizes stay the original's. Inner sizes are left out of the copy."""
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(base.model)
    del model.graph.value_info[:]
    for output in model.graph.output:
        for one in output.type.tensor_type.shape.dim:
            one.Clear()
    return Work(model, base.constants, base.shapes)


def inputs(model: Any) -> list[Any]:
    """The inputs that are no weights."""
    weights = {one.name for one in model.graph.initializer}
    return [one for one in model.graph.input if one.name not in weights]


def setting(node: Any, name: str, default: Any = None) -> Any:
    """A node's attribute, or the default."""
    from onnx import helper

    found = next((one for one in node.attribute if one.name == name), None)
    return default if found is None else helper.get_attribute_value(found)


def put(node: Any, **settings: Any) -> None:
    """Set a node's attributes, each in place of the one of its name."""
    from onnx import helper

    kept = [one for one in node.attribute if one.name not in settings]
    del node.attribute[:]
    node.attribute.extend([*kept, *(helper.make_attribute(name, value) for name, value in settings.items())])


def become(node: Any, kind: str, names: Sequence[str], **settings: Any) -> None:
    """Make a node another operator with these inputs and attributes; its outputs and name stay."""
    node.op_type = kind
    del node.input[:], node.attribute[:]
    node.input.extend(names)
    put(node, **settings)
