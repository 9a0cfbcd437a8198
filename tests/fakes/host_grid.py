"""The grid of two e2e tests, 20 photographs in 66 environments, and its table as this host makes it undisturbed."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.command import instability
from tests.fakes.photos import packaged

PICTURES, ENVIRONMENTS = 20, 66
VARY = ("--vary", "resizer=pillow-*,opencv-*", "--vary", "decoder=pillow,jpeg-fast-dct,libjpeg-9f")
VARY += ("--vary", "colour=rgb,bt601-float", "--design", "factorial")


def words_for(folder: Path) -> tuple[object, ...]:
    """The command for the grid, without its --out and --workers; its scenes file is written into the folder."""
    return ("predict", "--scenes", packaged(folder, PICTURES), "--model", "mobilenet-v2", *VARY, "--quiet")


def make_run(folder: Path) -> Path:
    """Have the command make FOLDER/run, in a single process, unless it is there and was finished."""
    made = folder / "made"
    if not made.exists():
        folder.mkdir(exist_ok=True)
        done = instability(*words_for(folder), "--out", "run", "--workers", "1", cwd=folder)
        assert done.returncode == 0, done.stderr
        made.touch()
    return folder / "run"
