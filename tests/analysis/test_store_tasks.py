"""What other tasks than classification keep in a run: truths, posts and details; and what a run of schema 1 says."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet
import pytest

from analysis.run_folder import schema
from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.records import Environment, Picture, Prediction, Scene

STORED = Path(__file__).parents[1] / "data" / "run-v1"
SCENES = [
    Scene("desk", "desk.png", "0" * 64, ("cup",), truth='{"boxes":[]}'),
    Scene("sky", "sky.png", "1" * 64, ("no",)),
]
PLAIN = Environment("m", "2" * 64, "pillow", "whole", "rgb", "squash", "pillow-box", "bytes", "litert")
ENVIRONMENTS = [PLAIN, replace(PLAIN, post="offset-1")]
BOXES = "a long answer " * 1000


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Run.create(tmp_path / "run", settings={}, scenes=SCENES) as made:
        data = b"picture"
        sha256 = made.put_file(data)
        for scene in SCENES:
            made.add_picture(Picture(scene.scene, sha256, ".png", len(data), 4, 3, scene.scene), {})
        for one in ENVIRONMENTS:
            made.add_environment(one)
        yield made


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Run]:
    shutil.copytree(STORED, tmp_path / "run-v1")
    with Run.open(tmp_path / "run-v1") as opened:
        yield opened


def predicted(picture: str, environment: Environment, detail: str = "") -> Prediction:
    return Prediction(picture, environment.environment, ("cup",), (0.5,), detail=detail)


def test_truths_posts_and_details_come_back(run: Run) -> None:
    run.add_predictions([predicted("desk", one, BOXES) for one in ENVIRONMENTS])
    run.add_predictions([predicted("sky", ENVIRONMENTS[0])])  # a part without details among those that have them
    run.add_predictions([predicted("sky", ENVIRONMENTS[1], "another")])
    assert run.scenes() == SCENES
    assert run.environments() == ENVIRONMENTS
    table = run.predictions(["picture", "post", "truth", "detail"])
    assert table.to_dict("list") == {
        "picture": ["desk", "desk", "sky", "sky"],
        "post": ["", "offset-1", "", "offset-1"],
        "truth": ['{"boxes":[]}', '{"boxes":[]}', "", ""],
        "detail": [BOXES, BOXES, "", "another"],
    }
    assert table["detail"][0] is table["detail"][1]  # one text in memory for all that answer alike
    assert table["truth"][0] is table["truth"][1]


def test_long_texts_are_given_only_where_they_are_asked_for(run: Run) -> None:
    run.add_predictions([predicted("desk", PLAIN, BOXES)])
    assert not {"truth", "detail"} & set(run.predictions().columns)
    assert "truth" not in run.pictures().columns
    assert list(run.predictions()["post"]) == [""]
    assert run.predictions(["detail", "truth"]).dtypes.to_dict() == {"detail": object, "truth": object}


def test_an_empty_table_has_the_same_columns(run: Run) -> None:
    assert run.predictions(["detail", "truth", "post"]).columns.tolist() == ["detail", "truth", "post"]


def test_a_part_without_details_is_what_it_was_in_schema_1(run: Run, old: Run) -> None:
    run.add_predictions([predicted("desk", PLAIN)])
    [mine] = (run.folder / "predictions").glob("*.parquet")
    theirs = next((old.folder / "predictions").glob("*.parquet"))
    assert pyarrow.parquet.read_schema(mine) == pyarrow.parquet.read_schema(theirs)


def test_a_truth_that_changed_is_another_run(run: Run) -> None:
    run.close()
    with pytest.raises(BadInput, match="1 differ: desk"):
        Run.open_or_create(run.folder, settings={}, scenes=[replace(SCENES[0], truth=""), SCENES[1]])


def test_a_run_of_schema_1_is_opened_again_with_scenes_that_have_a_truth_by_now(old: Run) -> None:
    told = [replace(scene, truth="{}") for scene in old.scenes()]
    settings = old.settings
    old.close()
    with Run.open_or_create(old.folder, settings=settings, scenes=told) as again:
        assert {scene.truth for scene in again.scenes()} == {""}


def test_a_run_of_schema_1_has_none_of_them_and_takes_none(old: Run) -> None:
    table = old.predictions(["post", "truth", "detail", "label_1"])
    assert set(table["post"]) | set(table["truth"]) | set(table["detail"]) == {""}
    [environment] = old.environments()
    posted = replace(environment, post="offset-1")
    with pytest.raises(
        BadInput, match=r"schema 2 for the environment '\w+' with a post, got .* schema 1; .*runs migrate"
    ):
        old.add_environment(posted)
    picture = next(old.picture_records())
    plain = replace(environment, decoder="opencv")
    old.add_environment(plain)  # what it has always had room for
    with pytest.raises(
        BadInput, match=r"with a detail, got one of schema 1; .*`instability runs migrate RUN --out COPY`"
    ):
        old.add_predictions([predicted(picture.picture, plain, "boxes")])
    before = old.summary()["predictions"]
    old.add_predictions([predicted(picture.picture, plain)])
    assert old.summary()["predictions"] == before + 1


def test_a_ledger_brought_from_schema_1_to_2_takes_them(old: Run) -> None:
    folder, scenes = old.folder, old.scenes()
    old.close()
    connection = sqlite3.connect(folder / "ledger.sqlite")
    schema.migrate(connection, version=1)
    connection.execute("PRAGMA user_version = 2")
    connection.commit()
    connection.close()
    with Run.open(folder) as run:
        assert run.scenes() == scenes
        [environment] = run.environments()
        posted = replace(environment, post="offset-1")
        run.add_environment(posted)
        run.add_predictions([predicted(next(run.picture_records()).picture, posted, "boxes")])
        assert "boxes" in set(run.predictions(["detail"])["detail"])
