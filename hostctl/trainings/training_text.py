"""What a person reads in the terminal when a training is done: its files, its accuracy, and what it brought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hostctl.printing import percent, table_text


def training_text(result: Mapping[str, Any]) -> str:
    """Lay out what train_run gave, or, after a report, what close_loop gave."""
    return _loop_text(result) if "headline" in result else _one_text(result)


def _one_text(result: Mapping[str, Any]) -> str:
    photos, objects, found = result["photos"], result["objects"], result["validation"]
    lines = [f"trained on {photos['training']} photos of {objects['training']} objects, {result['epochs']} epochs"]
    if found:
        lines += [
            f"validation, after epoch {result['kept_epoch']}, on {photos['validation']} photos of "
            f"{objects['validation']} other objects:",
            f"  accuracy     {percent(found['accuracy'])}",
            f"  instability  {_instability(result, found)}",
        ]
    if objects["held_out"]:
        lines.append(f"{objects['held_out']} objects were put aside for the report")
    rows = [_exported(one) for one in result["exported"]]
    lines += ["", table_text(rows), f"  against the Keras model on {result['exported'][0]['pictures']} photos", ""]
    waited = percent(result["waited_share"])
    lines.append(f"{result['seconds']:.0f} s, {waited} of it waiting for pictures; peak {result['peak_memory_mb']} MB")
    return "\n".join([*lines, f"history  {result['history']}", f"model    {result['files']['tflite']}"])


def _instability(result: Mapping[str, Any], found: Mapping[str, float]) -> str:
    settings = result["settings"]
    if settings["noise"] == "none":
        return "-, since noise none has no other view"
    what = (
        f"{settings['device']} and {settings['partner']}" if settings["partner"] else f"clean and {settings['noise']}"
    )
    return f"{percent(found['instability'])} between {what}"


def _exported(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "file": one["path"].rpartition("/")[2],
        "MB": f"{one['bytes'] / 1e6:.1f}",
        "largest difference of a logit": f"{one['max_difference']:.2g}",
        "other first labels": one["flips"],
    }


def _loop_text(result: Mapping[str, Any]) -> str:
    lines = [*result["warnings"], "", result["headline"], *result["remarks"], ""]
    for part in result["parts"].values():
        if not part["aside"]:
            lines += [part["title"], *filter(None, [part["note"]]), _grid(part), ""]
    return "\n".join([*lines, *[f"{name:<8} {path}" for name, path in result["pages"].items()]])


def _grid(part: Mapping[str, Any]) -> str:
    headings: Sequence[str] = part["headings"]
    return table_text([dict(zip(headings, row, strict=True)) for row in part["shown"]])
