"""ImageNet-C's corruptions against the reference package's own results, and what every corruption must keep.

imagecorruptions.npz was made once, with numpy 1.24.4, scikit-image 0.19.3, scipy 1.10.1, OpenCV 4.7.0 and Pillow 9.5.0
on Python 3.11, by imagecorruptions 1.1.2: for each corruption (frost left out, whose photographs are not ours), for
severities 1 to 5, of Image.fromarray(drawn(40, 56)):

    np.random.seed(7)
    np.uint8(getattr(imagecorruptions.corruptions, name)(picture, severity)).ravel()[::5]

with scikit-image's random_noise, which draws from a generator of its own, given seed=np.random.default_rng(7).
"""

from pathlib import Path

import numpy as np
import pytest

from device_agents.errors import BadInput
from device_agents.perturbations.chains import check_perturbation
from device_agents.perturbations.corruptions import CORRUPTIONS
from device_agents.perturbations.corruptions_filters import levels, plasma
from device_agents.perturbations.families import generator

REFERENCE = Path(__file__).with_name("imagecorruptions.npz")
NAMES = tuple(dict.fromkeys(name[:-2] for name in CORRUPTIONS if name != "stored-jpeg-85"))
# the sums of their kernels are 1 but for the last bit, which differs between versions of numpy: where the blurred value
# is a whole level, one may give that and the other the level below; HSV is reached by another way than scikit-image's
INEXACT = {"glass-blur", "gaussian-blur", "brightness", "saturate", "zoom-blur", "spatter", "motion-blur", "snow"}
# not in the reference either, on photographs (the first three) or on this picture: their parameters do not all grow
WAVERING = {"glass-blur", "snow", "frost", "fog", "saturate"}


class Replay:
    """Draws as the reference does: numpy's legacy generator, and a new one where scikit-image has one."""

    def __init__(self, seed: int) -> None:
        self.legacy, self.new = np.random.RandomState(seed), np.random.default_rng(seed)
        self.normal, self.poisson, self.uniform = self.legacy.normal, self.legacy.poisson, self.legacy.uniform
        self.integers, self.random = self.legacy.randint, self.new.random


def drawn(height, width):
    """A generated picture: ramps, bricks, fine rings, flat white, black and grey."""
    y, x = np.mgrid[0:height, 0:width]
    red = (x * 255) // max(width - 1, 1)
    green = ((x // 5 + y // 7) % 2) * 200 + 30
    blue = (x * x + 3 * y * y) // 9 % 256
    made = np.stack([red, green, blue], axis=2).astype(np.uint8)
    made[height // 8 : height // 4, width // 8 : width // 2] = 255
    made[height // 2 : height // 2 + height // 8, width // 4 : width // 2] = 0
    made[-(height // 5) :, -(width // 4) :] = (90, 90, 90)
    return made


@pytest.fixture(scope="module")
def reference():
    with np.load(REFERENCE) as stored:
        return dict(stored)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "frost"])
def test_the_references_own_results(name, reference):
    picture = drawn(40, 56)
    for severity, expected in enumerate(reference[name], 1):
        got = CORRUPTIONS[f"{name}-{severity}"].apply(picture, Replay(7)).ravel()[::5]
        differences = np.abs(got.astype(int) - expected)
        assert differences.max() <= 1, severity
        assert (differences > 0).mean() <= (0.03 if name in INEXACT else 0.001), severity


def test_every_name_of_the_reference_and_all_severities(reference):
    assert len(NAMES) == 19
    assert set(NAMES) == set(reference) | {"frost"}
    assert set(CORRUPTIONS) == {f"{name}-{level}" for name in NAMES for level in range(1, 6)} | {"stored-jpeg-85"}
    assert {one.of for one in CORRUPTIONS.values()} == {"resized"}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_picture_of_the_same_size_again_the_same_and_the_original_untouched(name):
    one = CORRUPTIONS[name]
    picture = drawn(33, 50)
    picture.setflags(write=False)
    first, again = (one.apply(picture, generator("ab", one.stream)) for _ in range(2))
    assert (first.shape, first.dtype) == ((33, 50, 3), np.uint8)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, picture)
    assert np.array_equal(picture, drawn(33, 50))


@pytest.mark.parametrize("name", NAMES)
def test_stronger_is_further_away(name):
    channels = [plasma(128, np.random.default_rng(seed), decay=1.5) for seed in range(3)]
    picture = levels(np.stack(channels, axis=2))
    distances = []
    for severity in range(1, 6):
        one = CORRUPTIONS[f"{name}-{severity}"]
        changed = one.apply(picture, generator("ab", one.stream))
        distances.append(np.abs(changed.astype(int) - picture).mean())
    assert min(distances) > 0
    if name not in WAVERING:
        assert distances == sorted(distances)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 2), (8, 8)])
def test_tiny_and_constant_pictures_give_a_result(name, size):
    one = CORRUPTIONS[name]
    for level in (0, 128, 255):
        changed = one.apply(np.full((*size, 3), level, np.uint8), generator("ab", one.stream))
        assert (changed.shape, changed.dtype) == ((*size, 3), np.uint8)


def test_severities_of_one_corruption_draw_the_same():
    grey = np.full((16, 16, 3), 128, np.uint8)
    weak, strong = (CORRUPTIONS[f"gaussian-noise-{level}"] for level in (1, 2))
    first = weak.apply(grey, generator("ab", weak.stream)).astype(int) - 128
    second = strong.apply(grey, generator("ab", strong.stream)).astype(int) - 128
    inside = np.abs(second) < 100
    assert np.abs(second - first * 0.12 / 0.08)[inside].max() <= 2.5  # both cut to whole levels


def test_two_files_have_different_noise():
    one = CORRUPTIONS["fog-1"]
    picture = drawn(32, 32)
    assert not np.array_equal(
        one.apply(picture, generator("ab", one.stream)), one.apply(picture, generator("cd", one.stream))
    )


def test_only_the_elastic_transform_moves_what_is_shown():
    assert {name for name, one in CORRUPTIONS.items() if one.moves} == {f"elastic-transform-{n}" for n in range(1, 6)}
    for name in ("elastic-transform-1", "elastic-transform-5+stored-jpeg-85"):
        check_perturbation(name, task="classification")
        with pytest.raises(BadInput, match="moves what the model sees: expected a classifier, got a model for detec"):
            check_perturbation(name, task="detection")


@pytest.mark.parametrize("name", ["elastic-transform", "frost", "zoom-blur"])
def test_what_severities_leave_one_another_changes_no_bit(name):
    picture = drawn(48, 61)
    ones = {number: CORRUPTIONS[f"{name}-{number}"] for number in range(1, 6)}
    plain = {number: one.apply(picture, generator("ab", one.stream)) for number, one in ones.items()}
    for order in ((1, 2, 3, 4, 5), (5, 4, 3, 2, 1), (2, 1, 4, 3, 3, 5)):
        memory = {}
        for number in order:
            assert ones[number].remembers
            got = ones[number].apply(picture, generator("ab", ones[number].stream), memory=memory)
            assert np.array_equal(got, plain[number]), (order, number)
