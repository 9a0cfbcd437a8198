"""The matrix of a batch: its rows, what each owes and who made it; work goes into the run as it comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from analysis.store import Run
from capture.raw import RAW_SUFFIXES
from device_agents.predict import Job, JobPicture
from device_agents.records import Environment, Picture, Prediction
from device_agents.sidecar import Sidecar
from hostctl.batches.devices import Worker
from hostctl.batches.schedule import Schedule, Shard
from hostctl.batches.status import EXIT_CODES, Count, batch_status, device_status, row_status
from hostctl.batches.work import PATIENCE_S, Attempt, Shift, as_attempts
from hostctl.grid import TOP_K
from hostctl.printing import Progress, silent

NOTE = "batch"  # of a run: every attempt of every batch that was run into it
AIM_S = 20.0  # of device time that a shard shall take: what a kill or a dead device loses
MOST_REASONS = 5


@dataclass(frozen=True)
class Network:
    """A model's file in one precision, with the environment that it is predicted in but for the machine."""

    model: str
    precision: str
    path: Path
    sidecar: Sidecar
    environment: Environment


@dataclass(frozen=True)
class Row:
    """A row of the matrix: a network, and the devices that share its pictures; ``machines`` may have made some.

    ``own`` are the environments of devices that have another one than the network's, as a page has.
    """

    group: str
    network: Network
    devices: tuple[str, ...]
    machines: tuple[str, ...]
    own: Mapping[str, Environment] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The row's name for people, and in the attempts."""
        return f"{self.group} | {self.network.model} | {self.network.precision}"

    def environment(self, device: str) -> Environment:
        """The environment that a device predicts in, without its machine and the runtime's version."""
        return self.own.get(device, self.network.environment)


@dataclass(frozen=True)
class Limits:
    """When to give up: tries after the first, seconds of a shard (0: any), seconds for a silent device to come back."""

    retries: int = 2
    shard_s: float = 0.0
    patience_s: float = PATIENCE_S
    look_s: float = 2.0


class Matrix:
    """Rows of a batch over the pictures of a run, which is open for writing.

    ``runtimes``: for each device in reach its runtimes with their versions; ``lost``: for the others why they are not.
    """

    def __init__(
        self,
        run: Run,
        rows: Sequence[Row],
        runtimes: Mapping[str, Mapping[str, str]],
        *,
        lost: Mapping[str, str] | None = None,
        progress: Progress = silent,
    ) -> None:
        self._run, self._rows, self._runtimes, self._progress = run, {row.name: row for row in rows}, runtimes, progress
        self._pictures = {one.picture: one for one in run.picture_records() if one.suffix not in RAW_SUFFIXES}
        self._lost = dict(lost or {})
        self._able = {row.name: _able(row, runtimes) for row in rows}
        self._owed = {row.name: _owed(run, row, self._pictures) for row in rows}
        self._done = {name: len(self._pictures) - len(owed) for name, owed in self._owed.items()}
        self._before = as_attempts((run.note(NOTE) or {}).get("attempts", ()))
        self._now: list[Attempt] = []
        self._recorded: set[Environment] = set()

    def work(self, workers: Sequence[Worker], limits: Limits) -> dict[str, Any]:
        """Have the workers do what is owed; gives status, exit_code, rows, devices, attempts and attempts_before."""
        for name, done in self._done.items():
            self._progress(name, done, len(self._pictures), "")
        schedule = Schedule(
            self._owed,
            self._able,
            retries=limits.retries,
            aim_s=AIM_S,
            limit_s=limits.shard_s,
            first_number=max((one.shard for one in self._before), default=0) + 1,
        )
        shift = Shift(
            schedule,
            workers,
            make_job=self._job,
            keep=self._keep,
            lost=self._lose,
            limit_s=limits.shard_s,
            patience_s=limits.patience_s,
            look_s=limits.look_s,
        )
        shift.work()
        return self._result()

    def _keep(self, attempt: Attempt, predictions: Sequence[Prediction]) -> None:
        """Commit what an attempt made, then the attempt itself."""
        self._run.add_predictions(predictions)
        self._now.append(attempt)
        self._run.set_note(NOTE, {"attempts": [asdict(one) for one in (*self._before, *self._now)]})
        self._done[attempt.row] += attempt.made
        note = f"{attempt.device}: {attempt.outcome}: {attempt.reason}" if attempt.reason else ""
        self._progress(attempt.row, self._done[attempt.row], len(self._pictures), note)

    def _lose(self, device: str, reason: str) -> None:
        self._lost[device] = reason
        self._run.add_failure(f"batch: {device}", reason)
        self._progress("devices", 0, 0, f"{device} is left out: {reason}")

    def _job(self, shard: Shard) -> Job:
        network, wanted = self._rows[shard.row].network, self._rows[shard.row].environment(shard.device)
        version = self._runtimes[shard.device][wanted.runtime]
        environment = replace(wanted, machine=shard.device, runtime_version=version)
        if environment not in self._recorded:
            self._run.add_environment(environment)
            self._recorded.add(environment)
        pictures = [self._pictures[name] for name in shard.pictures]
        files = {one.picture: str(self._run.file(one.sha256).absolute()) for one in pictures}
        return Job(
            model=str(network.path.absolute()),
            sidecar=network.sidecar,
            pictures=tuple(JobPicture(one.picture, files[one.picture], one.corners) for one in pictures),
            environments=(environment,),
            top_k=TOP_K,
        )

    def _result(self) -> dict[str, Any]:
        counts = _counts(self._run, list(self._rows.values()), self._pictures)
        rows = [self._row(row, *counts[name]) for name, row in self._rows.items()]
        status = batch_status(str(one["status"]) for one in rows)
        names = dict.fromkeys(name for row in self._rows.values() for name in row.devices)
        return {
            "status": status,
            "exit_code": EXIT_CODES[status],
            "rows": rows,
            "devices": [self._device(name) for name in names],
            "attempts": [asdict(one) for one in self._now],
            "attempts_before": len(self._before),
        }

    def _row(self, row: Row, count: Count, error: str) -> dict[str, Any]:
        mine = [one for one in self._now if one.row == row.name]
        reached = [name for name in row.devices if name in self._runtimes]
        lacking = [f"{name} has no runtime {row.environment(name).runtime}" for name in reached]
        lacking = [text for name, text in zip(reached, lacking, strict=True) if name not in self._able[row.name]]
        unreached = [f"{name}: {self._lost.get(name, 'out of reach')}" for name in row.devices if name not in reached]
        told = [f"{one.device}: {one.reason}" for one in mine if one.reason]
        return {
            "row": row.name,
            "devices": row.group,
            "model": row.network.model,
            "precision": row.network.precision,
            "status": row_status(count, mine, able=bool(reached), unable=bool(lacking) and not self._able[row.name]),
            "pictures": count.pictures,
            "good": count.good,
            "errors": count.errors,
            "missing": count.missing,
            "attempts": len(mine),
            "retries": sum(one.attempt > 1 for one in mine),
            "device_s": round(sum(one.seconds for one in mine), 2),
            "reasons": list(dict.fromkeys([*lacking, *unreached, *(told or [error] * bool(error))]))[:MOST_REASONS],
        }

    def _device(self, name: str) -> dict[str, Any]:
        mine = [one for one in self._now if one.device == name]
        problem = self._lost.get(name, "")
        return {
            "device": name,
            "status": device_status(mine, problem, reached=name in self._runtimes),
            "attempts": len(mine),
            "pictures": sum(one.made for one in mine),
            "device_s": round(sum(one.seconds for one in mine), 2),
            "problem": problem,
        }


def _able(row: Row, runtimes: Mapping[str, Mapping[str, str]]) -> list[str]:
    return [name for name in row.devices if row.environment(name).runtime in runtimes.get(name, {})]


def _environments(run: Run, row: Row) -> list[Environment]:
    """The run's environments in which one of the row's machines has predicted its network."""
    return [
        one
        for one in run.environments()
        if one.machine in row.machines and replace(one, machine="", runtime_version="") == row.environment(one.machine)
    ]


def _owed(run: Run, row: Row, pictures: Mapping[str, Picture]) -> list[str]:
    """The pictures that none of the row's machines has predicted yet, in the run's order."""
    owed = set(pictures)
    for environment in _environments(run, row):
        owed &= {one.picture for block, _ in run.missing_predictions([environment]) for one in block}
    return [name for name in pictures if name in owed]


def _counts(run: Run, rows: Sequence[Row], pictures: Mapping[str, Picture]) -> dict[str, tuple[Count, str]]:
    """Count each row's pictures, and give a failed one; one that two machines of a row predicted is good if on one."""
    table = run.predictions(("picture", "environment", "error"))
    failed = table["error"].fillna("").astype(str) != ""
    found = {}
    for row in rows:
        mine = table["environment"].astype(str).isin([one.environment for one in _environments(run, row)])
        good = set(table.loc[mine & ~failed, "picture"])
        bad = table.loc[mine & failed & ~table["picture"].isin(good), ["picture", "error"]]
        told = "" if bad.empty else f"{bad['picture'].iloc[0]}: {bad['error'].iloc[0]}"
        found[row.name] = Count(len(pictures), len(good), bad["picture"].nunique()), told
    return found
