"""A 20 MB pull from a virtual phone through our ADB transport against the `adb pull` command, and a command's cost."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hostctl.adb import AdbServer, AdbTransport, adb_program, connect
from hostctl.virtual.hosting import serving
from hostctl.virtual.phone import PHONES, VirtualPhone

MEGABYTES = 20
SIZE = MEGABYTES * 1_000_000
RUNS = 31
REMOTE = "/sdcard/DCIM/Camera/large.bin"


def bench() -> Iterator[str]:
    """Give the medians of 31 pulls each, in turn, and the ratio of the speeds."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "large").write_bytes(np.random.default_rng(1).bytes(SIZE))
        with _phone() as port, AdbServer(folder / "adb", usb=False) as server:
            serial = connect(server, f"127.0.0.1:{port}")
            transport = AdbTransport(server, serial)
            transport.push(folder / "large", REMOTE)
            command = [adb_program(), "-P", str(server.port), "-s", serial, "pull", REMOTE, str(folder / "theirs")]
            ways: dict[str, Callable[[], object]] = {
                "AdbTransport.pull": lambda: transport.pull(REMOTE, folder / "ours"),
                "adb pull": lambda: subprocess.run(command, check=True, capture_output=True),
            }
            times: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(RUNS):
                for way, work in ways.items():
                    for name in ("ours", "theirs"):  # each pull makes a new file, as in a session
                        (folder / name).unlink(missing_ok=True)
                    times[way].append(_seconds(work))
                    assert sum(path.stat().st_size for path in folder.glob("*s") if path.is_file()) == SIZE
            commands = [_seconds(lambda: transport.run(["true"], timeout_s=5)) for _ in range(RUNS)]
            transport.close()
    ours, theirs = (statistics.median(times[way]) for way in ways)
    for way, spans in times.items():
        yield f"{way}: {MEGABYTES / statistics.median(spans):.0f} MB/s (20 MB)"
    yield f"speed of ours to theirs: {theirs / ours:.2f} (limit: at least 0.9)"
    yield f"a shell command: {1000 * statistics.median(commands):.1f} ms"


@contextmanager
def _phone() -> Iterator[int]:
    """A phone in a process of its own, so that it does not take turns with either client; gives its port."""
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.transfer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    try:
        yield int(child.stdout.readline())
    finally:
        child.communicate()


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    with serving([VirtualPhone(PHONES["modern"], shoot=dict)]) as ports:
        print(ports[0], flush=True)
        sys.stdin.read()
