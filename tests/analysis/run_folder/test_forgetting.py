"""Failed predictions forgotten: they are missing again, all others stay as they are, and a kill leaves a whole run."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from analysis.run_folder import forgetting
from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.records import Prediction
from tests.fakes.filled_run import ENVIRONMENTS, NAMES, SCENES, SETTINGS, STEPS, prediction_of, shoot_all

PICTURES = [f"{step.key}|jpg" for step in STEPS]
LACKING, CUT = "not available: MissingExtra: pillow-heif", "decode: OSError: cut"


def failed(picture: str, environment: str, error: str) -> Prediction:
    marks = dict.fromkeys(("pixels_sha256", "resized_sha256", "tensor_sha256"), "")
    return prediction_of(picture, environment, (), error=error, latency_ms=0.0, **marks)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Three shards: one of good and failed predictions, one all failed, one all good."""
    with Run.create(tmp_path / "run", settings=SETTINGS, scenes=SCENES) as run:
        run.add_steps(STEPS)
        shoot_all(run)
        for one in ENVIRONMENTS:
            run.add_environment(one)
        run.add_predictions([prediction_of(name, NAMES[0]) for name in PICTURES[:3]] + [
            failed(PICTURES[3], NAMES[0], LACKING), failed(PICTURES[4], NAMES[0], CUT),
        ])  # fmt: skip
        run.add_predictions([failed(name, NAMES[1], LACKING) for name in PICTURES[:2]])
        run.add_predictions([prediction_of(name, NAMES[1]) for name in PICTURES[2:5]])
        yield run


def missing(run: Run) -> set[tuple[str, str]]:
    blocks = run.missing_predictions(ENVIRONMENTS[:2])
    return {(one.picture, each.environment) for some, environments in blocks for one in some for each in environments}


def table_of(run: Run) -> pd.DataFrame:
    return run.predictions().sort_values(["picture", "environment"], ignore_index=True)


def test_they_are_missing_again_and_the_others_stay(run: Run) -> None:
    before, lacked = table_of(run), missing(run)
    assert run.forget_failed() == {LACKING: 3, CUT: 1}
    assert missing(run) - lacked == {
        *((name, NAMES[0]) for name in PICTURES[3:5]),
        *((name, NAMES[1]) for name in PICTURES[:2]),
    }
    pd.testing.assert_frame_equal(table_of(run), before[before["error"] == ""].reset_index(drop=True))
    assert (run.summary()["predictions"], run.summary()["prediction_errors"]) == (6, 0)
    assert run.forget_failed() == {}


def test_those_of_a_reason_alone(run: Run) -> None:
    assert run.forget_failed("OSError") == {CUT: 1}
    assert (run.summary()["predictions"], run.summary()["prediction_errors"]) == (9, 3)
    assert run.forget_failed("nothing of the kind") == {}


def test_they_can_be_made_again_and_parts_are_as_if_the_failure_had_never_been(run: Run, tmp_path: Path) -> None:
    run.forget_failed()
    again = [prediction_of(name, NAMES[0]) for name in PICTURES[3:5]]
    again += [prediction_of(name, NAMES[1]) for name in PICTURES[:2]]
    run.add_predictions(again)
    assert len(table_of(run)) == 10
    with Run.create(tmp_path / "other", settings=SETTINGS, scenes=SCENES) as other:
        other.add_steps(STEPS)
        shoot_all(other)
        for one in ENVIRONMENTS:
            other.add_environment(one)
        other.add_predictions([prediction_of(name, NAMES[0]) for name in PICTURES[:3]])
        other.add_predictions([prediction_of(name, NAMES[1]) for name in PICTURES[2:5]])
        other.add_predictions(again)
        parts = [
            {path.name: path.read_bytes() for path in (one.folder / "predictions").iterdir()} for one in (run, other)
        ]
    assert parts[0] == parts[1]


def test_killed_in_the_middle_it_goes_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first shard's commit and before its old part is gone: nothing is lost, and prune finds the part."""
    before = table_of(run)

    unlink = Path.unlink

    def killed(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".parquet":
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            run.forget_failed()
    assert run.summary()["predictions"] == len(table_of(run)) == 8
    assert run.forget_failed() == {LACKING: 2}
    pd.testing.assert_frame_equal(table_of(run), before[before["error"] == ""].reset_index(drop=True))


def test_a_failure_before_the_commit_changes_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = table_of(run)

    def full(path: Path, data: bytes) -> None:
        raise BadInput("the disk is full")

    monkeypatch.setattr(forgetting, "write_whole", full)
    with pytest.raises(BadInput, match="the disk is full"):
        run.forget_failed()
    pd.testing.assert_frame_equal(table_of(run), before)


def test_a_reader_may_not(run: Run) -> None:
    with Run.open(run.folder, write=False) as reader, pytest.raises(BadInput, match="opened for writing"):
        reader.forget_failed()
    assert run.summary()["prediction_errors"] == 4
