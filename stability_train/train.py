"""Training: photos and settings to a model file that gives steadier answers; killed at any step, it goes on."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from device_agents.errors import BadInput, KitError
from device_agents.sidecar import Sidecar, write_sidecar
from stability_train.batches import Batches
from stability_train.cache import Progress as Say
from stability_train.cache import locked, silent, write_whole
from stability_train.features import Features, front_digest
from stability_train.judging import Evaluation, judge, judged_views, model_classes
from stability_train.pairs import Plan, is_finite, make_plan
from stability_train.photos import Photo, classes_of
from stability_train.settings import Settings, changed_settings, settings_from
from stability_train.splits import split_photos
from stability_train.tensorflow_setup import load_tensorflow
from stability_train.views import View, ViewMaker
from stability_train.zoo import resolve_model

if TYPE_CHECKING:
    from stability_train.model import Network, StabilityModel
    from stability_train.watch import Watch

Array = npt.NDArray[Any]
MODEL, LABELS, ASKED, SPLIT = "model.keras", "labels.csv", "training.json", "split.csv"
VALIDATION_DRAWS = 4
LARGEST_KEPT_BYTES = 2 << 30


@dataclass(frozen=True)
class Trained:
    """What a training left: the model with its sidecar and labels, and how it went.

    waited_share: of the epochs' time, how much the steps waited for data. kept_features: the frozen front ran once a
    view. best_epoch: by settings.monitor, 0 without validation; ``kept_epoch`` is the one whose weights the model has.
    """

    folder: Path
    model: Path
    sidecar: Path
    labels: Path
    history: Path
    classes: tuple[str, ...]
    epochs: int
    best_epoch: int
    kept_epoch: int
    kept_features: bool
    seconds: float
    waited_share: float
    peak_memory_mb: float


def train(
    photos: Sequence[Photo],
    *,
    folder: Path,
    settings: Settings,
    validation: Sequence[Photo] | None = None,
    cache: Path | None = None,
    features: Path | None = None,
    progress: Say = silent,
) -> Trained:
    """Train a model on photos in a folder, or go on with the training that the folder holds.

    validation: photos of other objects; None splits settings.validation_share of the objects off. features: a folder
    in which trainings share what a frozen front computes. Everything that can be wrong is said before the first step:
    BadInput for photos, pairs, labels or a model that do not fit, or a folder with another training. A loss that is
    no finite number raises KitError with the step and the term; the checkpoint keeps the last whole epoch.
    Ctrl-C and SIGTERM end it after the step with KeyboardInterrupt.
    """
    held_out = list(validation or ())
    if validation is None:
        photos, held_out = split_photos(photos, share=settings.validation_share, seed=settings.seed)
    _check_leak(photos, held_out)
    path, sidecar = resolve_model(_keras_name(settings.model), cache=cache, progress=progress)
    if settings.head == "keep" and sidecar.outputs != "logits":
        raise BadInput(
            f"head keep needs a model that gives logits, got {sidecar.outputs} from {path.name}; choose head new"
        )
    known = model_classes(sidecar) if settings.head == "keep" else ()
    classes = classes_of([*photos, *held_out], known=known)
    plan = make_plan(photos, pool=photos, classes=classes, settings=settings)
    judged = (
        make_plan(held_out, pool=held_out, classes=classes, settings=settings, validation=True) if held_out else None
    )
    maker = ViewMaker([*photos, *held_out], sidecar)
    maker.check([View(identity) for identity in dict.fromkeys(_identities(plan, judged))])
    with locked(folder, "training", timeout_s=1, progress=progress):
        _note_asked(folder, settings, plan, judged)
        return _train(plan, judged, maker, path, sidecar, classes, folder, features, progress)


def _train(
    plan: Plan,
    judged: Plan | None,
    maker: ViewMaker,
    base: Path,
    sidecar: Sidecar,
    classes: tuple[str, ...],
    folder: Path,
    features: Path | None,
    progress: Say,
) -> Trained:
    settings = plan.settings
    load_tensorflow(settings.threads)
    import keras

    from stability_train import model as models
    from stability_train.watch import HISTORY, Watch, peak_memory_mb

    keras.utils.set_random_seed(settings.seed)
    network = models.build_network(models.load_base(base), classes=len(classes), settings=settings)
    kept = _kept_features(network, plan, maker, sidecar, features)
    load = maker.tensor if kept is None else kept.feature
    shape = maker.shape if kept is None else network.front_shape
    tail = network.tail if kept is not None else keras.Model(network.whole.inputs[0], list(network.both))
    trained = models.StabilityModel(tail, settings)

    answer = models.answers(lambda batch: tail(batch, training=False)[1], shape)

    def prepare(epoch: int) -> None:
        def said(done: int, total: int) -> None:
            progress(f"features {done}/{total}")
            watch.stop_between_epochs()

        if kept is not None:
            views = [view for place in range(len(plan)) for view in plan.views(place, epoch)]
            kept.add(views, workers=settings.workers, said=said)

    def validate() -> tuple[Evaluation, float] | None:
        if judged is None:
            return None
        if kept is not None:
            rows = judged_views(judged, draws=VALIDATION_DRAWS)
            kept.add([view for row in rows for view in row], workers=settings.workers)
        found = judge(judged, load, answer, classes=classes, draws=VALIDATION_DRAWS)
        shares = found.scores[np.arange(len(judged)), 0, list(judged.targets)]
        return found, float(-np.log(np.maximum(shares, np.finfo(np.float32).tiny)).mean())

    workers = settings.workers if kept is None else 1
    within = kept is not None
    with Batches(plan, load, shape=shape, classes=len(classes), workers=workers, within_epoch=within) as batches:
        watch = Watch(folder, settings, batches, prepare=prepare, judge=validate, say=progress)
        watch.resume(trained)
        _fit(trained, watch, batches, settings)
    reached = watch.progress
    if settings.keep == "best":
        watch.take_best()
    _write_model(network, folder, sidecar, classes)
    return Trained(
        folder=folder,
        model=folder / MODEL,
        sidecar=folder / f"{MODEL}.json",
        labels=folder / LABELS,
        history=folder / HISTORY,
        classes=classes,
        epochs=reached.epoch,
        best_epoch=reached.best_epoch,
        kept_epoch=reached.best_epoch if settings.keep == "best" and reached.best_epoch else reached.epoch,
        kept_features=kept is not None,
        seconds=round(reached.seconds, 3),
        waited_share=round(reached.waited_s / max(reached.trained_s, 1e-9), 4),
        peak_memory_mb=peak_memory_mb(),
    )


def _fit(model: StabilityModel, watch: Watch, batches: Batches, settings: Settings) -> None:
    """Let `fit` run the epochs that are left; one that was interrupted is finished first, by itself."""
    import tensorflow as tf

    from stability_train.model import NOT_FINITE
    from stability_train.watch import stops_asked

    def run(first: int, step: int, epochs: int) -> None:
        def stream() -> Any:
            return batches.stream(epoch=first, step=step, epochs=epochs)

        shapes = batches.signature()
        data = tf.data.Dataset.from_generator(stream, output_signature=tuple(tf.TensorSpec(one) for one in shapes))
        plain = tf.data.Options()  # no prefetch of TensorFlow's: it would ask for an epoch before it is prepared
        plain.autotune.enabled = False
        plain.experimental_optimization.apply_default_optimizations = False
        data = data.with_options(plain)
        steps = batches.steps - step
        model.fit(
            data, initial_epoch=first, epochs=epochs, steps_per_epoch=steps, callbacks=[watch], verbose=0, shuffle=False
        )

    reached = watch.progress
    try:
        with stops_asked(watch):
            if reached.step and not reached.ended:
                run(reached.epoch, reached.step, reached.epoch + 1)
            if reached.epoch < settings.epochs and not reached.ended:
                run(reached.epoch, 0, settings.epochs)
    except tf.errors.OpError as problem:
        if batches.problem is not None:
            raise batches.problem from None
        found = str(problem)
        if NOT_FINITE not in found:
            raise
        term = re.split(r"[\]'\"]", found.partition(NOT_FINITE)[2])[0]
        raise KitError(
            f"training stopped at epoch {reached.epoch + 1}, step {reached.step + 1}: expected finite numbers, got NaN "
            f"or infinity in {term}; the weights after epoch {reached.epoch} are kept in {watch.checkpoint}: "
            "lower alpha or the learning rate and begin in a new folder"
        ) from None


def _kept_features(
    network: Network, plan: Plan, maker: ViewMaker, sidecar: Sidecar, folder: Path | None
) -> Features | None:
    """Give the store of the frozen front's features, or None where views are new every epoch or would be too many."""
    settings = plan.settings
    if network.front is None or not is_finite(settings):
        return None
    size = 4 * int(np.prod(network.front_shape))
    if size * len(plan) * (1 + settings.noisy_views) * min(settings.epochs, 64) > LARGEST_KEPT_BYTES:
        return None
    import tensorflow as tf

    compute: Callable[[Any], Any] = tf.function(partial(network.front, training=False), autograph=False)
    digest = front_digest(network.front, sidecar) if folder is not None else ""
    return Features(lambda tensor: compute(tensor[None]).numpy()[0], maker, digest=digest, folder=folder)


def _note_asked(folder: Path, settings: Settings, plan: Plan, judged: Plan | None) -> None:
    """Write what is asked for, or compare it with what the folder was begun with."""
    rows = [("training", photo) for photo in plan.photos] + [
        ("validation", one) for one in (judged.photos if judged else ())
    ]
    names = "\n".join(f"{side} {photo.identity} {photo.label}" for side, photo in rows)
    data = hashlib.sha256(names.encode()).hexdigest()
    path = folder / ASKED
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = changed_settings(settings_from(before["settings"]), settings)
        changed += ["photos: others than before"] * (before["photos"] != data)
        if changed:
            raise BadInput(
                f"{folder}: this training was begun otherwise; name a new folder, or undo: {'; '.join(changed)}"
            )
        return
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("side", "name", "label", "cluster", "device", "sha256"))
    writer.writerows((side, one.name, one.label, one.cluster, one.device, one.sha256) for side, one in rows)
    write_whole(folder / SPLIT, stream.getvalue().encode())
    asked = {"settings": dataclasses.asdict(settings), "photos": data}
    write_whole(path, (json.dumps(asked, indent=2) + "\n").encode())


def _write_model(network: Network, folder: Path, sidecar: Sidecar, classes: Sequence[str]) -> None:
    aside = folder / f"partial-{MODEL}"
    network.whole.save(aside)
    aside.replace(folder / MODEL)
    rows = "".join(f"{label},{label}\n" for label in classes)
    write_whole(folder / LABELS, f"label,name\n{rows}".encode())
    name = f"{sidecar.name}-{folder.name}"
    new = dataclasses.replace(sidecar, name=name, labels=LABELS, outputs="logits", background=False)
    write_sidecar(folder / MODEL, new)


def _identities(plan: Plan, judged: Plan | None) -> list[str]:
    """The photos that a training will look at: the clean ones and their partners."""
    plans = [plan, *([judged] if judged else [])]
    names = [photo.identity for one in plans for photo in one.photos]
    return names + [name for one in plans for partners in one.partners for name in partners]


def _check_leak(photos: Sequence[Photo], held_out: Sequence[Photo]) -> None:
    both = sorted({photo.cluster for photo in photos} & {photo.cluster for photo in held_out})
    if both:
        shown = ", ".join(both[:5]) + ", ..." * (len(both) > 5)
        raise BadInput(f"expected other objects to validate on than to train on, got {len(both)} in both: {shown}")


def _keras_name(model: str) -> str:
    return model if model.endswith((".keras", ".tflite", ".onnx")) else f"{model}.keras"
