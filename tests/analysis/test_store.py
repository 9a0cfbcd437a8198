"""A run folder: what goes in comes out, once."""

import dataclasses
import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.run_folder import schema
from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.records import Environment, Picture, Scene, Step
from tests.fakes.filled_run import (
    ENVIRONMENTS,
    NAMES,
    SCENES,
    SETTINGS,
    STEPS,
    digest,
    picture_of,
    prediction_of,
    shoot_all,
)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Run.create(tmp_path / "run", settings=SETTINGS, scenes=SCENES) as run:
        run.add_steps(STEPS)
        yield run


@pytest.fixture
def shot(run: Run) -> Run:
    """A run in which every step has its picture."""
    return shoot_all(run)


def test_a_run_is_made_opened_and_opened_again(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "run"
    Run.open_or_create(folder, settings=SETTINGS, scenes=SCENES).close()
    assert 'devices = ["one", "two"]' in (folder / "run.toml").read_text()
    with Run.open_or_create(folder, settings=SETTINGS, scenes=SCENES) as run:
        assert run.scenes() == SCENES
        assert run.settings == SETTINGS
        assert run.log_path.parent == folder
    with pytest.raises(BadInput, match="expected no run here"):
        Run.create(folder, settings=SETTINGS, scenes=SCENES)
    with pytest.raises(BadInput, match="expected a run folder with ledger.sqlite, got none"):
        Run.open(tmp_path)


def test_other_settings_or_scenes_are_refused_by_name(tmp_path: Path) -> None:
    Run.create(tmp_path, settings=SETTINGS, scenes=SCENES).close()
    with pytest.raises(BadInput, match=r"made with other settings; .*\n  - seed: 1 there, 2 here"):
        Run.open_or_create(tmp_path, settings={**SETTINGS, "seed": 2}, scenes=SCENES)
    changed = [dataclasses.replace(SCENES[0], labels=("n09",)), SCENES[1]]
    with pytest.raises(BadInput, match=r"\n  - scenes: 1 differ: cup"):
        Run.open_or_create(tmp_path, settings=SETTINGS, scenes=changed)
    moved = [dataclasses.replace(scene, file=f"/elsewhere/{scene.file}") for scene in SCENES]
    Run.open_or_create(tmp_path, settings=SETTINGS, scenes=moved).close()


def test_a_newer_schema_is_refused_and_a_foreign_file_too(tmp_path: Path) -> None:
    Run.create(tmp_path, settings=SETTINGS, scenes=SCENES).close()
    connection = sqlite3.connect(tmp_path / "ledger.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(BadInput, match="expected a run of schema 2 or older, got schema 99; open it with the newer"):
        Run.open(tmp_path, write=False)
    (tmp_path / "ledger.sqlite").write_bytes(b"no database, and long enough to be read as one" * 10)
    for open_it in (Run.open, lambda folder: Run.open_or_create(folder, settings=SETTINGS, scenes=SCENES)):
        with pytest.raises(BadInput, match="expected a run's ledger"):
            open_it(tmp_path)


def test_a_making_that_was_cut_short_is_made_again(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "ledger.sqlite").close()
    (tmp_path / "ledger.sqlite").touch()
    with pytest.raises(BadInput, match="cut short"):
        Run.open(tmp_path)
    with Run.open_or_create(tmp_path, settings=SETTINGS, scenes=SCENES) as run:
        assert run.scenes() == SCENES


def test_a_read_only_copy_can_be_read(shot: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shot.close()
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write everywhere
    with Run.open(shot.folder, write=False) as reader:
        assert len(reader.pictures()) == len(STEPS)
    assert not (shot.folder / "ledger.sqlite-wal").exists()


def test_the_tables_have_a_column_for_each_field(run: Run) -> None:
    for kind, table in schema.TABLES.items():
        columns = {row[1] for row in run._ledger.rows(f"PRAGMA table_info({table})")}
        assert set(schema.column_names(kind)) <= columns


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
NUMBER = st.integers(-(2**62), 2**62)
POINT = st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False))


@settings(deadline=None, max_examples=40)
@given(
    st.builds(Scene, TEXT, TEXT, TEXT, st.lists(TEXT, min_size=1).map(tuple), st.lists(TEXT).map(tuple), TEXT, TEXT),
    st.builds(Step, st.just(""), NUMBER, NUMBER, TEXT, NUMBER, NUMBER, NUMBER),
    st.builds(
        Picture, TEXT, st.just(digest("")), TEXT, NUMBER, NUMBER, NUMBER, st.just(""), NUMBER, NUMBER, TEXT, TEXT, TEXT,
        TEXT, st.lists(POINT, max_size=4).map(tuple), st.just(""), st.just(""), NUMBER, TEXT,
    ),
    st.builds(Environment, *[TEXT] * 10, NUMBER, TEXT),
)  # fmt: skip
def test_records_come_back_exactly(scene: Scene, step: Step, picture: Picture, environment: Environment) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with Run.create(Path(folder), settings={}, scenes=[scene]) as run:
            step, picture = (dataclasses.replace(one, scene=scene.scene) for one in (step, picture))
            run.add_steps([step])
            run.add_picture(picture, {digest(""): b""})
            run.add_environment(environment)
        with Run.open(Path(folder), write=False) as run:
            assert run.scenes() == [scene]
            assert run.steps() == [step]
            assert list(run.picture_records()) == [picture]
            assert run.environments() == [environment]


def test_steps_are_planned_once(run: Run) -> None:
    run.add_steps(STEPS)
    assert run.steps() == STEPS
    with pytest.raises(BadInput, match=r"step 'cup\|0\|1\|one' is already in the run and differs"):
        run.add_steps([dataclasses.replace(STEPS[0], place=7)])
    with pytest.raises(BadInput, match=r"expected scenes of this run, got \['cat'\]"):
        run.add_steps([dataclasses.replace(STEPS[0], scene="cat")])
    assert run.steps() == STEPS


def test_a_step_has_three_attempts_until_they_are_renewed(run: Run) -> None:
    key = STEPS[0].key
    assert run.steps_missing() == STEPS
    for number, status in enumerate(("failed", "rejected", "failed"), 1):
        assert STEPS[0] in run.steps_missing()
        assert run.next_attempt(key) == number
        assert run.add_attempt(key, status, reason="torn", started_utc="2026", durations={"shoot_s": 0.25}) == number
    assert run.steps_missing() == STEPS[1:]
    assert run.steps_missing(max_attempts=4) == STEPS
    run.renew_attempts()
    assert run.steps_missing() == STEPS
    assert run.add_attempt(key, "failed") == 4
    attempts = run.attempts()
    assert list(attempts["attempt"]) == [1, 2, 3, 4]
    assert list(attempts["session"]) == [1, 1, 1, 2]
    assert attempts.loc[0, ["step", "device", "status", "reason", "started_utc"]].tolist() == [
        key, "one", "failed", "torn", "2026",
    ]  # fmt: skip
    assert attempts.loc[0, "durations"] == {"shoot_s": 0.25}


def test_a_picture_makes_its_step_good_once(run: Run) -> None:
    step = STEPS[0]
    run.add_attempt(step.key, "rejected", reason="torn", sha256=run.put_file(b"torn"))
    record = picture_of(step, b"good", attempt=2, crop_sha256=digest("crop"), thumb_sha256=digest("thumb"))
    files = {record.sha256: b"good", record.crop_sha256: b"crop", record.thumb_sha256: b"thumb"}
    for _ in range(2):
        run.add_picture(record, files, started_utc="2026", durations={"pull_s": 1.0})
    assert run.steps_missing() == STEPS[1:]
    attempts = run.attempts()
    assert list(attempts["status"]) == ["rejected", "ok"]
    assert list(attempts["sha256"]) == [digest("torn"), record.sha256]
    assert run.add_attempt(step.key, "ok", durations={"pull_s": 2.0}) == 2
    assert run.attempts().loc[1, "durations"] == {"pull_s": 2.0}
    assert run.attempts().loc[1, "sha256"] == record.sha256
    with pytest.raises(BadInput, match="is already in the run and differs"):
        run.add_picture(dataclasses.replace(record, width=99), {})
    assert run.file(record.sha256).read_bytes() == b"good"


def test_a_raw_and_a_developed_picture_are_no_further_attempts(run: Run) -> None:
    step = STEPS[0]
    jpg, dng = picture_of(step, b"jpg"), picture_of(step, b"dng", picture=f"{step.key}|dng", suffix=".dng")
    run.add_pictures([jpg, dng], {jpg.sha256: b"jpg", dng.sha256: b"dng"})
    child = picture_of(STEPS[1], b"png", picture="child", parent=dng.picture, isp="plain")
    run.add_picture(child, {child.sha256: b"png"})
    attempts = run.attempts()
    assert attempts[["step", "sha256"]].to_numpy().tolist() == [[step.key, jpg.sha256]]
    assert run.steps_missing() == STEPS[1:]


def test_a_picture_without_its_files_or_with_others_is_refused(run: Run) -> None:
    record = picture_of(STEPS[0], b"data")
    with pytest.raises(BadInput, match="expected the file"):
        run.add_picture(record, {})
    with pytest.raises(BadInput, match=f"expected a file of sha256 {record.sha256}, got"):
        run.add_picture(record, {record.sha256: b"other"})
    with pytest.raises(BadInput, match="expected a sha256"):
        run.add_picture(dataclasses.replace(record, sha256="../../x"), {})
    with pytest.raises(BadInput, match=r"expected scenes of this run, got \['cat'\]"):
        run.add_picture(dataclasses.replace(record, scene="cat"), {record.sha256: b"data"})
    assert not list(run.picture_records())
    assert len(run.attempts()) == 0


@pytest.mark.parametrize(("step", "status"), [("none", "failed"), (STEPS[0].key, "good"), (STEPS[0].key, "ok")])
def test_an_attempt_that_cannot_be(run: Run, step: str, status: str) -> None:
    with pytest.raises(BadInput, match=f"attempt at '{step}'".replace("|", r"\|")):
        run.add_attempt(step, status)
    assert len(run.attempts()) == 0


def test_pictures_have_the_columns_of_their_steps_and_scenes(shot: Run) -> None:
    frame = shot.pictures()
    assert list(frame["picture"]) == [f"{step.key}|jpg" for step in STEPS]
    first, last = frame.iloc[0], frame.iloc[-1]
    assert first[["scene", "category", "cluster", "order", "place", "stimulus"]].tolist() == [
        "cup",
        "drinks",
        "mug",
        0,
        0,
        1,
    ]
    assert (first["labels"], first["ambiguous"], first["corners"]) == (
        ("n01", "n02"),
        ("n03",),
        picture_of(STEPS[0]).corners,
    )
    assert last[["cluster", "category", "place", "order"]].tolist() == ["dog", "n04", 1, 7]
    assert frame["angle"].dtype == np.int64
    assert [one.picture for one in shot.picture_records({"scene": "dog", "device": ("two", "three")})] == [
        f"{step.key}|jpg" for step in STEPS if step.scene == "dog" and step.device == "two"
    ]
    with pytest.raises(BadInput, match=r"unknown columns of a picture \['colour; DROP'\]"):
        list(shot.picture_records({"colour; DROP": 1}))


def test_devices_failures_and_the_summary(shot: Run) -> None:
    shot.add_device("one", {"soc": "old", "libraries": {"numpy": "2"}}, clock_offset_s=-0.5)
    shot.add_device("one", {"soc": "new"}, clock_offset_s=0.25)
    devices = shot.devices()
    assert devices[["device", "clock_offset_s"]].to_numpy().tolist() == [["one", 0.25]]
    assert devices.loc[0, "info"] == {"soc": "new"}
    shot.add_failure("device two", "unauthorised")
    assert shot.failures()[["where", "reason"]].to_numpy().tolist() == [["device two", "unauthorised"]]
    shot.add_environment(ENVIRONMENTS[0])
    shot.add_predictions([prediction_of(f"{STEPS[0].key}|jpg", NAMES[0], (), error="x")])
    summary = shot.summary()
    assert summary.pop("prediction_bytes") > 0
    assert summary == {
        "scenes": 2, "steps": 16, "attempts": 16, "pictures": 16, "environments": 1, "steps_done": 16,
        "attempts_rejected": 0, "attempts_failed": 0, "predictions": 1, "prediction_errors": 1, "devices": 1,
        "failures": 1, "picture_bytes": 22,
    }  # fmt: skip


def test_many_threads_share_a_run(run: Run) -> None:
    def work(step: Step) -> None:
        content = step.key.encode()
        run.add_attempt(step.key, "failed")
        run.add_picture(picture_of(step, content), {hashlib.sha256(content).hexdigest(): content})
        run.steps_missing()
        run.pictures()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, STEPS))
    assert run.steps_missing() == []
    assert sorted(run.pictures()["picture"]) == sorted(f"{step.key}|jpg" for step in STEPS)
    assert len(run.attempts()) == 2 * len(STEPS)
