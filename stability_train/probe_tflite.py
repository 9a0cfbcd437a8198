"""The probe of a TFLite model, written operator by operator with the schema that ai-edge-litert ships."""

from __future__ import annotations

import copy
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from device_agents.errors import BadInput, MissingExtra

# TensorType's numbers that a picture comes in (schema.fbs).
_TYPES = {0: "float32", 1: "float16", 3: "uint8", 9: "int8", 7: "int16", 2: "int32"}


def tflite_entry(data: bytes, source: str) -> dict[str, Any]:
    """Give the fields of probe.Entry of a TFLite file's bytes; raises BadInput or MissingExtra."""
    graph = _read(data, source).subgraphs[0]
    if len(graph.inputs) != 1:
        raise BadInput(f"{source}: expected a model of one input, got {len(graph.inputs)}")
    tensor = graph.tensors[graph.inputs[0]]
    if tensor.type not in _TYPES:
        raise BadInput(f"{source}: expected an input of numbers, got TensorType {tensor.type}")
    scale, zero = _quantisation(tensor)
    return {
        "name": _text(tensor.name),
        "dtype": _TYPES[tensor.type],
        "shape": tuple(int(size) for size in tensor.shape),
        "scale": scale,
        "zero_point": zero,
        "outputs": tuple(_size(graph.tensors[number]) for number in graph.outputs),
    }


def tflite_probe(data: bytes, pieces: Sequence[tuple[int, int, int]] | None) -> bytes:
    """Give a probe file: the identity, or with ``pieces`` (output, first value, end) those parts of the input."""
    import flatbuffers  # type: ignore[import-untyped]

    model = _read(data, "the model")
    writer = _Writer(model)
    if pieces is None:
        writer.identity()
    else:
        writer.slices(pieces)
    writer.finish()
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _schema() -> Any:
    try:
        import flatbuffers  # noqa: F401 - the schema needs it
        from ai_edge_litert import schema_py_generated
    except ImportError as problem:
        raise MissingExtra(
            "probes of .tflite models need ai-edge-litert and flatbuffers; pip install 'instability-kit[demo]'"
        ) from problem
    return schema_py_generated


def _read(data: bytes, source: str) -> Any:
    schema = _schema()
    if data[4:8] != b"TFL3":
        raise BadInput(f"{source} is no TFLite model: its identifier is {data[4:8]!r}")
    try:
        return schema.ModelT.InitFromPackedBuf(bytearray(data), 0)
    except (struct.error, IndexError, TypeError, ValueError) as problem:
        raise BadInput(f"{source} is a damaged TFLite model: {problem}") from problem


class _Writer:
    """One subgraph under way: the model's own input and outputs, and the operators put between them."""

    def __init__(self, model: Any) -> None:
        self.schema = _schema()
        self.model = model
        old = model.subgraphs[0]
        self.input = old.tensors[old.inputs[0]]
        self.outputs = [old.tensors[number] for number in old.outputs]
        self.moved = {old.inputs[0]: 0} | {number: at + 1 for at, number in enumerate(old.outputs)}
        # Metadata keeps its buffers; the weights go.
        kept = [(entry, model.buffers[entry.buffer]) for entry in model.metadata or []]
        model.buffers = [self.schema.BufferT()]
        for entry, buffer in kept:
            entry.buffer = len(model.buffers)
            buffer.offset = buffer.size = 0
            model.buffers.append(buffer)
        self.tensors = [self.input, *self.outputs]
        for tensor in self.tensors:
            tensor.buffer, tensor.isVariable = 0, False
        self.operators: list[Any] = []
        self.codes: list[int] = []
        self.name = old.name

    def identity(self) -> None:
        """Make the first and only output the input, under the first output's name."""
        given = copy.copy(self.input)
        given.name = self.outputs[0].name
        self.tensors, self.outputs = [self.input, given], [given]
        self._operator("RESHAPE", [0, self._integers([int(size) for size in self.input.shape])], 1, "ReshapeOptions")

    def slices(self, pieces: Sequence[tuple[int, int, int]]) -> None:
        """Fill each output with a piece of the flattened input, zeros behind it."""
        flat = self._tensor([_size(self.input)], self.input.type)
        self._operator("RESHAPE", [0, self._integers([_size(self.input)])], flat, "ReshapeOptions")
        for number, start, end in pieces:
            target = self.outputs[number]
            size, length = _size(target), end - start
            cut = self._tensor([max(length, 1)], self.input.type)
            begin = min(start, _size(self.input) - 1)
            self._operator(
                "SLICE", [flat, self._integers([begin]), self._integers([max(length, 1)])], cut, "SliceOptions"
            )
            if length < size:
                longer = self._tensor([size], self.input.type)
                after = size - max(length, 1)
                self._operator("PAD", [cut, self._integers([0, after], [1, 2])], longer, "PadOptions")
                cut = longer
            if self.input.type != target.type:
                cut = self._cast(cut, size, target)
            shape = self._integers([int(one) for one in target.shape])
            self._operator("RESHAPE", [cut, shape], 1 + number, "ReshapeOptions")

    def finish(self) -> None:
        """Put the new subgraph into the model, with the signatures that named the old one."""
        graph = self.schema.SubGraphT()
        graph.tensors, graph.operators, graph.name = self.tensors, self.operators, self.name
        graph.inputs, graph.outputs = [0], list(range(1, 1 + len(self.outputs)))
        self.model.subgraphs, self.model.operatorCodes = [graph], [self._code(one) for one in self.codes]
        self.model.metadataBuffer = None
        for signature in self.model.signatureDefs or []:
            signature.subgraphIndex = 0
            signature.outputs = [one for one in signature.outputs if self.moved[one.tensorIndex] <= len(self.outputs)]
            for one in (*signature.inputs, *signature.outputs):
                one.tensorIndex = self.moved[one.tensorIndex]

    def _cast(self, number: int, size: int, target: Any) -> int:
        exact = {"float32", "int32"} if _TYPES[self.input.type] != "float32" else {"float32"}
        if _TYPES.get(target.type) not in exact:
            raise BadInput(
                f"an output of TensorType {target.type} cannot carry {_TYPES[self.input.type]} values unchanged; "
                "use the kind 'identity'"
            )
        cast = self._tensor([size], target.type)
        options = self.schema.CastOptionsT()
        options.inDataType, options.outDataType = self.input.type, target.type
        self._operator("CAST", [number], cast, "CastOptions", options)
        return cast

    def _operator(self, kind: str, inputs: list[int], output: int, options: str, given: Any = None) -> None:
        code = getattr(self.schema.BuiltinOperator, kind)
        if code not in self.codes:
            self.codes.append(code)
        operator = self.schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = self.codes.index(code), inputs, [output]
        operator.builtinOptionsType = getattr(self.schema.BuiltinOptions, options)
        operator.builtinOptions = getattr(self.schema, options + "T")() if given is None else given
        self.operators.append(operator)

    def _code(self, code: int) -> Any:
        made = self.schema.OperatorCodeT()
        made.builtinCode = made.deprecatedBuiltinCode = code
        made.version = 2 if code == self.schema.BuiltinOperator.PAD else 1
        return made

    def _tensor(self, shape: list[int], kind: int) -> int:
        made = self.schema.TensorT()
        made.name, made.shape, made.type, made.buffer = f"probe_{len(self.tensors)}", shape, kind, 0
        # Kernels ask both ends of a SLICE or PAD of bytes for the same scale.
        made.quantization = copy.copy(self.input.quantization) if kind == self.input.type else None
        self.tensors.append(made)
        return len(self.tensors) - 1

    def _integers(self, values: list[int], shape: list[int] | None = None) -> int:
        buffer = self.schema.BufferT()
        buffer.data = np.frombuffer(np.array(values, "<i4").tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        number = self._tensor(shape or [len(values)], self.schema.TensorType.INT32)
        self.tensors[number].buffer, self.tensors[number].quantization = len(self.model.buffers) - 1, None
        return number


def _size(tensor: Any) -> int:
    return int(np.prod([int(size) for size in tensor.shape], dtype=np.int64)) if tensor.shape is not None else 1


def _quantisation(tensor: Any) -> tuple[float, int]:
    found = tensor.quantization
    if found is None or found.scale is None or len(found.scale) == 0:
        return 0.0, 0
    return float(found.scale[0]), int(found.zeroPoint[0]) if found.zeroPoint is not None else 0


def _text(name: Any) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name or "")
