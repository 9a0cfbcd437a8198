"""A run killed with SIGKILL at ten random moments and resumed is the same run as one left alone."""

import random
import signal
import time

import pytest

from analysis.store import Run
from device_agents.errors import BadInput
from tests.fakes.command import instability, start, write_lab
from tests.fakes.photos import packaged

KILLS = 10
SCENES = 12
PICTURES = SCENES * 2 * 2  # two repeats, two devices
TIMED = ["attempt", "taken_utc"]  # what a run may differ in: when and at which attempt, and (below) latencies


def contents(folder):
    """Everything that must be equal: pictures with their hashes, predictions with their scores and fingerprints."""
    with Run.open(folder, write=False) as run:
        pictures = run.pictures().drop(columns=TIMED).sort_values("picture", ignore_index=True)
        predictions = run.predictions().drop(columns="latency_ms")
        for record in run.picture_records():
            assert run.file(record.sha256).stat().st_size == record.size
        assert run.steps_missing() == []
    return pictures, predictions.sort_values(["picture", "environment"], ignore_index=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_kills_change_nothing(tmp_path):
    scenes = packaged(tmp_path, SCENES)
    lab = write_lab(tmp_path, board=True, repeats=2)
    words = ("run", lab, "--scenes", scenes, "--json", "--quiet")
    done = instability(*words, "--out", "calm", cwd=tmp_path)
    assert done.returncode == 0, done.stderr

    rng = random.Random(20261122)
    for kill in range(KILLS):
        child = start(*words, "--out", "stormy", cwd=tmp_path)
        # At any moment after at most one more photograph; the last two fall into the predictions.
        wanted = PICTURES if kill >= KILLS - 2 else pictures_in(tmp_path / "stormy") + rng.randrange(2)
        wait_for(lambda enough=wanted: pictures_in(tmp_path / "stormy") >= enough)
        time.sleep(rng.uniform(0.0, 0.6))
        assert child.poll() is None, "it ended before its kill"
        child.send_signal(signal.SIGKILL)
        child.wait()
    done = instability(*words, "--out", "stormy", cwd=tmp_path)
    assert done.returncode == 0, done.stderr

    calm, stormy = contents(tmp_path / "calm"), contents(tmp_path / "stormy")
    assert len(calm[0]) == PICTURES
    assert len(calm[1]) == PICTURES
    assert calm[0].equals(stormy[0])
    assert calm[1].equals(stormy[1])


@pytest.mark.slow
def test_ctrl_c_leaves_a_run_that_goes_on(tmp_path):
    words = ("run", write_lab(tmp_path), "--scenes", packaged(tmp_path, 8), "--out", "run", "--no-predict", "--quiet")
    child = start(*words, cwd=tmp_path)
    wait_for(lambda: pictures_in(tmp_path / "run") >= 2)
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=60) == 130
    kept = pictures_in(tmp_path / "run")
    assert 2 <= kept < 8
    done = instability(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert pictures_in(tmp_path / "run") == 8


@pytest.mark.slow
def test_a_run_that_somebody_is_writing_is_refused_with_the_writers_name(tmp_path):
    words = ("run", write_lab(tmp_path), "--scenes", packaged(tmp_path, 8), "--out", "run", "--no-predict", "--quiet")
    child = start(*words, cwd=tmp_path)
    wait_for(lambda: pictures_in(tmp_path / "run") >= 1)
    done = instability(*words, cwd=tmp_path)
    child.kill()
    child.wait()
    assert done.returncode == 2
    assert f"process {child.pid}" in done.stderr


def wait_for(condition, timeout_s=90.0):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "nothing came in time"
        time.sleep(0.05)


def pictures_in(folder):
    try:
        with Run.open(folder, write=False) as run:
            return run.summary()["pictures"]
    except BadInput:  # not made yet
        return 0
