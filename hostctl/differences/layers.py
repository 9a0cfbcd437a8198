"""Where two variants part: one file cut at its tensors in two runtimes, or all layers of two files side by side."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.differential.layers import Layer, aligned, first_beyond
from analysis.differential.outputs import distances
from device_agents.errors import MissingExtra, pick
from device_agents.runtime_libraries import import_library
from device_agents.runtimes import NETWORKS
from hostctl.causes.layer_cuts import Graph, dominators, read_graph
from hostctl.differences.one_output import with_one_output

Array = NDArray[Any]


@dataclass(frozen=True)
class Found:
    """The layer at which two runs part: its tensor's name in either file, the operator's kind, the distance there.

    relative: L2 norm of the difference over the larger norm. before: the last tensor on its way that still agrees, and
    its distance. of: how many tensors the way has.
    """

    layer: str
    other: str
    kind: str
    relative: float
    before: str
    before_relative: float
    of: int


class Cuts:
    """One model file, computed up to any of its tensors in any runtime for one input; each value once.

    A cut ends a piece of the graph in the runtime that is asked about, so that its kernels and fusions are used up to
    there; a fusion across the cut is not seen.
    """

    def __init__(self, path: Path, tensor: Array, *, threads: int, output: int = 0) -> None:
        """Read the file's graph up to one of its outputs; raises BadInput for a file that cannot be cut."""
        self._tensor, self._threads, self._suffix = tensor, threads, path.suffix.lower()
        self._whole = with_one_output(path, tensor.shape, output)
        with tempfile.TemporaryDirectory(prefix="instability-cut-") as folder:
            alone = Path(folder) / path.name
            alone.write_bytes(self._whole)
            self.graph: Graph = read_graph(alone)
        self._values: dict[tuple[str, str], NDArray[np.float64]] = {}

    def value(self, runtime: str, name: str) -> NDArray[np.float64]:
        """The flat values of a tensor in a runtime; raises what the runtime raises."""
        if (runtime, name) not in self._values:
            data = self._whole if name == self.graph.sink else self.graph.cut(self.graph.source, name)
            with tempfile.TemporaryDirectory(prefix="instability-cut-") as folder:
                path = Path(folder) / f"cut{self._suffix}"
                path.write_bytes(data)
                found = NETWORKS[runtime](path, self._threads)(self._tensor)
            self._values[runtime, name] = np.asarray(found[0], np.float64).reshape(-1)
        return self._values[runtime, name]

    def relative(self, a: str, b: str, name: str) -> float:
        """How far two runtimes are apart at a tensor."""
        return distances(self.value(a, name), self.value(b, name))[2]

    def first(self, a: str, b: str, tolerance: float) -> Found | None:
        """Find the first tensor at which two runtimes differ by more than the tolerance; None where the ends agree.

        Between the dominators (the tensors that every path goes through) by bisection, since a difference that the
        rest of the network swallows is none; then one by one between the last that agrees and the first that does not.
        """
        ways = [name for name in dominators(self.graph) if name in self.graph.shapes and name != self.graph.source]
        if not ways or not self.relative(a, b, ways[-1]) > tolerance:
            return None
        low, high = -1, len(ways) - 1
        while high - low > 1:
            middle = (low + high) // 2
            if self.relative(a, b, ways[middle]) > tolerance:
                high = middle
            else:
                low = middle
        return self._within(a, b, tolerance, ways[low] if low >= 0 else self.graph.source, ways[high])

    def _within(self, a: str, b: str, tolerance: float, good: str, bad: str) -> Found:
        """The first of the tensors between two dominators, in the order in which they are made."""
        kinds = {name: node.kind for node in self.graph.nodes for name in node.outputs}
        depends, seen = {good}, 0
        before, before_relative = good, 0.0 if good == self.graph.source else self.relative(a, b, good)
        for node in self.graph.nodes:
            if depends.isdisjoint(node.inputs):
                continue
            depends.update(node.outputs)
            for name in node.outputs:
                if name not in self.graph.shapes and name != bad:
                    continue
                seen += 1
                if (apart := self.relative(a, b, name)) > tolerance or name == bad:
                    return Found(name, name, kinds[name], apart, before, before_relative, len(self.graph.nodes))
                before, before_relative = name, apart
        raise AssertionError(f"{bad} is no tensor after {good}")


def first_conversion(path_a: Path, path_b: Path, tensors: tuple[Array, Array], tolerance: float) -> Found | None:
    """Find the first layer at which two files of one model say different things; None where their ends agree.

    Each file is computed layer by layer as it is written, without optimisation (every_layer), each with its own input.
    """
    layers = [every_layer(path, tensor) for path, tensor in zip((path_a, path_b), tensors, strict=True)]
    met = aligned(*layers)
    if (found := first_beyond(met, tolerance)) is None:
        return None
    at = met.index(found)
    before = met[at - 1] if at else None
    told = (before.a, before.relative) if before else ("input", 0.0)
    return Found(found.a, found.b, found.kind, found.relative, *told, len(met))


def every_layer(path: Path, tensor: Array) -> list[Layer]:
    """Give what every operator of a model file makes of one input, in an order in which they run; the input first.

    Raises BadInput for a file of another kind, MissingExtra for an absent library.
    """
    return [Layer("input", "input", tensor), *pick(EVERY_LAYER, path.suffix.lower(), what="model file")(path, tensor)]


def _keras_layers(path: Path, tensor: Array) -> list[Layer]:
    try:
        import keras
    except ImportError as problem:
        raise MissingExtra("layers of .keras files need keras; pip install 'instability-kit[tensorflow]'") from problem
    model = keras.models.load_model(path, compile=False)
    layers = [one for one in _flat(model) if not isinstance(one, keras.layers.InputLayer)]
    found = keras.Model(model.inputs[0], [one.output for one in layers])(tensor, training=False)
    values = found if isinstance(found, (list, tuple)) else [found]
    return [Layer(one.name, type(one).__name__, np.asarray(value)) for one, value in zip(layers, values, strict=True)]


def _flat(model: Any) -> list[Any]:
    """The layers that the model itself calls; a nested model is one layer."""
    return [one for one in model.layers if hasattr(one, "output") and not isinstance(one.output, (list, tuple))]


def _onnx_layers(path: Path, tensor: Array) -> list[Layer]:
    import onnx
    import onnxruntime

    model = onnx.load(path)
    kinds = {name: node.op_type for node in model.graph.node for name in node.output if name}
    there = {one.name for one in model.graph.output}
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in kinds if name not in there)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = list(kinds)
    values = session.run(names, {session.get_inputs()[0].name: tensor})
    return [Layer(name, kinds[name], np.asarray(value)) for name, value in zip(names, values, strict=True)]


def _tflite_layers(path: Path, tensor: Array) -> list[Layer]:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    from device_agents.runtimes import dequantise, quantise

    interpreter = Interpreter(
        str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
        num_threads=1,
    )
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    scale, zero = entry["quantization"]
    whole = np.issubdtype(entry["dtype"], np.integer)
    interpreter.set_tensor(
        entry["index"], quantise(tensor, entry["dtype"], scale=scale, zero_point=zero) if whole else tensor
    )
    interpreter.invoke()
    details = {one["index"]: one for one in interpreter.get_tensor_details()}
    layers = []
    for operator in interpreter._get_ops_details():  # LiteRT gives no other list of them
        for index in operator["outputs"]:
            one, values = details[index], np.asarray(interpreter.get_tensor(index))
            scale, zero = one["quantization"]
            if np.issubdtype(values.dtype, np.integer) and scale > 0:
                values = dequantise(values, scale=scale, zero_point=zero)
            layers.append(Layer(one["name"], operator["op_name"], values))
    return layers


def _torch_layers(path: Path, tensor: Array) -> list[Layer]:
    torch = import_library("pytorch")
    layers: list[Layer] = []
    interpreter = torch.fx.Interpreter(torch.export.load(path).module())
    plain = interpreter.run_node

    def run_node(node: Any) -> Any:
        value = plain(node)
        if node.op == "call_function" and isinstance(value, torch.Tensor):
            kind = str(node.target).removeprefix("aten.").partition(".")[0]
            layers.append(Layer(node.name, kind, value.detach().numpy().copy()))
        return value

    interpreter.run_node = run_node
    with torch.inference_mode():
        interpreter.run(torch.from_numpy(tensor))
    return layers


EVERY_LAYER: dict[str, Callable[[Path, Array], list[Layer]]] = {
    ".keras": _keras_layers,
    ".onnx": _onnx_layers,
    ".pt2": _torch_layers,
    ".tflite": _tflite_layers,
}
