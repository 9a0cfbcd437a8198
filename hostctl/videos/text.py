"""The result of videos as a person reads it in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hostctl.printing import percent, table_text

MOST_ROWS = 40


def video_text(result: Mapping[str, Any]) -> str:
    """Lay out the flips of models and videos, how synthetic changes compare, and what stopped."""
    lines = [headline(result), "", table_text([_row(row, result, "videos") for row in result["summary"]])]
    if len(result["videos"]) > len(result["models"]):
        lines += ["", table_text([_row(row, result, "video") for row in result["videos"][:MOST_ROWS]])]
    if result["correlations"]:
        lines += ["", "flips in videos against flips under synthetic changes:"]
        lines += [table_text([correlation_row(row) for row in result["correlations"]])]
    lines += ["", *remarks(result)]
    lines += [f"stopped: {problem}" for problem in result["stopped"]]
    lines += [f"frames that failed: {result['failed']}"] if result["failed"] else []
    return "\n".join([*lines, f"run   {result['run']}", f"page  {result['page']}", f"csv   {result['csv']}"])


def headline(result: Mapping[str, Any]) -> str:
    """The sentence that answers, of the first model."""
    row = result["summary"][0]
    if row["flip_rate"] is None:
        return f"{row['model']}: no two consecutive frames have an answer"
    return (
        f"{row['model']} changes its answer at {percent(row['flip_rate'])} of frames: {row['flips']} of {row['pairs']} "
        f"pairs of consecutive frames, {1000 * row['lag_s']:.0f} ms apart"
    )


def remarks(result: Mapping[str, Any]) -> list[str]:
    """What a reader must know of the numbers: intervals, unlabelled videos, what the correlation runs over."""
    told = []
    if all(row["interval"] is None for row in result["summary"]):
        told.append("No interval: it runs over videos (clusters), and there is one.")
    else:
        told.append("Intervals are of 95 % and run over videos (clusters): the frames of one share its fate.")
    if not result["labelled"]:
        told.append("No accuracy: the videos have no labels; give a CSV file with the columns file and labels.")
    elif any(row["anchors"] == 0 for row in result["summary"]):
        told.append(f"No pm-{result['window']} accuracy: no frame has {result['window']} on either side.")
    over = {row["over"] for row in result["correlations"]}
    if "frames" in over:
        told.append(
            "Spearman's rho over frames, as fewer than three videos or models were given; frames of one video are not "
            "independent, so that there is no p."
        )
    elif over:
        told.append(f"Spearman's rho over {over.pop()}; p two-sided, by permutations.")
    return told


def correlation_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A correlation as a row of a table."""
    rho = "all alike" if row["rho"] is None else f"{row['rho']:.2f}"
    p = "-" if row["p"] is None else f"{row['p']:.3f}"
    names = {"model": row["model"], "change": row["family"], "over": row["over"]}
    return {**names, "points": row["points"], "rho": rho, "p": p}


def _row(row: Mapping[str, Any], result: Mapping[str, Any], of: str) -> dict[str, Any]:
    told = {"model": row["model"], of: row[of], "frames": row["frames"]}
    told |= {"flips": row["flips"], "of_pairs": row["pairs"], "flip_rate": percent(row["flip_rate"], row["interval"])}
    if result["labelled"]:
        window = result["window"]
        told |= {"accuracy": percent(row["accuracy"]), f"pm-{window}": percent(row["pm_accuracy"])}
    return told | {name: percent(rate) for name, rate in row["synthetic"].items()}
