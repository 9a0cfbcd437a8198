"""Nested cross-validation by object: who trains, validates and tests in each fold, and how the best scheme is chosen.

Every object is tested once, by models that neither saw it nor were chosen by it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from device_agents.errors import BadInput
from device_agents.sidecar import Sidecar
from stability_train.attempts import Attempt
from stability_train.photos import Photo, check_devices
from stability_train.settings import Settings
from stability_train.splits import fold_photos, split_photos

if TYPE_CHECKING:
    import pandas as pd

SPLIT_SEED = 0  # of the outer folds: they do not depend on the seeds of the trainings


@dataclass(frozen=True)
class Study:
    """What all attempts of a search share.

    photos: of settings.device, settings.partner and the devices ``unseen``, which nothing is trained or chosen on.
    base, sidecar: the model to begin with. folder: of the study. features: a folder that studies may share.
    inner_share: of each class's objects of an outer training side, how many validate.
    """

    folder: Path
    features: Path
    photos: tuple[Photo, ...]
    classes: tuple[str, ...]
    unseen: tuple[str, ...]
    settings: Settings
    base: Path
    sidecar: Sidecar
    folds: int = 5
    inner_share: float = 0.25

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices: trained on, partner, and those never seen."""
        return self.settings.device, self.settings.partner, *self.unseen


@dataclass(frozen=True)
class Sides:
    """The photos of one fold and seed: training and validation of device and partner, test of all devices."""

    training: tuple[Photo, ...]
    validation: tuple[Photo, ...]
    test: tuple[Photo, ...]


def check_study(study: Study) -> None:
    """Raise BadInput for devices without photos, an unseen one that is trained on, and photos without a partner."""
    device, partner = study.settings.device, study.settings.partner
    if not device or not partner or device == partner:
        raise BadInput(f"expected two devices to compare, got device '{device}' and partner '{partner}'")
    if seen := sorted({device, partner} & set(study.unseen)):
        raise BadInput(f"unseen: expected devices that are not trained on, got {', '.join(seen)}")
    check_devices(study.photos, needed=study.devices, why="nested cross-validation")
    pairs = matched(study.photos, device, partner)
    if not pairs:
        raise BadInput(f"expected pictures of the same scene, angle and repeat by {device} and {partner}, got none")


def outer_folds(study: Study) -> list[tuple[list[Photo], list[Photo]]]:
    """Give the (training, test) photos of each outer fold, divided by object; the same for every seed."""
    return fold_photos(study.photos, folds=study.folds, seed=SPLIT_SEED)


def sides(study: Study, *, fold: int, seed: int) -> Sides:
    """Give who trains, validates and tests; the inner split is the seed's, so that other seeds validate on others."""
    outer, test = outer_folds(study)[fold]
    known = [photo for photo in outer if photo.device in study.devices[:2]]
    training, validation = split_photos(known, share=study.inner_share, seed=seed)
    return Sides(tuple(training), tuple(validation), tuple(test))


def matched(photos: Sequence[Photo], device: str, partner: str) -> list[tuple[int, int]]:
    """Give the places of every two photos of the same scene, angle and repeat by device and by partner."""
    place = {(one.scene, one.angle, one.repeat): number for number, one in enumerate(photos) if one.device == partner}
    return [
        (number, place[key])
        for number, one in enumerate(photos)
        if one.device == device and (key := (one.scene, one.angle, one.repeat)) in place
    ]


def choose(attempts: pd.DataFrame, *, drop: float) -> pd.DataFrame:
    """Choose alpha and strength for each noise, loss and fold by validation alone.

    attempts: as read_attempts gives them. The lowest instability between device and partner (the mean over seeds)
    wins, then the highest accuracy, then the smallest alpha; only schemes whose accuracy is at most ``drop`` (0..1)
    below the baseline's of the same architecture, fold and seeds are looked at. Where none is, the most accurate one
    is taken and ``guarded`` is False. A scheme with a failed seed is out. Columns: noise, loss, fold, alpha, strength,
    instability, accuracy, baseline_instability, baseline_accuracy, guarded, tried. Raises BadInput without a baseline.
    """
    import pandas as pd

    keys = ["noise", "loss", "fold", "alpha", "strength"]
    by_scheme = attempts.groupby(keys, dropna=False, sort=True)[["instability", "accuracy"]]
    tried = by_scheme.mean().where(by_scheme.count() == by_scheme.size().to_frame().to_numpy()).reset_index()
    rows: list[dict[str, Any]] = []
    for (noise, loss, fold), part in tried.groupby(["noise", "loss", "fold"], sort=True):
        same = tried[(tried["noise"] == "none") & (tried["loss"] == loss) & (tried["fold"] == fold)]
        if same.empty or same["accuracy"].isna().any():
            raise BadInput(f"loss {loss}, fold {fold}: expected a finished baseline without noise, got none")
        base = same.iloc[0]
        whole = part.dropna(subset=["instability"])
        good = whole[whole["accuracy"] >= base["accuracy"] - drop - 1e-12]
        if whole.empty:
            raise BadInput(f"{noise}, {loss}, fold {fold}: expected a training that ended, got none; see attempts.csv")
        order = ["instability", "accuracy", "alpha"] if len(good) else ["accuracy", "instability", "alpha"]
        ascending = [name != "accuracy" for name in order]
        best = (good if len(good) else whole).sort_values(order, ascending=ascending, kind="stable").iloc[0]
        row = {"noise": noise, "loss": loss, "fold": fold, "alpha": best["alpha"], "strength": best["strength"]}
        row |= {"instability": best["instability"], "accuracy": best["accuracy"]}
        row |= {"baseline_instability": base["instability"], "baseline_accuracy": base["accuracy"]}
        rows.append(row | {"guarded": bool(len(good)), "tried": len(part)})
    return pd.DataFrame(rows)


def chosen_attempts(choice: pd.DataFrame, seeds: Sequence[int]) -> list[Attempt]:
    """Give the attempts of a choice, all seeds of each fold."""
    found = []
    for row in choice.to_dict("records"):
        strength = None if row["strength"] != row["strength"] else float(row["strength"])
        one = Attempt(int(row["fold"]), 0, row["noise"], row["loss"], float(row["alpha"]), strength)
        found += [dataclasses.replace(one, seed=seed) for seed in seeds]
    return found
