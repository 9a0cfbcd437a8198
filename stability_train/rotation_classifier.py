"""A classifier that tells by how many quarters a picture was turned: a model's own frozen front and a linear head.

Hendrycks, Mazeika, Kadavath and Song, "Using Self-Supervised Learning Can Improve Model Robustness and Uncertainty"
(NeurIPS 2019), after Gidaris, Singh and Komodakis (RotNet, ICLR 2018): turns of strange pictures are told worse.
Theirs is trained together with the classifier; here its features stay as they are, so that any model can be asked.

A network that learnt from mirrored pictures too hardly tells 90 from 270 degrees of what is symmetric: one turn is then
the mirror image of the other (MobileNetV2 on clothing: 0 and 180 are told at 87 %, 90 and 270 at 47 %).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from device_agents.errors import BadInput
from device_agents.perturbations.turned import QUARTERS, four_turns
from device_agents.preprocess import to_tensor
from device_agents.runtimes import RUNTIMES, runtime_for
from device_agents.sidecar import Sidecar, sidecar_values, write_sidecar
from stability_train.agreement_check import check_agreement
from stability_train.cache import Progress, locked, new_folder, sha256_of, silent
from stability_train.photos import Photo
from stability_train.softmax_fit import RIDGES, Chosen, fit_chosen, log_loss
from stability_train.train import ASKED, MODEL
from stability_train.views import View, ViewMaker
from stability_train.zoo import MODELS, resolve_model

Array = npt.NDArray[Any]
LABELS = ("0", "90", "180", "270")  # degrees counter-clockwise: the perturbations quarter-turn-1, -2 and -3
FILE, LABEL_FILE, ABOUT = "rotation.tflite", "labels.csv", "about.json"
LEAST = 8  # photographs
FOLDS = 5
CHECKED = 64  # turned photographs that the file and the Keras model are compared on
LIMIT = 1e-3  # of the largest logit, or of 1: as for trained models
_BLOCK = 16  # photographs between two words of progress, and pictures that the Keras model sees together
_VERSION = 1  # raise it when what is made changes


def rotation_classifier(
    model: str,
    photographs: Sequence[Path],
    *,
    folder: Path,
    seed: int = 0,
    cache: Path | None = None,
    progress: Progress = silent,
) -> tuple[Path, Sidecar]:
    """Give a .tflite file that tells turns, and its sidecar (labels as an absolute path), made once and kept in folder.

    model: a zoo model's name, a .keras file with a sidecar, or what `instability train` made (its folder or a file in
    it). photographs: at least LEAST; each is prepared as the model's sidecar says and turned four ways. Beside the file
    stand its label CSV and about.json, with the accuracy on photographs held out (0..1). ``seed`` draws the folds.
    Raises BadInput for another model, one whose input is no square or that does not end in a dense layer, for too few
    photographs, and once naming all that cannot be read; KitError where the file disagrees with the Keras model.
    """
    keras_file, card = resolve_model(_keras_name(model), cache=cache, progress=progress)
    if card.input_height != card.input_width:
        raise BadInput(
            f"{model}: expected a model with a square input, which a quarter turn keeps, got "
            f"{card.input_width} x {card.input_height}"
        )
    photos = _photos(photographs)
    asked = _asked(keras_file, card, photos, seed)
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
    place = folder.absolute() / f"rotation-{digest}"
    with locked(folder.absolute(), place.name, progress=progress):
        if not all((place / name).is_file() for name in (FILE, LABEL_FILE, ABOUT)):
            with new_folder(place) as aside:
                _make(keras_file, card, photos, aside, asked, progress)
    return resolve_model(str(place / FILE))


def _make(
    keras_file: Path, card: Sidecar, photos: Sequence[Photo], folder: Path, asked: dict[str, Any], progress: Progress
) -> None:
    """Fit the head and write the four files."""
    maker = ViewMaker(photos, card)
    progress(f"reading {len(photos)} photographs")
    maker.check([View(photo.identity) for photo in photos])
    from stability_train.tensorflow_setup import load_tensorflow

    load_tensorflow()
    from stability_train.export import export_tflite
    from stability_train.remedies.parts import load_parts

    parts = load_parts(str(keras_file), side=0, classes=QUARTERS, trainable="head", blur=False)
    features = _features(parts.features, maker, photos, progress)
    chosen = fit_chosen(
        features.reshape(-1, features.shape[-1]),
        np.tile(np.arange(QUARTERS), len(photos)),
        np.repeat(_folds(len(photos), asked["seed"]), QUARTERS),
        classes=QUARTERS,
        said=lambda fold, folds: progress(f"turns that were held out: {fold} of {folds}"),
    )
    whole = parts.network.whole
    whole.layers[-1].set_weights([chosen.linear.weights.astype(np.float32), chosen.linear.bias.astype(np.float32)])
    progress(f"writing {FILE}")
    export_tflite(whole, folder / FILE)
    difference = _check(whole, folder / FILE, maker, photos, card)
    name = f"{card.name}-rotation"
    new = dataclasses.replace(card, name=name, labels=LABEL_FILE, outputs="logits", background=False)
    write_sidecar(folder / FILE, dataclasses.replace(new, variant="", source_sha256="", calibration=()))
    rows = "".join(f"{label},turned by {label} degrees\n" for label in LABELS)
    (folder / LABEL_FILE).write_text(f"label,name\n{rows}", encoding="utf-8")
    about = {**asked, **_judged(chosen, len(photos)), "largest_difference": difference}
    (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def _keras_name(model: str) -> str:
    """The Keras file of a model as a user names it: a zoo name in any format, a .keras file, or a training's folder."""
    stem, _, suffix = model.rpartition(".") if model.endswith((".tflite", ".onnx", ".keras")) else (model, "", "")
    if stem in MODELS:
        return f"{stem}.keras"
    path = Path(model).expanduser()
    if path.is_dir() and (path / MODEL).is_file():
        return str(path / MODEL)
    if suffix == "keras":
        return model
    beside = path.with_name(MODEL)
    if path.is_file() and beside.is_file() and path.with_name(ASKED).is_file():
        return str(beside)
    raise BadInput(
        f"{model}: expected a model whose front can be kept without its head: one of the zoo ({', '.join(MODELS)}), a "
        ".keras file with its sidecar, or the folder of `instability train`; name the Keras file that it was made from"
    )


def _photos(files: Sequence[Path]) -> list[Photo]:
    """Each photograph once, in the order of their hashes, so that a list in another order is the same list."""
    hashes: dict[str, Path] = {}
    problems = []
    for file in files:
        try:
            hashes.setdefault(sha256_of(file), file)
        except OSError as problem:
            problems.append(f"{file}: {problem.strerror}")
    if problems:
        raise BadInput(f"{len(problems)} of {len(files)} photographs cannot be read: {'; '.join(problems)}")
    if len(hashes) < LEAST:
        raise BadInput(f"expected at least {LEAST} different photographs to learn turns from, got {len(hashes)}")
    return [Photo(hashes[one].name, hashes[one], one, ("0",), one, one) for one in sorted(hashes)]


def _asked(keras_file: Path, card: Sidecar, photos: Sequence[Photo], seed: int) -> dict[str, Any]:
    """All that the classifier follows from, as JSON."""
    prepared = {name: value for name, value in sidecar_values(card).items() if name != "labels"}
    return {
        "version": _VERSION,
        "model": card.name,
        "model_sha256": sha256_of(keras_file),
        "prepared": prepared,
        "photographs": [one.sha256 for one in photos],
        "seed": seed,
        "folds": FOLDS,
        "ridges": list(RIDGES),
    }


def _features(compute: Any, maker: ViewMaker, photos: Sequence[Photo], progress: Progress) -> Array:
    """What the front makes of each photograph's turns: float32 (photographs, QUARTERS, features)."""
    found = []
    for start in range(0, len(photos), _BLOCK):
        block = photos[start : start + _BLOCK]
        found.append(compute([turn for one in block for turn in four_turns(maker.picture(View(one.identity)))]))
        progress(f"features of {start + len(block)} of {len(photos)} photographs, turned four ways")
    stacked = np.concatenate(found)
    return stacked.reshape(len(photos), QUARTERS, -1)


def _folds(count: int, seed: int) -> Array:
    return np.asarray(np.random.default_rng(seed).permutation(count) % FOLDS)


def _judged(chosen: Chosen, count: int) -> dict[str, Any]:
    """How well the turns of photographs are told that the fit had not seen."""
    truth = np.tile(np.arange(QUARTERS), count)
    right = (chosen.logits.argmax(axis=1) == truth).reshape(count, QUARTERS)
    return {
        "ridge": chosen.ridge,
        "accuracy": float(right.mean()),
        "accuracy_by_turn": dict(zip(LABELS, right.mean(axis=0).tolist(), strict=True)),
        "log_loss": log_loss(chosen.logits, truth) / len(truth),
    }


def _check(whole: Any, file: Path, maker: ViewMaker, photos: Sequence[Photo], card: Sidecar) -> float:
    """The largest difference of any logit between the file and the Keras model; raises KitError past LIMIT."""
    places = np.unique(np.linspace(0, len(photos) - 1, CHECKED // QUARTERS).round().astype(int))
    shown = [turn for place in places for turn in four_turns(maker.picture(View(photos[place].identity)))]
    tensors = [
        np.asarray(to_tensor(one, scaling=card.scaling, layout="nhwc", colour_order=card.colour_order), np.float32)
        for one in shown
    ]
    classify = RUNTIMES[runtime_for(file)](file, 1)
    blocks = [np.concatenate(tensors[start : start + _BLOCK]) for start in range(0, len(tensors), _BLOCK)]
    expected = np.concatenate([np.asarray(whole(one, training=False)) for one in blocks])
    limit = LIMIT * max(1.0, float(np.abs(expected).max()))
    scores = {"keras": expected, "tflite": np.stack([classify(one) for one in tensors])}
    return check_agreement(scores, reference="keras", limit=limit)["tflite"]
