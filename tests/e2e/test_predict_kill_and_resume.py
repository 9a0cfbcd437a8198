"""`instability predict --vary` killed with SIGKILL at random moments and resumed gives an undisturbed run's table."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pandas as pd
import pytest

from analysis.store import Run
from device_agents.errors import BadInput
from tests.fakes.command import instability, start
from tests.fakes.host_grid import ENVIRONMENTS, PICTURES, words_for

KILLS = 5


def contents(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, set[str]]:
    """Everything that must be equal: pictures, predictions but for their latency, and the names of the parts."""
    with Run.open(folder, write=False) as run:
        pictures = run.pictures().drop(columns="taken_utc")
        predictions = run.predictions().drop(columns="latency_ms")
        assert run.failures().empty
    return pictures, predictions, {path.name for path in (folder / "predictions").iterdir()}


def predicted(folder: Path) -> int:
    try:
        with Run.open(folder, write=False) as run:
            return run.summary()["predictions"]
    except BadInput:  # not made yet
        return 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kills_change_nothing(tmp_path: Path, host_grid_run: Path) -> None:
    words = (*words_for(tmp_path), "--workers", "2")
    calm = contents(host_grid_run)

    rng = random.Random(20261122)
    stormy, seen = tmp_path / "stormy", []
    for _ in range(KILLS):
        child = start(*words, "--out", stormy, cwd=tmp_path)
        # From the first moments, when nothing is made yet, to some time after one more block.
        enough = predicted(stormy) + rng.choice([0, 1])
        end = time.monotonic() + 120
        while predicted(stormy) < enough and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(rng.uniform(0.0, 1.0))
        seen.append(child.poll())
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert None in seen[:2], "the first kills came too late to disturb anything"
    done = instability(*words, "--out", stormy, cwd=tmp_path)
    assert done.returncode == 0, done.stderr

    pictures, predictions, parts = contents(stormy)
    assert len(predictions) == PICTURES * ENVIRONMENTS
    pd.testing.assert_frame_equal(pictures, calm[0])
    pd.testing.assert_frame_equal(predictions, calm[1])
    assert parts == calm[2]
