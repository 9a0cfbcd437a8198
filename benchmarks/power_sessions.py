"""What is under way when the power goes: a session with photographs, refusals and predictions; and a batch.

The runner, the grid, the batch's matrix and the store are the real ones, photographs are examined for real; cameras and
predictors are fakes of the tests, so that a session takes a second and always gives the same photographs.

    python -m benchmarks.power_sessions session|batch ROOT     (under the recorder; ROOT/run is the run)
"""

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from analysis.run_folder.files import write_whole
from analysis.run_folder.ledger import Ledger
from analysis.store import Run
from device_agents.predict import Job, default_environment
from device_agents.records import Prediction
from hostctl.batches.rows import Limits, Matrix, Network, Row
from hostctl.grid import Assignment, predict_run
from hostctl.lab import SessionSettings
from hostctl.pictures.file_runs import run_of_files
from hostctl.plans import sweep
from hostctl.runner import Session, run_session
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite
from tests.fakes.rack import FakeDisplay, device, scenes

MARKS = "marks"
SCENES, DEVICES = 3, ("phone", "board")
BATCH_PICTURES = 8
COUNTS = ("attempts", "pictures", "shards", "predicted", "failures", "devices", "environments", "fingerprints", "steps")


class Answers:
    """A predictor whose answers are fixed by the picture's bytes."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> "Answers":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def alive(self) -> bool:
        """It always answers."""
        return True

    def predict(self, job: Job, *, limit_s: float = 0.0) -> Iterator[Prediction]:
        """One answer for each picture in each environment."""
        for picture in job.pictures:
            digest = hashlib.sha256(Path(picture.file).read_bytes()).hexdigest()
            for environment in job.environments:
                stages = ("pixels", "resized", "tensor")
                marks = {f"{one}_sha256": hashlib.sha256(f"{digest}{one}".encode()).hexdigest() for one in stages}
                label = (f"label{digest[0]}",)
                yield Prediction(
                    picture.picture, environment.environment, label, (0.5,), 1.0, file_sha256=digest, **marks
                )


def session(root: Path, *, faults: bool) -> None:
    """Photograph three scenes with two devices into ROOT/run, predict them, and write a page."""
    with tempfile.TemporaryDirectory(prefix="power-rack-") as place:
        rack, display, listed = Path(place), FakeDisplay(), scenes(SCENES)
        scripts: dict[str, list[str]] = {"phone": ["good", "torn"], "board": ["truncated"]} if faults else {}
        devices = [device(name, display, rack, scripts.get(name)) for name in DEVICES]
        with Run.open_or_create(root / "run", settings={"seed": 1}, scenes=listed) as run:
            run.add_steps(list(sweep([one.scene for one in listed], angles=(0,), repeats=1, devices=DEVICES, seed=1)))
            run.renew_attempts()
            for one in DEVICES:
                run.add_device(one, {"kind": "local"}, 0.0)
            (rack / "spool").mkdir()
            doing = Session(
                run=run,
                scenes={one.scene: one for one in listed},
                devices=devices,
                display=display,
                settings=SessionSettings(angles=(0,), repeats=1, health_every_s=0.0),
                spool=rack / "spool",
                display_timeout_s=10.0,
            )
            run_session(doing, run.steps_missing())
            model, card = write_tflite(rack / "tiny.tflite"), _named_labels(rack)
            for name in DEVICES:
                environment = replace(default_environment(card, model), machine=name, runtime_version="1")
                assignment = Assignment((environment,), (name,), Answers(name))  # type: ignore[arg-type]
                predict_run(run, model, card, [assignment], workers=1, progress=lambda done, total, note: None)
            write_whole(run.folder / "report" / "index.html", json.dumps(run.summary()["pictures"]).encode())


def _named_labels(folder: Path) -> Any:
    (folder / "names.csv").write_text("label,name\nlabel0,nought\nlabel1,one\n")
    return replace(tiny_sidecar(), labels=str(folder / "names.csv"))


def batch(root: Path, *, faults: bool) -> None:
    """Predict eight pictures on two devices into ROOT/run."""
    del faults
    with tempfile.TemporaryDirectory(prefix="power-batch-") as place:
        rng = np.random.default_rng(1)
        for number in range(BATCH_PICTURES):
            Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)).save(Path(place) / f"p{number:02}.png")
        rows = [f"p{number:02}.png,{number}" for number in range(BATCH_PICTURES)]
        (Path(place) / "labels.csv").write_text("\n".join(["file,label", *rows]) + "\n")
        model, card = write_tflite(Path(place) / "tiny.tflite"), tiny_sidecar()
        environment = replace(default_environment(card, model), machine="", runtime_version="")
        network = Network("tiny", "as given", model, card, environment)
        with run_of_files(Path(place) / "labels.csv", root / "run") as run:
            matrix_rows = [Row(name, network, (name,), (name,)) for name in DEVICES]
            runtimes = {name: {environment.runtime: "1"} for name in DEVICES}
            found = Matrix(run, matrix_rows, runtimes).work([Answers(name) for name in DEVICES], Limits())
            assert found["status"] == "OK", found


SESSIONS: dict[str, Callable[..., None]] = {"session": session, "batch": batch}


def counts(run: Run) -> list[int]:
    """How much the run says that it holds, in the order of COUNTS; it never grows less."""
    return [int(run._ledger.rows(f"SELECT count(*) FROM {table}")[0][0]) for table in COUNTS]


@contextmanager
def _marked(self: Ledger) -> Iterator[Any]:
    """A transaction after which stands in ROOT/marks what its caller now believes to be on disk."""
    with _TRANSACTION(self) as connection:
        yield connection
    told = [int(self.rows(f"SELECT count(*) FROM {table}")[0][0]) for table in COUNTS]
    handle = os.open(self.folder.parent / MARKS, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(handle, (json.dumps(told) + "\n").encode())
    os.close(handle)


_TRANSACTION = Ledger.transaction


def main(words: Sequence[str]) -> None:
    """Do one of SESSIONS, marking what was committed."""
    Ledger.transaction = _marked  # type: ignore[method-assign]
    name, root = words
    SESSIONS[name](Path(root), faults=True)


if __name__ == "__main__":
    main(sys.argv[1:])
