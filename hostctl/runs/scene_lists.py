"""A folder or list of labelled pictures made into a scenes file for a model, by a map of its words to labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from capture.label_maps import map_scenes, read_label_map
from capture.scenes import read_scenes, write_scenes
from device_agents.errors import BadInput


def list_scenes(source: Path, *, label_map: str, out: Path) -> dict[str, Any]:
    """Write the scenes of ``source`` that a map knows to a CSV file; keys: file, scenes, categories, left_out.

    ``label_map`` is a name of capture.label_maps.LABEL_MAPS or a CSV file. categories and left_out count pictures by
    class, and by the words that the map does not know. Raises BadInput where none is known, or the file is there.
    """
    if out.exists():
        raise BadInput(f"{out}: expected a new file, got one that is there; name another with --out")
    found, others = map_scenes(read_scenes(source), read_label_map(label_map))
    if not found:
        words = ", ".join(sorted(others)[:5])
        raise BadInput(f"{source}: expected words of the map {label_map}, got {words}; see docs/metrics.md")
    write_scenes(found, out)
    categories = Counter(scene.category for scene in found)
    return {"file": str(out), "scenes": len(found), "categories": dict(categories), "left_out": dict(others)}


def listed_text(result: Mapping[str, Any]) -> str:
    """Say what was written and what was not."""
    counted = ", ".join(f"{count} {name}" for name, count in result["categories"].items())
    lines = [f"{result['file']}: {result['scenes']} scenes ({counted})"]
    if result["left_out"]:
        words = ", ".join(f"{count} {word}" for word, count in list(result["left_out"].items())[:5])
        more = len(result["left_out"]) - 5
        lines.append(f"left out, unknown to the map: {words}{f' and {more} words more' if more > 0 else ''}")
    return "\n".join(lines)
