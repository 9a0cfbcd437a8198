"""Mix training in the form of SysNoise's tables 6 and 7: trained with one variant or with all, tested with each.

The paper prints accuracy, and of each row the mean and the sample standard deviation (n - 1) over what it is tested
with. Beside them stands what the kit measures: the share of pictures that a model gets right through some variants and
wrong through others. An interval's evidence is the number of objects; a seed adds none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.papers.printed_table import Bars, Column, Part, PrintedTable, percent_text
from analysis.statistics import difference_interval, rate_interval
from device_agents.errors import BadInput

MIX = "mix"
DRAWS = 2000  # of objects, for the interval of a standard deviation
SOURCE = "Wang et al., SysNoise (MLSys 2023), section 4.3, algorithm 1, table {}"


@dataclass(frozen=True)
class Printed:
    """One of the paper's matrices: its number, what it calls our variants, and accuracies in % by row, mix last."""

    table: int
    names: dict[str, str]
    accuracy: dict[str, tuple[float, ...]]


PRINTED = {
    "resizer": Printed(
        6,
        {
            "pillow-bilinear": "Pillow-bilinear",
            "pillow-nearest": "Pillow-nearest",
            "pillow-bicubic": "Pillow-cubic",
            "opencv-nearest": "OpenCV-nearest",
            "opencv-linear": "OpenCV-bilinear",
            "opencv-cubic": "OpenCV-cubic",
        },
        {
            "Pillow-bilinear": (76.572, 72.168, 76.512, 72.090, 75.346, 74.072),
            "Pillow-nearest": (74.872, 75.988, 75.548, 75.970, 76.002, 76.056),
            "Pillow-cubic": (76.312, 72.828, 76.596, 72.876, 75.810, 74.666),
            "OpenCV-nearest": (74.818, 76.298, 75.474, 76.092, 76.082, 76.192),
            "OpenCV-bilinear": (75.840, 75.268, 76.446, 75.248, 76.682, 76.436),
            "OpenCV-cubic": (76.194, 72.812, 76.510, 72.940, 75.736, 74.818),
            MIX: (76.154, 75.876, 76.344, 75.786, 76.444, 76.330),
        },
    ),
    "decoder": Printed(
        7,
        {"pillow": "Pillow", "opencv": "OpenCV", "ffmpeg": "FFmpeg"},
        {
            "Pillow": (76.430, 76.426, 75.310),
            "OpenCV": (76.510, 76.510, 75.368),
            "FFmpeg": (75.730, 75.664, 76.318),
            MIX: (76.530, 76.524, 76.414),
        },
    ),
}


def mix_table(
    right: ArrayLike,
    clusters: Sequence[str],
    *,
    rows: Sequence[str],
    variants: Sequence[str],
    family: str,
    trained: str = "",
    level: float = 0.95,
) -> PrintedTable:
    """Make the table of a study.

    right: bool (rows, seeds, pictures, variants), whether the model of a row is right on a picture through a variant;
    every picture was held out once a seed. clusters: the object of each picture. rows: variants and, last, "mix".
    trained: how the models were trained, in a sentence. Rates are 0..1. Raises BadInput for shapes that do not fit.
    """
    found = np.asarray(right, dtype=np.float64)
    if found.ndim != 4 or (len(rows), len(clusters), len(variants)) != (found.shape[0], *found.shape[2:]):
        raise BadInput(
            f"expected marks of {len(rows)} rows, seeds, {len(clusters)} pictures and {len(variants)} variants, "
            f"got {found.shape}"
        )
    matrix = _matrix(found, clusters, rows, variants, level)
    compared = _compared(found, clusters, rows, level)
    columns = (
        Column("row", "trained with"),
        *(Column(one, one, "percent") for one in variants),
        Column("mean", "mean (%)", "percent", ("mean_low", "mean_high")),
        Column("sd", "standard deviation (points)", "points", ("sd_low", "sd_high")),
        Column("instability", "instability (%)", "percent", ("instability_low", "instability_high")),
        Column("seed_sd", "mean's deviation over seeds (points)", "points", aside=True),
    )
    objects, seeds = len(set(clusters)), found.shape[1]
    parts = [
        Part(
            "matrix",
            f"Trained with a {family} (rows), tested with each (columns): accuracy in %",
            f"{len(clusters)} pictures of {objects} objects, each held out once in each of {seeds} seeds.",
            matrix,
            columns,
        ),
        Part(
            "compared", "Mix training against each row", "Mix minus the row; below 0 is steadier.", compared, COMPARED
        ),
    ]
    reasons: tuple[str, ...] = ("The paper has no such table of this family.",)
    source: tuple[str, ...] = ("none",)
    if family in PRINTED:
        parts.append(_printed_part(PRINTED[family]))
        source = (SOURCE.format(PRINTED[family].table),)
        reasons = REASONS
    return PrintedTable(
        name=f"mix-{family}",
        title=f"Mix training: {family}",
        headline=_headline(matrix, compared, family),
        parts=tuple(parts),
        notes=tuple(filter(None, (trained, *NOTES))),
        reasons=reasons,
        figures=(_figure(matrix, family),),
        source=source,
    )


NOTES = (
    "Mean and sample standard deviation (n - 1) run along a row, over what it is tested with, as in the paper.",
    "The deviation's interval resamples objects; with few pictures it cannot come near 0, since every flip widens it.",
    "Instability: the share of pictures right through some variants and wrong through others, the mean over seeds.",
    "Intervals are of 95 % each, not corrected for their number; the steadiest single row is chosen after the fact.",
    "Mix: each picture of each step draws a variant. The paper's algorithm 1 draws one for the whole batch.",
)
REASONS = (
    "The paper trains a ResNet-50 from nothing on ImageNet and tests on 50,000 pictures: one of them is 0.002 points.",
    "Here a network that was trained on ImageNet is fine-tuned on few pictures of few classes, and what is in front of "
    "the trained layers stays as one resizer and decoder made it.",
    "A picture is one object; the form of the tables can be compared, the numbers cannot.",
)
COMPARED = (
    Column("row", "trained with"),
    Column("mean", "mean accuracy (points)", "points", ("mean_low", "mean_high")),
    Column("instability", "instability (points)", "points", ("instability_low", "instability_high")),
    Column("sd", "standard deviation (points)", "points", ("sd_low", "sd_high")),
)

Marks = NDArray[np.float64]


def spread(accuracy: Marks) -> Marks:
    """The sample standard deviation (n - 1) over the last axis, of accuracies (..., variants)."""
    return np.asarray(accuracy.std(axis=-1, ddof=1), dtype=np.float64)


def _unstable(marks: Marks) -> Marks:
    """Whether a model is right on a picture through some variants only: (seeds, pictures) of (seeds, pictures, n)."""
    return np.asarray((marks.max(axis=-1) != marks.min(axis=-1)), dtype=np.float64)


def _matrix(
    found: Marks, clusters: Sequence[str], rows: Sequence[str], variants: Sequence[str], level: float
) -> pd.DataFrame:
    names = np.tile(np.asarray(clusters, dtype=object), found.shape[1])
    drawn = _resampled(found, clusters)
    made = []
    for number, (row, marks) in enumerate(zip(rows, found, strict=True)):
        accuracy = marks.mean(axis=(0, 1))
        mean = rate_interval(marks.mean(axis=-1).ravel(), names, level=level)
        unstable = _unstable(marks)
        told = rate_interval(unstable.ravel(), names, level=level)
        low, high = _ends(drawn[:, number], level)
        made.append(
            {
                "row": row,
                **dict(zip(variants, accuracy, strict=True)),
                **{"mean": accuracy.mean(), "mean_low": mean.low, "mean_high": mean.high},
                **{"sd": float(spread(accuracy)), "sd_low": low, "sd_high": high},
                **{"instability": unstable.mean(), "instability_low": told.low, "instability_high": told.high},
                "seed_sd": float(spread(marks.mean(axis=(1, 2)))) if len(marks) > 1 else float("nan"),
            }
        )
    return pd.DataFrame(made)


def _compared(found: Marks, clusters: Sequence[str], rows: Sequence[str], level: float) -> pd.DataFrame:
    """Mix minus every other row, paired by object."""
    names = np.tile(np.asarray(clusters, dtype=object), found.shape[1])
    drawn = _resampled(found, clusters)
    mix = found[-1]
    made = []
    for number, (row, marks) in enumerate(zip(rows[:-1], found[:-1], strict=True)):
        here: dict[str, object] = {"row": row}
        for name, of in (("mean", lambda one: one.mean(axis=-1)), ("instability", _unstable)):
            a, b = of(mix).ravel(), of(marks).ravel()
            told = difference_interval(a, names, b, names, level=level)
            here |= {name: a.mean() - b.mean(), f"{name}_low": told.low, f"{name}_high": told.high}
        low, high = _ends(drawn[:, -1] - drawn[:, number], level)
        sd = float(spread(mix.mean(axis=(0, 1))) - spread(marks.mean(axis=(0, 1))))
        made.append({**here, "sd": sd, "sd_low": low, "sd_high": high})
    return pd.DataFrame(made)


def _resampled(found: Marks, clusters: Sequence[str]) -> Marks:
    """Each row's standard deviation on objects drawn with replacement: (DRAWS, rows)."""
    codes = pd.factorize(np.asarray(clusters, dtype=object))[0]
    groups = int(codes.max()) + 1
    sums = np.zeros((groups, found.shape[0], found.shape[3]))
    np.add.at(sums, codes, found.mean(axis=1).transpose(1, 0, 2))
    sizes = np.bincount(codes)
    counts = np.random.default_rng(0).multinomial(groups, np.full(groups, 1 / groups), size=DRAWS)
    accuracy = np.einsum("dg,grv->drv", counts, sums) / (counts @ sizes)[:, None, None]
    return spread(accuracy)


def _ends(values: Marks, level: float) -> tuple[float, float]:
    low, high = np.quantile(values, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def _printed_part(printed: Printed) -> Part:
    names = [name for name in printed.accuracy if name != MIX]
    made = []
    for row, accuracy in printed.accuracy.items():
        shares = np.array(accuracy) / 100
        values = {"mean": shares.mean(), "sd": float(spread(shares))}
        made.append({"row": row, **dict(zip(names, shares, strict=True)), **values})
    columns = (
        Column("row", "trained with"),
        *(Column(name, name, "printed-percent") for name in names),
        Column("mean", "mean (%)", "printed-percent"),
        Column("sd", "standard deviation (points)", "points"),
    )
    note = f"The cells as printed in table {printed.table}; mean and deviation are worked out from them."
    return Part("printed", "The paper's", note, pd.DataFrame(made), columns)


def _headline(matrix: pd.DataFrame, compared: pd.DataFrame, family: str) -> str:
    """Say what mixing did to the instability, against the steadiest single variant, and whether that is sure."""
    mix = matrix.iloc[-1]
    single = matrix.iloc[:-1]
    best = single.iloc[int(single["instability"].to_numpy().argmin())]
    pair = compared.set_index("row").loc[best["row"]]
    lower = int((compared["instability_high"] < 0).sum())
    sure = f"surely fewer than with {lower or 'none'} of the {len(single)} single ones"
    told = percent_text(mix["instability"], (mix["instability_low"], mix["instability_high"]))
    change = f"{100 * pair['mean']:+.1f} points [{100 * pair['mean_low']:+.1f}, {100 * pair['mean_high']:+.1f}]"
    return (
        f"Trained with a mix of {len(single)} {family}s, {told} of the pictures depend on the {family}: {sure}. The "
        f"steadiest single one, {best['row']}, has {percent_text(best['instability'])}; mean accuracy of the mix "
        f"against it: {change}."
    )


def _figure(matrix: pd.DataFrame, family: str) -> Bars:
    frame = pd.DataFrame(
        {
            "name": matrix["row"],
            "value": 100 * matrix["instability"],
            "low": 100 * matrix["instability_low"],
            "high": 100 * matrix["instability_high"],
            "published": float("nan"),
        }
    )
    caption = f"Pictures right through some {family}s and wrong through others, by what the model was trained with."
    return Bars("Instability", "instability (%)", caption, frame)
