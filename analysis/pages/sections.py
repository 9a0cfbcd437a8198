"""The report's further sections, each only where the run has the data; what cannot be computed is told, with why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis.agreement import agreement, appraisals
from analysis.causes.pipelines import pipelines
from analysis.environments import condition_differences, count_conditions
from analysis.measures.confidence import WANTED, confidence, curves
from analysis.metrology.gage import Gage, gage
from analysis.metrology.placing import placing, rotates
from analysis.pages.answer import noun, percent
from analysis.pages.drawing import Plot
from analysis.pages.section_plots import plot_components, plot_curves, plot_differences, plot_pipelines, plot_shares
from analysis.tables import Study
from device_agents.errors import BadInput

MOST_APPRAISERS = 30
SHORT = {
    **{"confidence": "Score", "pipelines": "Raw", "differences": "Environments", "repeatability": "R&R"},
    **{"agreement": "Agreement", "places": "Places", "attribution": "Stages", "explained": "Bisection"},
    **{"precision": "mAP", "changes": "Boxes", "scores": "Thresholds", "perturbed": "Repeatability"},
}
COEFFICIENTS = {"fleiss-kappa": "Fleiss' kappa", "gwet-ac1": "Gwet's AC1", "cohen-kappa": "Cohen's kappa"}
NOTED = {"attribution": "Which stage is to blame", "explained": "Where answers part"}


@dataclass(frozen=True)
class Told:
    """A table of a section: its name (of the CSV file), title, a sentence, the rows, and what is compared."""

    name: str
    title: str
    note: str
    frame: pd.DataFrame
    compared: str = "device"


@dataclass(frozen=True)
class Section:
    """A part of the report: name (of its anchor), title, the sentence that answers, figures and tables."""

    name: str
    title: str
    lead: str
    plots: dict[str, Plot] = field(default_factory=dict)
    tables: tuple[Told, ...] = ()

    @property
    def short(self) -> str:
        """The title in one or two words, for the page's head."""
        return SHORT.get(self.name.partition("-")[0], self.title)


def make_sections(
    study: Study, *, predictions: pd.DataFrame, notes: Mapping[str, Any], level: float = 0.95
) -> tuple[list[Section], list[str]]:
    """Make every section that the run has the data for, and say in a line each which it has not, and what is wanted.

    predictions: all of the run, each photograph once in each condition. notes: the run's notes by the keys of NOTED.
    """
    made, lacking = [], []
    for title, make in SECTIONS.items():
        try:
            made.append(make(study, predictions, level))
        except BadInput as problem:  # one section less; the reader learns why
            lacking.append(f"{title}: {problem}")
    if rotates(study.table):
        try:
            made.append(places(study, predictions, level))
        except BadInput as problem:
            lacking.append(f"{ROTATED}: {problem}")
    for name in NOTED:
        try:
            made += noted_sections(name, notes.get(name))
        except BadInput as problem:
            lacking.append(f"{NOTED[name]}: {problem}")
    return made, lacking


def repeatability(study: Study, predictions: pd.DataFrame, level: float) -> Section:
    """Gage R&R of the margin: how much of its spread is the scenes', the devices' and mere repetition."""
    if study.summary["devices"] < 2 or study.summary["repeats"] < 2:
        raise BadInput(_wants(f"two {noun(study.summary)}s and two repeats", study))
    # A study has one answer of each photograph and condition; conditions may share the picture.
    found = gage(study.table.drop(columns="picture"), level=level)
    low, high = found.percent_grr_interval
    lead = (
        f"Of the spread of the margin (how far the accepted class is ahead) {found.percent_grr:.0f} % "
        f"[{low:.0f}, {high:.0f}] is the measurement's own (%GRR), the rest the scenes'; it tells "
        f"{found.distinct:.0f} kinds of scenes apart. Components by {_method(found)}."
    )
    note = "Variances of the margin, in squared natural logarithms; those below 0 count as 0 in percentages."
    shown = found.components.rename(columns={"low": "variance_low", "high": "variance_high"})
    table = Told("gage", "Variance components", note, shown)
    return Section("repeatability", "Repeatability and reproducibility", lead, plot_components(found), (table,))


def places(study: Study, predictions: pd.DataFrame, level: float) -> Section:
    """Device, place on the mount and order as factors, where devices were rotated."""
    found = placing(study.table.drop(columns="picture"))
    rows = {row["source"]: row for row in found.components.to_dict("records")}
    told = ", ".join(f"the {name} {row['percent']:.1f} %" for name, row in rows.items())
    lead = (
        f"Within a scene, of the variance of the margin: {told}. "
        + ("The place on the mount matters: light the rack more evenly." if rows["place"]["p"] < 1 - level else "")
    ).strip()
    note = "Restricted maximum likelihood, scenes taken out; order: the blocks; rest: all else, interactions too."
    table = Told("places", "Devices, places and order", note, found.components)
    return Section("places", "Devices and their places", lead, {}, (table,))


def label_agreement(study: Study, predictions: pd.DataFrame, level: float) -> Section:
    """Attribute agreement: labels within, between and against the truth, and coefficients beyond chance."""
    if study.summary["devices"] < 2 and study.summary["repeats"] < 2:
        raise BadInput(_wants(f"two {noun(study.summary)}s or two repeats", study))
    names = list(dict.fromkeys(study.table["device"]))[:MOST_APPRAISERS]
    found = agreement(appraisals(study.table[study.table["device"].isin(names)].reset_index(drop=True)), level=level)
    known = found.coefficients[found.coefficients["of"] == "between all"]
    values = [f"{COEFFICIENTS[row['name']]} {row['value']:.2f}" for row in known.to_dict("records")]
    cut = (
        f" The first {MOST_APPRAISERS} of {study.summary['devices']}." if study.summary["devices"] > len(names) else ""
    )
    between = found.between[found.between["a"] == "all"]
    share = f"All give the same label for {percent(between['rate'].iloc[0])} of the items. " if len(between) else ""
    lead = f"{share}Agreement beyond chance: {', '.join(values) or 'not measured'}.{cut}"
    rows = {
        "within": ("Labels of one over its repeats", found.within),
        "between": ("Labels of every two", found.between),
        "standard": ("Labels against the accepted ones", found.standard),
        "coefficients": ("Coefficients", found.coefficients),
    }
    note, chance = (
        "An item agrees only if all of its labels do.",
        "Agreement beyond chance; docs/metrics.md says when which.",
    )
    tables = [
        Told(f"agreement-{name}", title, chance if name == "coefficients" else note, _worded(rows), noun(study.summary))
        for name, (title, rows) in rows.items()
    ]
    return Section("agreement", "Label agreement", lead, {}, tuple(one for one in tables if _counts(one.frame)))


def raw_against_device(study: Study, predictions: pd.DataFrame, level: float) -> Section:
    """Figure 8: photographs as shot against the same steps' raws developed by one ISP."""
    found = pipelines(study.table, predictions, level=level)
    plots = plot_pipelines(found)
    by_device = Told("pipelines-devices", "Accuracy by pipeline and device", "On the same steps.", found.devices)
    whole = Told(
        "pipelines", "Instability by pipeline", "Of the same items and devices; change against as shot.", found.whole
    )
    return Section("pipelines", "Raw against the device's own pipeline", found.sentence, plots, (whole, by_device))


def environment_differences(study: Study, predictions: pd.DataFrame, level: float) -> Section:
    """N x N label differences between the conditions of the run."""
    conditions = count_conditions(predictions)
    if conditions < 2:
        raise BadInput("expected two environments, ISPs or codecs, got one; `instability predict --vary` makes more")
    found, left_out = condition_differences(predictions, level=level)
    shared = found[found["items"] > 0]
    if shared.empty:
        raise BadInput("expected photographs that were predicted in two conditions, got none")
    worst, least = shared.iloc[int(shared["rate"].to_numpy().argmax())], int((shared["differ"] == 0).sum())
    lead = (
        f"{conditions} conditions; most first labels differ between {worst['a']} and {worst['b']}: "
        f"{percent(float(worst['rate']))} of {int(worst['items']):,} photographs. {least} of {len(shared)} pairs never "
        "differ." + (f" {left_out} conditions with the fewest predictions are left out." if left_out else "")
    )
    order = found.sort_values("rate", ascending=False, kind="stable", ignore_index=True)
    note = "Photographs with another first label, whichever is right; tied: where equal first scores decided."
    order = order.rename(columns={"rate": "label_rate"})
    table = Told("differences", "Every two conditions", note, order, "condition")
    return Section("differences", "Between environments", lead, plot_differences(found), (table,))


def score_worth(study: Study, predictions: pd.DataFrame, level: float) -> Section:
    """Precision and recall of the confidence."""
    found = curves(study.table)
    if not found:
        raise BadInput("expected answers that are right or wrong, with a score; got none")
    table = confidence(found)
    low, high = table["average_precision"].min(), table["average_precision"].max()
    span = f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"
    lead = f"If only answers above a score are shown: average precision {span}."
    note = f"kept: answers at or above the lowest score from which on {percent(WANTED)} or more are right."
    told = Told("confidence", "Precision of the confidence", note, table, noun(study.summary))
    return Section("confidence", "What the score is worth", lead, plot_curves(found), (told,))


def noted_sections(name: str, note: Any) -> list[Section]:
    """Show what another command left in the run: {"sentence", "rows": [dict, ...]}, or such notes by model.

    Raises BadInput where the note has neither a sentence nor rows; None is no section.
    """
    if note is None:
        return []
    several = isinstance(note, Mapping) and note and all(isinstance(one, Mapping) for one in note.values())
    parts: dict[str, Any] = dict(note) if several else {"": note}
    made = []
    for number, (model, part) in enumerate(parts.items()):
        if not isinstance(part, Mapping) or not ("sentence" in part or _rows(part)):
            raise BadInput(f"expected a note with a sentence and rows, got {str(part)[:60]}; run the command again")
        title = NOTED[name] + (f": {model}" if model else "")
        anchor = f"{name}-{number}" if number else name
        tables = [
            Told(f"{anchor}-{key}", key.replace("_", " ").capitalize(), "", _flat(rows)) for key, rows in _rows(part)
        ]
        plots = plot_shares(anchor, part.get("shares"))
        made.append(Section(anchor, title, str(part.get("sentence", "")), plots, tuple(tables)))
    return made


def _rows(part: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The lists of dicts in a note, by their keys."""
    return [
        (str(key), value)
        for key, value in part.items()
        if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value)
    ]


def _flat(rows: list[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a table: an interval becomes two columns, other lists and dicts become text."""
    flat: list[dict[str, Any]] = []
    for row in rows:
        flat.append({})
        for key, value in row.items():
            if str(key).endswith("interval") and isinstance(value, list | tuple) and len(value) == 2:
                ends = ("low", "high") if key == "interval" else (f"{key} low", f"{key} high")
                flat[-1] |= dict(zip(ends, value, strict=True))
            elif isinstance(value, Mapping):
                flat[-1] |= {f"{key} {name}": _plain(part) for name, part in value.items()}
            else:
                flat[-1][str(key)] = _plain(value)
    frame = pd.DataFrame(flat)
    return frame[sorted(frame, key=lambda name: frame[name].dtype.kind in "biuf")]  # what is counted after its name


def _plain(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


def _worded(rows: pd.DataFrame) -> pd.DataFrame:
    """Names under which a rate is an agreement and no instability, and the ends of a coefficient no percentages."""
    names = {"rate": "agreement_rate"}
    if "value" in rows.columns:
        names = {"low": "value_low", "high": "value_high"}
    return rows.rename(columns=names)


def _method(found: Gage) -> str:
    spelt = found.method.replace("anova", "analysis of variance").replace("reml", "restricted maximum likelihood")
    return "; ".join([spelt, *found.notes])


def _wants(what: str, study: Study) -> str:
    here = f"{study.summary['devices']} and {study.summary['repeats']}"
    return f"expected {what} or more, got {here}"


def _counts(frame: pd.DataFrame) -> bool:
    return not frame.empty and ("items" not in frame.columns or bool((frame["items"] > 0).any()))


SECTIONS: dict[str, Callable[[Study, pd.DataFrame, float], Section]] = {
    "What the score is worth": score_worth,
    "Raw against the device's own pipeline": raw_against_device,
    "Between environments": environment_differences,
    "Repeatability and reproducibility": repeatability,
    "Label agreement": label_agreement,
}
ROTATED = "Devices and their places"  # only where devices changed places; no reader misses it elsewhere
