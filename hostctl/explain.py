"""Computes the cells that bisection asks for: hybrids of two ways, stage by stage, each piece of work done once.

Every stage is the agent's own code (device_agents), so a way computed here is
what `instability predict` would record of it; what a run has already made is taken from it and not made again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.bisect import norm, surrogates
from analysis.store import Run
from capture.develop import Beside, Derivation, Failed, derived_name, develop
from device_agents.colour import COLOURS
from device_agents.decode import DECODERS, RGB
from device_agents.errors import BadInput, pick
from device_agents.preprocess import FAILURES, Share, StageFailed, preprocess, to_tensor
from device_agents.records import Corners, Environment, Picture
from device_agents.runtimes import RUNTIMES, Classifier, runtime_version
from device_agents.sidecar import Sidecar, read_labels
from device_agents.tasks.classification import class_labels, classify
from device_agents.view import VIEWS
from hostctl.causes.layers import Half
from hostctl.causes.ways import SOFTWARE, Way
from hostctl.pictures.parents import beside_of

Array = NDArray[Any]
Models = Mapping[str, tuple[Path, Sidecar]]  # a model file's sha256 -> the file, and how it wants its input

TOP_K = 5


@dataclass(frozen=True)
class Answer:
    """What a way answers: labels with probabilities, best first; raw scores; fingerprints; or why there is none."""

    labels: tuple[str, ...] = ()
    chances: tuple[float, ...] = ()
    scores: Array | None = None
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def label(self) -> str:
        """The first label, "" where there is none."""
        return self.labels[0] if self.labels else ""

    @property
    def chance(self) -> float:
        """The first label's probability, NaN where there is none."""
        return self.chances[0] if self.chances else float("nan")


@dataclass(frozen=True)
class Stages:
    """A way's values after each stage: the file, its pixels, what the view and colour make of them, and the input."""

    file: bytes
    pixels: RGB
    seen: RGB
    resized: RGB
    tensor: Array


class Bench:
    """Computes ways of one run's pictures on this host; files, pixels, inputs and answers are shared between them.

    The runtime's version is this host's; a way recorded with another is computed all the same, and its fingerprints
    and label tell whether that gave what was recorded. Models are loaded once; the rest is forgotten by forget().
    """

    def __init__(self, run: Run, models: Models) -> None:
        self._run, self._models = run, models
        self._pictures = {one.picture: one for one in run.picture_records()}
        self._classifiers: dict[tuple[str, str, int], Classifier] = {}
        self._labels: dict[str, tuple[str, ...] | None] = {}
        self.forget()

    def forget(self) -> None:
        """Drop all pictures and answers; the models stay loaded."""
        self._files: dict[tuple[str, str, str], tuple[bytes, Corners] | str] = {}
        self._shares: dict[tuple[str, str, str, str], Share] = {}
        self._answers: dict[Any, Answer] = {}
        self._drawn: dict[Any, tuple[str, float, list[Answer]]] = {}
        self.computed = 0

    def picture(self, name: str) -> Picture:
        """Give the record of a picture of the run."""
        return self._pictures[name]

    def evaluate(self, ways: Iterable[Way]) -> list[Answer]:
        """Answer each way; what fails is an answer with its reason. Raises BadInput for a model that is not at hand."""
        ways = list(ways)
        self._make({(way.root, way.isp, way.codec) for way in ways})
        # Neighbours share the most, as in device_agents.predict: only the latest large picture is held.
        order = sorted(set(ways), key=lambda way: (way.root, way.isp, way.codec, *_software(way)))
        found = {way: self._answer(way) for way in order}
        return [found[way] for way in ways]

    def stages(self, way: Way) -> Stages:
        """Give a way's pictures for a page; raises StageFailed."""
        data, corners = self._file(way)
        environment, prepared = way.environment, self._prepared(way)
        try:
            pixels = pick(DECODERS, environment.decoder, what="decoder")(data)
            seen = COLOURS[environment.colour](VIEWS[environment.view](pixels, corners))
        except FAILURES as problem:
            raise StageFailed.because("view", problem) from problem
        assert prepared.resized is not None
        assert prepared.tensor is not None
        return Stages(data, pixels, seen, prepared.resized, prepared.tensor)

    def perturbed(self, base: Way, changed: Way, *, count: int, seed: Sequence[int]) -> tuple[str, float, list[Answer]]:
        """Answer random perturbations of base of the norm by which changed differs from it.

        Gives where they were made and the norm there: "pixels" (the resized picture, levels) if that is where the two
        differ alone, "tensor" if the scaling differs too, "scores" if only the runtime or the model does; "" and no
        answers where the two cannot be subtracted. The same ends with the same seed are answered once.
        """
        key = (base, changed, count, tuple(seed))
        if key not in self._drawn:
            self._drawn[key] = self._draw(base, changed, count, np.random.default_rng(list(seed)))
        return self._drawn[key]

    def _draw(self, base: Way, changed: Way, count: int, rng: np.random.Generator) -> tuple[str, float, list[Answer]]:
        one, other = self._prepared(base), self._prepared(changed)
        sidecar, environment = self._model(base.environment)[1], base.environment
        if one.tensor_sha256 == other.tensor_sha256:
            here, there = (answer.scores for answer in self.evaluate([base, changed]))
            other_outputs = self._model(changed.environment)[1].outputs
            if here is None or there is None or sidecar.outputs != other_outputs or here.shape != there.shape:
                return "", float("nan"), []
            drawn = surrogates(here, there, count=count, rng=rng)
            return "scores", norm(here, there), [self.name(base, each) for each in drawn]
        if environment.scaling == changed.environment.scaling and _alike(one.resized, other.resized):
            drawn = surrogates(one.resized, other.resized, count=count, rng=rng)
            scaling, layout, order = environment.scaling, sidecar.layout, sidecar.colour_order
            tensors = [to_tensor(each, scaling=scaling, layout=layout, colour_order=order) for each in drawn]
            return "pixels", norm(one.resized, other.resized), [self._infer(base, tensor) for tensor in tensors]
        if _alike(one.tensor, other.tensor):
            drawn = surrogates(one.tensor, other.tensor, count=count, rng=rng)
            return "tensor", norm(one.tensor, other.tensor), [self._infer(base, tensor) for tensor in drawn]
        return "", float("nan"), []

    def half(self, way: Way) -> Half:
        """Give what hostctl.causes.layers needs of a way: its model file, runtime and input."""
        tensor = self._prepared(way).tensor
        return Half(self._model(way.environment)[0], way.environment.runtime, way.environment.threads, tensor)

    def classifier(self, environment: Environment) -> Classifier:
        """Load the environment's model into its runtime, once; raises what the runtime raises."""
        key = (environment.model_sha256, environment.runtime, environment.threads)
        if key not in self._classifiers:
            path, _ = self._model(environment)
            load = pick(RUNTIMES, environment.runtime, what="runtime")
            runtime_version(environment.runtime)
            self._classifiers[key] = load(path, environment.threads)
        return self._classifiers[key]

    def _model(self, environment: Environment) -> tuple[Path, Sidecar]:
        if environment.model_sha256 not in self._models:
            raise BadInput(
                f"expected the file of the model {environment.model} with sha256 {environment.model_sha256[:12]}..., "
                "got none; give it with --model"
            )
        return self._models[environment.model_sha256]

    def _answer(self, way: Way) -> Answer:
        runtime = (way.environment.runtime, way.environment.threads)
        try:
            prepared = self._prepared(way)
            key = (way.environment.model_sha256, *runtime, prepared.tensor_sha256)
            if key not in self._answers:
                assert prepared.tensor is not None
                self._answers[key] = self._infer(way, prepared.tensor)
        except StageFailed as failure:
            return Answer(error=str(failure))
        names = ("pixels", "resized", "tensor")
        return replace(self._answers[key], fingerprints={name: getattr(prepared, f"{name}_sha256") for name in names})

    def _infer(self, way: Way, tensor: Array) -> Answer:
        self.computed += 1
        try:
            return self.name(way, self.classifier(way.environment)(tensor))
        except FAILURES as problem:
            return Answer(error=str(StageFailed.because("infer", problem)))

    def name(self, way: Way, scores: Array) -> Answer:
        """Give the answer that a way's model means by raw scores (n,)."""
        path, sidecar = self._model(way.environment)
        if sidecar.labels not in self._labels:
            self._labels[sidecar.labels] = read_labels(path.parent / sidecar.labels) if sidecar.labels else None
        names = class_labels(scores.size, labels=self._labels[sidecar.labels], background=sidecar.background)
        return Answer(*classify(scores, outputs=sidecar.outputs, labels=names, top_k=TOP_K), np.array(scores))

    def _prepared(self, way: Way) -> Any:
        data, corners = self._file(way)
        sha256 = way.environment.model_sha256
        share = self._shares.setdefault((way.root, way.isp, way.codec, sha256), Share())
        sidecar = self._model(way.environment)[1]
        return preprocess(data, environment=way.environment, sidecar=sidecar, corners=corners, share=share)

    def _file(self, way: Way) -> tuple[bytes, Corners]:
        key = (way.root, way.isp, way.codec)
        self._make([key])
        found = self._files[key]
        if isinstance(found, str):
            raise StageFailed(found)
        return found

    def _make(self, keys: Collection[tuple[str, str, str]]) -> None:
        """Bring the files of root, ISP and codec into memory: the run's, or made now, an ISP once for all codecs."""
        owed: dict[str, list[Derivation]] = {}
        for root, isp, codec in keys:
            if (root, isp, codec) in self._files:
                continue
            there = self._pictures.get(derived_name(root, (isp, codec)) if isp or codec else root)
            if there is not None:
                self._files[root, isp, codec] = self._run.file(there.sha256).read_bytes(), there.corners
            else:
                owed.setdefault(root, []).append((isp, codec))
        for root, derivations in owed.items():
            self._develop(self._pictures[root], derivations)

    def _develop(self, root: Picture, derivations: Sequence[Derivation]) -> None:
        found = beside_of(self._run, root) if derivations[0][0] else None
        beside = Beside(found[0].read_bytes(), found[1]) if found else None
        reasons = []
        for one in develop(root, self._run.file(root.sha256).read_bytes(), derivations, beside=beside):
            if isinstance(one, Failed):
                reasons.append(f"{one.where}: {one.reason}")
            else:
                self._files[root.picture, one[0].isp, one[0].codec] = one[1], one[0].corners
        for isp, codec in derivations:
            self._files.setdefault((root.picture, isp, codec), "; ".join(reasons) or "develop: nothing came")


def _software(way: Way) -> tuple[str, ...]:
    return tuple(str(getattr(way.environment, stage)) for stage in SOFTWARE)


def _alike(one: Any, other: Any) -> bool:
    return one is not None and other is not None and (one.shape, one.dtype) == (other.shape, other.dtype)
