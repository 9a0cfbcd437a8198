"""Loading a run of 20 million predictions, and its instability with a clustered interval: seconds and memory.

The run is drawn (benchmarks/large_run.py): 50,000 pictures of 25,000 scenes in 400 environments, in parts of the size
that `instability predict` writes for so many environments. Each figure comes from a process of its own.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.instability import instability
from analysis.store import Run
from benchmarks.large_run import draw_run

PICTURES, ENVIRONMENTS = 50_000, 400
ITEMS, CONDITIONS, ITEMS_A_CLUSTER = 1_000_000, 20, 4


def bench(pictures: int = PICTURES, environments: int = ENVIRONMENTS, items: int = ITEMS) -> Iterator[str]:
    """Give the seconds of loading and computing and the peak memory of both, then those of the table alone."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        size = draw_run(Path(folder) / "run", pictures=pictures, environments=environments)
        parts = sum(1 for _ in (Path(folder) / "run" / "predictions").iterdir())
        yield (
            f"drawn in {time.perf_counter() - start:.0f} s: {pictures} pictures x {environments} environments = "
            f"{pictures * environments / 1e6:g} million predictions, {parts} parts, {size / 1e6:.0f} MB"
        )
        found = _alone("run", folder + "/run")
    total_s, compute_s = found["load_s"] + found["compute_s"], found["compute_s"]
    yield f"load {found['load_s']:.1f} s, instability and interval {compute_s:.1f} s ({found['answer']})"
    yield f"together {total_s:.1f} s (limit 20 s), {found['cpu_s']:.1f} s of processor time"
    yield f"peak memory {found['peak_mb'] / 1000:.2f} GB (limit 4 GB)"
    found = _alone("table", str(items))
    yield (
        f"{CONDITIONS} conditions x {items / 1e6:g} million items, in memory: {found['compute_s']:.1f} s (limit 10 s), "
        f"{found['cpu_s']:.1f} s of processor time ({found['answer']})"
    )


def _alone(what: str, argument: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.analysis", what, argument]
    return dict(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))


def _measure(what: str, argument: str) -> dict[str, Any]:
    """Load a run or make a table, and compute; in seconds and MB."""
    start, start_cpu = time.perf_counter(), time.process_time()
    if what == "run":
        with Run.open(Path(argument), write=False) as run:
            table = run.predictions(["picture", "environment", "cluster", "verdict"])
    else:
        table = _table(int(argument))
        start_cpu = time.process_time()
    loaded = time.perf_counter()
    result = instability(table, across="environment", item="picture")
    interval = result.interval()
    return {
        "load_s": loaded - start,
        "compute_s": time.perf_counter() - loaded,
        "cpu_s": time.process_time() - start_cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
        "answer": f"{100 * result.rate:.1f} % [{100 * interval.low:.1f}, {100 * interval.high:.1f}], "
        f"{interval.clusters} clusters",
    }


def _table(items: int) -> pd.DataFrame:
    """Verdicts of items in conditions, as a loaded table has them: text columns."""
    rng = np.random.default_rng(2)
    item, condition = np.repeat(np.arange(items), CONDITIONS), np.tile(np.arange(CONDITIONS), items)
    right = rng.normal(1.5, 1.5, items)[item] + rng.normal(0, 0.3, len(item)) > 0
    columns = {
        "picture": (item, [f"scene-{n:07}|0|0|camera" for n in range(items)]),
        "environment": (condition, [f"{n:016x}" for n in range(CONDITIONS)]),
        "cluster": (item // ITEMS_A_CLUSTER, [f"object-{n:07}" for n in range(-(-items // ITEMS_A_CLUSTER))]),
        "verdict": (right.astype(int), ["wrong", "right"]),
    }
    return pd.DataFrame(
        {name: pd.Series(texts, dtype="str").take(which).array for name, (which, texts) in columns.items()}
    )


if __name__ == "__main__":
    print(json.dumps(_measure(*sys.argv[1:])))
