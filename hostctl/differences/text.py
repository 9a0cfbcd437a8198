"""What a person reads of a differential test in the terminal, and what a build pipeline reads of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.differential.page import small_text, time_text
from analysis.pages.formats import FAILED, PASSED, SKIPPED, Case, junit_xml
from hostctl.differences.page import plain_name, remarks
from hostctl.printing import percent, table_text


def differences_text(result: Mapping[str, Any]) -> str:
    """Lay a result out: the sentence, remarks, variants, each model's matrix, means by axis, and where they part."""
    blocks = [result["sentence"], "\n".join(f"  {one}" for one in remarks(result))]
    blocks.append(table_text([_variant(number, one) for number, one in enumerate(result["variants"], 1)]))
    blocks += matrices(result)
    if result["means"]:
        blocks.append(table_text([_mean(one) for one in result["means"]]))
    blocks.append("\n".join(located_lines(result["located"])))
    if result["limit"] is not None:
        above = len(result["exceeded"])
        blocks.append(f"limit {100 * result['limit']:g} %: {'kept' if not above else f'exceeded by {above} pairs'}")
    return "\n\n".join([*filter(None, blocks), f"page: {result['page']}"])


def matrices(result: Mapping[str, Any]) -> list[str]:
    """Each model with two variants or more as an N x N table: right of the diagonal the share of changed first labels.

    Left of it stands the largest relative difference of the raw outputs. Variants have their numbers.
    """
    number = {one["variant"]: place for place, one in enumerate(result["variants"], 1)}
    found = []
    for model in dict.fromkeys(one["model"] for one in result["variants"]):
        names = [one["variant"] for one in result["variants"] if one["model"] == model]
        pairs = {(one["a"], one["b"]): one for one in result["pairs"] if one["a"] in names}
        if len(names) < 2:
            continue
        rows = []
        for row in names:
            cells = {str(number[column]): _cell(row, column, pairs, number) for column in names}
            rows.append({"": f"{number[row]} {row.removeprefix(model + ' ')}", **cells})
        found.append(
            f"{model}: labels changed (right of the diagonal), relative difference of outputs (left)\n"
            + table_text(rows)
        )
    return found


def _cell(row: str, column: str, pairs: Mapping[tuple[str, str], Mapping[str, Any]], number: Mapping[str, int]) -> str:
    if row == column:
        return "."
    if number[row] < number[column]:
        return percent(pairs[row, column]["rate"]) if (row, column) in pairs else "-"
    return small_text(pairs[column, row]["relative"]) if (column, row) in pairs else "-"


def located_lines(located: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say where pairs part, a line for all pairs with the same cause and layer."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for one in located:
        key = (
            (one["cause"], one["layer"], one["other_layer"], one["note"])
            if one["layer"] or one["note"]
            else (one["cause"],)
        )
        groups.setdefault(key, []).append(one)
    lines = []
    for some in groups.values():
        first = some[0]
        others = f" (and {len(some) - 1} more pairs)" if len(some) > 1 else ""
        lines.append(located_text(first) + others)
    return lines


def located_text(one: Mapping[str, Any]) -> str:
    """Say in one line why two variants differ, and where that begins."""
    begin = f"{one['a']} / {one['b']}: {one['cause']}"
    if not one["layer"]:
        return begin + (f": {one['note']}" if one["note"] else "")
    other = f" = {plain_name(one['other_layer'])}" if one["other_layer"] else ""
    of = f" of {one['variant']}" if one["variant"] else ""
    where = f"{of}, from {plain_name(one['layer'])}{other} ({one['kind']}) on"
    return f"{begin}{where}: {small_text(one['relative'])} on {one['picture']}"


def junit_text(result: Mapping[str, Any]) -> str:
    """Write a test case a pair as JUnit XML: failed above the limit, skipped where nothing could be compared."""
    left = {one["variant"] for one in result["degenerate"]}
    cases = []
    for one in result["pairs"]:
        name = f"{one['a']} / {one['b']}"
        if one["rate"] is None or left & {one["a"], one["b"]}:
            message = "a degenerate variant" if one["rate"] is not None else "no picture could be compared"
            cases.append(Case("diff", name, SKIPPED, message))
            continue
        outcome = FAILED if name in result["exceeded"] else PASSED
        cases.append(Case("diff", name, outcome, f"{percent(one['rate'], [one['low'], one['high']])} labels changed"))
    return junit_xml("differential test", cases, notes=remarks(result))


def _variant(number: int, one: Mapping[str, Any]) -> dict[str, Any]:
    row = {
        name: float("nan") if one[name] is None else one[name] for name in ("rounds", "median_ms", "low_ms", "high_ms")
    }
    right = "-" if one["accuracy"] is None else percent(one["accuracy"])
    return {
        "": str(number),
        "variant": one["variant"],
        "version": one["version"],
        "ms": time_text(row),
        "right": right,
        "failed": one["failed"],
        "degenerate": one["degenerate"],
    }


def _mean(one: Mapping[str, Any]) -> dict[str, Any]:
    slow = "-" if one["slowest"] is None else f"x {one['slowest']:.2f} ({one['slowest_a']} over {one['slowest_b']})"
    return {
        "what differs": one["axis"],
        "pairs": one["pairs"],
        "labels changed, mean": percent(one["mean"]),
        "largest": percent(one["largest"]),
        "slowest": slow,
    }
