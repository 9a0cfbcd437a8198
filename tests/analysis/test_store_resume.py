"""A run folder whatever is killed: locks come free, a full disk stops it between pictures, nothing differs after it."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.records import Scene, Step, step_key
from tests.fakes.filled_run import (
    ENVIRONMENTS,
    LABELS,
    SCENES,
    SETTINGS,
    digest,
    do_the_run,
    picture_of,
    prediction_of,
)


def test_a_second_writer_is_refused_with_the_first_ones_process(tmp_path: Path) -> None:
    with Run.create(tmp_path, settings=SETTINGS, scenes=SCENES):
        with pytest.raises(BadInput, match=f"only writer, got one already: process {os.getpid()} on"):
            Run.open(tmp_path)
        code = "import sys; from analysis.store import Run; Run.open(__import__('pathlib').Path(sys.argv[1]))"
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
        assert f"process {os.getpid()} on" in done.stderr
        with Run.open(tmp_path, write=False) as reader:
            assert len(reader.scenes()) == 2
            with pytest.raises(BadInput, match="opened for writing"):
                reader.add_failure("x", "y")
    Run.open(tmp_path).close()


def test_the_lock_of_a_killed_writer_is_gone(tmp_path: Path) -> None:
    Run.create(tmp_path, settings=SETTINGS, scenes=SCENES).close()
    code = (
        "import sys, time; from pathlib import Path; from analysis.store import Run\n"
        "run = Run.open(Path(sys.argv[1])); print('open', flush=True); time.sleep(120)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
        with pytest.raises(BadInput, match=f"process {child.pid}"):
            Run.open(tmp_path)
        child.kill()
    Run.open(tmp_path).close()


def test_a_full_disk_stops_the_ledger_between_two_pictures(tmp_path: Path) -> None:
    """Under a limit on the size of any file, the ledger's log fills up; what was recorded before stays whole."""
    Run.create(tmp_path, settings=SETTINGS, scenes=SCENES).close()
    code = """
import resource, sys
from pathlib import Path
from analysis.store import Run
from device_agents.records import Step
run = Run.open(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
for number in range(100_000):
    run.add_steps([Step("cup", number, 0, "x" * 500, 1, number, 1)])
    print(number, flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=200)
    assert "BadInput: cannot write the ledger of" in done.stderr, done.stderr[-500:]
    recorded = len(done.stdout.split())
    with Run.open(tmp_path) as run:
        assert len(run.steps()) == recorded > 0
        run.add_steps([Step("cup", -1, 0, "x", 1, 1, 1)])


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.fakes.filled_run import do_the_run
do_the_run(Path(sys.argv[1]))
"""


def contents(folder: Path) -> str:
    with Run.open(folder, write=False) as run:
        frames = [run.pictures(), run.predictions(), run.attempts().drop(columns=["started_utc"])]
        return json.dumps([frame.to_csv(index=False) for frame in frames])


def killed_after(folder: Path, commits: int, delay_s: float) -> bool:
    """Let a child do the run and kill it so long after so many commits; says whether it was not done before."""
    words = [sys.executable, "-c", WRITER, str(folder), str(Path(__file__).parents[2])]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        for _ in range(commits):
            child.stdout.readline()
        time.sleep(delay_s)
        child.send_signal(signal.SIGKILL)
    assert child.returncode in (0, -signal.SIGKILL)
    return child.returncode != 0


def test_a_run_killed_at_random_moments_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    undisturbed, folder = tmp_path / "undisturbed", tmp_path / "killed"
    do_the_run(undisturbed)
    rng, kills = random.Random(7), 0
    while killed_after(folder, rng.randrange(1, 20), rng.uniform(0, 0.01)):
        kills += 1
    assert kills >= 5
    assert contents(folder) == contents(undisturbed)
    names = [
        sorted(path.name for path in one.rglob("*") if path.is_file() and "ledger" not in path.name)
        for one in (folder, undisturbed)
    ]
    assert names[0] == names[1]
    parquet = [
        {path.name: path.read_bytes() for path in (one / "predictions").iterdir()} for one in (folder, undisturbed)
    ]
    assert parquet[0] == parquet[1]


def test_thousands_of_pictures_and_predictions(tmp_path: Path) -> None:
    scenes = [Scene(f"s{number}", "x", digest("x"), (LABELS[number % 5],)) for number in range(100)]
    steps = [Step(one.scene, 0, number, "one", 1, 1, 1) for one in scenes for number in range(40)]
    with Run.create(tmp_path, settings={}, scenes=scenes) as run:
        run.add_steps(steps)
        run.put_file(b"")
        run.add_pictures([picture_of(step) for step in steps], {})
        for pictures, environments in run.missing_predictions(ENVIRONMENTS, block=500):
            names = [one.environment for one in environments]
            run.add_predictions([prediction_of(one.picture, name) for one in pictures for name in names])
        table = run.predictions()
        assert len(table) == 2 * len(steps) == run.summary()["predictions"]
        # label_1 is n01 everywhere, which every fifth scene accepts
        assert (table["verdict"] == "right").mean() == pytest.approx(0.2)
        assert step_key("s0", 0, 0, "one") in set(run.attempts()["step"])
