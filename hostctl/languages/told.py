"""What a person reads of a language model's answers: a table of conditions, how it was asked, what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hostctl.printing import percent, table_text

OWN = "the packaged sets are few, short and the kit's own: they show how the kit works and measure no model"


def questions_text(result: Mapping[str, Any]) -> str:
    """Lay out what questions.ask_questions gave."""
    rows = []
    for one in result["rows"]:
        row = {"questions": f"{one['kind']} ({one['questions']})", "condition": one["condition"]}
        row |= {"acc": _share(one, "acc"), "acc_norm": _share(one, "acc_norm"), "lost": _points(one)}
        rows.append(row | {"other answer": _share(one, "flips"), "instability": _share(one, "instability")})
    return "\n".join([f"{result['model']}: questions", table_text(rows), *_end(result)])


def texts_text(result: Mapping[str, Any]) -> str:
    """Lay out what texts.read_texts gave."""
    rows = []
    for one in result["rows"]:
        row = {"condition": one["condition"], "perplexity": _number(one, "perplexity"), "ratio": _number(one, "ratio")}
        row |= {"right": _share(one, "right"), "lost": _points(one)}
        rows.append(row | {"other token": _share(one, "flips"), "instability": _share(one, "instability")})
    first, windows = result["rows"][0], result["windows"]
    head = (
        f"{result['model']}: {first['tokens']:,} tokens of {first.get('documents', 0)} texts, windows of "
        f"{windows['length']} by {windows['stride']}"
    )
    return "\n".join([head, table_text(rows), *_end(result)])


def harness_text(result: Mapping[str, Any]) -> str:
    """Lay out what harness.run_harness gave."""
    return "\n".join([f"{result['model']}: lm-evaluation-harness {result['version']}", table_text(result["rows"])])


def _share(row: Mapping[str, Any], name: str) -> str:
    return percent(row.get(name), row.get(f"{name}_interval"))


def _points(row: Mapping[str, Any]) -> str:
    if row.get("delta") is None:
        return "-"
    low, high = row["delta_interval"]
    return f"{100 * row['delta']:.2f} [{100 * low:.1f}, {100 * high:.1f}]".replace("-0.00", "0.00")


def _number(row: Mapping[str, Any], name: str) -> str:
    if row.get(name) is None:
        return "-"
    low, high = row[f"{name}_interval"]
    digits = 2 if name == "perplexity" else 4
    return f"{row[name]:.{digits}f}" + (f" [{low:.{digits}f}, {high:.{digits}f}]" if low == low else "")


def _end(result: Mapping[str, Any]) -> list[str]:
    failed = sum(one["failed"] for one in result["rows"])
    told = [OWN] if result["own"] else []
    told += [f"{failed} answers failed; the report lists them"] if failed else []
    return [*told, f"run: {result['run']}", f"next: instability report {result['run']}"]
