"""What a person reads of an attribution: its cost, the sentence, the shares, what-ifs and what limits them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hostctl.printing import percent, table_text

MOST_FAILURES = 5
MOST_INTERACTIONS = 6


def attribution_text(result: Mapping[str, Any]) -> str:
    """Lay out what `instability attribute` found, or what it would cost (a dry run)."""
    from hostctl.causes.attributing import cost_text

    lines = [table_text(_conditions(result)), "", *_alike(result), *result["notes"]]
    if result["dry_run"]:
        return "\n".join([*lines, cost_text(result)])
    lines += [
        "",
        result["sentence"],
        f"  ({result['items']} items of {result['clusters']} clusters; {_missing(result)})",
    ]
    lines += ["", table_text([_share(row, result["instability"]) for row in result["shares"]])]
    if result["interactions"]:
        lines += ["", "stages together, beyond each alone (below 0: they flip the same pictures)"]
        lines += [table_text([_interaction(row) for row in _strongest(result)])]
    lines += ["", "what if every condition used", table_text([_what_if(row) for row in result["what_if"]])]
    lines += ["", *_pairs(result["pairs"]), f"run     {result['run']}"]
    if failures := result["not_made"]:
        lines += [f"{len(failures)} pictures could not be made:", *(f"  {line}" for line in failures[:MOST_FAILURES])]
    return "\n".join(lines)


def _conditions(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The conditions by number where their names are the words that the columns show anyway."""
    named = enumerate(result["conditions"], 1)
    return [{**row, "name": str(number) if "=" in row["name"] else row["name"]} for number, row in named]


def _rate(rate: float, interval: Sequence[float] | None = None) -> str:
    """A rate as printing.percent writes it, without the sign of a zero."""
    clean = [round(value, 3) + 0.0 for value in (rate, *(interval or ()))]
    return percent(clean[0], clean[1:] if interval else None)


def _alike(result: Mapping[str, Any]) -> list[str]:
    return [f"alike in all of them, so without a share: {', '.join(result['alike'])}"] if result["alike"] else []


def _missing(result: Mapping[str, Any]) -> str:
    cells = f"{result['cost']['predictions']} cells"
    return f"{result['missing']} of {cells} have no answer that counts" if result["missing"] else f"all {cells} count"


def _share(row: Mapping[str, Any], whole: float) -> dict[str, str]:
    part = _rate(row["share"] / whole) if whole else "-"
    return {"stage": row["stage"], "share": _rate(row["share"], row["interval"]), "of the whole": part}


def _strongest(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return sorted(result["interactions"], key=lambda row: -abs(row["value"]))[:MOST_INTERACTIONS]


def _interaction(row: Mapping[str, Any]) -> dict[str, str]:
    return {"stages": " with ".join(row["stages"]), "interaction": _rate(row["value"], row["interval"])}


def _what_if(row: Mapping[str, Any]) -> dict[str, str]:
    found = {
        "stage": row["stage"],
        "variant": row["variant"],
        "instability": _rate(row["instability"], row["interval"]),
        "change": _rate(row["change"], row["change_interval"]),
    }
    return found | {"one not yet seen": _rate(row["pairs"]["rate"], row["pairs"]["unseen"])}


def _pairs(pairs: Mapping[str, Any]) -> list[str]:
    lines = [f"two of these conditions contradict each other on {_rate(pairs['rate'])} of the items"]
    if pairs["such"] is None:
        return [*lines, "of further ones nothing can be said from fewer than three"]
    return [
        *lines,
        f"  in the mean of such conditions (both conditions and clusters resampled): {_range(pairs['such'])}",
        f"  one not yet seen against one of these (the same, for a single one):      {_range(pairs['unseen'])}",
    ]


def _range(ends: list[float]) -> str:
    return f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f} %"
