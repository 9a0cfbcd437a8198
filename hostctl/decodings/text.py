"""What a person reads in the terminal of the decoding experiment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hostctl.printing import table_text

STAGES = {
    "pixels": "decoded pixels",
    "resized": "resized",
    "tensor": "tensors",
    "tolerance": "scores within {:g}",
    "scores": "scores exactly",
}
MOST_ITEMS = 20


def decoding_text(result: Mapping[str, Any]) -> str:
    """Lay out the experiment's result: the sentence, both rates, the groups, what flips, who was lacking."""
    executors = [
        {name: one[name] for name in ("executor", "decoder", "runtime", "jpeg", "png", "failed")}
        for one in result["executors"]
    ]
    lines = [result["sentence"], "", table_text(_rates(result["comparison"])), "", table_text(executors), ""]
    lines += [table_text(_groups(result)), ""]
    lines += [
        f"{', '.join(one['group'])}: pixels of {', '.join(one['same_as']) or 'no decoder here'}"
        for one in result["decoders"]
    ]
    flips = [{name: one[name] for name in ("scene", "jpeg", "png", "stage", "cause")} for one in result["items"]]
    if flips:
        lines += ["", table_text(flips[:MOST_ITEMS])]
        lines += [f"and {len(flips) - MOST_ITEMS} more"] * (len(flips) > MOST_ITEMS)
    lines += [f"{name} could not be had: {reason}" for name, reason in result["lacking"].items()]
    lines += [f"{name}: {reason}" for name, reason in result["problems"].items()]
    if result["left_out"]:
        name, reason = next(iter(result["left_out"].items()))
        lines.append(f"left out: {len(result['left_out'])}, such as {name}: {reason}")
    return "\n".join([*lines, f"page: {result['page']}", f"table: {result['csv']}", f"run: {result['run']}"])


def _rates(comparison: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = [_rate(name.upper(), comparison[name]) for name in ("jpeg", "png")]
    only = f"only JPEG {comparison['jpeg_only']}, only PNG {comparison['png_only']}"
    change = {"rate": comparison["difference"], "low": comparison["low"], "high": comparison["high"]}
    return [*rows, _rate("JPEG - PNG", {**change, "unstable": only, "items": comparison["jpeg"]["items"]})]


def _rate(name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    shown = [_percent(one[key]) for key in ("rate", "low", "high")]
    return {
        "given as": name,
        "unstable": str(one["unstable"]),
        "items": one["items"],
        "rate %": f"{shown[0]} [{shown[1]}, {shown[2]}]",
    }


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def _groups(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "equal in": words.format(result["tolerance"]),
            **{
                name.upper(): " | ".join(" ".join(group) for group in result["groups"][name][stage])
                for name in ("jpeg", "png")
            },
        }
        for stage, words in STAGES.items()
    ]
