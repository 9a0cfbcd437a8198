"""The demo as a user feels it: wall-clock seconds from the command to the report, once each."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path


def bench() -> Iterator[str]:
    """Give the seconds of the quick and of the full demo, and what they found."""
    program = Path(sys.executable).with_name("instability")
    for options, limit_s in ((["--quick"], 40), ([], 180)):
        with tempfile.TemporaryDirectory() as folder:
            command = [str(program), "demo", *options, "--json", "--quiet", "--out", str(Path(folder) / "run")]
            start = time.perf_counter()
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds = time.perf_counter() - start
        result = json.loads(done.stdout)
        said = " ".join(["instability demo", *options])
        yield f"{said}: {seconds:.0f} s (limit {limit_s} s), {result['pictures']} pictures"
