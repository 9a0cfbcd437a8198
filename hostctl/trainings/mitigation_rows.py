"""The sums of mitigations side by side: from what all heads answer to a row for each way, with intervals and tests.

A row's photographs are judged by heads that never saw their object. Instability is the share of photographs that are
right on one device and wrong on the other, averaged over the seeds; objects are the clusters of intervals and tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.intervals.accuracy_tests import holm
from analysis.intervals.significance import swap_test
from analysis.statistics import difference_interval, rate_interval
from device_agents.errors import BadInput
from hostctl.trainings.mitigations import BESIDE, DEVELOPED, SHOT, TRAININGS, Answers, Asked

Array = npt.NDArray[Any]
COLUMNS = ("accuracy", "pair", "unseen", "all", "raws")
DROP = 0.01  # of validation accuracy that a steadier alpha may cost
TRIED = (0.9, 0.8)  # coverages that thresholds are set for on validation objects
CURVE = tuple(round(0.5 + 0.05 * number, 2) for number in range(11))


@dataclass(frozen=True)
class Grid:
    """Photographs by (scene and angle, device, repeat), those scenes that every device took; numbers of Answers.photos.

    places: int (scenes, devices, repeats). accepted: bool (scenes, classes). clusters: (scenes,) names of objects.
    """

    devices: tuple[str, ...]
    places: Array
    accepted: Array
    clusters: Array


@dataclass(frozen=True)
class Row:
    """One way: the training, what is done with its scores, and the row that it is compared with.

    top: right if among the first n. burst: scores of a device's repeats are averaged. coverage: answers below a
    threshold, chosen on validation objects to keep this share, are not given. source: the pictures judged.
    """

    name: str
    what: str
    training: str = "plain"
    top: int = 1
    burst: bool = False
    coverage: float = 1.0
    source: str = SHOT
    against: str = "nothing"


@dataclass(frozen=True)
class Marks:
    """One row's outcome on a column: value and cluster of each item that counts, and how many there could have been."""

    values: Array
    clusters: Array
    possible: int


ROWS = (
    Row("nothing", "a head fine-tuned on the one phone's photographs", against=""),
    Row("both phones", "the same on both phones' photographs, without a stability loss", training="both-phones"),
    Row("stability", "two images, relative entropy, alpha chosen on validation objects", training="stability"),
    Row("mix", "mix training over four resizers", training="mix"),
    Row("augmix", "AugMix, Jensen-Shannon, alpha 12, four draws a photograph", training="augmix"),
    Row("blurpool", "BlurPool rect-2 in the frozen network", training="blurpool"),
    Row("top 2", "right if among the first 2", top=2),
    Row("top 3", "right if among the first 3", top=3),
    Row("burst", "scores averaged over the repeats", burst=True),
    *(
        Row(f"abstain {100 * one:.0f} %", f"no answer below a score that keeps {100 * one:.0f} %", coverage=one)
        for one in TRIED
    ),
    Row("combined", "two images and mix training, scores averaged over the repeats", training="combined", burst=True),
    Row(
        "both phones, mix, burst",
        "what combined has, but both phones' photographs in place of the stability loss",
        training="both-mix",
        burst=True,
    ),
    Row("own JPEGs", "the devices that keep raws, by their own ISPs", source=BESIDE, against=""),
    Row("one ISP", "their raws by one ISP, the same head", source=DEVELOPED, against="own JPEGs"),
    Row("own JPEGs, trained", "a head trained on the partner's own JPEGs", "own-jpegs", source=BESIDE, against=""),
    Row(
        "one ISP, trained",
        "a head trained on the partner's raws by the one ISP",
        training="raw-trained",
        source=DEVELOPED,
        against="own JPEGs, trained",
    ),
)


def make_rows(answers: Answers, asked: Asked, *, seed: int = 0) -> list[dict[str, Any]]:
    """Give a dict a row: name, what, against, same_question, coverage, seconds, factor, alphas, and those of COLUMNS.

    same_question: one answer to every photograph, right or wrong. A column is None where the row has no such
    photographs, or rate, low, high, items, and against the row named: change, change_low, change_high, p, and holm
    (corrected over the rows of the column). Rates 0..1.
    """
    found: dict[str, dict[str, Marks]] = {}
    grids = {source: make_grid(answers, asked, source) for source in (SHOT, BESIDE, DEVELOPED)}
    rows: list[dict[str, Any]] = []
    for row in ROWS:
        grid = grids[row.source]
        if grid is None or not any(key[0] == row.training for key in answers.heads):
            continue
        alphas = choose_alphas(answers, asked, row.training)
        found[row.name] = _marks(answers, asked, row, grid, alphas)
        told: dict[str, Any] = {"name": row.name, "what": row.what, "against": row.against}
        told["same_question"] = row.top == 1 and row.coverage == 1
        told |= {"alphas": list(alphas.values()) if TRAININGS[row.training].tuned else []}
        repeats = grid.places.shape[2] if row.burst else 1
        told |= {"seconds": answers.seconds[row.training], "factor": answers.factors[row.training] * repeats}
        pair = found[row.name].get("pair")
        told["coverage"] = len(pair.values) / pair.possible if pair and row.coverage < 1 else None
        rows.append(told)
    for name in COLUMNS:
        for told in rows:
            told[name] = _cell(found, told["name"], told["against"], name, seed)
        _correct([told[name] for told in rows if told[name] is not None and told[name]["p"] is not None])
    return rows


def abstention_curve(answers: Answers, asked: Asked) -> list[dict[str, float]]:
    """Give, for thresholds chosen on validation objects: wanted, coverage, pair and unseen, of the plain head."""
    grid = make_grid(answers, asked, SHOT)
    assert grid is not None
    rows = []
    for wanted in CURVE:
        marks = _marks(answers, asked, Row("", "", coverage=wanted), grid, choose_alphas(answers, asked, "plain"))
        pair = marks["pair"]
        values = {name: float(marks[name].values.mean()) for name in ("pair", "unseen") if len(marks[name].values)}
        rows.append({"wanted": wanted, "coverage": len(pair.values) / pair.possible, **values})
    return rows


def make_grid(answers: Answers, asked: Asked, source: str) -> Grid | None:
    """Lay the photographs of a source out; None where there are none. Raises BadInput where no scene is complete."""
    chosen = [number for number, one in enumerate(answers.sources) if one == source and answers.held_out[number] >= 0]
    if not chosen:
        return None
    there = {answers.photos[number].device for number in chosen}
    first = [one for one in (asked.device, asked.partner, asked.unseen) if one in there]
    devices = (*first, *sorted(there - set(first)))
    repeats = sorted({answers.photos[number].repeat for number in chosen})
    scenes: dict[tuple[str, int], dict[tuple[str, int], int]] = {}
    for number in chosen:
        photo = answers.photos[number]
        scenes.setdefault((photo.scene, photo.angle), {})[photo.device, photo.repeat] = number
    cells = [(device, repeat) for device in devices for repeat in repeats]
    whole = [found for found in scenes.values() if all(cell in found for cell in cells)]
    if not whole:
        raise BadInput(f"expected scenes that {', '.join(devices)} all took {len(repeats)} times, got none")
    places = np.array([[found[cell] for cell in cells] for found in whole]).reshape(-1, len(devices), len(repeats))
    photos = [answers.photos[number] for number in places[:, 0, 0]]
    accepted = np.array([[label in photo.labels for label in answers.classes] for photo in photos])
    return Grid(devices, places, accepted, np.array([photo.cluster for photo in photos], dtype=object))


def choose_alphas(answers: Answers, asked: Asked, training: str) -> dict[int, float]:
    """Give each fold's alpha: the lowest validation instability at an accuracy at most DROP below the plain head's.

    Over all seeds' validation objects, the two phones that are trained on; then the higher accuracy, then the smaller
    alpha. Where none keeps the accuracy, the most accurate.
    """
    grid = make_grid(answers, asked, SHOT)
    assert grid is not None
    alphas = sorted({key[1] for key in answers.heads if key[0] == training})
    if len(alphas) == 1:
        return dict.fromkeys(range(asked.folds), alphas[0])
    chosen = {}
    for fold in range(asked.folds):
        base = _validated(answers, asked, grid, "plain", 0.0, fold)
        tried = [(*_validated(answers, asked, grid, training, alpha, fold), alpha) for alpha in alphas]
        good = [one for one in tried if one[0] >= base[0] - DROP]
        best = min(good, key=lambda one: (one[1], -one[0], one[2])) if good else max(tried, key=lambda one: one[0])
        chosen[fold] = best[2]
    return chosen


def _validated(
    answers: Answers, asked: Asked, grid: Grid, training: str, alpha: float, fold: int
) -> tuple[float, float]:
    """Accuracy and instability of the two known phones on the validation objects of a fold, over its seeds."""
    accuracy, unstable = [], []
    for seed in range(asked.seeds):
        inside = answers.validation[fold, seed][grid.places[:, 0, 0]]
        scores = answers.heads[training, alpha, fold, seed][grid.places[inside, :2]]
        right = top_right(scores, grid.accepted[inside])
        accuracy.append(right[:, 0].ravel())
        unstable.append((right[:, 0] != right[:, 1]).ravel())
    return float(np.concatenate(accuracy).mean()), float(np.concatenate(unstable).mean())


def top_right(scores: Array, accepted: Array, *, top: int = 1) -> Array:
    """Say whether an accepted class is among the first n: scores (scenes, ..., classes), accepted (scenes, classes)."""
    first = np.argsort(-scores, axis=-1, kind="stable")[..., :top]
    wide = accepted.reshape(len(accepted), *(1,) * (scores.ndim - 2), -1)
    return np.asarray(np.take_along_axis(np.broadcast_to(wide, scores.shape), first, axis=-1).any(axis=-1))


def _marks(answers: Answers, asked: Asked, row: Row, grid: Grid, alphas: Mapping[int, float]) -> dict[str, Marks]:
    """All columns of one row."""
    right, given = [], []
    fold_of = answers.held_out[grid.places[:, 0, 0]]
    for seed in range(asked.seeds):
        scores = np.empty((*grid.places.shape, len(answers.classes)), np.float32)
        limits = np.zeros(len(grid.places), np.float32)
        for fold in range(asked.folds):
            head = answers.heads[row.training, alphas[fold], fold, seed]
            scores[fold_of == fold] = head[grid.places[fold_of == fold]]
            if row.coverage < 1:
                known = grid.places[answers.validation[fold, seed][grid.places[:, 0, 0]]][:, :2]
                surest = head[known].max(axis=-1).min(axis=1)
                limits[fold_of == fold] = np.quantile(surest, 1 - row.coverage)
        scores = scores.mean(axis=2, keepdims=True) if row.burst else scores
        right.append(top_right(scores, grid.accepted, top=row.top))
        given.append(scores.max(axis=-1) >= limits[:, None, None])
    return _columns(np.stack(right), np.stack(given), grid, asked, raws=row.source != SHOT)


def _columns(right: Array, given: Array, grid: Grid, asked: Asked, *, raws: bool) -> dict[str, Marks]:
    """Outcomes from right and given, bool (seeds, scenes, devices, repeats)."""

    def over(names: Sequence[str], what: Callable[[Array], Array]) -> Marks:
        numbers = [grid.devices.index(name) for name in names]
        counts = given[:, :, numbers].all(axis=2)
        clusters = np.broadcast_to(grid.clusters[None, :, None], counts.shape)
        return Marks(what(right[:, :, numbers])[counts].astype(float), clusters[counts], counts.size)

    def parted(some: Array) -> Array:
        return np.asarray(some.any(axis=2) & ~some.all(axis=2))

    if raws:
        return {"accuracy": over(grid.devices[:1], lambda one: one[:, :, 0]), "raws": over(grid.devices, parted)}
    first, partner, unseen = asked.device, asked.partner, asked.unseen
    return {
        "accuracy": over([first], lambda one: one[:, :, 0]),
        "pair": over([first, partner], parted),
        "unseen": over([first, unseen], parted),
        "all": over(grid.devices, parted),
    }


def _cell(
    found: Mapping[str, Mapping[str, Marks]], name: str, against: str, column: str, seed: int
) -> dict[str, Any] | None:
    marks = found[name].get(column)
    if marks is None or not len(marks.values):
        return None
    interval = rate_interval(marks.values, marks.clusters)
    rate, items = float(marks.values.mean()), len(marks.values)
    cell: dict[str, Any] = {"rate": rate, "low": interval.low, "high": interval.high, "items": items}
    cell |= dict.fromkeys(("change", "change_low", "change_high", "p", "holm"))
    base = found.get(against, {}).get(column)
    if base is not None:
        between = difference_interval(marks.values, marks.clusters, base.values, base.clusters)
        totals = _totals(marks, base)
        alike = np.allclose(totals[:, :2], totals[:, 2:])  # then there is nothing to swap
        p = 1.0 if alike else swap_test(totals, rng=np.random.default_rng(seed)).p
        cell |= {"change": cell["rate"] - float(base.values.mean()), "p": p}
        cell |= {"change_low": between.low, "change_high": between.high}
    return cell


def _totals(a: Marks, b: Marks) -> Array:
    """Each object's sum and items of a and of b, (objects, 4), as swap_test wants them.

    A burst makes one item of several: a's are weighed so that an object counts as much in both.
    """
    names = {name: place for place, name in enumerate(dict.fromkeys([*a.clusters, *b.clusters]))}
    columns = []
    for marks, weight in ((a, b.possible / a.possible), (b, 1.0)):
        codes = np.array([names[name] for name in marks.clusters])
        columns += [
            weight * np.bincount(codes, marks.values, len(names)),
            weight * np.bincount(codes, minlength=len(names)),
        ]
    return np.stack(columns, axis=1).astype(float)


def _correct(cells: Sequence[dict[str, Any]]) -> None:
    for cell, corrected in zip(cells, holm(np.array([one["p"] for one in cells])), strict=True) if cells else ():
        cell["holm"] = float(corrected)
