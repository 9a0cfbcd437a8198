"""Judging a model on views: its accuracy on clean ones, and its instability between clean and noisy ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from device_agents.errors import BadInput
from device_agents.sidecar import Sidecar, read_labels
from stability_train.batches import Load
from stability_train.pairs import Plan, make_plan
from stability_train.photos import Photo
from stability_train.settings import PAIRED, Settings
from stability_train.tensorflow_setup import load_tensorflow
from stability_train.views import View, ViewMaker

Array = npt.NDArray[Any]
Logits = Callable[[Array], Array]
_BATCH = 32


@dataclass(frozen=True)
class Evaluation:
    """A model's answers on photos under conditions, the first of which is clean; nothing is averaged yet.

    scores: float32 (photos, conditions, classes), probabilities; right: bool (photos, conditions): the first class is
    an accepted label. clusters: the object of each photo, which intervals and tests resample.
    """

    photos: tuple[str, ...]
    clusters: tuple[str, ...]
    conditions: tuple[str, ...]
    classes: tuple[str, ...]
    scores: Array
    right: Array

    @property
    def accuracy(self) -> float:
        """The share of photos that are right when clean."""
        return float(self.right[:, 0].mean())

    @property
    def noisy_accuracy(self) -> float:
        """The mean share that is right under the other conditions; the clean one's where there is no other."""
        return float(self.right[:, 1:].mean()) if self.right.shape[1] > 1 else self.accuracy

    @property
    def instability(self) -> float:
        """The share of photos right in exactly one of the clean and a noisy condition: the mean over the noisy ones."""
        return float((self.right[:, 1:] != self.right[:, :1]).mean()) if self.right.shape[1] > 1 else 0.0

    @property
    def instability_of_all(self) -> float:
        """The share of photos that are right under some conditions and wrong under others: grows with their number."""
        return float((self.right.any(axis=1) & ~self.right.all(axis=1)).mean())

    @property
    def flips(self) -> float:
        """The mean share of photos whose first class under noise is another than the clean one, right or wrong."""
        first = self.scores.argmax(axis=2)
        return float((first[:, 1:] != first[:, :1]).mean()) if first.shape[1] > 1 else 0.0


def evaluate(
    model: Path,
    sidecar: Sidecar,
    photos: Sequence[Photo],
    *,
    settings: Settings,
    pool: Sequence[Photo] = (),
    draws: int = 4,
) -> Evaluation:
    """Judge a .keras file on photos, clean and under settings' noise (``draws`` noisy views each), on this machine.

    For paired noises the clean photos are those of settings.device, and the noisy view is the same scene by
    settings.partner, out of ``pool`` (default: photos). The sidecar's labels are an absolute path.
    """
    load_tensorflow(settings.threads)
    import keras

    from stability_train.model import answers

    classes = model_classes(sidecar)
    plan = make_plan(photos, pool=pool or photos, classes=classes, settings=settings, validation=True)
    maker = ViewMaker([*photos, *pool], sidecar)
    network = keras.models.load_model(model, compile=False)
    if network.output_shape[-1] != len(classes):
        raise BadInput(
            f"{model}: expected {len(classes)} classes, as its label list has, got {network.output_shape[-1]}"
        )
    scores = answers(lambda batch: network(batch, training=False), maker.shape)
    tiny = np.finfo(np.float32).tiny

    def logits(batch: Array) -> Array:
        found: Array = scores(batch)
        return found if sidecar.outputs == "logits" else np.log(np.maximum(found, tiny))

    return judge(plan, maker.tensor, logits, classes=classes, draws=draws)


def judge(plan: Plan, load: Load, logits: Logits, *, classes: Sequence[str], draws: int) -> Evaluation:
    """Judge ``logits`` of batches on a validation plan's photos; ``load`` gives a view's tensor or features."""
    rows = judged_views(plan, draws=draws)
    distinct = list(dict.fromkeys(view for row in rows for view in row))
    found = []
    for start in range(0, len(distinct), _BATCH):
        found.append(np.asarray(logits(np.stack([load(view) for view in distinct[start : start + _BATCH]]))))
    place = {view: number for number, view in enumerate(distinct)}
    scores = _softmax(np.concatenate(found))[[[place[view] for view in row] for row in rows]]
    first = scores.argmax(axis=2)
    accepted = [[classes.index(label) for label in photo.labels if label in classes] for photo in plan.photos]
    right = np.array([np.isin(row, good) for row, good in zip(first, accepted, strict=True)])
    names = tuple(photo.name for photo in plan.photos)
    conditions = ("clean", *(f"{plan.settings.noise} {number + 1}" for number in range(len(rows[0]) - 1)))
    clusters = tuple(photo.cluster for photo in plan.photos)
    return Evaluation(names, clusters, conditions, tuple(classes), scores, right)


def judged_views(plan: Plan, *, draws: int) -> list[tuple[View, ...]]:
    """Give the views of each photo that judging compares: the clean one, and one noisy one a draw."""
    if plan.settings.noise == "none":
        draws = 0
    elif plan.settings.noise in PAIRED:
        draws = min(draws, 1)  # the partner is one picture
    rows = []
    for place in range(len(plan)):
        pairs = [plan.views(place, draw) for draw in range(max(1, draws))]
        rows.append((pairs[0][0], *(pair[1] for pair in pairs[:draws])))
    return rows


def model_classes(sidecar: Sidecar) -> tuple[str, ...]:
    """Give the labels of a model's outputs in order; raises BadInput for a model without a label list."""
    if not sidecar.labels:
        raise BadInput(f"model {sidecar.name}: expected a label list got none; name one in its sidecar")
    labels = read_labels(Path(sidecar.labels))
    return ("background", *labels) if sidecar.background and "background" not in labels else labels


def _softmax(logits: Array) -> Array:
    values = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return np.asarray(values / values.sum(axis=-1, keepdims=True), np.float32)
