"""A run folder: what goes in comes out, once, whatever is killed in between."""

import dataclasses
import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.run_folder import parts, schema
from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.records import Environment, Picture, Prediction, Scene, Step, step_key

SETTINGS = {"seed": 1, "lab": {"devices": ["one", "two"]}}
LABELS = ("n01", "n02", "n03", "n04", "n05")


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


SCENES = [
    Scene("cup", "cup.png", digest("cup"), ("n01", "n02"), ("n03",), "mug", "drinks"),
    Scene("dog", "dog.png", digest("dog"), ("n04",)),
]
STEPS = [
    Step(scene, angle, repeat, device, stimulus=1, order=number, place=place)
    for number, (scene, angle, repeat) in enumerate((s, a, r) for s in ("cup", "dog") for a in (0, 10) for r in (1, 2))
    for place, device in enumerate(("one", "two"))
]
ENVIRONMENTS = [
    Environment("m", digest("m"), decoder, "whole", "rgb", "squash", "pillow-bilinear", "imagenet", "litert")
    for decoder in ("pillow", "opencv")
]
NAMES = [one.environment for one in ENVIRONMENTS]


def picture_of(step: Step, content: bytes = b"", **changes: object) -> Picture:
    values = {
        "picture": f"{step.key}|jpg",
        "sha256": hashlib.sha256(content).hexdigest(),
        "suffix": ".jpg",
        "size": len(content),
        "width": 4,
        "height": 3,
        **{name: getattr(step, name) for name in ("scene", "angle", "repeat", "device")},
        "corners": ((0.5, -0.25), (3.1, 0.0), (3.0, 2.0), (1e-9, 2.0)),
    }
    return Picture(**{**values, **changes})  # type: ignore[arg-type]


def prediction_of(picture: str, environment: str, labels: tuple[str, ...] = LABELS, **changes: object) -> Prediction:
    scores = tuple(1 / (rank + 3) for rank in range(len(labels)))
    marks = {f"{stage}_sha256": digest(f"{stage} {picture}") for stage in ("file", "pixels", "resized", "tensor")}
    values = {"scores": scores, "latency_ms": 12.345678901234567, **marks, **changes}
    return Prediction(picture, environment, labels, **values)  # type: ignore[arg-type]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Run.create(tmp_path / "run", settings=SETTINGS, scenes=SCENES) as run:
        run.add_steps(STEPS)
        yield run


@pytest.fixture
def shot(run: Run) -> Run:
    """A run in which every step has its picture."""
    for number, step in enumerate(STEPS):
        content = str(number).encode()
        run.add_picture(picture_of(step, content), {hashlib.sha256(content).hexdigest(): content})
    return run


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


def test_missing_predictions_are_asked_for_once(shot: Run) -> None:
    names = [f"{step.key}|jpg" for step in STEPS]
    blocks = list(shot.missing_predictions(ENVIRONMENTS, block=6))
    assert [len(pictures) for pictures, _ in blocks] == [6, 6, 4]
    assert [one.picture for pictures, _ in blocks for one in pictures] == names
    assert all(environments == ENVIRONMENTS for _, environments in blocks)
    shot.add_predictions([prediction_of(name, NAMES[0]) for name in names[:3]])
    shot.add_predictions([prediction_of(name, one) for name in names[6:12] for one in NAMES])
    left = list(shot.missing_predictions(ENVIRONMENTS, block=6))
    assert [([one.picture for one in pictures], environments) for pictures, environments in left] == [
        (names[:3], ENVIRONMENTS[1:]),
        (names[3:6], ENVIRONMENTS),
        (names[12:], ENVIRONMENTS),
    ]
    for pictures, environments in shot.missing_predictions(ENVIRONMENTS, where={"device": "one"}):
        shot.add_predictions([prediction_of(p.picture, e.environment) for p in pictures for e in environments])
    assert not list(shot.missing_predictions(ENVIRONMENTS, where={"device": "one"}))
    assert len(list(shot.missing_predictions(ENVIRONMENTS, where={"device": "two"}))) > 0


def test_predictions_come_back_exactly(shot: Run) -> None:
    for one in ENVIRONMENTS:
        shot.add_environment(one)
    first, second, third = (f"{step.key}|jpg" for step in STEPS[:3])
    shares = (0.1 + 0.2, 5e-324, 1 / 3)
    made = [
        prediction_of(first, NAMES[1], ("n01", "é", "n03"), scores=shares),
        prediction_of(first, NAMES[0]),
        prediction_of(second, NAMES[0], (), error="decode: OSError: cut", latency_ms=0.0, pixels_sha256="",
                      resized_sha256="", tensor_sha256=""),
        prediction_of(third, NAMES[0], scores=(float("nan"), *[0.0] * 4)),
    ]  # fmt: skip
    shot.add_predictions(made)
    table = shot.predictions()
    back = []
    marks = shot.fingerprints(table[list(parts.FINGERPRINTS)].to_numpy().ravel())
    for row in table.to_dict("records"):
        count = sum(isinstance(row[label], str) for label in parts.LABELS)
        stages = {f"{stage}_sha256": marks.get(row[f"{stage}_fingerprint"], "") for stage in parts.STAGES}
        labels, scores = (tuple(row[name] for name in names[:count]) for names in (parts.LABELS, parts.SCORES))
        back.append(
            Prediction(
                row["picture"], row["environment"], labels, scores, row["latency_ms"], error=row["error"], **stages
            )
        )
    expected = [made[1], made[0], made[2], made[3]]
    assert repr(back) == repr(expected)  # repr, for nan equals nothing
    assert list(table["decoder"]) == ["pillow", "opencv", "pillow", "pillow"]
    assert list(table["device"]) == ["one", "one", "two", "one"]
    assert list(table["verdict"]) == ["right", "right", "missing", "right"]
    assert list(table["labels"]) == [("n01", "n02")] * 4
    assert shot.predictions(["score_1", "device"]).columns.tolist() == ["score_1", "device"]
    with pytest.raises(BadInput, match=r"unknown columns \['colours'\]; known: .*colour"):
        shot.predictions(["colours"])


def test_verdicts_follow_the_scenes_labels(shot: Run) -> None:
    shot.add_environment(ENVIRONMENTS[0])
    cup, dog = STEPS[0], next(step for step in STEPS if step.scene == "dog")
    for step, label in ((cup, "n02"), (STEPS[1], "n03"), (STEPS[2], "n04"), (dog, "n04")):
        shot.add_predictions([prediction_of(f"{step.key}|jpg", NAMES[0], (label,))])
    assert list(shot.predictions(["verdict"])["verdict"]) == ["right", "ambiguous", "wrong", "right"]


def test_a_run_without_predictions_has_an_empty_table_of_the_same_columns(shot: Run) -> None:
    shot.add_environment(ENVIRONMENTS[0])
    empty = shot.predictions()
    shot.add_predictions([prediction_of(f"{STEPS[0].key}|jpg", NAMES[0])])
    assert len(empty) == 0
    assert empty.dtypes.to_dict() == shot.predictions().dtypes.to_dict()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": LABELS * 2, "scores": (0.1,) * 10}, "up to 5 labels"),
        ({"scores": (0.5,)}, "as many scores"),
        ({"labels": (), "scores": ()}, "or the reason why"),
        ({"picture": "none"}, "no picture 'none'"),
        ({"environment": "none"}, "no environment 'none'"),
        ({"tensor_sha256": "abc"}, "expected a fingerprint"),
    ],
)
def test_a_prediction_that_does_not_fit_is_refused_whole(shot: Run, changes: dict[str, object], words: str) -> None:
    shot.add_environment(ENVIRONMENTS[0])
    good, bad = (prediction_of(f"{step.key}|jpg", NAMES[0]) for step in STEPS[:2])
    with pytest.raises(BadInput, match=words):
        shot.add_predictions([good, dataclasses.replace(bad, **changes)])
    assert len(shot.predictions()) == 0
    assert shot.summary()["predictions"] == 0


def test_nothing_is_predicted_twice(shot: Run) -> None:
    shot.add_environment(ENVIRONMENTS[0])
    shard = [prediction_of(f"{step.key}|jpg", NAMES[0]) for step in STEPS[:3]]
    name = shot.add_predictions(shard)
    assert shot.add_predictions(shard[::-1]) == name
    with pytest.raises(BadInput, match="got it twice"):
        shot.add_predictions(shard[2:])
    with pytest.raises(BadInput, match="got twice"):
        shot.add_predictions(shard[:1] * 2)
    assert shot.summary()["predictions"] == len(shot.predictions()) == 3


def test_a_part_that_the_ledger_does_not_know_is_ignored_and_made_again_alike(shot: Run) -> None:
    for one in ENVIRONMENTS:
        shot.add_environment(one)
    first, second = ([prediction_of(f"{s.key}|jpg", NAMES[0]) for s in some] for some in (STEPS[:4], STEPS[4:]))
    name = shot.add_predictions(first)
    part = shot.folder / "predictions" / f"{name}.parquet"
    content = part.read_bytes()
    shot.close()
    other = sqlite3.connect(shot.folder / "ledger.sqlite")
    for table in ("predicted", "shards", "fingerprints"):  # as if the kill had come between the part and the commit
        other.execute(f"DELETE FROM {table}")
    other.commit()
    other.close()
    with Run.open(shot.folder) as run:
        assert len(run.predictions()) == 0
        run.add_predictions(second)  # what is committed in between changes nothing
        part.write_bytes(b"half")
        assert run.add_predictions(first[::-1]) == name
        assert part.read_bytes() == content
        assert len(run.predictions()) == len(STEPS)


def test_a_part_that_is_gone_or_cut_is_named(shot: Run) -> None:
    shot.add_environment(ENVIRONMENTS[0])
    name = shot.add_predictions([prediction_of(f"{STEPS[0].key}|jpg", NAMES[0])])
    part = shot.folder / "predictions" / f"{name}.parquet"
    content = part.read_bytes()
    part.write_bytes(content[:-1])
    with pytest.raises(
        BadInput, match=f"{name}.parquet: expected a part of {len(content)} bytes, got {len(content) - 1}"
    ):
        shot.predictions()
    part.write_bytes(b"x" * len(content))
    with pytest.raises(BadInput, match="expected a whole part of predictions"):
        shot.predictions()
    part.unlink()
    with pytest.raises(BadInput, match="got 0"):
        shot.predictions()


def test_fingerprints_that_share_their_first_bits_stay_apart(shot: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "first_bits", lambda text: int(text[0], 16) % 3 + 2**63 - 3)
    shot.add_environment(ENVIRONMENTS[0])
    made = [prediction_of(f"{step.key}|jpg", NAMES[0]) for step in STEPS]
    for one in made[:4]:
        shot.add_predictions([one])
    shot.add_predictions(made[4:])
    table = shot.predictions(["picture", *parts.FINGERPRINTS])
    marks = shot.fingerprints(table[list(parts.FINGERPRINTS)].to_numpy().ravel())
    assert len(marks) == 4 * len(STEPS)
    for row, one in zip(table.to_dict("records"), made, strict=True):
        assert tuple(marks[row[name]] for name in parts.FINGERPRINTS) == parts.fingerprints_of(one)


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
from tests.analysis.test_store import do_the_run
do_the_run(Path(sys.argv[1]))
"""
KILLED_SCENES = [Scene(f"s{number}", f"{number}.png", digest(str(number)), ("n01",)) for number in range(40)]
KILLED_STEPS = [Step(one.scene, 0, repeat, "one", 1, 1, 1) for one in KILLED_SCENES for repeat in (1, 2)]


def do_the_run(folder: Path) -> None:
    """What a command does: read the ledger, do what is missing, commit."""
    with Run.open_or_create(folder, settings=SETTINGS, scenes=KILLED_SCENES) as run:
        run.add_steps(KILLED_STEPS)
        for step in run.steps_missing():
            content = step.key.encode() * 500
            crop = b"crop of " + content
            files = {hashlib.sha256(part).hexdigest(): part for part in (content, crop)}
            record = picture_of(step, content, crop_sha256=hashlib.sha256(crop).hexdigest())
            run.add_picture(record, files)
            print("picture", flush=True)
        for pictures, environments in run.missing_predictions(ENVIRONMENTS, block=8):
            run.add_predictions([prediction_of(p.picture, e.environment) for p in pictures for e in environments])
            print("shard", flush=True)


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
