"""The search: which attempts there are, that they are made once, and that a killed one goes on with the same."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from device_agents.errors import BadInput, TimedOut
from stability_train.attempts import Attempt, read_attempts
from stability_train.cache import locked
from stability_train.losses import LOSSES
from stability_train.nested import Study, sides
from stability_train.pairs import make_plan
from stability_train.search import (
    Space,
    attempts_of,
    baselines,
    grid_schemes,
    prepare,
    random_schemes,
    search,
    wanted_views,
)
from stability_train.search_worker import shared_view
from tests.fakes.tiny_study import one_by_one, quiet, tiny_study

# Keras 3.15 upon TensorFlow 2.21 asks numpy 2 for a copy in the old way whenever it reads a variable.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

ROOT = Path(__file__).parents[2]
SPACE = Space(("two-images", "gaussian"), ("relative-entropy",), (0.1, 1.0))
CHILD = """
import sys
from pathlib import Path
from hostctl.workers.processes import processes
from stability_train.search import Space, attempts_of, baselines, grid_schemes, search
from tests.fakes.tiny_study import tiny_study

space = Space(("two-images", "gaussian"), ("relative-entropy",), (0.1, 1.0))
attempts = attempts_of([*baselines(space), *grid_schemes(space)], folds=2, seeds=2)
if __name__ == "__main__":
    study = tiny_study(Path(sys.argv[1]), threads=1)
    with processes(2) as spread:
        print(search(study, attempts, spread=spread, workers=2, progress=lambda *said: None))
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return tiny_study(tmp_path_factory.mktemp("study"))


def all_attempts(*, seeds: int = 2) -> list[Attempt]:
    return attempts_of([*baselines(SPACE), *grid_schemes(SPACE)], folds=2, seeds=seeds)


def contents(folder: Path) -> dict[str, Any]:
    """What is committed, times aside."""
    rows = {path.name: json.loads(path.read_text()) for path in (folder / "attempts").glob("*.json")}
    sealed = {path.name: path.read_bytes() for path in (folder / "sealed").glob("*.npz")}
    return {name: {key: row[key] for key in row if key != "seconds"} for name, row in rows.items()} | sealed


def test_a_grid_has_every_combination_and_a_baseline_an_architecture() -> None:
    space = Space(
        ("none", "gaussian", "two-images"), ("embedding", "relative-entropy"), (0.1, 1.0), {"gaussian": (1, 2)}
    )
    assert baselines(space) == [("none", "embedding", 0.0, None), ("none", "relative-entropy", 0.0, None)]
    found = grid_schemes(space)
    assert len(found) == len(set(found)) == 2 * 2 * 2 + 2 * 2
    assert {("gaussian", "embedding", 0.1, 2), ("two-images", "embedding", 1.0, None)} <= set(found)
    assert len(attempts_of([*found, found[0]], folds=5, seeds=3)) == 12 * 15


def test_random_draws_stay_within_and_more_of_them_begin_alike() -> None:
    space = Space(("gaussian", "two-images"), ("embedding",), (0.01, 10.0), {"gaussian": (0.04, 0.2)})
    few, many = (random_schemes(space, trials=trials, seed=1) for trials in (3, 40))
    assert set(few) < set(many)
    assert len(many) == 80
    alphas = sorted(alpha for _, _, alpha, _ in many)
    assert 0.01 <= alphas[0] < 0.05 < 0.1 < alphas[40] < 1.0 < 2 < alphas[-1] <= 10.0  # log-uniform
    assert {strength for noise, *_, strength in many if noise == "gaussian"} == {0.04, 0.2}
    assert random_schemes(space, trials=3, seed=2) != few


@pytest.mark.parametrize("noise", ["gaussian", "two-images", "subsample", "environments"])
def test_the_views_of_all_folds_and_seeds_are_wanted_and_shared(study: Study, noise: str) -> None:
    settings = dataclasses.replace(
        study.settings, decoders=("pillow",), codecs=("", "jpeg-85"), colours=("rgb",), resizers=("pillow-bilinear",)
    )
    its = dataclasses.replace(study, settings=settings)
    known = set(wanted_views(its, [Attempt(0, 0, noise, "relative-entropy", 1.0)]))
    noisy = {"gaussian": 18 * 2, "environments": 18 * 2}.get(noise, 0)
    assert len(known) == 3 * 18 + noisy
    for fold, seed in ((0, 0), (1, 3)):
        training = sides(its, fold=fold, seed=seed).training
        asked = dataclasses.replace(settings, noise=noise, seed=seed)
        plan = make_plan(training, pool=training, classes=its.classes, settings=asked)
        views = {
            shared_view(view) for place in range(len(plan)) for epoch in range(9) for view in plan.views(place, epoch)
        }
        assert views <= known
        names = {one.identity for one in training}
        assert {view.photo for view in views} <= names  # nothing of another side


def test_it_goes_on_where_it_was_stopped_and_makes_nothing_twice(study: Study, tmp_path: Path) -> None:
    whole = search(study, all_attempts(), spread=one_by_one, progress=quiet)
    assert whole == (20, 0)
    expected = contents(study.folder)
    assert len(expected) == 40
    assert search(study, all_attempts(), spread=one_by_one, progress=quiet) == (0, 0)
    again = dataclasses.replace(study, folder=tmp_path / "again")

    def stops(stage: str, done: int, total: int, note: str) -> None:
        if stage == "trainings" and done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(again, all_attempts(), spread=one_by_one, progress=stops)
    made = len(contents(again.folder)) / 2
    assert 10 <= made < 20
    assert search(again, all_attempts(), spread=one_by_one, progress=quiet) == (20 - made, 0)
    assert contents(again.folder) == expected
    frame = read_attempts(again.folder)
    assert (frame["pairs"] == frame["objects"]).all()  # one repeat
    assert frame["instability"].between(0, 1).all()
    assert search(again, all_attempts(seeds=3), spread=one_by_one, progress=quiet)[0] == 10


def test_a_loss_that_is_not_finite_is_an_attempt_that_failed(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = dataclasses.replace(LOSSES["embedding"], function=lambda clean, noisy: clean[:, 0] * float("nan"))
    monkeypatch.setitem(LOSSES, "embedding", broken)
    its = dataclasses.replace(study, folder=tmp_path / "out")
    attempts = [Attempt(0, 0, "two-images", "embedding", 1.0)]
    assert search(its, attempts, spread=one_by_one, progress=quiet) == (1, 1)
    row = read_attempts(its.folder).iloc[0]
    assert row["error"] == "expected finite numbers, got NaN or infinity in stability"
    assert search(its, attempts, spread=one_by_one, progress=quiet) == (0, 0)


def test_what_cannot_work_is_said_before_anything_is_made(study: Study, tmp_path: Path) -> None:
    its = dataclasses.replace(study, folder=tmp_path / "out")
    prepare(its, all_attempts())
    other = dataclasses.replace(study.settings, epochs=7)
    with pytest.raises(BadInput, match="begun otherwise; name a new folder, or undo: epochs: 2 before, 7 now"):
        prepare(dataclasses.replace(its, settings=other), all_attempts())
    for changed in ({"draws": 0}, {"trainable": "all"}, {"augment": "flip"}, {"mix": ("decoder",)}):
        fresh = dataclasses.replace(study.settings, **changed)
        with pytest.raises(BadInput, match="a search keeps features: expected draws above 0"):
            prepare(dataclasses.replace(its, settings=fresh), all_attempts())
    with pytest.raises(BadInput, match="expected 2 to 6 folds"):
        prepare(dataclasses.replace(its, folds=7), all_attempts())
    with pytest.raises(BadInput, match="strength: expected 0 to 1000, got -1"):
        prepare(its, [Attempt(0, 0, "gaussian", "embedding", 1.0, -1.0)])
    with locked(its.folder, "search"), pytest.raises(TimedOut):
        search(its, all_attempts(), spread=one_by_one, progress=quiet)


@pytest.mark.slow
def test_killed_by_the_system_it_goes_on_in_processes_and_ends_with_the_same(tmp_path: Path) -> None:
    for folder in ("killed", "whole"):
        tiny_study(tmp_path / folder)

    def child(folder: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", CHILD, str(tmp_path / folder)]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    with child("killed") as killed:
        attempts = tmp_path / "killed" / "out" / "attempts"
        deadline = time.monotonic() + 200
        while len(list(attempts.glob("*.json"))) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        killed.send_signal(signal.SIGKILL)
        killed.communicate(timeout=60)
    part = len(list(attempts.glob("*.json")))
    assert part >= 3
    for folder in ("killed", "whole"):
        with child(folder) as ended:
            out, problem = ended.communicate(timeout=280)
            assert ended.returncode == 0, problem
            assert problem == ""  # TensorFlow's greeting is in the log
            assert out.strip() == f"({20 if folder == 'whole' else 20 - part}, 0)"
    expected = contents(tmp_path / "whole" / "out")
    assert len(expected) == 40
    assert contents(tmp_path / "killed" / "out") == expected
