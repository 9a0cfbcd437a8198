"""Data sets whose pictures have the model's size already: how they are known, and predicted without resizing again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from capture.scene_layouts import read_manifest
from device_agents.errors import BadInput
from device_agents.records import Environment
from device_agents.sidecar import Sidecar

PREPARED_FIT = "short-side-crop"  # the fit that leaves a picture of the model's size as it is, whatever the resizer


def prepared(scenes: Path) -> dict[str, Any] | None:
    """Tell whether pictures have the model's size already: {"size", "fit"} for a data set written with a size.

    ``scenes`` is what read_scenes takes: the data set's folder or the list in it. None for all other pictures.
    """
    folders = [scenes] if scenes.is_dir() else [scenes.parent, scenes.parent.parent]
    for folder in folders:
        manifest = read_manifest(folder)
        ours = manifest is not None and scenes in (folder, folder / str(manifest["scenes"]))
        if manifest is not None and ours and manifest["variant"].get("size"):
            return {"size": manifest["variant"]["size"], "fit": PREPARED_FIT}
    return None


def as_prepared(environment: Environment, sidecar: Sidecar, note: Mapping[str, Any] | None) -> Environment:
    """Give the environment that leaves prepared pictures as they are, where ``note`` (see prepared) says they are.

    Raises BadInput where the model takes another size.
    """
    if note is None:
        return environment
    size, wanted = int(note["size"]), (sidecar.input_height, sidecar.input_width)
    if wanted != (size, size):
        raise BadInput(
            f"model {sidecar.name}: expected pictures of {wanted[1]} x {wanted[0]}, the data set was written with "
            f"{size} x {size}; write one with --size {wanted[0]}, or --size full"
        )
    return replace(environment, fit=str(note["fit"]))
