"""The conditions of a call: precisions, runtimes and threads of a language model, one changed at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from analysis.store import Run
from device_agents.errors import BadInput, pick
from device_agents.hashing import hash_file
from device_agents.records import Environment
from device_agents.runtimes import NETWORKS, runtime_version
from hostctl.printing import Progress
from stability_train.language.models import FLOAT32, LanguageModel, get_language_model, precision_file
from stability_train.language.precisions import PRECISIONS

TEXT = "text"  # the fields of an environment that only pictures have


@dataclass(frozen=True)
class Asked:
    """What every command takes. The first of runtimes and of threads are the base's; its precision is float32."""

    model: str = "smollm2-135m-instruct"
    tokenizer: Path | None = None
    precisions: tuple[str, ...] = ("float16", "bfloat16", "int8")
    runtimes: tuple[str, ...] = ("onnxruntime",)
    threads: tuple[int, ...] = (1,)


@dataclass(frozen=True)
class Way:
    """One condition: a precision of the model in a runtime with so many threads, and the file that it runs."""

    precision: str
    runtime: str
    threads: int
    file: Path
    environment: Environment

    def told(self, base: Way) -> str:
        """What it changes of the base, such as "int8" or "openvino"; "float32" for the base itself."""
        parts = [self.precision] if self.precision != base.precision else []
        parts += [self.runtime] if self.runtime != base.runtime else []
        parts += [f"{self.threads} threads"] if self.threads != base.threads else []
        return " ".join(parts) or base.precision


def check(asked: Asked) -> None:
    """Raise BadInput or MissingExtra for precisions and runtimes that are unknown or not here, before any work."""
    for name in asked.precisions:
        pick(PRECISIONS, name, what="precision of a language model")
    for name in asked.runtimes:
        pick(NETWORKS, name, what="runtime")
        if not name.startswith(("onnxruntime", "openvino")):
            raise BadInput(f"--runtime {name}: expected a runtime of ONNX files, onnxruntime... or openvino...")
        runtime_version(name)
    if not asked.runtimes or not asked.threads or min(asked.threads) < 1:
        raise BadInput(f"expected a runtime and at least one thread, got {asked.runtimes} and {asked.threads}")


def ways(asked: Asked, *, progress: Progress) -> tuple[LanguageModel, list[Way]]:
    """Give the model and its conditions, the base first, making the files that are missing."""
    check(asked)
    said = partial(progress, "model", 0, 0)
    model = get_language_model(asked.model, tokenizer=asked.tokenizer, progress=said)
    wanted = [(FLOAT32, asked.runtimes[0], asked.threads[0])]
    wanted += [(name, *wanted[0][1:]) for name in asked.precisions]
    wanted += [(FLOAT32, name, asked.threads[0]) for name in asked.runtimes[1:]]
    wanted += [(FLOAT32, asked.runtimes[0], count) for count in asked.threads[1:]]
    found = []
    for precision, runtime, threads in dict.fromkeys(wanted):
        file = precision_file(model, precision, progress=said)
        found.append(Way(precision, runtime, threads, file, _environment(model, precision, file, runtime, threads)))
    return model, found


def note(run: Run, model: LanguageModel, found: Sequence[Way]) -> None:
    """Note in a run which condition is the base, and which model file is which precision."""
    base = found[0]
    run.set_note("base", {model.name: {"environment": base.environment.environment, "isp": "", "codec": ""}})
    told = dict(run.note("model_variants") or {})
    for way in found[1:]:
        if way.precision != base.precision:
            keys = {"of": base.environment.model_sha256, "noise": "precision", "variant": way.precision}
            told[way.environment.model_sha256] = {**keys, "runtime": way.runtime, "base_runtime": base.runtime}
    run.set_note("model_variants", told)


def _environment(model: LanguageModel, precision: str, file: Path, runtime: str, threads: int) -> Environment:
    name = model.name if precision == FLOAT32 else f"{model.name} {precision}"
    fields = (TEXT, "whole", "none", "none", "none", "tokens")  # decoder, view, colour, fit, resizer, scaling
    return Environment(name, hash_file(file), *fields, runtime, runtime_version(runtime), threads)
