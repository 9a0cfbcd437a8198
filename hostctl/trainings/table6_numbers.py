"""Table 6 and figure 7 of the instability paper, from the attempts that validation chose: the numbers and the tests.

Only here are the answers on the outer test objects read. The unit of evidence is the object: each is tested by one
fold; an item is a scene, angle and repeat, and its value the mean over the seeds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from analysis.intervals.accuracy_tests import holm, sign_flip
from analysis.intervals.significance import swap_test
from analysis.measures.confidence import average_precision, precision_recall
from analysis.statistics import difference_interval, rate_interval
from stability_train.attempts import open_sealed
from stability_train.cache import write_whole
from stability_train.nested import Study, chosen_attempts, matched, outer_folds
from stability_train.photos import Photo
from stability_train.search_worker import marks

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
Scheme = tuple[str, str]  # noise, loss
PAPER = {  # Cidon et al. (2021), table 6, in percent
    ("two-images", "embedding"): 3.91,
    ("subsample", "embedding"): 4.22,
    ("distortion", "embedding"): 5.12,
    ("gaussian", "embedding"): 5.12,
    ("none", "embedding"): 7.22,
    ("two-images", "relative-entropy"): 6.32,
    ("subsample", "relative-entropy"): 5.72,
    ("distortion", "relative-entropy"): 4.52,
    ("gaussian", "relative-entropy"): 4.82,
    ("none", "relative-entropy"): 6.62,
}
PAPERS_FALL = 1 - 3.91 / 7.22  # of its best scheme, against plain fine-tuning
OPENED = "opened.json"
POWER = 0.8


@dataclass(frozen=True)
class Answers:
    """The answers of every scheme on all photos: right and first scores, (seeds, photos), photos in one order."""

    photos: tuple[Photo, ...]
    right: Mapping[Scheme, Array]
    first: Mapping[Scheme, Array]

    def items(self, devices: Sequence[str]) -> tuple[Array, Array]:
        """Give the places of the photos of each item that all devices have, (items, devices), and its object."""
        found = {number: [number] for number, one in enumerate(self.photos) if one.device == devices[0]}
        for other in devices[1:]:
            pairs = dict(matched(self.photos, devices[0], other))
            found = {number: [*places, pairs[number]] for number, places in found.items() if number in pairs}
        places = np.array(list(found.values()), np.int64).reshape(-1, len(devices))
        return places, np.array([self.photos[number].cluster for number in places[:, 0]])

    def unstable(self, scheme: Scheme, devices: Sequence[str]) -> tuple[Array, Array]:
        """Give each item's share of seeds in which some devices are right and others wrong, and its object."""
        places, objects = self.items(devices)
        right = self.right[scheme][:, places]
        return (right.any(axis=2) & ~right.all(axis=2)).mean(axis=0), objects

    def accurate(self, scheme: Scheme, devices: Sequence[str]) -> tuple[Array, Array]:
        """Give in how many seeds each photo of the devices is right, and its object."""
        places = [number for number, one in enumerate(self.photos) if one.device in devices]
        return self.right[scheme][:, places].sum(axis=0), np.array([self.photos[place].cluster for place in places])


def open_answers(study: Study, choice: pd.DataFrame, *, seeds: Sequence[int]) -> Answers:
    """Open the sealed answers of the chosen attempts, and note in the study's folder that they were opened."""
    _note_opening(study.folder, choice)
    scores = open_sealed(study.folder, chosen_attempts(choice, seeds))
    sides = [tuple(test) for _, test in outer_folds(study)]
    right: dict[Scheme, Array] = {}
    first: dict[Scheme, Array] = {}
    for scheme in dict.fromkeys((one.noise, one.loss) for one in scores):
        rows = []
        for seed in seeds:
            its = {
                one.fold: found for one, found in scores.items() if (one.noise, one.loss, one.seed) == (*scheme, seed)
            }
            rows.append([its[fold] for fold in range(len(sides))])
        right[scheme] = np.array(
            [np.concatenate([marks(*both, study.classes) for both in zip(sides, row, strict=True)]) for row in rows]
        )
        first[scheme] = np.array([np.concatenate([found.max(axis=1) for found in row]) for row in rows])
    return Answers(tuple(photo for side in sides for photo in side), right, first)


def scheme_rows(tested: Answers, study: Study, choice: pd.DataFrame) -> list[dict[str, Any]]:
    """Give a row a scheme: what was chosen, instability and accuracy with intervals, and the tests against plain.

    instability, unseen_DEVICE, all: shares 0..1 with _low and _high by object. change: instability less that of plain
    fine-tuning in the same architecture, with its interval, p (swap test by object) and holm over all schemes.
    accuracy: of device and partner; accuracy_change with p_accuracy (exact signs by object).
    """
    pair = study.devices[:2]
    rows = []
    for noise, loss in sorted(tested.right, key=_order):
        its = choice[(choice["noise"] == noise) & (choice["loss"] == loss)].sort_values("fold")
        row: dict[str, Any] = {"noise": noise, "loss": loss, "alphas": its["alpha"].tolist()}
        row |= {"strengths": its["strength"].tolist(), "guarded": bool(its["guarded"].all())}
        row |= {"validated": float(its["instability"].mean()), "paper": PAPER.get((noise, loss), float("nan")) / 100}
        plain = ("none", loss)
        for name, devices in _comparisons(study).items():
            row |= _rate(name, *tested.unstable((noise, loss), devices))
        seeds = [float(_unstable_once(tested, (noise, loss), pair, seed)) for seed in range(_seeds(tested))]
        row |= {"by_seed": seeds, "seed_spread": float(np.std(seeds, ddof=1)) if len(seeds) > 1 else float("nan")}
        row |= _accuracies(tested, study, (noise, loss))
        if noise != "none":
            row |= _against(tested, study, (noise, loss), plain)
        rows.append(row)
    several = [row for row in rows if row["noise"] != "none"]
    for row, corrected in zip(several, holm(np.array([row["p"] for row in several])), strict=True):
        row["holm"] = float(corrected)
    return rows


def difference(tested: Answers, a: Scheme, b: Scheme, devices: Sequence[str]) -> dict[str, float]:
    """Give instability of a less that of b: change, low, high, p by swapping all of an object's items."""
    values_a, objects = tested.unstable(a, devices)
    values_b, _ = tested.unstable(b, devices)
    ends = difference_interval(values_a, objects, values_b, objects)
    codes = np.unique(objects, return_inverse=True)[1]
    sizes = np.bincount(codes).astype(float)
    sums = [np.bincount(codes, weights=values) for values in (values_a, values_b)]
    p = swap_test(np.stack([sums[0], sizes, sums[1], sizes], axis=1), rng=np.random.default_rng(0)).p
    return {"change": float(values_a.mean() - values_b.mean()), "low": ends.low, "high": ends.high, "p": p}


def power(tested: Answers, a: Scheme, b: Scheme, devices: Sequence[str], *, tests: int) -> dict[str, float]:
    """Say what this number of objects can show of a against b, given how their difference spreads over objects.

    shown: the smallest fall that is found with the chance POWER at 5 %, two-sided; shown_holm: at 5 % over ``tests``,
    the strictest step of Holm. paper: the chance to find at 5 % a fall as large as the paper's, as a share of b's
    instability. By the normal approximation of the paired mean by object.
    """
    from scipy.stats import norm

    values_a, objects = tested.unstable(a, devices)
    values_b, _ = tested.unstable(b, devices)
    codes = np.unique(objects, return_inverse=True)[1]
    each = np.bincount(codes, weights=values_a - values_b) / np.bincount(codes)
    error = float(each.std(ddof=1) / np.sqrt(len(each)))
    wanted = float(PAPERS_FALL * values_b.mean())
    found = {"error": error, "objects": float(len(each)), "fall_as_in_paper": wanted}
    for name, level in (("shown", 0.05), ("shown_holm", 0.05 / tests)):
        found[name] = float((norm.isf(level / 2) + norm.ppf(POWER)) * error)
    found["paper"] = float(norm.sf(norm.isf(0.025) - wanted / error)) if error else 1.0
    return found


def curves(tested: Answers, devices: Sequence[str]) -> dict[Scheme, pd.DataFrame]:
    """Give precision against recall of each scheme over all photos of the devices and all seeds."""
    places = [number for number, one in enumerate(tested.photos) if one.device in devices]
    return {
        scheme: precision_recall(tested.first[scheme][:, places].ravel(), tested.right[scheme][:, places].ravel())
        for scheme in tested.right
    }


def _rate(name: str, values: Array, objects: Array) -> dict[str, float]:
    ends = rate_interval(values, objects)
    return {name: float(values.mean()), f"{name}_low": ends.low, f"{name}_high": ends.high}


def _accuracies(tested: Answers, study: Study, scheme: Scheme) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, devices in {
        "accuracy": study.devices[:2],
        **{f"accuracy_{one}": (one,) for one in study.devices},
    }.items():
        counts, objects = tested.accurate(scheme, devices)
        found |= _rate(name, counts / _seeds(tested), objects)
    return found | {"average_precision": average_precision(curves(tested, study.devices[:2])[scheme])}


def _against(tested: Answers, study: Study, scheme: Scheme, plain: Scheme) -> dict[str, float]:
    found = difference(tested, scheme, plain, study.devices[:2])
    for one in study.devices[2:]:
        found |= {
            f"{key}_{one}": value for key, value in difference(tested, scheme, plain, (study.devices[0], one)).items()
        }
    found |= {f"{key}_all": value for key, value in difference(tested, scheme, plain, study.devices).items()}
    counts, objects = tested.accurate(scheme, study.devices[:2])
    before, _ = tested.accurate(plain, study.devices[:2])
    ends = difference_interval(counts / _seeds(tested), objects, before / _seeds(tested), objects)
    sums = np.bincount(np.unique(objects, return_inverse=True)[1], weights=counts - before).round().astype(np.int64)
    change = float((counts - before).mean() / _seeds(tested))
    found |= {"accuracy_change": change, "accuracy_change_low": ends.low, "accuracy_change_high": ends.high}
    return found | {"p_accuracy": sign_flip(sums)}


def _comparisons(study: Study) -> dict[str, tuple[str, ...]]:
    device, partner = study.devices[:2]
    unseen = {f"unseen_{one}": (device, one) for one in study.unseen}
    return {"instability": (device, partner), **unseen, **({"all": study.devices} if unseen else {})}


def _unstable_once(tested: Answers, scheme: Scheme, devices: Sequence[str], seed: int) -> float:
    places, _ = tested.items(devices)
    right = tested.right[scheme][seed][places]
    return float((right.any(axis=1) & ~right.all(axis=1)).mean())


def _seeds(tested: Answers) -> int:
    return len(next(iter(tested.right.values())))


def _order(scheme: Scheme) -> tuple[Any, ...]:
    names = ["two-images", "subsample", "distortion", "gaussian"]
    noise, loss = scheme
    place = names.index(noise) if noise in names else len(names) + (noise == "none")
    return (
        ["embedding", "relative-entropy"].index(loss) if loss in ("embedding", "relative-entropy") else 2,
        place,
        scheme,
    )


def _note_opening(folder: Path, choice: pd.DataFrame) -> None:
    """Add a line to the list of openings, unless the same choice was opened before."""
    path = folder / OPENED
    digest = hashlib.sha256(choice.to_csv(index=False).encode()).hexdigest()[:16]
    before = openings(folder)
    if digest not in {one["choice"] for one in before}:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        write_whole(path, (json.dumps([*before, {"choice": digest, "utc": now}], indent=1) + "\n").encode())


def openings(folder: Path) -> list[dict[str, str]]:
    """Give which choices the test objects were opened for so far, the oldest first."""
    path = folder / OPENED
    found: list[dict[str, str]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return found
