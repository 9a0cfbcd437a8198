"""Quarters of a turn: numpy's, four are none, square pictures only, and never for answers that have places."""

from __future__ import annotations

import numpy as np
import pytest

from device_agents.errors import BadInput
from device_agents.perturbations.chains import check_perturbation, perturbed
from device_agents.perturbations.known import PERTURBATIONS
from device_agents.perturbations.turned import TURNED
from device_agents.preprocess import Share, StageFailed

RNG = np.random.default_rng(0)
SQUARE = np.random.default_rng(1).integers(0, 256, (7, 7, 3)).astype(np.uint8)


def done(names, picture=SQUARE):
    return perturbed(
        names, b"file", key=(), once=Share().once, resized=lambda: picture, moved=lambda one, rng: picture
    )[1]


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turn_is_numpys(quarters):
    kept = SQUARE.copy()
    turned = TURNED[f"quarter-turn-{quarters}"].apply(SQUARE, RNG)
    np.testing.assert_array_equal(turned, np.rot90(SQUARE, quarters))
    assert turned.dtype == np.uint8
    assert turned.flags.c_contiguous
    np.testing.assert_array_equal(SQUARE, kept)


def test_a_quarter_takes_the_right_edge_to_the_top():
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[:, 1] = 9  # the right column
    np.testing.assert_array_equal(done("quarter-turn-1", picture)[0], np.full((2, 3), 9))


@pytest.mark.parametrize("names", ["quarter-turn-1+quarter-turn-3", "+".join(["quarter-turn-1"] * 4)])
def test_four_turns_are_none(names):
    np.testing.assert_array_equal(done(names), SQUARE)


def test_a_picture_that_is_no_square_is_refused_with_its_step():
    with pytest.raises(BadInput, match="expected a square input to turn by a quarter, got 9 x 7"):
        TURNED["quarter-turn-2"].apply(np.zeros((7, 9, 3), np.uint8), RNG)
    with pytest.raises(StageFailed, match="perturb step 1: BadInput: expected a square input"):
        done("quarter-turn-1", np.zeros((7, 9, 3), np.uint8))


@pytest.mark.parametrize("task", ["detection", "segmentation"])
def test_what_has_places_is_not_turned(task):
    assert TURNED.keys() <= PERTURBATIONS.keys()
    for name in TURNED:
        check_perturbation(name, task="classification")
        with pytest.raises(BadInput, match=f"'gain-80.{name}' moves what the model sees: expected a classifier"):
            check_perturbation(f"gain-80+{name}", task=task)
