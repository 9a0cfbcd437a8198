"""The numbers of a comparison as one table: its parts, figures, notes, and the sentence that its intervals support."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.papers.printed_table import Bars, Column, Part, PrintedTable, records
from hostctl.remedies.remedy_numbers import (
    ALL,
    CLEAN_ERROR,
    CORRUPTION_ERROR,
    FLIPS,
    NATURAL_FLIPS,
    SHIFTED,
    Measure,
    against_standard,
    by_group,
    measures,
    overview,
)
from stability_train.remedies.conditions import ENVIRONMENTS, MIXED, TESTED, Condition, seen_by, seen_by_all
from stability_train.remedies.remedies import REMEDIES, STANDARD
from stability_train.remedies.study import Collected, Study

NAME = "remedies"
CHANCE = 0.05
_TITLES = {
    ALL: "instability over all environments",
    CORRUPTION_ERROR: "error under corruptions",
    FLIPS: "flips within sequences",
    SHIFTED: "shift inconsistency",
    NATURAL_FLIPS: "flips under natural changes",
    CLEAN_ERROR: "clean error",
}
NOTES = (
    "Every remedy of a seed has the same photographs, crops, mirrors, order and first weights; seed s is tested on "
    "part s of the objects, which it was not trained on, so that no object is tested twice.",
    "Instability: right in one environment of the family and wrong in another, the usual one among them. Natural "
    "flips: another label than for the picture as it is. Shift inconsistency: two of the random crops differ.",
    "Relative corruption error and flip rate: the mean over corruptions (sequences) of a remedy's sum over plain "
    "fine-tuning's, in %: the definitions of ImageNet-C and -P with plain fine-tuning in AlexNet's place. A corruption "
    "or sequence without any error of plain fine-tuning is left out.",
    "Intervals of shares count objects, and a seed's training as given; those of the two ratios also draw the seeds. "
    "p: exact sign-flip test by object; Holm corrects for the remedies of a measure, not for the measures.",
    "Cost: training includes making its pictures and the frozen front; asking is the front and the rest, one picture "
    "of a batch, on this machine as busy as it was.",
    "What every network's front learnt on ImageNet is not trained again; a remedy acts on the last block alone.",
)
REASONS = (
    "SysNoise's figure 4 trains and tests with ImageNet from nothing; here a trained network's last block is tuned on "
    "few photographs, so that only the order of remedies could agree.",
    "AlexNet's error rates belong to ImageNet's classes: relative numbers are against plain fine-tuning instead.",
)


def remedy_table(study: Study, found: Collected, *, rng: np.random.Generator) -> PrintedTable:
    """Make the table of a comparison's answers; rng draws the intervals of ratios."""
    counted = measures(found)
    rows = overview(found, counted, rng=rng)
    compared = against_standard(found, counted)
    parts = [
        Part("remedies", "Remedy x noise", _about(found), rows, _overview_columns(counted)),
        Part("against", "Each against plain fine-tuning", "Below 0 is steadier, or righter.", compared, _AGAINST),
        Part("seen", "What each trains with, against what is tested", _disjoint(found.conditions), _seen(found), _SEEN),
    ]
    for one in counted:
        if len(one.groups) > 1:
            parts.append(_group_part(found, one))
    return PrintedTable(
        name=NAME,
        title="Remedies compared",
        headline=headline(compared),
        parts=tuple(part for part in parts if len(part.frame)),
        notes=(_trained(study), *NOTES),
        reasons=REASONS,
        figures=tuple(_figures(rows, compared)),
        source=("Wang et al., SysNoise (MLSys 2023), figure 4, is a drawing without numbers",),
    )


def headline(compared: pd.DataFrame, *, chance: float = CHANCE) -> str:
    """Say which remedies differ from plain fine-tuning beyond chance, after Holm's correction within a measure."""
    if not len(compared):
        return "Only plain fine-tuning was trained: there is nothing to compare it with."
    sure = compared[(compared["holm"] <= chance) & compared["measure"].isin(list(_TITLES))]
    better, worse = (sure[sure["difference"] * sign > 0] for sign in (-1, 1))
    told = ", ".join(
        f"{row['remedy']} ({_TITLES[row['measure']]} {100 * row['difference']:+.1f} points)" for row in records(better)
    )
    count = compared["remedy"].nunique()
    helped = f"Beyond chance better than plain fine-tuning: {told}." if told else _NONE.format(count)
    hurt = ", ".join(dict.fromkeys(worse["remedy"]))
    return helped + (f" Worse in some measure: {hurt}." if hurt else " None is worse in any.")


_NONE = "No remedy ({} tried) is better than plain fine-tuning beyond chance in any measure."


def _overview_columns(counted: Sequence[Measure]) -> tuple[Column, ...]:
    there = {one.name for one in counted}
    chosen = [Column("remedy", "remedy"), _rate("accuracy", "clean accuracy (%)")]
    chosen += [_rate(ALL, "instability (%)")] * (ALL in there)
    chosen += [_rate(one, f"{one} (%)", aside=True) for one in ENVIRONMENTS if one in there]
    if CORRUPTION_ERROR in there:
        chosen += [
            _rate(CORRUPTION_ERROR, "corruption error (%)", aside=True),
            _rate("relative_ce", "relative corruption error (%)"),
            _rate("unlike_ce", "of those unlike its training (%)"),
        ]
    if FLIPS in there:
        chosen += [_rate(FLIPS, "flip rate (%)", aside=True), _rate("relative_flips", "relative flip rate (%)")]
    chosen += [_rate(SHIFTED, "shift inconsistency (%)")] * (SHIFTED in there)
    chosen += [_rate(NATURAL_FLIPS, "natural flips (%)")] * (NATURAL_FLIPS in there)
    return (
        *chosen,
        Column("training_s", "training (s)", "as-printed"),
        Column("inference_ms", "asking (ms)", "as-printed"),
    )


def _rate(name: str, heading: str, *, aside: bool = False) -> Column:
    return Column(name, heading, "percent", (f"{name}_low", f"{name}_high"), aside)


_AGAINST = (
    Column("remedy", "remedy"),
    Column("measure", "measure"),
    Column("difference", "difference (points)", "points", ("difference_low", "difference_high")),
    Column("p", "p", "chance"),
    Column("holm", "p, Holm", "chance"),
    Column("seed_low", "least of the seeds (points)", "points", aside=True),
    Column("seed_high", "most of the seeds (points)", "points", aside=True),
)
_SEEN = (
    Column("remedy", "remedy"),
    Column("about", "what it is"),
    Column("source", "source"),
    Column("trains_with", "trains with"),
    Column("seen", "tested although like it"),
)


def _about(found: Collected) -> str:
    objects = len({photo.cluster for photo in found.photos})
    seeds = len(set(found.seeds.tolist()))
    return (
        f"{len(found.photos)} photographs of {objects} objects, {len(found.classes)} classes, {seeds} trainings of "
        f"each remedy, {len(found.conditions)} conditions. Smaller is better but for accuracy."
    )


def _trained(study: Study) -> str:
    size = f"{study.side} pixels" if study.side else "its own size"
    return (
        f"{study.model} at {size}, trainable {study.trainable}, {study.epochs} epochs of batches of {study.batch}, "
        f"adam at {study.learning_rate:g}, {study.draws} different crops a photograph; severities "
        f"{', '.join(map(str, study.extent.severities))}, {study.extent.frames} frames a sequence."
    )


def _seen(found: Collected) -> pd.DataFrame:
    rows = []
    for name in found.remedies:
        one = REMEDIES[name]
        seen = seen_by(one, found.conditions)
        rows.append(
            {
                **{"remedy": name, "about": one.about, "source": one.source},
                "trains_with": ", ".join(("crop", "mirror", *one.trains_with)),
                "seen": "; ".join(seen) or "none",
            }
        )
    return pd.DataFrame(rows)


def _disjoint(conditions: Sequence[Condition]) -> str:
    everybody = "; ".join(seen_by_all(conditions))
    told = f" All trainings crop, which is like {everybody}." if everybody else ""
    mixed = "; ".join(
        f"{family} {', '.join(name or 'none' for name in MIXED[family])} against {', '.join(TESTED[family])}"
        for family in MIXED
        if any(one.family == family for one in conditions)
    )
    drawn = f" Mix training draws other variants than are tested: {mixed}." if mixed else ""
    return f"No training draws from what is tested; the last column names what is tested although alike.{told}{drawn}"


def _group_part(found: Collected, one: Measure) -> Part:
    columns = (Column("remedy", "remedy"), *(Column(group, group, "percent") for group in one.groups))
    note = f"{STANDARD}: its own share in %; the others: % of that."
    return Part(one.name.replace(" ", "-"), f"{one.name} by kind", note, by_group(found, one), columns, aside=True)


def _figures(rows: pd.DataFrame, compared: pd.DataFrame) -> list[Bars]:
    drawn = []
    others = rows[rows["remedy"] != STANDARD]
    for name, title in (("relative_ce", "Corruption error"), ("relative_flips", "Flip rate")):
        if name in rows and len(others):
            label = "change against plain fine-tuning (%)"
            drawn.append(Bars(title, label, _CAPTION, _bars(others, name, offset=1.0)))
    for name in (ALL, NATURAL_FLIPS):
        part = compared[compared["measure"] == name] if len(compared) else compared
        if len(part):
            title = f"{_TITLES[name][0].upper()}{_TITLES[name][1:]}"
            drawn.append(Bars(title, "difference to plain fine-tuning (points)", _CAPTION, _bars(part, "difference")))
    return drawn


_CAPTION = "Left of 0 is steadier than plain fine-tuning. Lines: 95 % intervals."


def _bars(frame: pd.DataFrame, name: str, *, offset: float = 0.0) -> pd.DataFrame:
    columns: dict[str, Any] = {"name": frame["remedy"]}
    for place, column in (("value", name), ("low", f"{name}_low"), ("high", f"{name}_high")):
        columns[place] = 100 * (frame[column] - offset)
    return pd.DataFrame({**columns, "published": np.nan}).reset_index(drop=True)
