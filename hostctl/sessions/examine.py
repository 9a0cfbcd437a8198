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
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from capture import screen
from capture.raw import read_raw
from device_agents.decode import DECODERS, RGB
from device_agents.errors import BadInput
from device_agents.preprocess import FAILURES
from device_agents.records import Corners
from hostctl.sessions.place import drop_place

CROP_QUALITY = 92
THUMBNAIL_SIDE = 160
END_TIMEOUT_S = 30.0
# A photograph of 108 megapixels takes 6 s and 2 GB of address space, measured; nobody knows what a bad one takes.
LIMIT_S = 120.0
MEMORY_BYTES = 4 << 30
PICTURES = ("crop", "thumbnail")
TIMES = 2  # one worker may have died of something else
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")


@dataclass(frozen=True)
class Question:
    """A photograph's file, and what it must show: the frame of a stimulus in a layout, its scene in a box.

    ``raws`` and ``others`` (pictures) came with it. Without ``keep_place`` all these
    files lose what they tell of the place.
    """

    path: Path
    stimulus: int
    layout: screen.Layout
    box: screen.Box
    limits: screen.Limits
    raws: tuple[Path, ...] = ()
    others: tuple[Path, ...] = ()
    keep_place: bool = True


@dataclass(frozen=True)
class Examined:
    """What was found: why the photograph is refused ("" if it is good), its size, the scene's corners, two JPEGs.

    ``raw_sizes``: height and width of each raw; ``bad_raw``: which raw is the reason, None: the picture. ``originals``:
    by file name the sha256 before the place was taken out. ``keep``: whether a refused file may be kept; not where
    nobody knows whether it tells a place.
    """

    reason: str
    width: int = 0
    height: int = 0
    corners: Corners = ()
    crop: bytes = b""
    thumbnail: bytes = b""
    raw_sizes: tuple[tuple[int, int], ...] = ()
    bad_raw: int | None = None
    originals: dict[str, str] = field(default_factory=dict)
    keep: bool = True


Examine = Callable[[Question], Examined]


def examine(question: Question) -> Examined:
    """Decode a photograph, prove which frame it shows, cut the scene out, read its raws; never raises for a bad one.

    Rewrites its files if their place is to go.
    """
    found = _picture(question)
    found = found if found.reason else _raws(question, found)
    return found if question.keep_place else _without_place(question, found)


def _picture(question: Question) -> Examined:
    try:
        rgb = DECODERS["pillow"](question.path.read_bytes())
    except FAILURES as problem:
        return Examined(f"not a whole picture: {_first_line(problem)}")
    height, width = rgb.shape[:2]
    proof = screen.read_proof(rgb, layout=question.layout, box=question.box)
    reason = "; ".join(screen.judge(proof, stimulus=question.stimulus, limits=question.limits))
    if reason:
        return Examined(reason, width, height)
    crop = screen.rectify(rgb, proof.corners)
    return Examined("", width, height, proof.corners, _jpeg(crop), _jpeg(screen.thumbnail(crop, THUMBNAIL_SIDE)))


def _raws(question: Question, found: Examined) -> Examined:
    """Add the sizes of the raws; one that is not whole is the reason to refuse all."""
    sizes = []
    for number, path in enumerate(question.raws):
        try:
            height, width = read_raw(path.read_bytes()).mosaic.shape[:2]
        except BadInput as problem:
            return Examined(f"not a whole raw: {problem}", found.width, found.height, bad_raw=number)
        sizes.append((height, width))
    return replace(found, raw_sizes=tuple(sizes))


def _without_place(question: Question, found: Examined) -> Examined:
    """Take the place out of all files; where that cannot be done a good photograph is refused, a bad one not kept."""
    originals = {}
    for path in (question.path, *question.others, *question.raws):
        try:
            before = drop_place(path)
        except BadInput as problem:
            reason = found.reason or f"its place cannot be taken out ([session] keep_place): {problem}"
            return replace(found, reason=reason, keep=False)
        if before:
            originals[path.name] = before
    return replace(found, originals=originals)


def _first_line(problem: BaseException) -> str:
    return str(problem).splitlines()[0] if str(problem) else type(problem).__name__


@contextmanager
def examiners(workers: int, *, limit_s: float = LIMIT_S, memory_bytes: int = MEMORY_BYTES) -> Iterator[Examine]:
    """Give a function that examines in one of some worker processes and waits; may be called from many threads.

    A worker that dies is replaced. A photograph is not to be trusted: one at which two workers die, or that takes one
    more than ``limit_s`` seconds, is refused like any bad one. ``memory_bytes`` is a worker's address space (Linux).
    """
    made = _Workers(workers, limit_s, memory_bytes)
    try:
        yield made.ask
    finally:
        made.close()


class _Workers:
    """The processes that examine, some of them idle."""

    def __init__(self, workers: int, limit_s: float, memory_bytes: int) -> None:
        self._limit_s, self._memory_bytes = limit_s, memory_bytes
        self._idle: queue.SimpleQueue[subprocess.Popen[str]] = queue.SimpleQueue()
        self._lock, self._closed = threading.Lock(), False
        self._living: set[subprocess.Popen[str]] = set()
        for _ in range(workers):
            self._start()

    def ask(self, question: Question) -> Examined:
        for _ in range(TIMES):
            if (found := self._asked_once(question)) is not None:
                return found
        return _given_up(question, f"{TIMES} processes that looked at it died, often for lack of memory")

    def close(self) -> None:
        with self._lock:
            self._closed = True
        for child in self._living:
            _end(child)

    def _start(self) -> None:
        with self._lock:
            if self._closed:
                return
            # A session of its own keeps the terminal's Ctrl-C away; the end of its input, also of a killed parent,
            # ends it. Each thread of a library would take address space, and gains nothing here.
            child = subprocess.Popen(
                [sys.executable, "-m", "hostctl.sessions.examine", str(self._memory_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
                env={**os.environ, **dict.fromkeys(THREADS, "1")},
            )
            self._living.add(child)
        self._idle.put(child)

    def _asked_once(self, question: Question) -> Examined | None:
        """Ask the next worker that is free; None if it died, and then another takes its place."""
        child, late = self._idle.get(), threading.Event()

        def end() -> None:
            late.set()
            child.kill()

        timer = threading.Timer(self._limit_s, end)
        try:
            timer.start()
            line = _answer(child, question)
        finally:
            timer.cancel()
            timer.join()
            if late.is_set() or child.poll() is not None:
                self._replace(child)
            else:
                self._idle.put(child)
        if line:
            return _read(line)
        why = f"a process looked at it for more than {self._limit_s:g} s"
        return _given_up(question, why) if late.is_set() else None

    def _replace(self, child: subprocess.Popen[str]) -> None:
        with self._lock:
            if self._closed:
                self._idle.put(child)  # close ends it, and nobody waits for another
                return
            self._living.discard(child)
        _end(child)
        self._start()


def _given_up(question: Question, why: str) -> Examined:
    return Examined(f"not a whole picture: {why}", keep=question.keep_place)


def _line(question: Question) -> str:
    """A question as one line of JSON, as main() reads it; asdict copies each value and takes five times as long."""
    parts = {"layout": vars(question.layout), "limits": vars(question.limits)}
    return json.dumps({**vars(question), **parts}, default=str) + "\n"


def _answer(child: subprocess.Popen[str], question: Question) -> str:
    """A worker's line, "" if it has died."""
    assert child.stdin is not None
    assert child.stdout is not None
    with contextlib.suppress(BrokenPipeError, ValueError):  # ValueError: closed, because all of this ends
        child.stdin.write(_line(question))
        child.stdin.flush()
        line = child.stdout.readline()
        if line.endswith("\n"):
            return line
    child.wait(END_TIMEOUT_S)
    return ""


def _read(line: str) -> Examined:
    values = json.loads(line)
    pictures = {name: base64.b64decode(values[name]) for name in PICTURES}
    pairs = {name: tuple((x, y) for x, y in values[name]) for name in ("corners", "raw_sizes")}
    return Examined(**{**values, **pictures, **pairs})


def _end(child: subprocess.Popen[str]) -> None:
    with contextlib.suppress(BrokenPipeError):  # what it had not read yet is of no use now
        child.communicate(timeout=END_TIMEOUT_S)


def main() -> None:
    """Answer one JSON line with one JSON line until standard input ends."""
    import cv2

    if sys.platform == "linux" and len(sys.argv) > 1:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
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
            raws=tuple(Path(path) for path in values["raws"]),
            others=tuple(Path(path) for path in values["others"]),
            keep_place=values["keep_place"],
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
