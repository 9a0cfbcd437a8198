"""Does a run outlive a power loss at every write? Every disk that may be left is opened, checked and resumed.

A small session (refused attempts and predictions in it) and a batch are recorded once under power_recorder.c. For each
change on the disk, the disks that a power loss there may leave are made (power_disk.py): all that was not synced lost;
contents lost but names kept; random parts of it lost, sectors torn. On each, the run must open and be whole: all that
was reported as committed is there, each file has its hash, SQLite finds no fault; and going on must give the same run
as one that was left alone.

    python -m benchmarks.power_loss [--every 1] [--random 3] [--seed 6]       (needs a C compiler)
"""

import argparse
import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.run_folder.files import picture_path
from analysis.run_folder.ledger import is_made
from analysis.store import Run
from benchmarks.power_disk import Disk, State, read_record
from benchmarks.power_sessions import SESSIONS, counts
from device_agents.errors import KitError

RECORDER = Path(__file__).with_name("power_recorder.c")
TIMED = ["attempt", "taken_utc"]  # what two equal runs may differ in: at which attempt, and when


def compiler() -> str:
    """The C compiler's program, "" where there is none."""
    return shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc") or ""


def recorded(name: str, place: Path) -> tuple[Disk, Path]:
    """Run one of SESSIONS under the recorder; gives the disk, and the folder that is really there in the end."""
    library, root, record = place / "recorder.so", place / f"{name}-disk", place / f"{name}-record"
    root.mkdir()
    words = [compiler(), "-shared", "-fPIC", "-O1", "-o", str(library), str(RECORDER), "-ldl", "-lpthread"]
    subprocess.run(words, check=True)
    environment = {**os.environ, "LD_PRELOAD": str(library), "POWER_ROOT": str(root), "POWER_LOG": str(record)}
    command = [sys.executable, "-m", "benchmarks.power_sessions", name, str(root)]
    subprocess.run(command, check=True, env=environment, cwd=Path(__file__).parent.parent)
    return Disk(read_record(record)), root


def contents(folder: Path) -> dict[str, Any]:
    """What must be equal in two runs: pictures with their hashes, predictions, and which steps are good."""
    with Run.open(folder, write=False) as run:
        pictures = run.pictures().drop(columns=TIMED).sort_values("picture", ignore_index=True)
        predictions = run.predictions().drop(columns="latency_ms")
        good = sorted(str(one.step) for one in run.attempts().itertuples() if one.status == "ok")
        return {
            "pictures": pictures.to_json(),
            "predictions": predictions.sort_values(["picture", "environment"], ignore_index=True).to_json(),
            "good": good,
            "missing": len(run.steps_missing()),
            "labels": (folder / "labels.csv").read_text() if (folder / "labels.csv").exists() else "",
        }


def faults(folder: Path, told: Sequence[int]) -> list[str]:
    """What is wrong with a run after a power loss; told: what it had said to hold, as power_sessions.counts."""
    if not is_made(folder):
        return ["the run is gone, though something was committed"] if told else []
    found = []
    with Run.open(folder) as run:
        rows = run._ledger.rows
        found += [f"integrity_check: {text}" for (text,) in rows("PRAGMA integrity_check") if text != "ok"]
        found += [f"foreign key: {row}" for row in rows("PRAGMA foreign_key_check")]
        if any(here < there for here, there in zip(counts(run), told, strict=False)):
            found.append(f"less than was committed: {counts(run)}, told {list(told)}")
        hashes = {one for row in rows("SELECT sha256, crop_sha256, thumb_sha256 FROM pictures") for one in row if one}
        hashes |= {one for (one,) in rows("SELECT sha256 FROM attempts") if one}
        files = {picture_path(run.pictures_folder, one): one for one in hashes}
        shards = rows("SELECT shard, sha256 FROM shards")
        files |= {folder / "predictions" / f"{shard}.parquet": digest for shard, digest in shards}
        for path, digest in files.items():
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                found.append(f"{path.relative_to(folder)}: not the committed file")
        if (
            run.pictures()["picture"].duplicated().any()
            or run.predictions().duplicated(["picture", "environment"]).any()
        ):
            found.append("something is there twice")
    return found


def told_by(disk: Disk, count: int) -> list[int]:
    """What the session had been told to be on disk before a power loss after so many changes."""
    for change in reversed(disk.changes[:count]):
        if change.op == "W" and change.data.startswith(b"[") and change.data.endswith(b"]\n"):
            return list(json.loads(change.data))
    return []


def disks(disk: Disk, *, every: int, randoms: int, seed: int) -> Iterator[tuple[int, str, State]]:
    """The disks that may be left, each one once: after how many changes, how they were made, and what is on them."""
    seen: set[tuple[State, tuple[int, ...]]] = set()
    for count in disk.points():
        told = tuple(told_by(disk, count))
        hows = ["dropped", "names-kept", "kept"] + ["random"] * randoms
        for number, how in enumerate(hows):
            if count % every and how != "dropped":
                continue
            state = disk.state(count, how, np.random.default_rng([seed, count, number]))
            if (state, told) not in seen:
                seen.add((state, told))
                yield count, how, state


def verdict(name: str, state: State, told: Sequence[int], calm: dict[str, Any]) -> str:
    """Open, check and resume one disk; gives what is wrong, "" if nothing."""
    with tempfile.TemporaryDirectory(prefix="power-loss-") as place:
        root = Path(place)
        state.write(root)
        folder = root / "run"
        try:
            if folder.is_dir() and (wrong := faults(folder, told)):
                return "; ".join(wrong)
            if not folder.is_dir() and told:
                return "the run's folder is gone, though something was committed"
            SESSIONS[name](root, faults=False)
            if wrong := faults(folder, told):
                return "resumed: " + "; ".join(wrong)
            after = contents(folder)
        except (KitError, OSError, AssertionError, ValueError) as problem:
            return f"{type(problem).__name__}: {str(problem).splitlines()[0]}"
        different = [key for key in calm if calm[key] != after[key]]
        return f"the resumed run differs in {', '.join(different)}" if different else ""


def explore(
    name: str, *, every: int, randoms: int, seed: int, place: Path, step: int = 1
) -> Iterator[tuple[int, str, str]]:
    """Record a session and judge each step-th of the disks it may leave: after how many changes, how, the fault."""
    disk, real = recorded(name, place)
    whole = dict(disk.state(len(disk.changes), "kept", np.random.default_rng(0)).files)
    there = {str(path.relative_to(real)): path.read_bytes() for path in real.rglob("*") if path.is_file()}
    if whole != there:  # the recorder must have seen everything, or nothing here is worth anything
        raise AssertionError(f"{name}: the record does not give the real folder: {sorted(set(whole) ^ set(there))}")
    calm_root = place / f"{name}-calm"
    calm_root.mkdir()
    SESSIONS[name](calm_root, faults=False)
    calm = contents(calm_root / "run")
    for count, how, state in itertools.islice(disks(disk, every=every, randoms=randoms, seed=seed), 0, None, step):
        yield count, how, verdict(name, state, told_by(disk, count), calm)


def main(words: Sequence[str]) -> None:
    """Explore both sessions and print how many disks were judged and what was wrong with them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.power_loss", description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="only each so many-th moment, but for the plainest loss")
    parser.add_argument("--random", type=int, default=3, help="random losses at each moment")
    parser.add_argument("--seed", type=int, default=6)
    asked: Any = parser.parse_args(words)
    if not compiler():
        raise SystemExit("power_loss: expected a C compiler (cc), got none; install gcc and libc6-dev")
    for name in SESSIONS:
        began, judged, wrong = time.monotonic(), Counter[str](), []
        with tempfile.TemporaryDirectory(prefix="power-loss-") as place:
            choices = {"every": asked.every, "randoms": asked.random, "seed": asked.seed}
            for count, how, problem in explore(name, **choices, place=Path(place)):
                judged[how] += 1
                if problem:
                    wrong.append(f"  after change {count}, {how}: {problem}")
                    print(wrong[-1], file=sys.stderr, flush=True)
        told = ", ".join(f"{how} {number}" for how, number in judged.items())
        spent_s = time.monotonic() - began
        print(f"{name}: {judged.total()} disks ({told}), {len(wrong)} wrong, {spent_s:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
