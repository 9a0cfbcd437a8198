"""The result of `instability ood` as a person reads it in the terminal, and the sentences that its page shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.ood.scores import OURS
from hostctl.flip_risks.text import ends, signed
from hostctl.printing import percent, table_text

BASELINE = "max-probability"  # whom the headline compares with: the known score that needs nothing
SURE = 0.05


def ood_text(result: Mapping[str, Any]) -> str:
    """Lay out the areas, the differences, what is accepted, the medians, and where the page is."""
    parts = [headline(result), "", table_text(score_rows(result)), "", table_text(difference_rows(result)), ""]
    if len(set_names(result)) > 1:
        parts += ["ROC areas by set", table_text(set_rows(result)), ""]
    parts += ["medians", table_text(median_rows(result)), "", *remarks(result), f"page  {result['page']}"]
    return "\n".join(parts)


def headline(result: Mapping[str, Any]) -> str:
    """Say how well instability tells unknown pictures, and whether that is surely more or less than the first score."""
    pooled = {row["score"]: row for row in result["areas"] if row["set"] == result["pooled"]}
    own, known = pooled["instability"], pooled[BASELINE]
    difference = next(row for row in _pooled(result) if (row["score"], row["baseline"]) == ("instability", BASELINE))
    verdict = verdict_of(difference)
    how = "is a sign" if own["low"] > 0.5 else "is no sure sign" if own["high"] >= 0.5 else "is a sign of known, not"
    return (
        f"instability {how} of unknown pictures: ROC area {own['area']:.3f} {ends(own)}, {verdict} the highest score's "
        f"{known['area']:.3f} (difference {signed(difference['value'])} {ends(difference)})"
    )


def verdict_of(row: Mapping[str, Any]) -> str:
    """Surely above or below, by p after Holm's steps and by the interval alike; else not told apart from."""
    if row["p_holm"] is None or row["p_holm"] >= SURE or row["low"] <= 0 <= row["high"]:
        return "not told apart from"
    return "surely above" if row["value"] > 0 else "surely below"


def remarks(result: Mapping[str, Any]) -> list[str]:
    """What a reader must know: the pictures, the tries, the corrections, ties, and what was left out."""
    sets = [f"{name} {told['pictures']}" for name, told in result["sets"].items()]
    tests = len(_pooled(result))
    told = [
        f"Model {result['model']}; pictures: {', '.join(sets)}. Tries: {', '.join(result['perturbations'])}.",
        f"Areas: the chance that an unknown picture looks more unknown than a known one, ties half. The {tests} "
        f"differences over {result['pooled']} are corrected for their number (Holm); those by set are not.",
        f"Accepted: the unknown pictures that pass where {100 * result['accepted_of_known']:g} % of the known do; ties "
        "with the threshold pass, so that a score of few values passes more of the known.",
    ]
    if result["learnt"]:
        told.append(f"The classifier of turns learnt from {result['learnt']['photographs']} photographs.")
    if result["left_out"]:
        told.append(f"{result['left_out']} pictures without all answers are left out of every score.")
        told += [f"  {one}" for one in result["failures"]]
    return told


def set_names(result: Mapping[str, Any]) -> list[str]:
    """The unknown sets in their order, without all together."""
    return [name for name in result["sets"] if any(row["set"] == name for row in result["areas"])]


def score_rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a score over all unknown pictures: its area, and what is accepted."""
    return [
        {
            "score": row["score"],
            "what": result["words"][row["score"]],
            "ROC area": f"{row['area']:.3f} {ends(row)}",
            "unknown accepted": percent(row["accepted"], (row["accepted_low"], row["accepted_high"])),
            "known accepted": percent(row["known_accepted"]),
        }
        for row in result["areas"]
        if row["set"] == result["pooled"]
    ]


def difference_rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a baseline over all unknown pictures: what instability and wobble are above it."""
    rows: dict[str, dict[str, Any]] = {}
    for row in _pooled(result):
        told = rows.setdefault(row["baseline"], {"against": row["baseline"]})
        told[f"{row['score']}'s area above it"] = f"{signed(row['value'])} {ends(row)}"
        told[f"{row['score']}, p (Holm)"] = _p(row["p_holm"])
    return list(rows.values())


def set_rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a score, a column an unknown set: the areas."""
    found = {(row["set"], row["score"]): f"{row['area']:.3f} {ends(row)}" for row in result["areas"]}
    return [{"score": score, **{name: found[name, score] for name in set_names(result)}} for score in result["words"]]


def median_rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a set: how many pictures were scored, and each score's median."""
    return [
        {name: f"{value:.4g}" if isinstance(value, float) else value for name, value in row.items()}
        for row in result["medians"]
    ]


def _pooled(result: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    rows = [row for row in result["differences"] if row["set"] == result["pooled"]]
    return sorted(rows, key=lambda row: OURS.index(row["score"]))


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
