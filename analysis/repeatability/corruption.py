"""CE and mCE: a model's mean error over the severities of a corruption, over AlexNet's (Hendrycks and Dietterich)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np

from analysis.repeatability.suites import SEVERITY, Family
from device_agents.errors import BadInput

# AlexNet's error on ImageNet-C, mean over the five severities: google-research/augmix, imagenet.py, ALEXNET_ERR.
ALEXNET = {
    "gaussian-noise": 0.886428,
    "shot-noise": 0.894468,
    "impulse-noise": 0.92264,
    "defocus-blur": 0.81988,
    "glass-blur": 0.826268,
    "motion-blur": 0.785948,
    "zoom-blur": 0.79836,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic-transform": 0.646056,
    "pixelate": 0.71784,
    "jpeg-compression": 0.6065,
}


def corruption_error(errors: Iterable[float], baseline: float) -> float:
    """Give CE: the mean of the errors at the severities (0..1) over the baseline's mean error; printed times 100.

    The mean is divided, not each severity's error (anchors' trap; google-research/augmix, imagenet.py).
    """
    known = list(errors)
    if not known or baseline <= 0:
        raise BadInput(f"expected an error for each severity and a baseline above 0, got {known} and {baseline}")
    return float(np.mean(known)) / baseline


def mean_corruption_error(errors: Mapping[str, float]) -> float:
    """Give mCE of mean errors by corruption (0..1): the mean of their CE over all of ALEXNET; printed times 100.

    Raises BadInput where a corruption lacks: a mean over fewer is no mCE.
    """
    absent = [name for name in ALEXNET if name not in errors]
    if absent:
        raise BadInput(f"expected the errors of all {len(ALEXNET)} corruptions for mCE, {', '.join(absent)} lack")
    return float(np.mean([corruption_error([errors[name]], ALEXNET[name]) for name in ALEXNET]))


def has_constant(family: Family) -> bool:
    """Whether AlexNet's error is known for a family: a corruption of ImageNet-C at all its severities."""
    return family.name in ALEXNET and len(family.perturbations) == len(SEVERITY)


def are_imagenet(labels: Iterable[str]) -> bool:
    """Whether labels are WordNet ids as ImageNet's are; AlexNet's errors say nothing about other classes."""
    known = list(labels)
    return bool(known) and all(re.fullmatch(r"n\d{8}", label) for label in known)
