"""The result of a flip risk as a person reads it in the terminal, and the sentences that its page shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hostctl.printing import percent, table_text


def flip_risk_text(result: Mapping[str, Any]) -> str:
    """Lay out the areas, the held-out devices, the calibration, and where the file for the agent is."""
    rows = [score_row(row, result) for row in result["scores"]]
    devices = [device_row(row) for row in result["devices"]]
    bins = [bin_row(row) for row in result["reliability"]]
    lines = [
        headline(result),
        "",
        table_text(rows),
        "",
        table_text(devices),
        "",
        table_text(bins),
        "",
        *remarks(result),
    ]
    return "\n".join([*lines, f"file  {result['file']}", f"page  {result['page']}"])


def headline(result: Mapping[str, Any]) -> str:
    """Say whether the risk beats the margin alone: the difference of the ROC areas with its interval."""
    risk, margin = (next(row for row in result["scores"] if row["score"] == name) for name in ("flip risk", "margin"))
    difference = f"{signed(margin['difference'])} {ends(margin, 'difference_low', 'difference_high')}"
    if margin["difference_low"] > 0:
        verdict = "beats the score margin alone"
    elif margin["difference_high"] < 0:
        verdict = "is worse than the score margin alone"
    else:
        verdict = "is not surely better than the score margin alone"
    return f"the flip risk {verdict}: ROC area {risk['area']:.3f} against {margin['area']:.3f}, difference {difference}"


def remarks(result: Mapping[str, Any]) -> list[str]:
    """What a reader must know: rows and flips, calibration, what is virtual, and what was left out."""
    brier, skill, better = result["brier"], result["skill"], result["brier_better"]
    in_turn = len(result["held_out"]) > 1
    held = "each device in turn" if in_turn else ", ".join(result["held_out"][0])
    told = [
        f"{result['pictures']} photographs of {result['clusters']} objects, held out: {held}; of {result['rows']} "
        f"comparisons with another device {result['flips']} flip ({percent(result['rate'])}). Fits see neither the "
        "held-out device nor the object asked about.",
        f"Brier score {brier['flip risk']:.4f} (the margin alone, fitted likewise: {brier['margin alone']:.4f}, "
        f"better by {better['value']:.4f} [{better['low']:.4f}, {better['high']:.4f}]); skill "
        f"against the mean rate {skill['flip risk']:.2f} ({skill['margin alone']:.2f}); risk and rate are "
        f"{100 * result['calibration_error']:.1f} points apart on average.",
    ]
    told += [f"{result['without_features']} photographs without all answers are left out."] * bool(
        result["without_features"]
    )
    told += ["The photographs are of simulated cameras: weights for real devices need a real run."] * result["virtual"]
    return told


def score_row(row: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """One score's areas as a row of a table."""
    above = "" if row["difference"] is None else f"{signed(row['difference'])} {ends(row, *DIFFERENCE)}"
    return {
        "score": row["score"],
        "what": result["words"].get(row["score"], ""),
        "ROC area": f"{row['area']:.3f} {ends(row)}",
        "risk's above it": above,
        "average precision": f"{row['average_precision']:.3f} {ends(row, 'precision_low', 'precision_high')}",
    }


def device_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A held-out device as a row of a table."""
    told = {"held out": row["device"], "asked about": row["asked"], "comparisons": row["rows"], "flips": row["flips"]}
    if row["area"] is None:
        return told | {"risk": "-", "margin": "-", "difference": "-"}
    told |= {"risk": f"{row['area']:.3f} {ends(row)}", "margin": f"{row['margin_area']:.3f}"}
    return told | {"difference": f"{signed(row['difference'])} {ends(row, *DIFFERENCE)}"}


def bin_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A bin of the reliability as a row of a table."""
    rate = percent(row["rate"], (row["low"], row["high"]))
    return {"comparisons": row["rows"], "mean risk": percent(row["risk"]), "flipped": rate}


def signed(value: float) -> str:
    """A difference with its sign."""
    return f"{value:+.3f}"


def ends(row: Mapping[str, Any], low: str = "low", high: str = "high") -> str:
    """An interval's ends in brackets."""
    return f"[{row[low]:.3f}, {row[high]:.3f}]"


DIFFERENCE = ("difference_low", "difference_high")
