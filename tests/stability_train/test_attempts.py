"""Attempts: named by all that they are, committed whole, listed all, their test answers read by nobody else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from device_agents.errors import BadInput
from stability_train.attempts import (
    MEASURED,
    Attempt,
    attempt_settings,
    commit,
    is_done,
    list_attempts,
    open_sealed,
    read_attempts,
)
from stability_train.settings import Settings

COMMON = Settings(device="one", partner="two", noise="none", draws=8, learning_rate=0.01)
GOOD = {**dict.fromkeys(MEASURED, 0.25), "seconds": 1.5, "error": ""}


def test_settings_differ_from_the_common_ones_only_in_what_is_tried() -> None:
    made = attempt_settings(COMMON, Attempt(1, 2, "gaussian", "embedding", 0.1, 0.2))
    assert (made.noise, made.loss, made.alpha, made.strength, made.seed) == ("gaussian", "embedding", 0.1, 0.2, 2)
    assert (made.learning_rate, made.draws, made.units) == (0.01, 8, 128)
    ten = attempt_settings(COMMON, Attempt(0, 0, "subsample", "relative-entropy", 1, 5.0))
    assert (ten.subsample, ten.strength, ten.units) == (5, None, 0)
    assert attempt_settings(COMMON, Attempt(0, 0, "two-images", "embedding", 1)).subsample == 10
    plain = [attempt_settings(COMMON, Attempt(0, 0, "none", loss)) for loss in ("embedding", "relative-entropy")]
    assert [one.units for one in plain] == [128, 0]
    assert [one.noisy_views for one in plain] == [0, 0]
    with pytest.raises(BadInput, match="alpha: expected 0 to"):
        attempt_settings(COMMON, Attempt(0, 0, "gaussian", "embedding", float("inf")))


def test_names_hold_everything_and_groups_what_looks_at_the_same_views() -> None:
    ones = [
        Attempt(fold, seed, noise, loss, alpha, strength)
        for fold in (0, 1)
        for seed in (0, 1)
        for noise in ("gaussian", "distortion")
        for loss in ("embedding", "relative-entropy")
        for alpha in (0.1, 1)
        for strength in (None, 0.04, 1.0)
    ]
    assert len({one.name for one in ones}) == len(ones)
    assert len({one.group for one in ones}) == 2 * 2 * 2 * 3
    assert Attempt(0, 0, "gaussian", "embedding", 1).name == Attempt(0, 0, "gaussian", "embedding", 1.0).name


def test_what_is_committed_is_read_again_and_failed_ones_are_listed_too(tmp_path: Path) -> None:
    good = Attempt(1, 0, "gaussian", "embedding", 0.1, 0.04)
    bad = Attempt(0, 1, "gaussian", "embedding", 1e5)
    scores = np.random.default_rng(0).random((4, 3)).astype(np.float32)
    commit(tmp_path, good, GOOD, scores)
    commit(tmp_path, bad, {**dict.fromkeys(MEASURED), "seconds": 0.1, "error": "NaN in loss"}, None)
    done = [is_done(tmp_path, one) for one in (good, bad, Attempt(0, 0, "none", "embedding"))]
    assert done == [True, True, False]
    found = read_attempts(tmp_path)
    assert found["alpha"].tolist() == [0.1, 1e5]
    assert found["strength"].fillna(-1).tolist() == [0.04, -1]
    assert found["error"].tolist() == ["", "NaN in loss"]
    assert found["instability"].isna().tolist() == [False, True]
    assert found["instability"].dtype == float
    assert len(list_attempts(tmp_path).read_text().splitlines()) == 3
    assert np.array_equal(open_sealed(tmp_path, [good])[good], scores)
    with pytest.raises(BadInput, match="expected the answers of gaussian-embedding-alpha100000.0.*got none"):
        open_sealed(tmp_path, [bad])


def test_no_attempts_yet_is_an_empty_table(tmp_path: Path) -> None:
    assert read_attempts(tmp_path).empty
