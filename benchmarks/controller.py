"""The controller with 4 and with 32 phones whose cameras take no time, and what a phone that dies costs the others.

The phones speak ADB to the real adb program and hand out 1.2-megapixel JPEG files; every photograph is pulled, hashed
at both ends, proven by its frame code, rectified and committed, while the next scenes are shown. All of it shares this
machine's processors with the phones' simulation, so the processor time of each part is told beside the step times.
"""

import csv
import itertools
import os
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from capture.scenes import read_scenes
from hostctl.lab import parse_lab
from hostctl.sessions.sitting import sit

SCENES = 24
FEW, MANY = 4, 32
ROOM = 5  # steps until as many wait to be verified as may (hostctl.sessions.floor.WAITING), with some to spare
LIMIT_RATIO, LIMIT_MB = 1.5, 400
DYING, DYING_SCENES = 4, 60
PARTS = {  # what stands in a child's command line -> its part
    "hostctl.sessions.examine": "verification",
    "hostctl.virtual.racked": "simulation",
    "nodaemon": "adb server",
}
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
MEMORY_EVERY_S, CHILDREN_EVERY_S = 0.1, 1.0  # to look at the threads and children of 32 phones takes 20 ms


def bench() -> Iterator[str]:
    """Give step times, their ratio, processor time by part and memory, the timeline, and what a dead phone costs."""
    with tempfile.TemporaryDirectory() as folder:
        scenes = _scenes(Path(folder) / "scenes", SCENES)
        steps: dict[int, tuple[float, float]] = {}
        for count in (FEW, MANY):
            out = Path(folder) / f"run-{count}"
            with Watch() as watch:
                _sit(out, scenes, count)
            steps[count] = _step_s(out, ROOM), _whole_s(out)
            photographs = count * SCENES
            parts = ", ".join(f"{part} {1000 * s / photographs:.1f}" for part, s in sorted(watch.spent_s.items()))
            step_ms, whole_ms = (1000 * seconds for seconds in steps[count])
            yield f"step of {count} devices: {step_ms:.0f} ms; {whole_ms:.0f} ms with all its photographs verified"
            yield f"processor ms a photograph with {count}: {parts}"
        yield from _timeline(out)
        step, whole = (many / few for many, few in zip(steps[MANY], steps[FEW], strict=True))
        yield f"ratio: {step:.2f} while photographs may wait to be verified, limit {LIMIT_RATIO}; {whole:.2f} for good"
        yield f"memory of the controller: {watch.most_mb:.0f} MB, limit {LIMIT_MB}"
        yield from _dying(Path(folder))


def _dying(folder: Path) -> Iterator[str]:
    """Time the same session with sound phones, and with one of them that freezes at its third photograph."""
    scenes, took_s = _scenes(folder / "more", DYING_SCENES), {}
    for name, faults in {"sound": [], "one dies": [{"kind": "frozen", "at_shot": 3}]}.items():
        out = folder / name.replace(" ", "-")
        _sit(out, scenes, DYING, first=faults, session={"patience_s": 0, "health_every_s": 0})
        rows = [row for row in _rows(out) if row["what"] == "shoot" and row["device"] != "phone-0"]
        took_s[name] = max(float(row["end_s"]) for row in rows) - min(float(row["start_s"]) for row in rows)
    more_s = took_s["one dies"] - took_s["sound"]
    yield (
        f"a phone that freezes costs the {DYING - 1} others {more_s:.1f} s of {took_s['sound']:.0f} s, once: "
        f"{100 * more_s / took_s['sound']:.0f} % of this session, {100 * more_s / 600:.1f} % of one of ten minutes"
    )


class Watch:
    """Processor seconds of this process and of its children's parts, and its memory, while the block runs (Linux).

    What the watching itself takes is left out.
    """

    def __init__(self) -> None:
        self.most_mb = 0.0
        self.spent_s: defaultdict[str, float] = defaultdict(float)
        self._children: dict[int, tuple[str, float]] = {}
        self._own_s = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Watch":
        self._start_s = time.process_time()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.spent_s["controller"] = time.process_time() - self._start_s - self._own_s
        for part, seconds in self._children.values():
            self.spent_s[part] += seconds

    def _look(self) -> None:
        looked_s = time.monotonic()
        while not self._over.wait(MEMORY_EVERY_S):
            pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
            self.most_mb = max(self.most_mb, pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
            if time.monotonic() - looked_s > CHILDREN_EVERY_S:
                looked_s = time.monotonic()
                self._look_at_children()
        self._own_s = time.thread_time()

    def _look_at_children(self) -> None:
        for child in _below(os.getpid()):
            try:
                command = Path(f"/proc/{child}/cmdline").read_bytes().decode("utf-8", "replace")
                fields = Path(f"/proc/{child}/stat").read_text("ascii").rsplit(")", 1)[1].split()
            except OSError:  # it has ended meanwhile
                continue
            part = next((name for words, name in PARTS.items() if words in command), "")
            if part:
                self._children[child] = (part, (int(fields[11]) + int(fields[12])) / TICKS_PER_S)


def _below(process: int) -> Iterator[int]:
    for tasks in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children = [int(word) for word in tasks.read_text("ascii").split()]
        except OSError:  # that thread has ended meanwhile
            continue
        for child in children:
            yield child
            yield from _below(child)


def _scenes(folder: Path, count: int) -> Path:
    rng = np.random.default_rng(1)
    (folder / "thing").mkdir(parents=True)
    for number in range(count):
        small = Image.fromarray(rng.integers(0, 255, (12, 16, 3), np.uint8))
        small.resize((640, 480), Image.Resampling.BICUBIC).save(folder / "thing" / f"{number:03}.png")
    return folder


def _sit(out: Path, scenes: Path, count: int, *, first: Any = (), session: Any = ()) -> None:
    device = {"kind": "virtual-phone", "camera": "instant", "phone": "instant"}
    devices: list[dict[str, Any]] = [{"name": f"phone-{number}", **device} for number in range(count)]
    if first:
        devices[0]["faults"] = first
    values: dict[str, Any] = {
        "display": {"screen": "virtual", "width": 1280, "height": 960, "settle_ms": 20, "paint_delay_ms": 0},
        "session": {"repeats": 1, "reserve_mb": 0, **dict(session)},
        "device": devices,
    }
    sit(parse_lab(values, folder=out), scenes=read_scenes(scenes), out=out, model=None, progress=lambda *_: None)


def _step_s(out: Path, count: int) -> float:
    """The median time from one scene to the next, of so many steps after the first ones."""
    starts = sorted(float(row["start_s"]) for row in _rows(out) if row["what"] == "show")[2 : 3 + count]
    return statistics.median(after - before for before, after in itertools.pairwise(starts))


def _whole_s(out: Path) -> float:
    """The mean time of a step with all that comes after it: the last verified photograph counts."""
    rows = _rows(out)
    starts = [float(row["start_s"]) for row in rows if row["what"] == "show"]
    return (max(float(row["end_s"]) for row in rows) - starts[2]) / (len(starts) - 2)


def _rows(out: Path) -> list[dict[str, str]]:
    with (out / "lab" / "timeline.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _timeline(out: Path) -> Iterator[str]:
    """Draw four steps: s = showing, x = a device between key and whole file, h = on their way home, v = verified."""
    rows = _rows(out)
    shows = sorted(float(row["start_s"]) for row in rows if row["what"] == "show")
    begin, end, width = shows[8], shows[12], 100
    for what, mark in (("show", "s"), ("shoot", "x"), ("home", "h"), ("verify", "v")):
        line = [" "] * width
        for row in rows:
            if row["what"] == what:
                first = int((float(row["start_s"]) - begin) / (end - begin) * width)
                last = int((float(row["end_s"]) - begin) / (end - begin) * width)
                line[max(first, 0) : max(min(last + 1, width), 0)] = mark * (
                    max(min(last + 1, width), 0) - max(first, 0)
                )
        yield f"{what:>6} |{''.join(line[:width])}| {1000 * (end - begin):.0f} ms"
