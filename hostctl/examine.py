"""Looks at one photograph: is it whole, which frame does it show, where is the scene; in worker processes.

Threads would take turns at the interpreter and hold up the session's critical path; these workers share nothing with it
but a file's name. They end with their parent, however it ends.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import queue
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from capture import screen
from device_agents.decode import DECODERS, RGB
from device_agents.errors import KitError
from device_agents.preprocess import FAILURES
from device_agents.records import Corners

CROP_QUALITY = 92
THUMBNAIL_SIDE = 160
END_TIMEOUT_S = 30.0
PICTURES = ("crop", "thumbnail")


@dataclass(frozen=True)
class Question:
    """A photograph's file, and what it must show: the frame of a stimulus in a layout, its scene in a box."""

    path: Path
    stimulus: int
    layout: screen.Layout
    box: screen.Box
    limits: screen.Limits


@dataclass(frozen=True)
class Examined:
    """What was found: why the photograph is refused ("" if it is good), its size, the scene's corners, two JPEGs."""

    reason: str
    width: int = 0
    height: int = 0
    corners: Corners = ()
    crop: bytes = b""
    thumbnail: bytes = b""


Examine = Callable[[Question], Examined]


def examine(question: Question) -> Examined:
    """Decode a photograph, prove which frame it shows, and cut the scene out of it; never raises for a bad one."""
    try:
        rgb = DECODERS["pillow"](question.path.read_bytes())
    except FAILURES as problem:
        first = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        return Examined(f"not a whole picture: {first}")
    height, width = rgb.shape[:2]
    proof = screen.read_proof(rgb, layout=question.layout, box=question.box)
    reason = "; ".join(screen.judge(proof, stimulus=question.stimulus, limits=question.limits))
    if reason:
        return Examined(reason, width, height)
    crop = screen.rectify(rgb, proof.corners)
    return Examined("", width, height, proof.corners, _jpeg(crop), _jpeg(screen.thumbnail(crop, THUMBNAIL_SIDE)))


@contextmanager
def examiners(workers: int) -> Iterator[Examine]:
    """Give a function that examines in one of some worker processes and waits; may be called from many threads.

    Raises KitError if a worker dies, as when the machine has no memory left.
    """
    idle: queue.SimpleQueue[subprocess.Popen[str]] = queue.SimpleQueue()
    # A session of its own keeps the terminal's Ctrl-C away; the end of its input, also of a killed parent, ends it.
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "hostctl.examine"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for _ in range(workers)
    ]
    for child in children:
        idle.put(child)

    def ask(question: Question) -> Examined:
        child = idle.get()
        try:
            return _ask(child, question)
        finally:
            idle.put(child)

    try:
        yield ask
    finally:
        for child in children:
            _end(child)


def _ask(child: subprocess.Popen[str], question: Question) -> Examined:
    assert child.stdin is not None
    assert child.stdout is not None
    line = ""
    with contextlib.suppress(BrokenPipeError):  # it has died: then there is no answer either
        child.stdin.write(json.dumps({**asdict(question), "path": str(question.path)}) + "\n")
        child.stdin.flush()
        line = child.stdout.readline()
    if not line:
        raise KitError(
            f"a process that examines photographs died at {question.path.name}, often for lack of memory; "
            "free some, and run the same command again"
        )
    values = json.loads(line)
    pictures = {name: base64.b64decode(values[name]) for name in PICTURES}
    return Examined(**{**values, **pictures, "corners": tuple((x, y) for x, y in values["corners"])})


def _end(child: subprocess.Popen[str]) -> None:
    with contextlib.suppress(BrokenPipeError):  # what it had not read yet is of no use now
        child.communicate(timeout=END_TIMEOUT_S)


def main() -> None:
    """Answer one JSON line with one JSON line until standard input ends."""
    import cv2

    cv2.setNumThreads(1)  # the workers are the parallel work
    if hasattr(os, "nice"):  # showing and shooting go first; what waits here is bounded by the session
        os.nice(15)
    for line in sys.stdin:
        values = json.loads(line)
        question = Question(
            Path(values["path"]),
            values["stimulus"],
            screen.Layout(**values["layout"]),
            tuple(values["box"]),
            screen.Limits(**values["limits"]),
        )
        found = examine(question)
        pictures = {name: base64.b64encode(getattr(found, name)).decode() for name in PICTURES}
        print(json.dumps({**asdict(replace(found, crop=b"", thumbnail=b"")), **pictures}), flush=True)


def _jpeg(rgb: RGB) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=CROP_QUALITY)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
