"""A training by the command, killed and interrupted and started again, ends with the weights of an undisturbed one."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from stability_train.checkpoint import read_checkpoint
from tests.fakes.command import PROGRAM, instability
from tests.fakes.shot_runs import shot_run
from tests.fakes.tiny_training import tiny_base

# Keras 3.15 upon TensorFlow 2.21 asks numpy 2 for a copy in the old way whenever it reads a variable.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

EPOCHS = 200
PATIENCE_S = 240


@pytest.mark.slow
@pytest.mark.timeout(900)  # four starts of TensorFlow, on a machine that others use too
def test_killed_at_a_random_step_the_command_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    shot_run(tmp_path / "run", objects=5, devices=("one", "two"))
    tiny_base(tmp_path / "base")
    words = ["train", "run", "--model", "base/tiny.keras", "--noise", "gaussian", "--alpha", 1, "--device", "one"]
    words += ["--trainable", "last-block", "--batch-norm", "apart", "--batch", 4, "--epochs", EPOCHS]
    words += ["--threads", 1, "--augment", "flip-crop", "--learning-rate", 0.01, "--json", "--out"]
    killed = start_and_stop(words, tmp_path / "stopped", how=signal.SIGKILL)
    assert killed == (-signal.SIGKILL, b"")
    code, said = start_and_stop(words, tmp_path / "stopped", how=signal.SIGINT)
    assert code == 130
    assert b"run the same command again to go on where it stopped" in said
    results = {}
    for folder in ("stopped", "whole"):
        done = instability(*words, folder, cwd=tmp_path, timeout_s=PATIENCE_S)
        assert done.returncode == 0, done.stderr
        results[folder] = json.loads(done.stdout)
    (found, progress), (expected, end) = (
        read_checkpoint(tmp_path / name / "checkpoint.npz") for name in ("stopped", "whole")
    )
    assert progress.epoch == end.epoch == EPOCHS
    for group in ("weights", "optimiser"):
        assert all(np.array_equal(*pair) for pair in zip(found[group], expected[group], strict=True)), group
    assert results["stopped"]["validation"] == results["whole"]["validation"]


def start_and_stop(words: list[object], out: Path, *, how: signal.Signals) -> tuple[int, bytes]:
    """Start the command and end it somewhere within the next epochs; gives its exit code and its last words."""
    history, before = out / "history.csv", rows(out / "history.csv")
    process = subprocess.Popen(
        [str(PROGRAM), *map(str, [*words, out.name]), "--quiet"],
        cwd=out.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    with process:
        wanted, until = before + random.randrange(1, EPOCHS // 4), time.monotonic() + PATIENCE_S
        while rows(history) < wanted and process.poll() is None and time.monotonic() < until:
            time.sleep(random.random() * 0.01)  # so that no step is more likely than others
        process.send_signal(how)
        _, said = process.communicate(timeout=PATIENCE_S)
    assert before < rows(history) < EPOCHS, said
    return process.returncode, said


def rows(history: Path) -> int:
    """How many epochs a history has."""
    return max(0, len(history.read_text().splitlines()) - 1) if history.is_file() else 0
