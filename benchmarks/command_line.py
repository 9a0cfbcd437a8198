"""How long the command line takes to answer `--help`, and what an empty Python takes."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

RUNS = 10


def bench() -> Iterator[str]:
    """Give the medians of ten runs each, interleaved."""
    program = Path(sys.executable).with_name("instability")
    commands = {"instability --help": [str(program), "--help"], "python -c pass": [sys.executable, "-c", "pass"]}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(RUNS):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - start)
    for name, spans in times.items():
        yield f"{name}: {statistics.median(spans):.3f} s (limit for help: 0.3 s)"
