"""A run of schema 1, stored on the day it was made, is read as it was then, for ever.

It was made by `instability run` on two virtual phones with the "instant" camera, from the pictures beside it.
"""

import hashlib
import shutil
from pathlib import Path

import pytest

from analysis.run_folder.homes import at_home
from analysis.store import Run
from analysis.tables import study

STORED = Path(__file__).parents[1] / "data" / "run-v1"


@pytest.fixture(params=[False, True], ids=["read", "write"])
def run(request, tmp_path):
    shutil.copytree(STORED, tmp_path / "run")
    with Run.open(tmp_path / "run", write=request.param) as opened:
        yield opened


def test_its_counts_are_those_of_the_day(run):
    found = run.summary()
    assert (found["scenes"], found["steps"], found["steps_done"], found["pictures"]) == (2, 8, 8, 8)
    assert (found["predictions"], found["prediction_errors"], found["devices"]) == (8, 0, 2)
    assert run.settings["session"] == {
        "angles": [0],
        "repeats": 2,
        "seed": 1,
        "attempts": 3,
        "move_command": [],
        "reserve_mb": 0,
        "shoot_timeout_s": 30.0,
    }


def test_its_scenes_pictures_and_files_are_whole(run):
    labels = {scene.scene: scene.labels for scene in run.scenes()}
    assert labels == {"red-thing": ("n07745940", "n07747607"), "green-thing": ("n07742313",)}
    for record in run.picture_records():
        assert len(record.corners) == 4
        for digest in (record.sha256, record.crop_sha256, record.thumb_sha256):
            assert hashlib.sha256(run.file(digest).read_bytes()).hexdigest() == digest


def test_its_predictions_and_their_fingerprints_are_read(run):
    table = run.predictions()
    assert len(table) == 8
    assert set(table["runtime"]) == {"litert"}
    assert table["score_1"].between(0, 1).all()
    (environment,) = run.environments()
    assert environment.model == "mobilenet-v2"
    assert set(table["environment"]) == {environment.environment}
    marks = run.fingerprints(table["tensor_fingerprint"])
    assert len(marks) == 2  # all saw the same painted scene twice, free of noise: one tensor a scene
    assert all(len(digest) == 64 for digest in marks.values())


def test_its_numbers_come_out_the_same(run):
    found = study(at_home(run.predictions())).summary
    assert (found["instability"]["rate"], found["instability"]["items"]) == (0.0, 4)
    assert found["disagreement"]["rate"] == 0.0
    assert found["accuracy_overall"]["accuracy"] == 0.0
