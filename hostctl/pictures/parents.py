"""The pictures of a run that others are made from: its raws, its photographs, and the one taken together with a raw."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from analysis.store import Run
from capture.raw import RAW_SUFFIXES
from device_agents.records import Corners, Picture


def parents(run: Run, *, raws: bool) -> Iterator[Picture]:
    """Give the raws of a run, or else its photographs, in their order; never what was developed from them."""
    return (one for one in run.picture_records({"parent": ""}) if (one.suffix in RAW_SUFFIXES) == raws)


def beside_of(run: Run, raw: Picture) -> tuple[Path, Corners] | None:
    """The photograph that was taken together with a raw, if its scene's corners are known: its file and they."""
    step = {name: getattr(raw, name) for name in ("scene", "angle", "repeat", "device")}
    for one in run.picture_records({**step, "parent": ""}):
        if one.corners and one.suffix not in RAW_SUFFIXES:
            return run.file(one.sha256).absolute(), one.corners
    return None
