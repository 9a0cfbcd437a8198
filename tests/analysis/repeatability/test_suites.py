import pytest

from analysis.repeatability.suites import FRAMES_BEFORE, FRAMES_FIRST, PAIRS, SEVERITIES, SUITES
from device_agents.perturbations.chains import chain

COUNTS = {"shift": (5, 10), "corruptions": (16, 76), "corruptions-stored": (16, 76), "sequences": (10, 320)}


@pytest.mark.parametrize("name", SUITES)
def test_every_perturbation_of_a_suite_is_known(name):
    suite = SUITES[name]
    assert suite.name == name
    for family in suite.families:
        assert len(family.perturbations) == len(set(family.perturbations)) > 0
        for perturbation in family.perturbations:
            assert len(chain(perturbation)) == (len(perturbation.split("+")) if perturbation else 0)


@pytest.mark.parametrize("name", COUNTS)
def test_the_literature_s_suites_have_its_sizes(name):
    suite = SUITES[name]
    assert (len(suite.families), len(suite.perturbations)) == COUNTS[name]


def test_noise_is_compared_with_the_first_frame_and_all_else_with_the_one_before():
    kinds = {family.name: family.kind for family in SUITES["sequences"].families}
    assert {name for name, kind in kinds.items() if kind == FRAMES_FIRST} == {"gaussian-noise", "shot-noise"}
    assert sum(kind == FRAMES_BEFORE for kind in kinds.values()) == 8
    lengths = {family.name: len(family.perturbations) for family in SUITES["sequences"].families}
    assert lengths.pop("translate") == 41
    assert set(lengths.values()) == {31}


def test_families_are_of_known_kinds_and_pairs_have_something_to_compare():
    families = [family for suite in SUITES.values() for family in suite.families]
    assert {family.kind for family in families} == {PAIRS, FRAMES_FIRST, FRAMES_BEFORE, SEVERITIES}
    assert all(len(family.perturbations) > 1 for family in families if family.kind != SEVERITIES)


def test_stored_corruptions_are_written_as_jpeg_after_them():
    fog = next(family for family in SUITES["corruptions-stored"].families if family.name == "fog")
    assert fog.perturbations == tuple(f"fog-{level}+stored-jpeg-85" for level in range(1, 6))
