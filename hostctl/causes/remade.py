"""Makes what a device should have made: the marks of a picture file after each stage, and the model's answer.

Everything is the agent's own code (device_agents). Marks are hashes and are kept, so that no stage is done twice for
one file; of the pictures themselves only the latest are held.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from device_agents.colour import COLOURS
from device_agents.decode import DECODERS, RGB, open_image, read_orientation, turn_upright
from device_agents.preprocess import FAILURES, fingerprint, to_tensor
from device_agents.records import Corners, Environment
from device_agents.resize import FITS, RESIZERS
from device_agents.runtimes import RUNTIMES, Classifier, runtime_version
from device_agents.sidecar import Sidecar, read_labels
from device_agents.tasks.classification import class_labels, classify
from device_agents.view import VIEWS

RED_BLUE, AS_STORED = "red and blue swapped", "as stored"
BACKWARDS = {6: 8, 8: 6}  # EXIF orientations that undo each other; the others undo themselves
TOP_K = 5

Array = NDArray[Any]
Answer = tuple[tuple[str, ...], tuple[float, ...]]  # labels and scores, best first
Models = Mapping[str, tuple[Path, Sidecar]]


@dataclass(frozen=True)
class PictureFile:
    """A picture file of a run; corners: the scene's in it, () where there are none."""

    picture: str
    sha256: str
    path: Path
    corners: Corners = ()

    def allows(self, change: tuple[tuple[str, str], ...]) -> bool:
        """Whether a change can be made of it: all views but the whole one need corners."""
        return bool(self.corners) or all(family != "view" or name == "whole" for family, name in change)


class Steps(NamedTuple):
    """The stages up to the model's input, and the mistakes that no environment names.

    twist: of decoded pixels, "", RED_BLUE, or AS_STORED (the EXIF orientation ignored); swap: of the resized picture;
    order: of the tensor's channels, "rgb" or "bgr".
    """

    decoder: str
    twist: str
    view: str
    colour: str
    fit: str
    resizer: str
    swap: str
    scaling: str
    order: str
    height: int
    width: int
    layout: str

    @classmethod
    def claimed(cls, environment: Environment, sidecar: Sidecar) -> Steps:
        """The steps that an environment and a model's sidecar ask for."""
        one = environment
        size = sidecar.input_height, sidecar.input_width
        order, layout = sidecar.colour_order, sidecar.layout
        return cls(one.decoder, "", one.view, one.colour, one.fit, one.resizer, "", one.scaling, order, *size, layout)

    def changed(self, change: tuple[tuple[str, str], ...]) -> Steps:
        """The steps with other variants at some stages."""
        texts: dict[str, Any] = dict(change)
        return self._replace(**texts)

    def until(self, mark: str) -> tuple[Any, ...]:
        """What a mark depends on."""
        if mark == "pixels":
            return self[:2]
        return (*self[:7], *self[9:11]) if mark == "resized" else tuple(self)


class Maker:
    """Makes marks and answers of picture files; ``marks`` and ``answers`` may be handed on to another run's maker."""

    def __init__(
        self, models: Models, *, marks: dict[Any, str] | None = None, answers: dict[Any, Answer | None] | None = None
    ) -> None:
        """Name the models by the sha256 of their files."""
        self._models = models
        self.marks = {} if marks is None else marks
        self.answers = {} if answers is None else answers
        self._classifiers: dict[tuple[str, str], Classifier | None] = {}
        self._labels: dict[str, tuple[str, ...] | None] = {}
        self._held: dict[str, tuple[Any, Any]] = {}
        self._missing: set[str] = set()

    @property
    def models(self) -> Models:
        """The models that it knows."""
        return self._models

    def sidecar(self, model: str) -> Sidecar:
        """How a model wants its input."""
        return self._models[model][1]

    def model_name(self, model: str) -> str:
        """What a model is called: its file's name without the suffix."""
        return self._models[model][0].stem

    def mark(self, file: PictureFile, steps: Steps, mark: str) -> str:
        """Give the sha256 of what there is after "pixels", "resized" or "tensor"; "" where this host cannot make it."""
        key = (file.sha256, file.corners if mark != "pixels" else (), mark, *steps.until(mark))
        if key not in self.marks:
            try:
                self.marks[key] = fingerprint(getattr(self, mark)(file, steps))
            except FAILURES:  # a variant that this machine lacks, or that refuses this picture, made no such thing
                self.marks[key] = ""
        return self.marks[key]

    def answer(self, file: PictureFile, steps: Steps, model: str, runtime: str) -> Answer | None:
        """Give what a model answers to a file's tensor: labels and scores, best first; None where it cannot."""
        tensor = self.mark(file, steps, "tensor")
        key = (tensor, model, runtime)
        if key not in self.answers:
            self.answers[key] = self.infer(self.tensor(file, steps), model, runtime) if tensor else None
        return self.answers[key]

    def pixels(self, file: PictureFile, steps: Steps) -> RGB:
        """Decode a file; raises what the decoder raises."""
        picture: RGB = self._latest("pixels", (file.sha256, steps.decoder), lambda: _decoded(file, steps.decoder))
        if steps.twist == AS_STORED:
            with open_image(file.path.read_bytes()) as image:
                orientation = read_orientation(image)
            picture = turn_upright(picture, BACKWARDS.get(orientation, orientation))
        return np.ascontiguousarray(picture[..., ::-1]) if steps.twist == RED_BLUE else picture

    def resized(self, file: PictureFile, steps: Steps) -> RGB:
        """View, convert and resize a file's pixels; raises what a stage raises."""

        def seen() -> RGB:
            return COLOURS[steps.colour](VIEWS[steps.view](self.pixels(file, steps), file.corners))

        def made() -> RGB:
            picture: RGB = self._latest("seen", (file.sha256, file.corners, steps[:4]), seen)
            return FITS[steps.fit](picture, RESIZERS[steps.resizer], steps.height, steps.width)

        key = (file.sha256, file.corners, steps.until("resized")[:6])
        picture: RGB = self._latest("resized", (*key, steps.height, steps.width), made)
        return np.ascontiguousarray(picture[..., ::-1]) if steps.swap else picture

    def tensor(self, file: PictureFile, steps: Steps) -> Array:
        """Make a file the model's input; raises what a stage raises."""
        resized = self.resized(file, steps)
        return to_tensor(resized, scaling=steps.scaling, layout=steps.layout, colour_order=steps.order)

    def infer(self, tensor: Array, model: str, runtime: str) -> Answer | None:
        """Give what a model answers to an input; None where it cannot be run here, or takes no such input."""
        classifier = self._classifier(model, runtime)
        if classifier is None:
            return None
        try:
            scores = classifier(tensor)
        except FAILURES:  # a model of another kind
            return None
        return self._named(model, scores)

    def _named(self, model: str, scores: Array) -> Answer:
        path, sidecar = self._models[model]
        if model not in self._labels:
            self._labels[model] = read_labels(path.parent / sidecar.labels) if sidecar.labels else None
        names = class_labels(scores.size, labels=self._labels[model], background=sidecar.background)
        labels, chances = classify(scores, outputs=sidecar.outputs, labels=names, top_k=TOP_K)
        return tuple(labels), tuple(chances)

    def _classifier(self, model: str, runtime: str) -> Classifier | None:
        key = (model, runtime)
        if key not in self._classifiers:
            try:
                runtime_version(runtime)
                self._classifiers[key] = RUNTIMES[runtime](self._models[model][0], 1)
            except FAILURES:  # a runtime that this host lacks, or of another format: it can say nothing
                self._classifiers[key] = None
        return self._classifiers[key]

    def _latest(self, kind: str, key: Any, work: Any) -> Any:
        if kind not in self._held or self._held[kind][0] != key:
            self._held.pop(kind, None)
            self._held[kind] = (key, work())
        return self._held[kind][1]


def _decoded(file: PictureFile, decoder: str) -> RGB:
    return DECODERS[decoder](file.path.read_bytes())
