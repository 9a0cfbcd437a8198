"""Mitigations side by side: heads trained in every way on some objects and judged on others, for devices of a run.

Cross-validation by object: every photograph is judged by heads that saw neither its object nor the device held out.
What a head answers is kept a file a head, so that a killed study goes on; mitigation_rows.py does the sums.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from analysis.run_folder.files import write_whole
from analysis.store import Run
from device_agents.errors import BadInput, pick
from hostctl.printing import Progress, silent
from stability_train.cache import locked
from stability_train.pairs import Plan, make_plan
from stability_train.photos import Photo, check_devices, classes_of, run_photos
from stability_train.settings import Settings
from stability_train.splits import fold_photos, split_photos
from stability_train.variant_files import make_variants
from stability_train.views import View
from stability_train.zoo import resolve_model

if TYPE_CHECKING:
    from stability_train.kept_heads import Backbone

Array = npt.NDArray[Any]
ASKED, FEATURES, HEADS = "asked.json", "features", "heads"
SHOT, BESIDE, DEVELOPED = "shot", "beside", "developed"


@dataclass(frozen=True)
class Training:
    """One way to train a head: what it changes of the settings, on which pictures, behind which network.

    devices: whose pictures are clean ("device", "partner" or both). source: which of their pictures. blur: a precision
    of stability_train.variants that the network is changed to first. tuned: whether alpha is chosen on validation
    objects.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)
    devices: tuple[str, ...] = ("device",)
    source: str = SHOT
    blur: str = ""
    tuned: bool = False


_PAIRED = {"noise": "two-images", "loss": "relative-entropy"}
_MIX = {"mix": ("resizer",)}
_PLAIN = {"noise": "none"}

TRAININGS: Mapping[str, Training] = {
    "plain": Training(_PLAIN),
    "both-phones": Training(_PLAIN, devices=("device", "partner")),
    "stability": Training(_PAIRED, tuned=True),
    "mix": Training({**_PLAIN, **_MIX}),
    "augmix": Training({"noise": "augmix", "loss": "jensen-shannon", "draws": 4}),
    "blurpool": Training(_PLAIN, blur="blurpool-rect-2"),
    "combined": Training({**_PAIRED, **_MIX}, tuned=True),
    "both-mix": Training({**_PLAIN, **_MIX}, devices=("device", "partner")),
    "own-jpegs": Training(_PLAIN, devices=("partner",), source=BESIDE),
    "raw-trained": Training(_PLAIN, devices=("partner",), source=DEVELOPED),
}


@dataclass(frozen=True)
class Asked:
    """A study: the devices (clean side, the one trained beside it, the one held out), and how often it is repeated.

    trainings: keys of TRAININGS; "plain", which all are held against, is always among them.
    """

    device: str
    partner: str
    unseen: str
    model: str = "mobilenet-v2"
    folds: int = 5
    seeds: int = 3
    epochs: int = 20
    learning_rate: float = 1e-3
    alphas: tuple[float, ...] = (0.1, 1.0, 10.0)
    isp: str = "libraw-pinned"
    codec: str = "png"
    trainings: tuple[str, ...] = tuple(TRAININGS)

    def __post_init__(self) -> None:
        """Refuse what cannot be compared."""
        names = (self.device, self.partner, self.unseen)
        if len(set(names)) < 3:
            raise BadInput(f"expected three devices, one of them never trained on, got {', '.join(names)}")
        if self.folds < 2 or self.seeds < 1 or not self.alphas:
            raise BadInput(
                f"expected 2 folds, 1 seed and 1 alpha or more, got {self.folds}, {self.seeds} and {len(self.alphas)}"
            )
        for name in self.trainings:
            pick(TRAININGS, name, what="way to train")
        if "plain" not in self.trainings:
            raise BadInput("expected plain among the ways to train, which the others are held against")


@dataclass(frozen=True)
class Answers:
    """What the study's heads answered; nothing is averaged yet.

    photos: all pictures judged; sources: of each, SHOT, or of the devices that keep raws BESIDE (the photograph beside
    a raw) or DEVELOPED (the raw by the one ISP). heads: (training, alpha, fold, seed) ->
    float32 (photos, classes), probabilities of every photo, also those that the head was trained on, NaN where it was
    not run. held_out: int
    (photos,), the fold whose heads never saw the photo's object. validation: (fold, seed) -> bool (photos,), the
    objects on which alpha and thresholds are chosen. seconds: training -> its cost. factors: training -> inference
    time over the plain network's.
    """

    photos: tuple[Photo, ...]
    sources: tuple[str, ...]
    classes: tuple[str, ...]
    heads: Mapping[tuple[str, float, int, int], Array]
    held_out: Array
    validation: Mapping[tuple[int, int], Array]
    seconds: Mapping[str, float]
    factors: Mapping[str, float]


def answers(
    run_folder: Path, asked: Asked, *, out: Path, raws: Path | None = None, progress: Progress = silent
) -> Answers:
    """Train what is missing of a study, and give what all of its heads answer; go on with what ``out`` holds.

    raws: a run of the same scenes whose devices kept raws, developed by asked.isp (default: the run itself). Raises
    BadInput, before any training, for devices that the run has no pictures of, too few objects for the folds, or a
    folder with another study.
    """
    names = (asked.device, asked.partner, asked.unseen)
    with Run.open(run_folder, write=False) as run:
        shot = run_photos(run)
        check_devices(shot, needed=names, why="mitigations")
    with Run.open(raws or run_folder, write=False) as run:
        photos = {SHOT: shot, **_developed(run, asked)}
    if raws is not None and not photos[DEVELOPED]:
        raise BadInput(
            f"{raws}: expected pictures by {asked.isp} and {asked.codec} of {asked.partner} and another device, got "
            f"none; run `instability develop {raws} --isp {asked.isp} --codec {asked.codec}`"
        )
    study = _Study(asked, photos, out, progress)
    with locked(out, "mitigations", timeout_s=1, progress=lambda line: progress(line, 0, 0, "")):
        study.note_asked()
        return study.run()


class _Study:
    """One study on its way: its photos, its folds, and the files that it keeps."""

    def __init__(self, asked: Asked, photos: Mapping[str, list[Photo]], out: Path, progress: Progress) -> None:
        self.asked, self.out, self.progress, self.photos = asked, out, progress, photos
        self.all = tuple(one for some in photos.values() for one in some)
        self.sources = tuple(name for name, some in photos.items() for _ in some)
        shot = photos[SHOT]
        self.classes = classes_of(shot)
        cluster = np.array([photo.cluster for photo in self.all])
        self.folds = [
            ({one.cluster for one in held}, [one for one in kept if one.device == asked.device])
            for kept, held in fold_photos(shot, folds=asked.folds, seed=0)
        ]
        self.held_out = np.full(len(self.all), -1)
        for number, (held, _) in enumerate(self.folds):
            self.held_out[np.isin(cluster, list(held))] = number
        self.validation = {
            (fold, seed): np.isin(cluster, list(self._validation(fold, seed)))
            for fold in range(asked.folds)
            for seed in range(asked.seeds)
        }

    def _validation(self, fold: int, seed: int) -> set[str]:
        return {one.cluster for one in split_photos(self.folds[fold][1], share=0.2, seed=seed)[1]}

    def note_asked(self) -> None:
        """Write what is asked for, or refuse a folder that holds another study."""
        photos = hashlib.sha256("\n".join(f"{one.name} {one.identity}" for one in self.all).encode()).hexdigest()
        told = {"asked": json.loads(json.dumps(asdict(self.asked))), "photos": photos}
        path = self.out / ASKED
        if path.exists() and (before := json.loads(path.read_text(encoding="utf-8"))) != told:
            changed = [name for name, value in told["asked"].items() if before["asked"].get(name) != value]
            raise BadInput(
                f"{self.out}: expected the study that was begun here, got another ({', '.join(changed) or 'photos'}); "
                "name a new folder with --out"
            )
        write_whole(path, (json.dumps(told, indent=2) + "\n").encode())

    def run(self) -> Answers:
        """Train and judge, a network after the other, a training after the other."""
        heads: dict[tuple[str, float, int, int], Array] = {}
        seconds: dict[str, float] = {}
        factors: dict[str, float] = {}
        there = {name: TRAININGS[name] for name in self.asked.trainings if self.photos[TRAININGS[name].source]}
        for blur in dict.fromkeys(one.blur for one in there.values()):
            names = [name for name, one in there.items() if one.blur == blur]
            kept = [self._kept(name) for name in names]
            if any(one is None for one in kept):
                self._train(blur, names)
                kept = [self._kept(name) for name in names]
            for name, found in zip(names, kept, strict=True):
                assert found is not None
                heads |= found[0]
                seconds[name], factors[name] = found[1], found[2]
        return Answers(
            photos=self.all,
            sources=self.sources,
            classes=self.classes,
            heads=heads,
            held_out=self.held_out,
            validation=self.validation,
            seconds=seconds,
            factors=factors,
        )

    def _kept(self, name: str) -> tuple[dict[tuple[str, float, int, int], Array], float, float] | None:
        """What the folder holds of a training, None where a head is missing."""
        heads, seconds, factors = {}, [], []
        for alpha, fold, seed in self._trials(name):
            path = self._path(name, alpha, fold, seed)
            if not path.is_file():
                return None
            with np.load(path) as held:
                heads[name, alpha, fold, seed] = held["probabilities"]
                seconds.append(float(held["seconds"]))
                factors.append(float(held["factor"]))
        return heads, statistics.median(seconds), statistics.median(factors)

    def _trials(self, name: str) -> list[tuple[float, int, int]]:
        alphas = self.asked.alphas if TRAININGS[name].tuned else (0.0,)
        return [(a, fold, seed) for a in alphas for fold in range(self.asked.folds) for seed in range(self.asked.seeds)]

    def _path(self, name: str, alpha: float, fold: int, seed: int) -> Path:
        return self.out / HEADS / f"{name}-{alpha:g}-{fold}-{seed}.npz"

    def _train(self, blur: str, names: Sequence[str]) -> None:
        from stability_train.kept_heads import Backbone

        count, folder = len(self.classes), self.out / FEATURES
        network = Backbone(self._network(blur), self.all, classes=count, folder=folder)
        # Raws are developed for the plain network alone.
        places = np.array([number for number, one in enumerate(self.sources) if one == SHOT or not blur])
        views = [View(self.all[number].identity) for number in places]
        clean = network.matrix(views, progress=self._said(blur or "the network"))
        factor = network.time_over(Backbone(self._network(""), self.all, classes=count), views[0]) if blur else 1.0
        told = {"view_s": network.view_s(views), "factor": factor}
        for name in names:
            if self._kept(name) is None:
                self._train_heads(network, name, places, clean, told)

    def _train_heads(
        self, network: Backbone, name: str, places: Array, clean: Array, told: Mapping[str, float]
    ) -> None:
        plan = self._plan(TRAININGS[name])
        kept = network.views_of(plan, progress=self._said(f"views for {name}"))
        (self.out / HEADS).mkdir(parents=True, exist_ok=True)
        cluster = np.array([photo.cluster for photo in plan.photos])
        fold_of = {photo.cluster: int(self.held_out[place]) for place, photo in enumerate(self.all)}
        held = np.array([fold_of[one] for one in cluster])
        trials = self._trials(name)
        for number, (alpha, fold, seed) in enumerate(trials, 1):
            path = self._path(name, alpha, fold, seed)
            if not path.is_file():
                chosen = np.flatnonzero((held != fold) & ~np.isin(cluster, list(self._validation(fold, seed))))
                weight = alpha if TRAININGS[name].tuned else plan.settings.alpha
                settings = replace(plan.settings, seed=seed, alpha=weight)
                started = time.perf_counter()
                head = network.train_head(kept, chosen, settings=settings)
                spent_s = time.perf_counter() - started + told["view_s"] * len(np.unique(kept.index[:, chosen]))
                found = np.full((len(self.all), len(self.classes)), np.nan, np.float32)
                found[places] = head(clean)
                _write_npz(path, probabilities=found, seconds=np.array(spent_s), factor=np.array(told["factor"]))
            self.progress(f"heads of {name}", number, len(trials), "")

    def _plan(self, training: Training) -> Plan:
        """Plan a training on all objects; each head is then trained on its own part of them."""
        asked = self.asked
        devices = {"device": asked.device, "partner": asked.partner}
        paired = training.changes["noise"] == "two-images"
        common = {"model": asked.model, "epochs": asked.epochs, "learning_rate": asked.learning_rate}
        sides = {"device": asked.device, "partner": asked.partner} if paired else {}
        settings = Settings(**{**common, **sides, **training.changes})
        wanted = {devices[one] for one in (*training.devices, *(("partner",) if paired else ()))}
        photos = [one for one in self.photos[training.source] if one.device in wanted]
        return make_plan(photos, pool=photos, classes=self.classes, settings=settings)

    def _network(self, blur: str) -> str:
        if not blur:
            return self.asked.model
        name = self.asked.model if self.asked.model.endswith(".keras") else f"{self.asked.model}.keras"
        path, card = resolve_model(name)
        made, _ = make_variants(path, card, {blur: True}, progress=lambda line: self.progress(line, 0, 0, ""))
        return str(made[0].path)

    def _said(self, stage: str) -> Any:
        return lambda done, total: self.progress(stage, done, total, "")


def _developed(run: Run, asked: Asked) -> dict[str, list[Photo]]:
    """The run's pictures by the one ISP and the photographs beside them; none of fewer than two devices."""
    devices = sorted({one.device for one in run.picture_records({"isp": asked.isp, "codec": asked.codec})})
    if len(devices) < 2 or asked.partner not in devices:
        return {BESIDE: [], DEVELOPED: []}
    made = run_photos(run, isp=asked.isp, codec=asked.codec)
    return {BESIDE: run_photos(run, devices=devices), DEVELOPED: made}


def _write_npz(path: Path, **values: Array) -> None:
    import io

    stream = io.BytesIO()
    np.savez(stream, **values)  # type: ignore[arg-type]
    write_whole(path, stream.getvalue())
