"""Decisions from hashes and from looks, on numbers that say themselves what is right."""

import numpy as np
import pytest

from analysis.causes.diagnosis import (
    AS_CLAIMED,
    CANNOT_TELL,
    TOLERANCES,
    UNKNOWN,
    VARIANT,
    Outlier,
    causes,
    decide_stage,
    median_interval,
    outliers,
)


def marks(equal, total=100, untested=0):
    """Pictures of which the first so many are equal, and the last so many were not tested."""
    found = np.zeros(total, dtype=np.int8)
    found[:equal] = 1
    found[total - untested :] = -1
    return found


def test_a_claim_that_holds_on_all_pictures_is_as_claimed_whatever_else_fits():
    found = decide_stage(marks(100), {"other": marks(100)})
    assert (found.kind, found.names, found.pictures, found.differing) == (AS_CLAIMED, (), 100, 0)


@pytest.mark.parametrize("flakes", [1, 2])
def test_a_flake_or_two_in_a_hundred_that_nothing_explains_are_no_fault(flakes):
    assert decide_stage(marks(100 - flakes), {"other": marks(0)}).kind == AS_CLAIMED
    assert decide_stage(marks(97), {"other": marks(0)}).kind == UNKNOWN


def test_variants_that_explain_alike_are_one_group_and_pictures_on_which_all_coincide_do_not_decide():
    claim = marks(40)  # grey pictures, on which chroma does not show
    found = decide_stage(claim, {"plain": marks(100), "plain too": marks(100), "near": marks(97), "none": marks(40)})
    assert (found.kind, found.names) == (VARIANT, ("plain", "plain too"))
    assert (found.pictures, found.differing, found.explained) == (100, 60, 60)


def test_two_pictures_that_a_variant_explains_prove_it_and_one_does_not():
    rest = marks(0)
    rest[98:] = 1
    assert decide_stage(marks(98), {"other": rest}).kind == VARIANT
    rest[98] = 0
    assert decide_stage(marks(99), {"other": rest}).kind == AS_CLAIMED
    assert decide_stage(marks(0, 1), {"other": marks(1, 1)}).kind == VARIANT  # a run of one picture


def test_a_variant_from_the_middle_of_a_session_on_is_named_by_the_pictures_that_differ():
    later = marks(0)
    later[50:] = 1
    found = decide_stage(marks(50), {"opencv": later})
    assert (found.kind, found.names, found.differing) == (VARIANT, ("opencv",), 50)


def test_what_could_not_be_tested_says_nothing():
    assert decide_stage(marks(0, 10, untested=10), {}).kind == CANNOT_TELL
    found = decide_stage(marks(90, 100, untested=10), {})
    assert (found.kind, found.pictures) == (AS_CLAIMED, 90)


def looks(medians, scenes=60, noise=0.02, seed=0):
    """Differences of devices with these medians over scenes."""
    rng = np.random.default_rng(seed)
    return np.array(medians)[:, None] + rng.normal(0, noise, (len(medians), scenes))


def test_a_device_beyond_the_tolerance_stands_out_and_is_measured_with_an_interval():
    [found] = outliers({"chroma": looks([0.0, 0.01, np.log(1.35), -0.01])})
    assert (found.device, found.measure, found.variant, found.scenes) == (2, "chroma", "oversaturating", 60)
    assert found.low < found.value < found.high
    assert np.exp(found.value) == pytest.approx(1.35, abs=0.03)
    assert found.text == f"chroma gain {np.exp(found.value):.2f}"
    assert found.excess > 1


def test_honest_differences_noise_and_what_is_no_measure_do_not():
    assert outliers({"chroma": looks([0.0, 0.03, -0.03]), "exposure": looks([0.0, 0.0, 3.0])}) == []
    # A difference whose interval reaches into the tolerance is none yet.
    assert outliers({"chroma": looks([0.0, 0.0, 0.1], scenes=12, noise=0.2)}) == []


def test_a_rack_of_many_makes_is_held_to_its_own_differences():
    alike, mixed = [0.0, 0.01, 0.02, 0.4], [-0.3, -0.1, 0.15, 0.4]
    assert [one.device for one in outliers({"chroma": looks(alike)})] == [3]
    assert outliers({"chroma": looks(mixed)}) == []


def test_two_devices_or_nine_scenes_say_nothing():
    assert outliers({"chroma": looks([0.0, 1.0])}) == []
    assert outliers({"chroma": looks([0.0, 0.0, 1.0], scenes=9)}) == []
    three = looks([0.0, 0.0, 1.0])
    three[0, 5:] = np.nan  # of one device only five scenes
    assert outliers({"chroma": three}) == []


def outlier(measure, value):
    return Outlier(0, measure, value, value, value, 100, 0.0)


def test_one_cause_is_named_once_and_two_twice():
    tone = [outlier("curve", -0.06), outlier("tone", -0.3)]
    assert [[one.measure for one in group] for group in causes(tone)] == [["tone", "curve"]]
    both = [outlier("edge", 0.6), outlier("chroma", 0.3)]
    assert [group[0].variant for group in causes(both)] == ["oversaturating", "over-sharpening"]


def test_what_no_curve_and_no_gain_explains_is_unknown_whatever_it_looks_like():
    [group] = causes([outlier("tone", 0.2), outlier("chroma", -0.2), outlier("rest", 0.8)])
    assert group[0].variant == ""
    [mixed] = causes([outlier("chroma", -0.2), outlier("hue", 6.0), outlier("stretch", -0.2)])
    assert (mixed[0].measure, mixed[0].variant) == ("stretch", "")
    assert outlier("chroma", -0.3).variant == "pale"
    assert set(TOLERANCES["rest"].more + TOLERANCES["hue"].less) == set()


def test_the_median_interval_covers_as_it_says():
    """Order statistics: exact whatever the distribution, here a skewed one."""
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(1500):
        low, high = median_interval(rng.exponential(1.0, 41), z=1.96)
        held += low <= np.log(2) <= high
    assert held / 1500 >= 0.93
    assert median_interval(np.arange(5.0), z=0.0) == (2.0, 3.0)
