"""Predictions of a run folder: asked for once, given back exactly, refused whole, and a part that is gone is named."""

import dataclasses
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.run_folder import parts
from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.records import Prediction
from tests.fakes.filled_run import (
    ENVIRONMENTS,
    LABELS,
    NAMES,
    SCENES,
    SETTINGS,
    STEPS,
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
