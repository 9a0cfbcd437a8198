"""Labelled pictures for end-to-end tests: the packaged photographs, listed in a scenes file of the test's own."""

from __future__ import annotations

from pathlib import Path

from capture.scenes import write_scenes
from stability_train.zoo import photographs


def packaged(folder: Path, count: int) -> Path:
    """Write a scenes file with the first few packaged photographs."""
    path = folder / "scenes.csv"
    write_scenes(photographs().scenes[:count], path)
    return path
