"""What each family of noise does to a detector of a run: mAP and labelled objects, for SysNoise's table 3 and figure 3.

mAP is pycocotools', over overlaps 0.5 to 0.95 as SysNoise has it, and at 0.5; intervals come from drawn pictures
(detection_resampling), the same draws for every environment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.detection.objects import detection_rows
from analysis.detection.precision import mean_precisions
from analysis.detection.resampling import DRAWS, Draws, draw_weights, percentiles
from analysis.measures.model_variants import MODEL_FAMILIES
from analysis.papers.metric_noises import Measured, delta, metric_family
from analysis.papers.noise_families import FAMILIES, Subject, distinct
from analysis.run_folder.homes import POST
from device_agents.errors import BadInput
from device_agents.tasks.answers import Detections, detections_text, read_detections

Numbers = NDArray[np.float64]
Half = Callable[["pd.Series[Any]"], "pd.Series[Any]"]  # which of a column of clusters score a stacked design
Round = Mapping[str, Any]  # of a stacked design: family, variant, environment

NAMES = {"decoder": "decode", "resizer": "resize", "colour": "colour mode"}
PREPROCESSING = ("decoder", "resizer", "colour")
BY_VARIANT = (*MODEL_FAMILIES, POST)  # each variant of these is a noise of its own


@dataclass(frozen=True)
class Study:
    """One model: its environments, the pictures that all answered, and both precisions measured on them.

    answers: by environment one for each picture. labels: the classes that the model has. measured and at_half:
    mAP@0.5:0.95 and mAP@0.5.
    """

    subject: Subject
    truths: list[Detections]
    answers: dict[str, list[Detections]]
    clusters: NDArray[np.object_]
    labels: tuple[str, ...]
    measured: Measured
    at_half: Measured


def study_of(subject: Subject, *, labels: Sequence[str] | None = None, draws: int = DRAWS, seed: int = 0) -> Study:
    """Measure a model's environments on the pictures with a truth that all environments answered.

    labels: the model's classes, by default those that it ever answers; objects of others do not count. An environment
    that answered nothing is left out of what must be answered, and has no precision. Raises BadInput where no picture
    or no object is left.
    """
    table = subject.table
    columns = pd.Index(subject.environments).get_indexer(pd.Index(table["environment"]))
    cells = np.full((len(subject.clusters), len(subject.environments)), "", dtype=object)
    cells[subject.items, columns] = table["detail"].fillna("").to_numpy(dtype=object)
    truths = np.full(len(subject.clusters), "", dtype=object)
    truths[subject.items] = table["truth"].fillna("").to_numpy(dtype=object)
    answered = cells != ""
    kept = np.flatnonzero((truths != "") & answered[:, answered.any(axis=0)].all(axis=1))
    if not kept.size:
        raise BadInput(
            f"{subject.model}: expected a picture with labelled boxes that all environments answered, got none"
        )
    read = {text: read_detections(text) for text in {*truths[kept], *cells[kept].ravel()} if text}
    answers = {
        name: [read[text] for text in cells[kept, place]]
        for place, name in enumerate(subject.environments)
        if answered[:, place].any()
    }
    held = [read[text] for text in truths[kept]]
    clusters = subject.clusters[kept]
    known = tuple(labels) if labels is not None else tuple(_named(answers))
    whole, half = _measured(subject, held, answers, clusters, known, draws=draws, seed=seed)
    objects = detection_rows(_of_classes(table, known))
    return Study(subject, held, answers, clusters, known, replace(whole, objects=objects), half)


def number_rows(study: Study, rounds: Sequence[Round] = (), scoring: Half | None = None) -> pd.DataFrame:
    """Give a model's rows: one a family of preprocessing, one a variant of its file or post-processing, and combined.

    Columns: model, noise, family ("" for combined), those of metric_family by mAP@0.5:0.95, and half with half_low and
    half_high, the mean change of mAP@0.5. rounds: of the stacked design, scored on the half that scoring says.
    """
    subject = study.subject
    rows: list[dict[str, Any]] = []
    others = [one for one in FAMILIES if one not in (*PREPROCESSING, *BY_VARIANT) and subject.variants(one)]
    for family in (*PREPROCESSING, *others):
        row = metric_family(subject, study.measured, family)
        row |= _at_half(study, distinct(subject, family))
        rows.append({"model": subject.model, "noise": NAMES.get(family, family), "family": family} | row)
    for family in BY_VARIANT:
        for column in distinct(subject, family):
            variant = str(subject.fields[family].iloc[column])
            row = metric_family(subject, study.measured, family, only=variant) | _at_half(study, [column])
            name = f"{family}: {variant}"
            rows.append({"model": subject.model, "noise": name, "family": f"{family} {variant}"} | row)
    steps = step_rows(study, rounds, scoring) if len(rounds) > 1 and scoring is not None else pd.DataFrame()
    if len(steps):
        last = steps.iloc[-1]
        combined = {"mean": last["lost"], "low": last["low"], "high": last["high"], "items": last["items"]}
        words = " + ".join(f"{one['family']}={one['variant']}" for one in rounds[1:])
        rows.append(
            {"model": subject.model, "noise": "combined", "family": "", "distinct": 1, "worst": words} | combined
        )
    return pd.DataFrame(rows)


def step_rows(study: Study, rounds: Sequence[Round], scoring: Half) -> pd.DataFrame:
    """SysNoise's figure 3: mAP after each round of a stacked design, on the half of the pictures that did not choose.

    Columns: model, step, added, map, lost (to the base) with low and high, extra (lost in this step), alone (what the
    added variant takes by itself, on all pictures), items. Empty where the half holds no object.
    """
    subject = study.subject
    chosen = scoring(pd.Series(study.clusters, dtype=object)).to_numpy(dtype=bool)
    places = [subject.environments.index(str(one["environment"])) for one in rounds]
    if not chosen.any() or not any(study.truths[place].boxes for place in np.flatnonzero(chosen)):
        return pd.DataFrame()
    names = [subject.environments[place] for place in places]
    some = {name: [study.answers[name][at] for at in np.flatnonzero(chosen)] for name in dict.fromkeys(names)}
    truths = [study.truths[at] for at in np.flatnonzero(chosen)]
    half, _ = _measured(subject, truths, some, study.clusters[chosen], study.labels, draws=DRAWS, seed=0)
    rows, before = [], 0.0
    for number, (one, place) in enumerate(zip(rounds, places, strict=True)):
        lost = delta(half, [place], base=places[0])
        alone = _alone(study, str(one["family"]), str(one["variant"]))
        row = {"model": subject.model, "step": number, "added": f"{one['family']}={one['variant']}" if number else "-"}
        row |= {"map": float(half.values[place]), "lost": lost["delta"], "low": lost["low"], "high": lost["high"]}
        rows.append(row | {"extra": lost["delta"] - before, "alone": alone, "items": int(chosen.sum())})
        before = lost["delta"]
    return pd.DataFrame(rows)


def _alone(study: Study, family: str, variant: str) -> float:
    if family not in study.subject.fields.columns:
        # A model's file: its family in the table is the kind of noise (ceil, upsample) rather than "precision".
        return float("nan")
    for kind in MODEL_FAMILIES if family in MODEL_FAMILIES else (family,):
        for column in study.subject.variants(kind):
            name = str(study.subject.fields[kind].iloc[column])
            if variant in (name, f"{kind}-{name}"):
                return delta(study.measured, [column])["delta"]
    return float("nan")


def _at_half(study: Study, columns: Sequence[int]) -> dict[str, float]:
    found = delta(study.at_half, columns)
    return {"half": found["delta"], "half_low": found["low"], "half_high": found["high"]}


def _named(answers: Mapping[str, Sequence[Detections]]) -> list[str]:
    return sorted({label for found in answers.values() for one in found for label in one.labels})


def _of_classes(table: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """The table with truths that hold only objects of these classes: others nobody could have found."""
    known = set(labels)
    read = {text: read_detections(text) for text in table["truth"].fillna("").unique() if text}
    kept = {text: detections_text(_only(truth, known)) for text, truth in read.items()}
    return table.assign(truth=[kept.get(text, "") for text in table["truth"].fillna("")])


def _only(truth: Detections, labels: set[str]) -> Detections:
    places = [place for place, label in enumerate(truth.labels) if label in labels]
    ignored = tuple(truth.ignored[place] for place in places) if truth.ignored else ()
    boxes, names = tuple(truth.boxes[place] for place in places), tuple(truth.labels[place] for place in places)
    return Detections(boxes, names, (1.0,) * len(places), ignored)


def _measured(
    subject: Subject,
    truths: Sequence[Detections],
    answers: Mapping[str, Sequence[Detections]],
    clusters: NDArray[np.object_],
    labels: Sequence[str],
    *,
    draws: int,
    seed: int,
) -> tuple[Measured, Measured]:
    """mAP@0.5:0.95 and mAP@0.5 of each environment, NaN for one without answers, and their values on drawn pictures."""
    drawn = Draws(draw_weights(clusters, draws=draws, rng=np.random.default_rng(seed)))
    found = mean_precisions(truths, answers, labels=labels, watch=drawn.watch)
    nothing = np.full((draws, 2), np.nan)
    parts = np.stack([drawn.values(name) if name in found else nothing for name in subject.environments])
    both = {name: (one.ap50, one.ap) for name, one in found.items()}  # in the order of the drawn values
    values = np.array([both.get(name, (np.nan, np.nan)) for name in subject.environments])
    half, whole = (Measured(values[:, at], parts[:, :, at], _ends, len(truths)) for at in (0, 1))
    return whole, half


def _ends(value: float, parts: Numbers) -> tuple[float, float]:
    """The percentile interval; none of one that was not measured."""
    return percentiles(parts) if np.isfinite(value) else (float("nan"), float("nan"))
