"""Scenes on the screen one after the other, outside a session: to set up a rack, or to look at them."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TextIO

from device_agents.errors import BadInput
from device_agents.records import Scene

if TYPE_CHECKING:
    from capture.display import DisplayServer

CONNECT_S = 600.0  # a person has to walk to the screen and open the address
PAINT_S = 20.0


def show_scenes(
    scenes: Sequence[Scene],
    display: AbstractContextManager[DisplayServer],
    *,
    every_s: float | None,
    stdin: TextIO,
    stdout: TextIO,
    connect_s: float = CONNECT_S,
) -> None:
    """Show each scene once, numbered from 1: the next one every_s seconds after a scene was painted, or at Enter.

    Raises BadInput for a time below 0 and where the input ends instead of Enter, Unreachable where no screen has opened
    the address within connect_s seconds, TimedOut where it stops painting.
    """
    if every_s is not None and not (math.isfinite(every_s) and every_s >= 0):
        raise BadInput(f"--every: expected 0 seconds or more, got {every_s:g}")
    with display as server:
        print(f"open {server.url} on the screen, in full screen; waiting for it", file=stdout, flush=True)
        server.wait_for_screen(timeout_s=connect_s)
        for number, scene in enumerate(scenes, 1):
            following = (scenes[number], number + 1) if number < len(scenes) else None
            server.show(scene, number, next_scene=following, timeout_s=PAINT_S)
            print(f"{number}/{len(scenes)} {scene.scene} ({scene.category})", file=stdout, flush=True)
            if every_s is None:
                _wait_for_enter(stdin, stdout, last=following is None)
            else:
                time.sleep(every_s)


def _wait_for_enter(stdin: TextIO, stdout: TextIO, *, last: bool) -> None:
    print("Enter ends" if last else "Enter shows the next one", end=" ", file=stdout, flush=True)
    if not stdin.readline():
        print(file=stdout, flush=True)
        raise BadInput(
            "expected Enter after each scene, got the input's end; give --every SECONDS to go on without a person"
        )
