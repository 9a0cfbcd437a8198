import pytest

from analysis.repeatability.corruption import (
    ALEXNET,
    are_imagenet,
    corruption_error,
    has_constant,
    mean_corruption_error,
)
from analysis.repeatability.suites import CORRUPTIONS, SUITES
from device_agents.errors import BadInput

# AlexNet's errors on Gaussian, shot and impulse noise, defocus and motion blur by severity (public evaluation code).
BY_SEVERITY = {
    "gaussian-noise": (0.69528, 0.82542, 0.93554, 0.98138, 0.99452),
    "shot-noise": (0.71224, 0.85108, 0.93574, 0.98182, 0.99146),
    "impulse-noise": (0.78374, 0.89808, 0.9487, 0.9872, 0.99548),
    "defocus-blur": (0.65624, 0.73202, 0.85036, 0.91364, 0.94714),
    "motion-blur": (0.5843, 0.70048, 0.82108, 0.8975, 0.92638),
}
# ResNet-50 (76.13 % clean): accuracy in percent, mean over severities, and CE, both as printed by a public evaluation.
RESNET_50 = {
    "brightness": (68.02, 56.64),
    "contrast": (39.06, 71.43),
    "defocus-blur": (38.75, 74.71),
    "elastic-transform": (45.25, 84.75),
    "fog": (45.83, 66.11),
    "frost": (38.14, 74.84),
    "gaussian-noise": (29.29, 79.77),
    "glass-blur": (26.79, 88.61),
    "impulse-noise": (23.81, 82.58),
}


def test_alexnet_is_100_in_each_and_in_the_mean():
    assert set(ALEXNET) == set(CORRUPTIONS)
    for name, errors in BY_SEVERITY.items():
        assert corruption_error(errors, ALEXNET[name]) == pytest.approx(1, abs=1e-9)
    assert mean_corruption_error(ALEXNET) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", RESNET_50)
def test_resnet_50_s_printed_errors_give_its_printed_ce(name):
    accuracy, printed = RESNET_50[name]
    assert 100 * corruption_error([1 - accuracy / 100], ALEXNET[name]) == pytest.approx(printed, abs=0.011)


def test_the_mean_is_divided_and_not_each_severity():
    assert corruption_error([0.2, 0.4], 0.6) == pytest.approx(0.5)


def test_a_mean_over_fewer_corruptions_is_no_mce():
    some = dict(list(ALEXNET.items())[:14])
    with pytest.raises(BadInput, match=r"all 15 corruptions for mCE, jpeg-compression lack"):
        mean_corruption_error(some)
    with pytest.raises(BadInput, match="a baseline above 0"):
        corruption_error([0.5], 0)
    with pytest.raises(BadInput, match="an error for each severity"):
        corruption_error([], 0.5)


def test_constants_are_for_whole_corruptions_and_imagenet_labels():
    whole = {family.name for family in SUITES["corruptions"].families if has_constant(family)}
    assert whole == set(CORRUPTIONS)
    assert not any(has_constant(family) for family in SUITES["corruptions-quick"].families)
    assert not any(has_constant(family) for family in SUITES["corruptions-extra"].families)
    assert are_imagenet(["n02823428"])
    assert not are_imagenet(["shoes", "n02823428"])
    assert not are_imagenet([])
