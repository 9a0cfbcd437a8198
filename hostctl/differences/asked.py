"""What a differential test is asked for: which files are one model, and the variants that each of them runs in."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from device_agents.errors import BadInput, KitError, MissingExtra
from device_agents.predict import default_environment
from device_agents.records import Environment
from device_agents.runtimes import is_installed
from device_agents.sidecar import Sidecar, read_labels, read_sidecar
from hostctl.differences.kinds import KINDS, TORCH
from hostctl.printing import Progress

ALL, USUAL = "all", "usual"
HOST = "host"


@dataclass(frozen=True)
class ModelFile:
    """One file of a model: its name (of all its files), the file, and its sidecar with an absolute label list."""

    model: str
    path: Path
    sidecar: Sidecar


@dataclass(frozen=True)
class Variant:
    """One model file in one runtime on one machine; ``variant`` is its unique name within a test."""

    variant: str
    model: str
    path: Path
    sidecar: Sidecar
    environment: Environment

    @property
    def framework(self) -> str:
        """The framework that its runtime belongs to."""
        return KINDS[self.environment.runtime].framework

    @property
    def level(self) -> str:
        """The level of optimisation, kernels or precision that its runtime stands for."""
        return KINDS[self.environment.runtime].level

    @property
    def device(self) -> str:
        """The machine: "host", or a device of the lab."""
        return self.environment.machine


def read_models(texts: Sequence[str], *, progress: Progress) -> list[ModelFile]:
    """Find the files of the models asked for, in their order, each once.

    A zoo name stands for its .tflite, .onnx and .keras; files with the same name before the suffix are one model.
    Raises BadInput for what is no model, has no sidecar, or has another task than the model's other files.
    """
    found: dict[Path, ModelFile] = {}
    for text in texts:
        for one in _files(text, progress):
            found.setdefault(one.path, one)
    files = list(found.values())
    for one in files:
        first = next(other for other in files if other.model == one.model)
        if first.sidecar.task != one.sidecar.task:
            raise BadInput(
                f"model {one.model}: expected one task for all its files, got {first.sidecar.task} for "
                f"{first.path.name} and {one.sidecar.task} for {one.path.name}; name one of the files otherwise"
            )
    return files


def find_variants(
    files: Sequence[ModelFile], asked: Iterable[str] = (), *, decoder: str, view: str, threads: int
) -> tuple[list[Variant], list[str]]:
    """Give the variants of all files on this host, and why others were left out, a line each.

    asked: names of runtimes, each with ".onnx" or ".tflite" for files of that suffix alone; "all"; "usual", or nothing:
    the usual ones, OpenVINO on .onnx files. Raises BadInput for an unknown name, or where a model has no variant.
    """
    names = check_names(asked)
    found: list[Variant] = []
    left: list[str] = []
    for one in files:
        for runtime in KINDS:
            if is_wanted(one, runtime, names):
                made = _variant(one, runtime, files, decoder=decoder, view=view, threads=threads)
                if isinstance(made, str):
                    left.append(made)
                else:
                    found.append(made)
    for one in files:
        if not any(variant.model == one.model for variant in found):
            raise BadInput(f"model {one.model}: expected a variant that can run here, got none\n" + _lines(left))
    return found, left


def _files(text: str, progress: Progress) -> list[ModelFile]:
    from stability_train.zoo import FORMATS, MODELS, resolve_model

    if Path(text).suffix.lower() in TORCH:
        return [_torch_file(Path(text).expanduser().absolute())]
    told = partial(progress, "model", 0, 0)
    texts = [f"{text}.{kind}" for kind in FORMATS] if text in MODELS else [text]
    return [ModelFile(path.stem, path, card) for path, card in (resolve_model(one, progress=told) for one in texts)]


def _torch_file(path: Path) -> ModelFile:
    card = read_sidecar(path)
    if card.labels:
        labels = Path(os.path.normpath(path.parent / card.labels))
        read_labels(labels)  # a wrong list is a wrong sidecar, to be told before any work
        card = replace(card, labels=str(labels))
    return ModelFile(path.stem, path, card)


def check_names(asked: Iterable[str]) -> list[str]:
    """Give the names asked for, "usual" where there are none; raises BadInput for an unknown one."""
    names = list(asked) or [USUAL]
    for name in names:
        runtime, dot, suffix = name.partition(".")
        known = runtime in KINDS and (not dot or f".{suffix}" in KINDS[runtime].suffixes)
        if not known and name not in (ALL, USUAL):
            raise BadInput(f"--variants: unknown variant '{name}'; known: {ALL}, {USUAL}, {', '.join(KINDS)}")
    return names


def is_wanted(one: ModelFile, runtime: str, names: Sequence[str]) -> bool:
    """Say whether a file is to be run in a runtime: it takes such files, and was asked for, by name or as a usual one.

    Usual is a runtime on the first kind of file that it takes.
    """
    kind, suffix = KINDS[runtime], one.path.suffix.lower()
    usual = kind.usual and (suffix == kind.suffixes[0] or len({*kind.suffixes} - {*TORCH}) == 0)
    named = bool({ALL, runtime, f"{runtime}{suffix}"}.intersection(names))
    return suffix in kind.suffixes and (named or (usual and USUAL in names))


def _variant(
    one: ModelFile, runtime: str, files: Sequence[ModelFile], *, decoder: str, view: str, threads: int
) -> Variant | str:
    """The variant, or why there is none."""
    name = name_variant(one, runtime, files)
    if not is_installed(runtime):
        return f"{name}: not installed here"
    try:
        environment = default_environment(
            one.sidecar, one.path, runtime=runtime, decoder=decoder, view=view, threads=threads
        )
    except MissingExtra as problem:
        return f"{name}: {problem}"
    return Variant(name, one.model, one.path, one.sidecar, environment)


def name_variant(one: ModelFile, runtime: str, files: Sequence[ModelFile], device: str = HOST) -> str:
    """Name a variant: model, runtime, the suffix where the runtime takes several of the model's files, and device."""
    takes = [other.path for other in files if other.model == one.model and other.path.suffix in KINDS[runtime].suffixes]
    of = f" {one.path.suffix}" if len(takes) > 1 else ""
    return f"{one.model} {runtime}{of}" + ("" if device == HOST else f" @ {device}")


def _lines(lines: Sequence[str]) -> str:
    return "\n".join(f"  - {line}" for line in lines)


def first_line(problem: KitError | Exception) -> str:
    """The first line of a problem's text, for a list of reasons."""
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]
