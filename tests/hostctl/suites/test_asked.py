"""Which suite is asked, and the environments that it takes."""

import pytest

from analysis.repeatability.suites import SUITES
from device_agents.errors import BadInput
from device_agents.perturbations.chains import chain
from device_agents.records import Environment
from hostctl.suites.asked import environments, pick_suite

BASE = Environment("m", "", "pillow", "whole", "rgb", "squash", "pillow-box", "zero-one", "litert")


def test_the_base_comes_first_and_each_perturbation_once():
    suite = pick_suite("corruptions", ["fog", "clean"])
    made = environments(BASE, suite)
    assert made[0] == BASE
    assert [one.perturbation for one in made] == ["", *(f"fog-{n}" for n in range(1, 6))]


def test_a_whole_suite_and_an_unknown_one():
    assert pick_suite("shift") is SUITES["shift"]
    with pytest.raises(BadInput, match="unknown suite 'imagenet-c'; known: corruptions, "):
        pick_suite("imagenet-c")


@pytest.mark.parametrize("name", SUITES)
def test_every_suite_names_perturbations_that_exist(name):
    for perturbation in SUITES[name].perturbations:
        chain(perturbation)
