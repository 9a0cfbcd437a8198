"""The decoding experiment at work: every executor predicts every picture, each format in its own environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.decoding.groups import FORMATS, JPEG, PNG
from analysis.store import Run
from device_agents.predict import Job, JobPicture
from device_agents.records import Picture, Prediction
from device_agents.sidecar import Sidecar
from hostctl.batches.schedule import Schedule, Shard
from hostctl.batches.work import Attempt, Shift
from hostctl.decodings.executors import Executor
from hostctl.grid import TOP_K
from hostctl.printing import Progress

AIM_S = 20.0  # of a shard: what a kill loses
RETRIES = 2
CODECS = {JPEG: "", PNG: "png"}  # of the run's pictures: a JPEG is a picture as shot
PATIENCE_S = 60.0  # that an executor which fell silent has to come back


@dataclass(frozen=True)
class Network:
    """The model's file and sidecar."""

    path: Path
    sidecar: Sidecar


class Work:
    """The experiment's rows, an executor and a format each, over the pictures of a run that is open for writing."""

    def __init__(self, run: Run, network: Network, executors: Sequence[Executor], *, progress: Progress) -> None:
        self._run, self._network, self._progress = run, network, progress
        self._executors = {one.name: one for one in executors}
        self._rows = {f"{one.name} {name}": (one, name) for one in executors for name in FORMATS}
        self._pictures = {one.picture: one for one in run.picture_records()}
        self._owed = {row: self._missing(executor, name) for row, (executor, name) in self._rows.items()}
        self._totals = {
            row: sum(_is_for(one, executor, name) for one in self._pictures.values())
            for row, (executor, name) in self._rows.items()
        }
        self.lost: dict[str, str] = {}
        self.reasons: dict[str, str] = {}

    def work(self) -> None:
        """Predict what is missing; what an executor cannot do is kept in ``lost`` and ``reasons``, never raised.

        Raises KitError where the run cannot be written.
        """
        for row, total in self._totals.items():
            self._progress(row, total - len(self._owed[row]), total, "")
        able = {row: [executor.name] for row, (executor, _) in self._rows.items()}
        schedule = Schedule(self._owed, able, retries=RETRIES, aim_s=AIM_S)
        workers = [one.predictor for one in self._executors.values()]
        Shift(schedule, workers, make_job=self._job, keep=self._keep, lost=self._lose, patience_s=PATIENCE_S).work()

    def _missing(self, executor: Executor, name: str) -> list[str]:
        environment = executor.environments[name]
        found = self._run.missing_predictions([environment], where={"codec": CODECS[name]})
        return [one.picture for block, _ in found for one in block if _is_for(one, executor, name)]

    def _job(self, shard: Shard) -> Job:
        executor, name = self._rows[shard.row]
        pictures = [self._pictures[one] for one in shard.pictures]
        return Job(
            model=str(self._network.path.absolute()),
            sidecar=self._network.sidecar,
            pictures=tuple(
                JobPicture(one.picture, str(self._run.file(one.sha256).absolute()), one.corners) for one in pictures
            ),
            environments=(executor.environments[name],),
            top_k=TOP_K,
        )

    def _keep(self, attempt: Attempt, predictions: Sequence[Prediction]) -> None:
        if predictions:
            self._run.add_predictions(predictions)
        self._owed[attempt.row] = self._owed[attempt.row][attempt.made :]
        if attempt.reason:
            self.reasons[attempt.row] = attempt.reason
            if attempt.made < attempt.pictures:
                self._run.add_failure(f"decoding: {attempt.row}", attempt.reason)
        total = self._totals[attempt.row]
        self._progress(attempt.row, total - len(self._owed[attempt.row]), total, attempt.reason)

    def _lose(self, name: str, reason: str) -> None:
        self.lost[name] = reason
        self._run.add_failure(f"decoding: {name}", reason)
        self._progress("executors", 0, 0, f"{name} is given up: {reason}")


def _is_for(picture: Picture, executor: Executor, name: str) -> bool:
    """Whether a picture of the run is one that an executor predicts in a format."""
    return picture.codec == CODECS[name] and picture.device in ("", executor.name)
