"""A suite's numbers as a person reads them: a row a family, measures or models and devices side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from analysis.repeatability.relative import MEANS, RATIOS
from analysis.repeatability.suites import SUITES
from hostctl.printing import percent, wide_table_text

MOST_FAILURES = 5
SHARES_OF_ALEXNET = ("ce", "mce")
DISTANCES = ("top-5-distance",)
ALL = "all"  # of the numbers: the mean over families
ANSWERS = {  # the first that a suite has
    "error": "is wrong in {} of the changed pictures",
    "flip-probability": "changes its answer in {} of the comparisons",
}
DIFFERENCE = "-difference"  # of the other models' measures: points more than the baseline's
MORE = {  # the mean over families, of another model against the baseline
    "error-difference": "is wrong in {} of the changed pictures than {}",
    "flip-probability-difference": "changes its answer in {} of the comparisons than {}",
}
MEANINGS = {  # what a reader is told of each measure that the table has; docs/repeatability.md defines them
    "flip-probability": "comparisons whose first labels differ; 0 is a model that always repeats itself",
    "probability-change": "how far the probability of the first picture's label moves, on average",
    "true-probability-change": "the same of the accepted labels",
    "top-5-distance": "how far the first five labels change their order, 0 (not at all) to 18",
    "shift-consistency": "pictures whose two random crops get the same label; 100 % is best",
    "instability": "pictures that are right at one of the family's perturbations and clearly wrong at another",
    "error": "wrong answers, over all severities",
    "ce": "that error over AlexNet's on ImageNet-C, of other pictures than these: 100 is AlexNet, less is better",
    "mce": "the mean of ce over the 15 corruptions",
    "flip-rate": "flip-probability over the baseline's: below 1 is steadier",
    "relative-ce": "error over the baseline's: below 1 is better",
    "mfr": "the mean of flip-rate over the families",
    "relative-mce": "the mean of relative-ce over the families",
}
MEAN_OF = {"mce": "ce"} | {mean: RATIOS[of] for of, mean in MEANS.items()}  # in the last row, "all", of that measure
YARDSTICKS = {  # of a suite: what was published, to set a number beside
    "shift": "published of shift-crop: 5 to 15 % of labels change (Azulay and Weiss, larger networks of 2018)",
}

Row = Mapping[str, Any]
Tables = dict[str, list[dict[str, str]]]


def suite_text(result: Mapping[str, Any]) -> str:
    """Lay out the tables, the accuracy, what a reader must know, and what failed."""
    lines = [headline(result), asked(result), "", *_laid_out(tables(result["rows"]))]
    if others := tables(result["relative"]):
        lines += [f"relative to {result['baseline']} on the same pictures", "", *_laid_out(others)]
    lines += [f"accuracy as it is  {line}" for line in accuracies(result)]
    lines += remarks(result)
    if result["failed"]:
        lines.append(f"failed  {result['failed']} of {result['predictions']} predictions")
        lines += [f"  {line}" for line in result["failures"][:MOST_FAILURES]]
        lines.append(f"  once mended: instability runs retry {result['run']}, then this command")
    return "\n".join([*lines, *(f"{key:<6}{result[key]}" for key in ("run", "page", "csv") if key in result)])


def suites() -> list[dict[str, Any]]:
    """Every suite: what it asks, how many perturbations it takes of each picture, and its families."""
    return [
        {
            "suite": suite.name,
            "about": suite.about,
            "perturbations": len(suite.perturbations),
            "families": ", ".join(family.name for family in suite.families),
        }
        for suite in SUITES.values()
    ]


def headline(result: Mapping[str, Any]) -> str:
    """The sentence that answers, of the first model and device."""
    of_first = [row for row in result["rows"] if row["model"] == result["models"][0]]
    found = {row["measure"]: row for row in reversed(of_first) if row["family"] == ALL}
    found = found or {row["measure"]: row for row in reversed(of_first)}
    measure = next((one for one in ANSWERS if one in found), None)
    if measure is None:
        return f"suite {result['suite']}: no number"
    device = f" on {found[measure]['device']}" if len(result["devices"]) > 1 else ""
    return f"{result['models'][0]}{device} {ANSWERS[measure].format(shown(found[measure]))}: suite {result['suite']}"


def asked(result: Mapping[str, Any]) -> str:
    """What was asked of how many pictures, and which families where it was not all of the suite's."""
    whole, some = SUITES[result["suite"]].families, list(result["families"])
    part = f"; of its {len(whole)} families only {', '.join(some)}" if len(some) < len(whole) else ""
    counts = _number(result["pictures"], "picture"), _number(result["clusters"], "object")
    return f"{result['about']}{part}; {' of '.join(counts)}"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def tables(rows: Iterable[Row]) -> Tables:
    """Give tables by title with a row a family, "-" where there is no such number, the measure of the headline first.

    One model on one device: a single table, "", with a column a measure. Otherwise one a measure, with a column for
    each model and device that has numbers. The mean of a ratio (mce, mfr, ...) stands in its measure's row "all".
    """
    rows = sorted(rows, key=lambda row: row["measure"] not in ANSWERS)
    means = {MEAN_OF[row["measure"]]: row["measure"] for row in rows if row["measure"] in MEAN_OF}
    models, devices = (list(dict.fromkeys(row[key] for row in rows)) for key in ("model", "device"))
    alone = len(models) == len(devices) == 1
    cells: dict[str, dict[str, dict[str, str]]] = {}
    for row in rows:
        measure = str(MEAN_OF.get(row["measure"], row["measure"]))
        measure = f"{measure} (all: {means[measure]})" if measure in means else measure
        of = [row["model"]] * (len(models) > 1) + [row["device"]] * (len(devices) > 1)
        title, column = ("", measure) if alone else (measure, ", ".join(of))
        cells.setdefault(title, {}).setdefault(row["family"], {})[column] = shown(row)
    return {title: _filled(of_title) for title, of_title in cells.items()}


def _filled(cells: Mapping[str, Mapping[str, str]]) -> list[dict[str, str]]:
    """Rows of all families with all columns; the family "all" last."""
    columns = dict.fromkeys([column for row in cells.values() for column in row], "-")
    families = sorted(cells, key=lambda family: family == ALL)
    return [{"family": family, **columns, **cells[family]} for family in families]


def _laid_out(found: Tables) -> list[str]:
    return [line for title, rows in found.items() for line in (*([title] if title else []), wide_table_text(rows), "")]


def shown(row: Row) -> str:
    """Write a value with its interval: a percentage, points, a distance, a ratio, or 100 times a share of AlexNet's."""
    value, ends = row["value"], (row["low"], row["high"])
    if value != value:
        return "-"
    if row["measure"] in (*DISTANCES, *RATIOS.values(), *MEANS.values()):
        if ends[0] != ends[0]:
            return f"{value:.2f}"
        return f"{value:.2f} [{ends[0]:.2f}, {ends[1]:.2f}]"
    if row["measure"].endswith(DIFFERENCE):
        return f"{100 * value:+.1f} points [{100 * ends[0]:+.1f}, {100 * ends[1]:+.1f}]"
    if row["measure"] in SHARES_OF_ALEXNET:
        return f"{100 * value:.1f} [{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]"
    return percent(value, ends)


def compared(result: Mapping[str, Any]) -> list[str]:
    """A sentence a device, other model and mean: better or worse than the baseline, or no difference that shows."""
    told = []
    for row in result["relative"]:
        if row["family"] != ALL or row["measure"] not in MORE or row["low"] != row["low"]:
            continue
        who = f"{row['model']}{' on ' * bool(row['device'])}{row['device']}"
        least, most = sorted((abs(100 * row["low"]), abs(100 * row["high"])))
        if row["low"] <= 0 <= row["high"]:
            told.append(f"{who}: no difference from {row['baseline']} shows in the mean, {shown(row)}")
        else:
            more = MORE[row["measure"]].format("more" if row["value"] > 0 else "fewer", row["baseline"])
            told.append(f"{who} {more}, by {abs(100 * row['value']):.1f} points [{least:.1f}, {most:.1f}]")
    return told


def accuracies(result: Mapping[str, Any]) -> list[str]:
    """A line a model and device: its accuracy on the pictures as they are."""
    return [
        f"{row['model']}{', ' * bool(row['device'])}{row['device']}: {percent(row['value'], (row['low'], row['high']))}"
        for row in result["accuracy"]
    ]


def remarks(result: Mapping[str, Any]) -> list[str]:
    """What a reader must know of the numbers: intervals, pictures left out, the literature's constants."""
    told = [*result.get("label_gaps", ()), *compared(result)]
    told += [f"[low, high]: intervals of {100 * result['level']:.0f} % over objects (clusters), not over predictions"]
    used = {row["measure"] for row in (*result["rows"], *result["relative"])}
    told += [f"{measure}: {meaning}" for measure, meaning in MEANINGS.items() if measure in used]
    told += [YARDSTICKS[result["suite"]]] if result["suite"] in YARDSTICKS else []
    if missing := max((row["missing"] for row in result["rows"]), default=0):
        told.append(f"up to {missing} pictures a family lack an answer (too small, or failed) and are left out of it")
    if result.get("frozen"):
        told.append(f"the frozen set {result['frozen'][:12]}, checked: comparable with every score on it")
    if extra := result.get("not_frozen"):
        told.append(f"{len(extra)} perturbations are not fixed by that set, such as {extra[0]}")
    return told
