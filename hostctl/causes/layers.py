"""Layers: one way's values put into another way's run at each dominator of the graph, to see where the answer turns.

Float and quantised models differ from the first layer on, and so do two runtimes; what tells is which substitution
restores the answer. Between two runs of one model in one runtime there is nothing to see here: all that follows a
dominator depends on it alone, so that every substitution restores. That is why only runtimes and models are compared.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_agents.runtimes import RUNTIMES, Classifier
from hostctl.causes.layer_cuts import Graph, dominators, read_graph

Array = NDArray[Any]
MOST_CUTS = 16  # dominators looked at, evenly spaced, before those just ahead of the first that restores


@dataclass(frozen=True)
class Half:
    """One of two runs: a model file in a runtime with a number of threads, and the tensor that it gets."""

    path: Path
    runtime: str
    threads: int
    tensor: Array


def substitute(
    given: Half, taking: Half, restores: Callable[[Array], tuple[str, bool]], *, most: int = MOST_CUTS
) -> list[dict[str, Any]]:
    """Put the given run's values into the taking run at dominators; rows in the graph's order.

    restores: the taking model's scores (n,) -> their label, and whether it is the given way's answer. Keys: number (of
    the dominator), of (how many there are), tensor, kind (of the operator that made it), relative (L2 norm of the
    difference over that of the given run's values), label, restores. At most ``most`` dominators, evenly spaced, and
    then those between the last that does not restore and the first that does. Empty where the graphs do not match.
    Raises BadInput for a model that cannot be cut, MissingExtra where a library is absent.
    """
    graphs = read_graph(given.path), read_graph(taking.path)
    pairs = matched(*graphs)
    if not pairs:
        return []
    rows: dict[int, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="instability-layers-") as folder:
        bench = _Cutter(Path(folder), (given, taking), graphs)

        def look(number: int) -> bool:
            if number not in rows:
                rows[number] = {"number": number, "of": len(pairs), **bench.row(pairs[number], restores)}
            return bool(rows[number]["restores"])

        spaced = np.unique(np.linspace(0, len(pairs) - 1, min(most, len(pairs))).round().astype(int)).tolist()
        first = next((number for number in spaced if look(number)), None)
        if first is not None:
            before = max((number for number in rows if number < first), default=-1)
            for number in range(before + 1, first):
                look(number)
    return [rows[number] for number in sorted(rows)]


def matched(a: Graph, b: Graph) -> list[tuple[str, str]]:
    """Pair the dominators of two graphs: by name where names agree, else by place where all their shapes agree."""
    one, two = ([name for name in dominators(graph) if name in graph.shapes] for graph in (a, b))
    there = set(two)
    same = [(name, name) for name in one if name in there and _size(a.shapes[name]) == _size(b.shapes[name])]
    if len(same) > 2 or one == two:
        return same
    shapes = [[_size(graph.shapes[name]) for name in names] for graph, names in ((a, one), (b, two))]
    return list(zip(one, two, strict=True)) if shapes[0] == shapes[1] else []


class _Cutter:
    """Loads pieces of the two models into their own runtimes."""

    def __init__(self, folder: Path, halves: tuple[Half, Half], graphs: tuple[Graph, Graph]) -> None:
        self._folder, self._halves, self._graphs = folder, halves, graphs

    def row(self, pair: tuple[str, str], restores: Callable[[Array], tuple[str, bool]]) -> dict[str, Any]:
        """Substitute at one pair of dominators."""
        values = [self._before(side, name) for side, name in enumerate(pair)]
        label, good = restores(self._after(pair[1], values[0]))
        size = float(np.linalg.norm(values[0]))
        relative = float(np.linalg.norm(values[0] - values[1])) / size if size else 0.0
        kinds = {name: node.kind for node in self._graphs[1].nodes for name in node.outputs}
        kind = kinds.get(pair[1], "input")
        return {"tensor": pair[1], "kind": kind, "relative": relative, "label": label, "restores": good}

    def _before(self, side: int, name: str) -> Array:
        half, graph = self._halves[side], self._graphs[side]
        if name == graph.source:
            return half.tensor.astype(np.float64).reshape(-1)
        return self._load(half, graph.cut(graph.source, name))(half.tensor).astype(np.float64)

    def _after(self, name: str, values: Array) -> Array:
        half, graph = self._halves[1], self._graphs[1]
        if name == graph.sink:
            return values
        taken = np.float32 if name != graph.source else half.tensor.dtype
        tensor = values.astype(taken).reshape(1, *graph.shapes[name])
        return self._load(half, graph.cut(name, graph.sink))(tensor)

    def _load(self, half: Half, data: bytes) -> Classifier:
        path = self._folder / f"cut{half.path.suffix}"
        path.write_bytes(data)
        return RUNTIMES[half.runtime](path, half.threads)


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))
