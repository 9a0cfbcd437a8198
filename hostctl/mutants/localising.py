"""Localisation: the first layer whose values differ between two ONNX models of one graph, by bisection.

Whatever comes after a tensor that all paths go through (a dominator) depends on it alone. So where an output differs on
an input because of one layer, all of its dominators ahead of that layer are equal, bit for bit, and all behind it are
not: halving finds the two neighbours between which it lies. If an operand of the later one's operator differs too, the
same is done for the paths to that operand; if none does, that operator is the layer. The models are known by their
values alone; nothing is read of what their operators are set to. Each operator is run as it stands (no optimisation),
so that equal operators on equal values give equal bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_agents.runtimes import NETWORKS
from hostctl.causes.layer_cuts import Graph, Node, dominators, read_graph
from hostctl.causes.layers import matched
from stability_train.mutants.graph import inputs

Array = NDArray[Any]
Pair = tuple[str, str]
RUNTIME = "onnxruntime-none"
APART = 2.0  # the largest relative difference that there is
KEPT_INPUTS = 2  # inputs whose features are held at a time


@dataclass(frozen=True)
class Difference:
    """Where two models part: the first layer (the tensor that it makes) and its operator.

    after: the last tensor ahead of it through which all paths go, equal in both. looked_at: how many tensors of the
    second model were computed to find out. relative: how far the layer's values are apart, see relative().
    """

    layer: str
    operator: str
    after: str
    looked_at: int
    relative: float


class Localiser:
    """Compares models with one original, whose features are computed once for an input and shared by all of them.

    original: an ONNX file's bytes, of one input with a fixed size (stability_train.mutants.graph.fixed). folder: for
    pieces of models, to be removed by the caller.
    """

    def __init__(self, original: bytes, folder: Path) -> None:
        self._original, self._folder = original, folder
        self._graphs: dict[str, Graph] = {}
        self._features: dict[bytes, dict[str, Array]] = {}

    def find(self, other: bytes, tensor: Array, *, output: str) -> Difference:
        """Find the first layer at which another model differs on an input on which the output of that name does.

        Raises BadInput for a model that cannot be cut, or a piece of it that does not run.
        """
        if output not in self._graphs:
            self._graphs[output] = self._read(self._original, output)
        graphs = self._graphs[output], self._read(other, output)
        kept = self._features_of(tensor, graphs[0].source)
        return _Search(graphs, kept, self._piece).first()

    def _features_of(self, tensor: Array, source: str) -> dict[str, Array]:
        key = tensor.tobytes()
        if key not in self._features:
            for old in list(self._features)[: len(self._features) + 1 - KEPT_INPUTS]:
                del self._features[old]
            self._features[key] = {source: tensor}
        return self._features[key]

    def _piece(self, graph: Graph, start: str, end: str, values: Array) -> Array:
        path = self._folder / "piece.onnx"
        path.write_bytes(graph.cut(start, end))
        return NETWORKS[RUNTIME](path, 1)(values)[0]

    def _read(self, data: bytes, output: str) -> Graph:
        path = self._folder / "whole.onnx"
        path.write_bytes(single_output(data, output))
        return read_graph(path)


class _Search:
    """One search: the two graphs, the first one's values so far, and what was computed of the second.

    A pair is a tensor's name in the one graph and its name in the other.
    """

    def __init__(self, graphs: tuple[Graph, Graph], features: dict[str, Array], piece: Callable[..., Array]) -> None:
        self._graphs, self._features, self._piece = graphs, features, piece
        self._seen: dict[str, Array] = {}
        self._makers = {name: node for node in graphs[0].nodes for name in node.outputs}

    def first(self) -> Difference:
        """Halve between the source and a tensor that differs, then go on at an operand that differs, if one does."""
        one, other = self._graphs
        since, until = (one.source, other.source), (one.sink, other.sink)
        while True:
            since, layer = self._halve(since, until)
            operands = dict.fromkeys(self._operands(self._makers[layer[0]], since))
            differing = next((name for name in operands if not self._same((name, name), since)), "")
            if not differing:
                self._same(layer, since)
                apart = relative(self._features[layer[0]], self._seen[layer[1]])
                return Difference(layer[0], self._makers[layer[0]].kind, since[0], len(self._seen), apart)
            until = differing, differing

    def _halve(self, since: Pair, until: Pair) -> tuple[Pair, Pair]:
        """Give the last equal and the first different of the tensors that all paths between two go through."""
        parts = [
            replace(graph, source=start, sink=end, nodes=between(graph, start, end))
            for graph, start, end in zip(self._graphs, since, until, strict=True)
        ]
        inner = [pair for pair in met(*parts) if not {*pair} & {*since, *until}]
        pairs = [since, *inner, until]
        low, high = 0, len(pairs) - 1
        while high - low > 1:
            middle = (low + high) // 2
            if self._same(pairs[middle], pairs[low]):
                low = middle
            else:
                high = middle
        return pairs[low], pairs[high]

    def _operands(self, node: Node, since: Pair) -> Iterator[str]:
        """What a node reads that depends on a tensor; of what cannot be cut at, what made it reads in turn."""
        for name in node.inputs:
            if name == since[0] or name not in self._makers or not self._makers[name].inputs:
                continue  # what is equal, and constants
            if name in self._graphs[0].shapes and name in self._graphs[1].shapes:
                yield name
            else:
                yield from self._operands(self._makers[name], since)

    def _same(self, pair: Pair, since: Pair) -> bool:
        """Compare a tensor of the two, both computed from the original's values at one that is equal in both."""
        start = self._features[since[0]]
        if pair[0] not in self._features:
            self._features[pair[0]] = self._piece(self._graphs[0], since[0], pair[0], start)
        if pair[1] not in self._seen:
            self._seen[pair[1]] = self._piece(self._graphs[1], since[1], pair[1], start)
        return same_bits(self._features[pair[0]], self._seen[pair[1]])


def single_output(data: bytes, output: str) -> bytes:
    """Leave of an ONNX model what one of its outputs needs; a model with that output alone comes back as it is."""
    import onnx

    model = onnx.load_model_from_string(data)
    if len(model.graph.output) == 1:
        return data
    kept: list[Any] = []
    wanted = {output}
    for node in reversed(model.graph.node):
        if wanted.intersection(node.output):
            kept.insert(0, node)
            wanted.update(node.input)
    outputs = [one for one in model.graph.output if one.name == output]
    constants = [one for one in model.graph.initializer if one.name in wanted]
    graph = onnx.helper.make_graph(kept, "part", inputs(model), outputs, constants)
    whole = onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    return bytes(whole.SerializeToString())


def met(a: Graph, b: Graph) -> list[Pair]:
    """Pair the dominators of two graphs: by name whatever their sizes, which a change may change, else as matched()."""
    there = set(dominators(b)).intersection(b.shapes)
    same = [(name, name) for name in dominators(a) if name in there and name in a.shapes]
    return same if len(same) > 2 else matched(a, b)


def between(graph: Graph, start: str, end: str) -> tuple[Node, ...]:
    """Give the operators that a tensor needs without those ahead of another one, in the order in which they run."""
    needed, found = {end}, []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs) and start not in node.outputs:
            needed.update(node.inputs)
            found.append(node)
    return tuple(reversed(found))


def same_bits(a: Array, b: Array) -> bool:
    """Whether two tensors have the same sizes, type and bits."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def relative(a: Array, b: Array) -> float:
    """L2 norm of a - b over the larger norm of the two, 0..2; 2 for other sizes or where a number is none."""
    if a.shape != b.shape:
        return APART
    if same_bits(a, b):
        return 0.0
    one, two = a.astype(np.float64), b.astype(np.float64)
    # Not np.linalg.norm: its BLAS threads spin, which took half of a study's time on a machine that was busy.
    apart, *sizes = (math.sqrt(np.square(some).sum()) for some in (one - two, one, two))
    if not math.isfinite(apart):
        return APART
    return apart / max(sizes) if apart else 0.0
