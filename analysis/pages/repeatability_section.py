"""The report's section on perturbed pictures: each suite's numbers and curves; the rest of a report is told without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.instability import OBJECT
from analysis.pages.answer import percent
from analysis.pages.drawing import Plot
from analysis.pages.repeatability_plots import plot_picture, plot_suite
from analysis.pages.sections import Section, Told
from analysis.repeatability.answers import answers
from analysis.repeatability.curves import curves, picture_curve
from analysis.repeatability.numbers import ALL, MCE, picture_values, suite_numbers, suites_in
from analysis.repeatability.suites import CLEAN, Suite
from analysis.repeatability.values import CE, CHANGE, DISTANCE, ERROR, FLIP, INSTABILITY, SAME
from device_agents.errors import BadInput

NAME, TITLE = "perturbed", "Repeatability: the same picture, slightly changed"
MOST_TOLD = 8
MEAN = "mean of these"  # families
Rows = Mapping[tuple[str, str], Mapping[Any, Any]]
# Measure -> the column that shows it, and those of its interval where it is shown with one.
SHOWN = {
    ERROR: ("error_rate", "error_low", "error_high"),
    CE: ("ce",),
    FLIP: ("label_rate", "low", "high"),
    SAME: ("agreement_rate",),
    CHANGE: ("probability_change",),
    DISTANCE: ("distance",),
    INSTABILITY: ("rate",),
}


def repeatability_sections(
    predictions: pd.DataFrame, *, task: str, level: float = 0.95
) -> tuple[list[Section], list[str]]:
    """Make the section of a run with perturbed pictures, and say in a line each what it cannot tell; else ([], []).

    predictions: the run's, perturbed and not.
    """
    named = set(predictions["perturbation"]) if "perturbation" in predictions.columns else set()
    if named <= {""}:
        return [], []
    suites, others = suites_in(named)
    lacking = [_others(others)] if others else []
    try:
        if task != "classification":
            raise BadInput(f"expected a classifier's answers, got those of {task}")
        return ([_section(predictions, suites, level)] if suites else []), lacking
    except BadInput as problem:  # one section less; the reader learns why
        return [], [*lacking, f"{TITLE}: {problem}"]


def as_shown(predictions: pd.DataFrame) -> pd.DataFrame:
    """Give what the rest of a report is about where the run has suites: the pictures as they are, unperturbed.

    Hundreds of perturbations are no devices, and their instability together says nothing. Without a suite, without an
    unperturbed prediction, and where rows are objects, which have no suites, the table is given as it is.
    """
    if "perturbation" not in predictions.columns or OBJECT in predictions.columns:
        return predictions
    plain = (predictions["perturbation"] == "").to_numpy()
    whole = plain.all() or not plain.any() or not suites_in(set(predictions["perturbation"]))[0]
    return predictions if whole else predictions[plain].reset_index(drop=True)


def suite_tables(numbers: pd.DataFrame, suite: Suite) -> list[Told]:
    """Give a suite's numbers as tables, one a model: a row a family, measures across."""
    made = []
    for at, (model, part) in enumerate(numbers.groupby("model", sort=False, observed=True)):
        title = f"{suite.name.capitalize().replace('-', ' ')}: {model}"
        made.append(
            Told(
                f"{NAME}-{suite.name}-{at}",
                title,
                f"{suite.about[0].upper()}{suite.about[1:]}. {_note(part)}",
                _wide(part),
                "model",
            )
        )
    return made


def device_numbers(part: pd.DataFrame, suite: Suite, *, level: float = 0.95) -> pd.DataFrame:
    """Give suite_numbers with a column device: each device's pictures apart; no row where there is one device.

    part: a run's predictions of the suite. Rows are in the devices' order of appearance, intervals by cluster within
    each.
    """
    devices = list(dict.fromkeys(part["device"])) if "device" in part.columns else []
    made = [
        suite_numbers(part[part["device"] == name].reset_index(drop=True), suite, level=level).assign(device=name)
        for name in (devices if len(devices) > 1 else ())
    ]
    return pd.concat(made, ignore_index=True) if made else pd.DataFrame()


def device_tables(numbers: pd.DataFrame, suite: Suite) -> list[Told]:
    """Give a table a model with a row a family and device: the means over families of every device first."""
    made = []
    for at, (model, part) in enumerate(numbers.groupby("model", sort=False, observed=True) if len(numbers) else ()):
        rows = pd.concat([_wide(own).assign(device=name) for name, own in part.groupby("device", sort=False)])
        families = [MEAN, *dict.fromkeys(rows["perturbed by"])]
        order = rows.iloc[rows["perturbed by"].map(families.index).argsort(kind="stable")].reset_index(drop=True)
        order = order[["perturbed by", "device", *(name for name in rows if name not in ("perturbed by", "device"))]]
        title = f"{suite.name.capitalize().replace('-', ' ')}, by device: {model}"
        note = "The same, the pictures of each device apart. From and to hold the interval by objects."
        made.append(Told(f"{NAME}-{suite.name}-{at}-devices", title, note, order))
    return made


def device_sentence(numbers: pd.DataFrame) -> str:
    """Say between which devices a suite's answer lies, by the mean over families or else the first one; or ""."""
    told = []
    for model, part in numbers.groupby("model", sort=False, observed=True) if len(numbers) else ():
        measure = ERROR if ERROR in set(part["measure"]) else FLIP
        rows = part[(part["measure"] == measure) & (part["family"] != CLEAN)].dropna(subset=["value"])
        one_family = ALL if ALL in set(rows["family"]) else rows["family"].iloc[0] if len(rows) else ""
        order = rows[rows["family"] == one_family].sort_values("value", kind="stable")
        if len(order):
            least, most = (f"{percent(one['value'])} on {one['device']}" for _, one in order.iloc[[0, -1]].iterrows())
            told.append(f"{model} {least} to {most}")
    return f"By device, {'; '.join(told)}." if told else ""


def suite_sentence(numbers: pd.DataFrame, suite: Suite) -> str:
    """Say a suite's answer in words, model by model."""
    told = []
    for model, part in numbers.groupby("model", sort=False, observed=True):
        rows = {(row["family"], row["measure"]): row for row in part.to_dict("records")}
        told.append(f"{model}: {_errors(rows) if ERROR in set(part['measure']) else _flips(part)}")
    return f"{suite.name.capitalize()}, {'; '.join(told) or 'not judged: no picture has a label'}."


def _section(predictions: pd.DataFrame, suites: list[Suite], level: float) -> Section:
    plots: dict[str, Plot] = {}
    tables: list[Told] = []
    sentences = []
    for suite in suites:
        part = predictions[predictions["perturbation"].isin(suite.perturbations)].reset_index(drop=True)
        numbers, lines = suite_numbers(part, suite, level=level), curves(part, suite, level=level)
        plots |= plot_suite(numbers, lines, name=suite.name) | _picture(part, suite)
        apart = device_numbers(part, suite, level=level)
        tables += suite_tables(numbers, suite) + device_tables(apart, suite)
        sentences += [one for one in (suite_sentence(numbers, suite), device_sentence(apart)) if one]
    if (predictions["perturbation"] == "").any():
        sentences.append("All other parts of this report are about the pictures as they are.")
    return Section(NAME, TITLE, " ".join(sentences), plots, tuple(tables))


def _picture(part: pd.DataFrame, suite: Suite) -> dict[str, Plot]:
    """One picture's curve, where the suite goes pixel by pixel: the one whose probability changes most."""
    if suite.name != "shift-curves":
        return {}
    found = answers(part)[0]
    values = picture_values(found, suite)
    changes = np.mean([made[CHANGE].middle for name, made in values.items() if name != ALL], axis=0)
    if np.isnan(changes).all():
        return {}
    picture = str(found.pictures[int(np.nanargmax(changes))])
    curve = picture_curve(part, suite, picture=picture)
    curve = curve[curve["model"] == found.model]
    name = f"{suite.name}-picture"
    return {name: plot_picture(curve, name=name, picture=picture.rpartition("/")[2])}


def _wide(part: pd.DataFrame) -> pd.DataFrame:
    """Families down, measures across, in their order; the mean over families last."""
    rows = []
    for family, some in part.groupby("family", sort=False, observed=True):
        known = some.set_index("measure")
        row: dict[str, object] = {"perturbed by": MEAN if family == ALL else family}
        for measure, columns in SHOWN.items():
            if measure not in set(part["measure"]):
                continue
            name = MCE if measure == CE and family == ALL else measure
            ends = known.loc[name, ["value", "low", "high"]] if name in known.index else [np.nan] * 3
            row |= dict(zip(columns, ends, strict=False))
        counts = known.iloc[0]
        rows.append(row | {"items": int(counts["pictures"]), "left_out": int(counts["missing"])})
    return pd.DataFrame(rows)


def _note(part: pd.DataFrame) -> str:
    told = ["From and to hold the interval by objects."]
    if part["measure"].isin([CHANGE]).any():
        told.append("Change of probability: of the class that the first picture is given.")
    if part["measure"].isin([CE]).any():
        told.append("CE: the error over AlexNet's (100 % is AlexNet).")
    if CLEAN in set(part["family"]):
        told.append("The mean is over all but clean, the picture as it is.")
    if part["missing"].any():
        told.append("Left out: pictures that lack an answer of the family.")
    return " ".join(told)


def _errors(rows: Rows) -> str:
    told = []
    if (CLEAN, ERROR) in rows:
        told.append(f"{percent(rows[CLEAN, ERROR]['value'])} wrong on the pictures as they are")
    if (ALL, ERROR) in rows:
        one = rows[ALL, ERROR]
        told.append(f"{percent(one['value'])} [{percent(one['low'])}, {percent(one['high'])}] over all corruptions")
    if (ALL, MCE) in rows:
        told.append(f"mCE {percent(rows[ALL, MCE]['value'])}")
    return ", ".join(told) or "no mean over corruptions"


def _flips(part: pd.DataFrame) -> str:
    rows = part[(part["measure"] == FLIP) & (part["family"] != ALL)].dropna(subset=["value"])
    if rows.empty:
        return "no picture has all answers of a family"
    order = rows.sort_values("value", ascending=False, kind="stable")
    most, least = order.iloc[0], order.iloc[-1]
    interval = f"[{percent(most['low'])}, {percent(most['high'])}]"
    told = f"the label changes in {percent(most['value'])} {interval} of the comparisons under {most['family']}"
    return told + (f", in {percent(least['value'])} under {least['family']}" if len(order) > 1 else "")


def _others(names: list[str]) -> str:
    shown = ", ".join(names[:MOST_TOLD]) + (f" and {len(names) - MOST_TOLD} more" if len(names) > MOST_TOLD else "")
    return f"{TITLE}: in no family that was run whole, and compared as environments only: {shown}"
