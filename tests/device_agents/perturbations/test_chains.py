"""Chains of perturbations: checked, seeded by the file, and each step done once where chains begin alike."""

import hashlib

import numpy as np
import pytest

from device_agents.errors import BadInput
from device_agents.perturbations.chains import chain, check_perturbation, perturbed
from device_agents.perturbations.families import VIEWED, Perturbation, generator
from device_agents.preprocess import Share

START = np.full((2, 3, 3), 100, np.uint8)


def add(picture, rng):
    return picture + rng.integers(1, 50, picture.shape, np.uint8)


def double(picture, rng):
    return picture * np.uint8(2)


def refuse(picture, rng):
    raise BadInput("expected a larger picture")


def cut(viewed, resizer, height, width, rng):
    return viewed[:height, :width]


@pytest.fixture(autouse=True)
def known(monkeypatch):
    table = {
        "add-1": Perturbation(add, "add"),
        "add-2": Perturbation(add, "add"),
        "else": Perturbation(add, "else"),
        "double": Perturbation(double, "double"),
        "refuse": Perturbation(refuse, "refuse"),
        "cut": Perturbation(cut, "cut", VIEWED),
        "turn": Perturbation(double, "turn", moves=True),
    }
    monkeypatch.setattr("device_agents.perturbations.known.PERTURBATIONS", table)


def made(names, *, data=b"file", share=None, resized=lambda: START):
    share = share or Share()
    return perturbed(names, data, key=("picture",), once=share.once, resized=resized, moved=lambda one, rng: START + 1)


def test_steps_follow_one_another_with_the_random_numbers_of_their_stream():
    noise = generator(hashlib.sha256(b"file").hexdigest(), "add").integers(1, 50, START.shape, np.uint8)
    key, picture = made("add-1+double")
    assert key == ("picture", "add-1", "double")
    np.testing.assert_array_equal(picture, (START + noise) * 2)


def test_a_stream_and_a_file_settle_the_random_numbers():
    np.testing.assert_array_equal(made("add-1")[1], made("add-2")[1])
    assert (made("add-1")[1] != made("else")[1]).any()
    assert (made("add-1")[1] != made("add-1", data=b"another")[1]).any()


def test_what_begins_alike_is_done_once():
    asked, share = [], Share()
    made("add-1", share=share, resized=lambda: START)
    first = made("add-1+double", share=share)[1]
    again = made("add-1+double", share=share, resized=lambda: asked.append(1) or START)[1]
    assert again is first


def test_a_step_that_moves_takes_the_place_of_the_resized_picture():
    _, picture = made("cut+double", resized=lambda: pytest.fail("resized in vain"))
    np.testing.assert_array_equal(picture, (START + 1) * 2)


def test_a_failure_is_told_with_its_step():
    with pytest.raises(Exception, match=r"^perturb step 2: BadInput: expected a larger picture$"):
        made("double+refuse")


def test_chains_are_checked():
    assert chain("") == []
    assert [one.stream for one in chain("add-1+double")] == ["add", "double"]
    with pytest.raises(
        BadInput,
        match=r"unknown perturbation 'add-3'; did you mean 'add-.'\? known: add-\.\., else, double, refuse, cut, turn$",
    ):
        chain("add-3")
    with pytest.raises(BadInput, match=r"'cut' chooses what the model sees: expected it first, got 'double\+cut'"):
        chain("double+cut")
    check_perturbation("cut", task="classification")
    check_perturbation("double", task="detection")
    check_perturbation("turn", task="classification")
    with pytest.raises(BadInput, match="'double.turn' moves what the model sees: expected a classifier"):
        check_perturbation("double+turn", task="segmentation")
    with pytest.raises(BadInput, match="expected a classifier, got a model for detection"):
        check_perturbation("cut", task="detection")
