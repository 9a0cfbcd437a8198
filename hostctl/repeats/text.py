"""The metrology reading of a run as a person reads it in the terminal, and the sentences that its page shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hostctl.printing import percent, table_text

SOURCES = {
    "repeatability": "repeatability (same device again)",
    "operator": "devices",
    "interaction": "devices x scenes",
    "reproducibility": "reproducibility (both)",
    "gage": "measurement system (R&R)",
    "part": "scenes",
    "total": "total",
}
YARDSTICK = "industry takes a %GRR under 10 as good and over 30 as unfit, and wants 5 categories or more (AIAG)"
COEFFICIENTS = {"fleiss-kappa": "Fleiss' kappa", "gwet-ac1": "Gwet's AC1", "cohen-kappa": "Cohen's kappa"}


def repeats_text(result: Mapping[str, Any]) -> str:
    """Lay out repeat shots by lag, the R&R study, agreement of labels and the advice."""
    lines = [headline(result), "", table_text([lag_row(row) for row in [*result["lags"], *result["other"]]])]
    if len(result["devices"]) > 1:
        lines += ["", table_text([lag_row(row, "device") for row in result["devices"]])]
    if result["gage"]:
        rows = [component_row(row) for row in result["gage"]["components"]]
        lines += ["", grr_sentence(result["gage"]), YARDSTICK, table_text(rows)]
    if result["agreement"] and (rows := kappa_rows(result["agreement"])):
        lines += ["", table_text(rows)]
    lines += ["", advice_sentence(result), table_text([change_row(row) for row in result["advice"]["changes"]])]
    if result["advice"]["grr"]:
        lines += ["", "expected interval of %GRR:", table_text([size_row(row) for row in result["advice"]["grr"]])]
    return "\n".join([*lines, "", *remarks(result), f"page  {result['page']}"])


def headline(result: Mapping[str, Any]) -> str:
    """Say how often the same device answers the same scene otherwise, beside another device."""
    row = result["lags"][-1]
    told = f"shot again by the same device, {percent(row['rate'], (row['low'], row['high']))} of answers change"
    if not result["other"]:
        return told
    other = result["other"][0]
    return f"{told}; by another device {percent(other['rate'], (other['low'], other['high']))}"


def remarks(result: Mapping[str, Any]) -> list[str]:
    """What a reader must know: what time does, what is lacking, what is simulated."""
    told = []
    if result["longer"]:
        one = result["longer"]
        ends = f"[{100 * one['low']:+.1f}, {100 * one['high']:+.1f}]"
        told.append(
            f"{one['long']} against {one['short']}: {100 * one['difference']:+.1f} points {ends} of answers change."
        )
    else:
        told.append("All repeats lie in one bin of time: nothing is known of an hour later; see docs/repeat-shots.md.")
    told += [f"{note}." for note in (result["gage"] or {}).get("notes", [])]
    told += result["lacking"]
    told += ["The devices are virtual: their cameras are simulated, and know no warming up and no daylight."] * bool(
        result["virtual"]
    )
    return told


def grr_sentence(found: Mapping[str, Any]) -> str:
    """Say %GRR and the number of distinct categories, with intervals and method."""
    (low, high), (few, many) = found["percent_grr_interval"], found["distinct_interval"]
    return (
        f"R&R of the margin, {found['parts']} parts (scenes) x {found['operators']} operators (devices), "
        f"{found['values']} shots: %GRR {found['percent_grr']:.1f} [{low:.1f}, {high:.1f}], "
        f"{found['distinct']:.0f} distinct categories [{few:.0f}, {many:.0f}]; by {found['method']}"
    )


def advice_sentence(result: Mapping[str, Any]) -> str:
    """Say for what the sizes of the table below are."""
    one = result["advice"]
    return (
        f"for an interval of P(top-1 changes) {100 * one['width']:.1f} points wide (now {100 * one['width_now']:.1f}), "
        f"at {percent(one['expect'])} and an ICC of a scene's pairs of {one['icc']:.2f} ({one['icc_from']}):"
    )


def lag_row(row: Mapping[str, Any], first: str = "lag") -> dict[str, Any]:
    """A bin of lag or a device as a row of a table."""
    score = f"{row['score_change']:.3f} [{row['score_low']:.3f}, {row['score_high']:.3f}]"
    return {
        first: row[first],
        "pairs": row["pairs"],
        "objects": row["objects"],
        "median lag": seconds(row["median_lag_s"]),
        "top-1 changes": percent(row["rate"], (row["low"], row["high"])),
        "mean change of score": score,
    }


def component_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A variance component as a row of a table."""
    return {
        "source": SOURCES[row["source"]],
        "variance": f"{row['variance']:.4g} [{row['low']:.3g}, {row['high']:.3g}]",
        "of the variance (%)": f"{row['percent_contribution']:.1f}",
        "of the deviation (%)": f"{row['percent_study']:.1f}",
    }


def kappa_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Coefficients within each device and between all, as rows of a table."""
    return [
        {
            "labels": row["of"],
            "coefficient": COEFFICIENTS[row["name"]],
            "value": f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]",
            "agreement": percent(row["agreement"]),
        }
        for row in found["coefficients"]
        if row["value"] is not None and not (row["of"].startswith("between") and row["of"] != "between all")
    ]


def change_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A size of study for P(top-1 changes) as a row of a table."""
    return {**row, "width": percent(row["width"])}


def size_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A size of study for %GRR as a row of a table."""
    size = {name: row[name] for name in ("scenes", "devices", "repeats", "photographs")}
    return {**size, "%GRR interval": f"[{row['low']:.0f}, {row['high']:.0f}]", "width": f"{row['width']:.0f}"}


def seconds(value: float | None) -> str:
    """A time in the unit that reads best; "unknown" for None."""
    if value is None:
        return "unknown"
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.1f} s"
