"""A run folder: its ledger, its picture files by hash, its prediction tables; everything in it goes through Run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from analysis.run_folder import attempts, frames, shards
from analysis.run_folder.files import check_space, make_folder, picture_path, put_picture, sweep, write_whole
from analysis.run_folder.forgetting import forget_failed
from analysis.run_folder.golden import EXCEPT, GOLDEN
from analysis.run_folder.ledger import Ledger, hold, is_made, make
from analysis.run_folder.run_settings import differences, from_toml, to_toml
from analysis.run_folder.schema import insert_records
from device_agents.errors import BadInput
from device_agents.records import Environment, Picture, Prediction, Scene, Step

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Run", "check_space"]

BLOCK = 256
Files = Mapping[str, bytes | Path]
SUMMARY = {
    **{name: f"count(*) FROM {name}" for name in ("steps", "attempts", "environments")},
    **{name: f"count(*) FROM {name} WHERE {EXCEPT}" for name in ("scenes", "pictures")},
    "steps_done": "count(*) FROM attempts WHERE status = 'ok'",
    "attempts_rejected": "count(*) FROM attempts WHERE status = 'rejected'",
    "attempts_failed": "count(*) FROM attempts WHERE status = 'failed'",
    "predictions": "COALESCE(sum(rows), 0) FROM shards",
    "prediction_errors": "COALESCE(sum(errors), 0) FROM shards",
    "devices": "count(*) FROM devices",
    "failures": "count(*) FROM failures",
    "picture_bytes": "COALESCE(sum(size), 0) FROM pictures",
    "prediction_bytes": "COALESCE(sum(size), 0) FROM shards",
}


class Run:
    """A run folder, open for reading, or for writing by this process alone; threads may share it.

    Everything recorded is on disk when a method returns, and a method that was killed has recorded nothing. Methods
    that write raise BadInput if the run is open for reading only, or the disk is full.
    """

    def __init__(self, folder: Path, *, write: bool) -> None:
        """Open a run that exists; Run.open and Run.create say it better."""
        self.folder = folder
        self._ledger = Ledger(folder, write=write)
        if write:
            sweep(self.pictures_folder)
            sweep(self._predictions)

    @classmethod
    def create(cls, folder: Path, *, settings: Mapping[str, Any], scenes: Sequence[Scene]) -> Run:
        """Make a run folder and open it for writing; raises BadInput if there is a run already."""
        make_folder(folder)
        text = to_toml(settings)
        holder = hold(folder)
        try:
            if is_made(folder):
                raise BadInput(f"{folder}: expected no run here, got one; open it, or choose another name")
            write_whole(folder / "run.toml", text.encode())
            make(folder, {"settings": text, "created_utc": _now(), "session": "1"}, scenes)
        finally:
            holder.close()
        return cls(folder, write=True)

    @classmethod
    def open(cls, folder: Path, *, write: bool = True) -> Run:
        """Open a run; raises BadInput if there is none, its schema is newer, or another process is writing it."""
        return cls(folder, write=write)

    @classmethod
    def open_or_create(cls, folder: Path, *, settings: Mapping[str, Any], scenes: Sequence[Scene]) -> Run:
        """Open a run for writing, or make it; raises BadInput naming what differs if its settings are others."""
        if not is_made(folder):
            return cls.create(folder, settings=settings, scenes=scenes)
        run = cls(folder, write=True)
        try:
            changed = differences(run.settings, from_toml(to_toml(settings), name="the new settings"))
            # An older run has no place for the truths that its scenes are read with by now.
            known = scenes if "truth" in run._ledger.columns(Scene) else [replace(one, truth="") for one in scenes]
            changed += _changed_scenes(run.scenes(), known)
        except BaseException:
            run.close()
            raise
        if changed:
            run.close()
            what = "\n".join(f"  - {line}" for line in changed)
            raise BadInput(f"{folder}: this run was made with other settings; choose another name, or undo:\n{what}")
        return run

    def close(self) -> None:
        """Close the run and let others write it; may be called twice."""
        self._ledger.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def log_path(self) -> Path:
        """Where the commands that write this run keep their log."""
        return self.folder / "run.log"

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that the run was made with."""
        return from_toml(self._ledger.meta("settings"), name=str(self.folder))

    def note(self, name: str) -> Any | None:
        """What set_note kept under a name, None where there is none; tuples come back as lists."""
        return self._ledger.note(name)

    def set_note(self, name: str, value: Any) -> None:
        """Keep a small value of the whole run under a name, newest wins; raises BadInput if it cannot be JSON."""
        self._ledger.set_note(name, value)

    @property
    def pictures_folder(self) -> Path:
        """Where picture files lie; files.put_picture adds one from any process, a commit makes it the run's."""
        return self.folder / "pictures"

    @property
    def _predictions(self) -> Path:
        return self.folder / "predictions"

    # Scenes and steps

    def scenes(self) -> list[Scene]:
        """The scenes in the order that they were given, without the golden one."""
        return self._ledger.records(Scene, f"WHERE {EXCEPT} ORDER BY number")

    def add_golden(self, scene: Scene) -> None:
        """Add the golden scene, once; scenes() and pictures() never give it, picture_records does by its name."""
        if scene.scene != GOLDEN:
            raise BadInput(f"expected the golden scene '{GOLDEN}', got '{scene.scene}'")
        with self._ledger.transaction() as connection:
            insert_records(connection, [replace(scene, file="")])

    def add_steps(self, steps: Sequence[Step]) -> None:
        """Plan steps, each once; raises BadInput if a planned step differs or names a scene that the run has not."""
        with self._ledger.transaction() as connection:
            insert_records(connection, steps)

    def steps(self) -> list[Step]:
        """All planned steps in the order of the session."""
        return self._ledger.records(Step, 'ORDER BY "order", key')

    def steps_missing(self, max_attempts: int = 3) -> list[Step]:
        """Steps with no accepted picture and fewer than max_attempts attempts since the last renew_attempts."""
        return attempts.steps_missing(self._ledger, max_attempts)

    def renew_attempts(self) -> None:
        """Give every step without a picture its attempts again, as when a person runs the same command again."""
        self._ledger.set_meta({"session": str(attempts.session(self._ledger) + 1)})

    def next_attempt(self, step: str) -> int:
        """The number that the next attempt at a step will have: 1 for the first."""
        return attempts.next_attempt(self._ledger, step)

    def add_attempt(
        self,
        step: str,
        status: str,
        *,
        reason: str = "",
        started_utc: str = "",
        durations: Mapping[str, float] | None = None,
        sha256: str = "",
    ) -> int:
        """Record an attempt at a step ("rejected" or "failed") and give its number; sha256 is the rejected file.

        With status "ok" it completes the attempt that add_picture recorded, with its times. Raises BadInput for an
        unknown step or status, or for "ok" where the step has no picture.
        """
        known = {"reason": reason, "started_utc": started_utc, "sha256": sha256}
        return attempts.add_attempt(self._ledger, step, status, durations=durations or {}, **known)

    def attempts(self) -> pd.DataFrame:
        """All attempts, one a row: step, its coordinates, attempt, session, status, reason, started_utc, durations."""
        return attempts.attempts_frame(self._ledger)

    # Pictures

    def put_file(self, content: bytes | Path) -> str:
        """Store a file under its sha256, on disk before this returns, and give the sha256."""
        return put_picture(self.pictures_folder, content)

    def file(self, sha256: str) -> Path:
        """Where the file of a sha256 is; raises BadInput if that is no hash or there is no such file."""
        path = picture_path(self.pictures_folder, sha256)
        if not path.is_file():
            raise BadInput(
                f"{self.folder}: expected the file {sha256}, got none; the folder was damaged or copied in part"
            )
        return path

    def add_picture(
        self, record: Picture, files: Files, *, started_utc: str = "", durations: Mapping[str, float] | None = None
    ) -> None:
        """Commit one picture as add_pictures does."""
        self.add_pictures([record], files, started_utc=started_utc, durations=durations)

    def add_pictures(
        self,
        records: Sequence[Picture],
        files: Files,
        *,
        started_utc: str = "",
        durations: Mapping[str, float] | None = None,
    ) -> None:
        """Commit pictures: first their files, then all records together with the attempts that made their steps good.

        files: each sha256 with its content; files stored before may be left out. A record that is in the run already
        is no news. Raises BadInput if a file has another hash than its name, or a record names an absent file.
        """
        for sha256, content in files.items():
            found = self.put_file(content)
            if found != sha256:
                raise BadInput(f"expected a file of sha256 {sha256}, got {found}")
        for record in records:
            for sha256 in filter(None, (record.sha256, record.crop_sha256, record.thumb_sha256)):
                if sha256 not in files:
                    self.file(sha256)
        with self._ledger.transaction() as connection:
            insert_records(connection, records)
            times = {"started_utc": started_utc, "durations": json.dumps(dict(durations or {}))}
            attempts.mark_good(connection, records, session=attempts.session(self._ledger), **times)

    def pictures(self) -> pd.DataFrame:
        """All pictures but the golden scene's with the columns of their steps and scenes (frames.pictures_frame)."""
        return frames.pictures_frame(self._ledger)

    def picture_records(self, where: Mapping[str, Any] | None = None) -> Iterator[Picture]:
        """Pictures but the golden scene's in the order that they were added, a block at a time.

        where: fields of Picture with the value asked for, or a tuple of values of which one must hold.
        """
        for block in shards.picture_blocks(self._ledger, where, BLOCK):
            yield from (picture for _, picture in block)

    # Environments and predictions

    def add_environment(self, environment: Environment) -> str:
        """Record an environment once, and give its name."""
        with self._ledger.transaction() as connection:
            insert_records(connection, [environment])
        return environment.environment

    def environments(self) -> list[Environment]:
        """The environments in the order that they were added."""
        return self._ledger.records(Environment, "ORDER BY number")

    def missing_predictions(
        self,
        environments: Sequence[Environment],
        *,
        where: Mapping[str, Any] | None = None,
        block: int = BLOCK,
    ) -> Iterator[tuple[list[Picture], list[Environment]]]:
        """Work to do: (pictures, environments in which none of them is predicted), a block of pictures at a time.

        Environments that the run does not know yet are recorded. where: as in picture_records.
        """
        with self._ledger.transaction() as connection:
            insert_records(connection, list(environments))
        yield from shards.missing(self._ledger, environments, where, block)

    def add_predictions(self, predictions: Sequence[Prediction]) -> str:
        """Commit a finished shard as one part and give its name; a shard committed before is no news.

        Raises BadInput if a prediction does not fit (parts.check), its picture or environment is unknown, or it was
        predicted before in another shard.
        """
        return shards.commit(self._ledger, self._predictions, predictions)

    def forget_failed(self, reason: str = "") -> dict[str, int]:
        """Make failed predictions missing again, those whose reason contains a text; gives how many of each reason."""
        return forget_failed(self._ledger, self._predictions, reason)

    def predictions(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """The long table of predictions, as frames.predictions_frame says; name columns to load only those."""
        return frames.predictions_frame(self._ledger, shards.part_paths(self._ledger, self._predictions), columns)

    def fingerprints(self, numbers: Iterable[int]) -> dict[int, str]:
        """The sha256 of each fingerprint number of the predictions table; 0, which stands for none, is left out."""
        query = "SELECT lower(hex(sha256)) FROM fingerprints WHERE number = ?"
        found = {number: self._ledger.rows(query, (number,)) for number in {int(number) for number in numbers}}
        return {number: rows[0][0] for number, rows in found.items() if rows}

    # Devices and failures

    def add_device(self, name: str, info: Mapping[str, Any], clock_offset_s: float) -> None:
        """Record what a device said of itself, and how many seconds its clock is ahead of the host; newest wins."""
        row = (name, json.dumps(dict(info), sort_keys=True), clock_offset_s, _now())
        with self._ledger.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO devices VALUES (?, ?, ?, ?)", row)

    def devices(self) -> pd.DataFrame:
        """The devices by name: device, info (a dict), clock_offset_s, seen_utc."""
        kinds = {"device": "TEXT", "info": "JSON", "clock_offset_s": "REAL", "seen_utc": "TEXT"}
        return frames.frame(self._ledger.rows("SELECT * FROM devices ORDER BY device"), kinds)

    def add_failure(self, where: str, reason: str) -> None:
        """Record that something failed which is no attempt at a step: a device at the start, a command, a transfer."""
        with self._ledger.transaction() as connection:
            connection.execute(
                'INSERT INTO failures ("where", reason, recorded_utc) VALUES (?, ?, ?)', (where, reason, _now())
            )

    def failures(self) -> pd.DataFrame:
        """All recorded failures in their order: where, reason, recorded_utc."""
        kinds = dict.fromkeys(("where", "reason", "recorded_utc"), "TEXT")
        return frames.frame(
            self._ledger.rows('SELECT "where", reason, recorded_utc FROM failures ORDER BY number'), kinds
        )

    def summary(self) -> dict[str, int]:
        """Counts of everything in the run, and the bytes of its pictures and parts."""
        return {name: int(self._ledger.rows(f"SELECT {query}")[0][0]) for name, query in SUMMARY.items()}


def _changed_scenes(there: Sequence[Scene], here: Sequence[Scene]) -> list[str]:
    """Say which scenes differ, are gone or are new; where their file lies does not matter, what is in it does."""
    old = {one.scene: replace(one, file="") for one in there}
    new = {one.scene: replace(one, file="") for one in here}
    changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return [f"scenes: {len(changed)} differ: {', '.join(changed[:5])}{', ...' * (len(changed) > 5)}"] if changed else []


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
