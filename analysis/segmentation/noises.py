"""What each family of noise does to a segmentation model of a run: mIoU, regions and pixels, for SysNoise's table 4."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.measures.model_variants import MODEL_FAMILIES
from analysis.papers.metric_noises import Measured, delta, metric_family
from analysis.papers.noise_families import FAMILIES, ITEM, Subject, distinct
from analysis.segmentation.measures import Confusions, confusions
from analysis.segmentation.pixels import pixel_rates, pixel_table
from analysis.segmentation.rows import segmentation_rows
from analysis.segmentation.scores import jackknife_ends, mean_iou, without_each
from device_agents.errors import BadInput

Half = Callable[[pd.Series], pd.Series]  # which of a column of clusters score a stacked design

NAMES = {"decoder": "decode", "resizer": "resize", "colour": "colour mode", "upsample": "upsample"}
PREPROCESSING = ("decoder", "resizer", "colour")


@dataclass(frozen=True)
class Study:
    """One model's part of the table: its environments, their confusions, and the metric measured on them."""

    subject: Subject
    found: Confusions
    measured: Measured


def study_of(subject: Subject) -> Study:
    """Measure a model's environments on the pictures that all answered, but for environments that answered none.

    Raises BadInput where there is no such picture, or no scene has a mask.
    """
    found = confusions(subject.table, across="environment", item=ITEM)
    places = [found.conditions.index(name) for name in subject.environments]
    here = found.answered[places]
    both = np.asarray(here[here.any(axis=1)].all(axis=0))
    if not both.any():
        raise BadInput(f"{subject.model}: expected a picture that all environments answered, got none")
    counts, clusters = found.counts[places][:, both], found.clusters[both]
    values = np.array([mean_iou(one.sum(axis=0)) for one in counts])
    replicates = np.stack([without_each(mean_iou, one, clusters) for one in counts])
    objects = segmentation_rows(subject.table)
    measured = Measured(values, replicates, partial(jackknife_ends, floor=-1.0), int(both.sum()), objects)
    return Study(subject, Confusions(subject.environments, counts, here[:, both], clusters, found.labels), measured)


def number_rows(study: Study, stacked: str | None = None, scoring: Half | None = None) -> pd.DataFrame:
    """Give a model's rows: one a family of preprocessing, one a variant of its file, and all noises combined.

    Columns: model, noise, family ("" for combined), those of metric_family, and pixels with its interval, inside and
    boundary: the shares of pixels that are unstable. stacked: the environment of a stacked design's last round, scored
    on the half of the pictures that scoring says.
    """
    subject, measured = study.subject, study.measured
    families = [*PREPROCESSING, *[one for one in FAMILIES if one not in (*PREPROCESSING, *MODEL_FAMILIES)]]
    rows: list[dict[str, Any]] = []
    for family in families:
        if family in PREPROCESSING or subject.variants(family):
            row = metric_family(subject, measured, family) | _pixels(study, distinct(subject, family))
            rows.append({"model": subject.model, "noise": NAMES.get(family, family), "family": family} | row)
    for family in MODEL_FAMILIES:
        for column in subject.variants(family):
            variant = str(subject.fields[family].iloc[column])
            row = metric_family(subject, measured, family, only=variant) | _pixels(study, [column])
            rows.append(
                {"model": subject.model, "noise": f"{family}: {variant}", "family": f"{family} {variant}"} | row
            )
    if stacked is not None and stacked in subject.environments and scoring is not None:
        rows.append({"model": subject.model, "noise": "combined", "family": ""} | _combined(study, stacked, scoring))
    return pd.DataFrame(rows)


def _pixels(study: Study, columns: list[int]) -> dict[str, float]:
    """The share of pixels that are unstable between the base and these environments, in all and by band."""
    keys = ("pixels", "pixels_low", "pixels_high", "inside", "boundary")
    if not columns:
        return dict.fromkeys(keys, float("nan"))
    subject = study.subject
    names = [subject.environments[column] for column in (0, *columns)]
    counts = pixel_table(subject.table[subject.table["environment"].isin(names)])
    rates = pixel_rates(counts)
    whole = rates["all"]
    found = (whole.rate, whole.low, whole.high, rates["inside"].rate, rates["boundary"].rate)
    return dict(zip(keys, found, strict=True))


def _combined(study: Study, stacked: str, scoring: Half) -> dict[str, Any]:
    """The stacked environment against the base on the half of the clusters that did not choose it."""
    column = study.subject.environments.index(stacked)
    half: NDArray[np.bool_] = scoring(pd.Series(study.found.clusters, dtype=object)).to_numpy(dtype=bool)
    nothing = float("nan")
    found: dict[str, Any] = dict.fromkeys(("mean", "low", "high", "max", "max_low", "max_high", "std"), nothing)
    found |= {"items": int(half.sum()), "distinct": 1, "worst": changes_of(study.subject, column)}
    if not half.any():
        return found
    clusters = study.found.clusters[half]
    pair = [study.found.counts[place][half] for place in (0, column)]
    values = np.array([mean_iou(one.sum(axis=0)) for one in pair])
    replicates = np.stack([without_each(mean_iou, one, clusters) for one in pair])
    of = delta(Measured(values, replicates, partial(jackknife_ends, floor=-1.0), int(half.sum())), [1])
    return found | {"mean": of["delta"], "low": of["low"], "high": of["high"]}


def changes_of(subject: Subject, column: int) -> str:
    """Say what an environment has otherwise than the base: "resizer=opencv-area + precision=int8"."""
    base, other = subject.fields.iloc[0], subject.fields.iloc[column]
    return " + ".join(f"{name}={other[name]}" for name in subject.fields.columns if other[name] != base[name])
