"""Optuna's proposals: made once, gone on with after a kill as if nothing had happened, and within the guard."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("optuna")

from stability_train import proposals
from stability_train.attempts import read_attempts
from stability_train.nested import Study
from stability_train.search import Space, attempts_of, baselines, search
from tests.fakes.tiny_study import one_by_one, quiet, tiny_study

# Keras 3.15 upon TensorFlow 2.21 asks numpy 2 for a copy in the old way whenever it reads a variable.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
SPACE = Space(("gaussian",), ("relative-entropy",), (0.01, 10.0), {"gaussian": (0.04, 0.2)})
Propose = Callable[..., tuple[int, int]]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return tiny_study(tmp_path_factory.mktemp("study"))


def propose(study: Study, folder: Path, trials: int) -> tuple[int, int]:
    its = dataclasses.replace(study, folder=folder)
    search(its, attempts_of(baselines(SPACE), folds=2, seeds=2), spread=one_by_one, progress=quiet)
    return proposals.propose(its, SPACE, trials=trials, seeds=2, drop=0.1, spread=one_by_one, workers=1, progress=quiet)


def test_a_killed_search_goes_on_with_the_proposals_that_it_would_have_made(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert propose(study, tmp_path / "whole", 6) == (6 * 2 * 2, 0)
    make, calls = proposals.group_job, 0

    def dies(job: proposals.group_job.__class__) -> tuple[int, int]:
        nonlocal calls
        calls += 1
        if calls == 6:
            raise KeyboardInterrupt
        return make(job)

    monkeypatch.setattr(proposals, "group_job", dies)
    with pytest.raises(KeyboardInterrupt):
        propose(study, tmp_path / "killed", 6)
    propose(study, tmp_path / "killed", 6)
    columns = ["noise", "loss", "alpha", "strength", "fold", "seed", "instability", "accuracy"]
    whole, killed = (read_attempts(tmp_path / name)[columns] for name in ("whole", "killed"))
    assert whole.equals(killed)
    assert propose(study, tmp_path / "killed", 6) == (0, 0)
    noisy = whole[whole["noise"] == "gaussian"]
    assert noisy["alpha"].between(0.01, 10).all()
    assert set(noisy["strength"]) <= {0.04, 0.2}


def test_outside_the_guard_a_trial_counts_more_than_any_instability(study: Study, tmp_path: Path) -> None:
    from stability_train.attempts import MEASURED, Attempt, commit

    its = dataclasses.replace(study, folder=tmp_path)
    asked = proposals.Asked(its, "gaussian", "embedding", 0, (1.0,), (), 1, 1, 0.02)
    for noise, instability, accuracy in (("none", 0.2, 0.9), ("gaussian", 0.1, 0.88), ("distortion", 0.0, 0.6)):
        row = {**dict.fromkeys(MEASURED, 0.0), "instability": instability, "accuracy": accuracy, "error": ""}
        commit(tmp_path, Attempt(0, 0, noise, "embedding"), row, None)
    assert proposals._objective(asked, [Attempt(0, 0, "gaussian", "embedding")]) == pytest.approx(0.1)
    assert proposals._objective(asked, [Attempt(0, 0, "distortion", "embedding")]) == pytest.approx(1 + 0.28)
