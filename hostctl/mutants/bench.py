"""The bench of a study of mutants: a model on a few pictures, what it answers and holds inside, a mutant beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.differential.outputs import output_difference
from analysis.measures.mutant_measures import Values, measure
from analysis.run_folder.parts import LABELS, SCORES, TOP_K
from device_agents.errors import BadInput
from device_agents.placed import Placed
from device_agents.predict import default_environment
from device_agents.preprocess import FAILURES, StageFailed, preprocess
from device_agents.records import Scene
from device_agents.runtimes import NETWORKS
from device_agents.sidecar import Sidecar, read_labels
from device_agents.tasks.families import TASKS, Answer, Asked
from hostctl.mutants.localising import RUNTIME, relative, same_bits
from stability_train.mutants.graph import fixed, opened, read_onnx

Array = NDArray[Any]
Outputs = tuple[Array, ...]


@dataclass(frozen=True)
class Shown:
    """A scene as the model gets it."""

    scene: Scene
    tensor: Array
    placed: Placed


@dataclass(frozen=True)
class Ran:
    """What a model gave: raw outputs and an answer, or why there is none, for each picture; layers of the first."""

    outputs: tuple[Outputs, ...]
    answers: tuple[Answer | str, ...]
    layers: dict[str, Array]


class Bench:
    """Runs a model and its mutants on the same pictures, without the runtime's optimisations and on one thread.

    path, card: an .onnx file and its sidecar. scenes: at least one. folder: for the files of mutants while they run.
    Raises BadInput for another file, for pictures that cannot be read, and for a model that gives other bits when it
    is run again.
    """

    def __init__(self, path: Path, card: Sidecar, scenes: Sequence[Scene], *, folder: Path) -> None:
        self._card, self._folder = card, folder
        model = read_onnx(path)
        self._labels = read_labels(path.parent / card.labels) if card.labels else None
        self.shown = [show(scene, card, path) for scene in scenes]
        self.model = fixed(model, self.shown[0].tensor.shape)
        self.data = bytes(self.model.SerializeToString())
        made = {name for node in self.model.graph.node for name in node.output}
        self.outputs = [one.name for one in self.model.graph.output]
        self._inner = [name for name in opened(self.model).shapes if name in made and name not in self.outputs]
        self.original = self.run(self.data)
        self.floor = self.compare(self.run(self.data))
        if self.floor["outputs"]:
            raise BadInput(f"{path.name} gives other bits when it is run again: no mutant can be told from it")

    def run(self, data: bytes) -> Ran:
        """Run a model, given as bytes, on all pictures; raises BadInput where it does not run."""
        with_layers = self._network(exposed(data, self._inner))(self.shown[0].tensor)
        count = len(self.outputs)
        network = self._network(data)
        outputs = (with_layers[:count], *(network(one.tensor) for one in self.shown[1:]))
        answers = tuple(self._answer(some, one) for some, one in zip(outputs, self.shown, strict=True))
        return Ran(outputs, answers, dict(zip([*self._inner, *self.outputs], _turned(with_layers, count), strict=True)))

    def compare(self, ran: Ran) -> Values:
        """Give all of MEASURES of a model beside the original."""
        import pandas as pd

        rows = [
            _row(one.scene, name, answer)
            for name, some in (("original", self.original), ("mutant", ran))
            for one, answer in zip(self.shown, some.answers, strict=True)
        ]
        outputs = [output_difference(a, b) for a, b in zip(self.original.outputs, ran.outputs, strict=True)]
        return measure(pd.DataFrame(rows), outputs=outputs, layer=max(self.apart(ran).values()), task=self._card.task)

    def apart(self, ran: Ran) -> dict[str, float]:
        """How far each layer of the first picture is from the original's: relative L2 norm, in the graph's order."""
        return {name: relative(values, ran.layers[name]) for name, values in self.original.layers.items()}

    def changed(self, ran: Ran) -> tuple[int, str]:
        """The first picture and output that differ in any bit; (-1, "") where none does."""
        for number, (one, other) in enumerate(zip(self.original.outputs, ran.outputs, strict=True)):
            for name, a, b in zip(self.outputs, one, other, strict=True):
                if not same_bits(a, b):
                    return number, name
        return -1, ""

    def _answer(self, outputs: Outputs, shown: Shown) -> Answer | str:
        asked = Asked(self._card, self._labels, "", TOP_K, shown.placed)
        try:
            return TASKS[self._card.task](outputs, asked)
        except FAILURES as problem:
            return str(StageFailed.because("answer", problem))

    def _network(self, data: bytes) -> Any:
        path = self._folder / "mutant.onnx"
        path.write_bytes(data)
        return NETWORKS[RUNTIME](path, 1)


def show(scene: Scene, card: Sidecar, path: Path) -> Shown:
    """Bring a scene's file to the model's input; raises BadInput where that fails."""
    environment = default_environment(card, path)
    try:
        prepared = preprocess(Path(scene.file).read_bytes(), environment=environment, sidecar=card)
    except (StageFailed, OSError) as problem:
        raise BadInput(f"scene {scene.scene}: {problem}") from problem
    assert prepared.tensor is not None
    assert prepared.placed is not None
    return Shown(scene, np.ascontiguousarray(prepared.tensor), prepared.placed)


def exposed(data: bytes, names: Sequence[str]) -> bytes:
    """Make inner tensors outputs of a model too, after its own."""
    import onnx

    model = onnx.load_model_from_string(data)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return bytes(model.SerializeToString())


def _turned(values: Outputs, count: int) -> Outputs:
    """The model's own outputs put behind its layers, where they stand in the graph."""
    return (*values[count:], *values[:count])


def _row(scene: Scene, device: str, answer: Answer | str) -> dict[str, Any]:
    found = Answer((), ()) if isinstance(answer, str) else answer
    labels = [*found.labels[:TOP_K], *[""] * (TOP_K - len(found.labels))]
    scores = [*found.scores[:TOP_K], *[math.nan] * (TOP_K - len(found.scores))]
    facts = {"scene": scene.scene, "angle": "", "repeat": 0, "cluster": scene.cluster, "category": scene.category}
    given = {"labels": scene.labels, "ambiguous": scene.ambiguous, "truth": scene.truth, "detail": found.detail}
    marks = dict(zip(LABELS, labels, strict=True)) | dict(zip(SCORES, scores, strict=True))
    return {**facts, "device": device, **given, **marks, "error": answer if isinstance(answer, str) else ""}
