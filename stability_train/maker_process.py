"""A process of its own for what loads TensorFlow: its memory is given back, and the kit itself never loads it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from device_agents.errors import KitError
from stability_train.cache import Progress

_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", "CUDA_VISIBLE_DEVICES": "-1"}


def run_maker(module: str, arguments: Sequence[str], *, log: Path, what: str, progress: Progress) -> dict[str, str]:
    """Run ``python -m MODULE ARGUMENTS`` and give what it said of single items: lines "failed NAME: reason".

    Its lines "progress: ..." go to progress. Raises KitError with its line "error: ...", or naming the log that holds
    the process's other words, when it ends with another status than 0.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    root = str(Path(__file__).resolve().parent.parent)
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    environment = os.environ | _QUIET | {"KERAS_BACKEND": "tensorflow", "PYTHONPATH": paths}
    problem, failed = "", {}
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        for line in process.stdout or ():
            kind, _, said = line.rstrip("\n").partition(": ")
            if kind == "progress":
                progress(said)
            elif kind.startswith("failed "):
                failed[kind.removeprefix("failed ")] = said
            problem = said if kind == "error" else problem
    if process.returncode != 0:
        raise KitError(problem or f"{what} ended with status {process.returncode}; its last words are in {log}")
    return failed
