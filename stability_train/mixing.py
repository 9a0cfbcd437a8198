"""MIXINGS: stacked views and targets of a batch, and a generator -> the same with pictures mixed in pairs.

All views of a photo are mixed with those of the same other photo, in the same shares: what the stability loss compares
stays one picture with and without noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Mixing = Callable[..., tuple[Array, Array]]


def no_mixing(stacked: Array, targets: Array, rng: np.random.Generator, *, alpha: float) -> tuple[Array, Array]:
    """Give the batch as it is."""
    return stacked, targets


def mixup(stacked: Array, targets: Array, rng: np.random.Generator, *, alpha: float) -> tuple[Array, Array]:
    """Blend each picture and its target with another one's: Zhang et al., mixup (2018), equation 1.

    stacked: float32 (views, n, h, w, 3); targets: float32 (n, classes). One share from Beta(alpha, alpha) a batch.
    """
    share = np.float32(rng.beta(alpha, alpha))
    other = rng.permutation(len(targets))
    return share * stacked + (1 - share) * stacked[:, other], share * targets + (1 - share) * targets[other]


def cutmix(stacked: Array, targets: Array, rng: np.random.Generator, *, alpha: float) -> tuple[Array, Array]:
    """Put a rectangle of another picture into each: Yun et al., CutMix (2019), algorithm 1; targets by area.

    stacked: float32 (views, n, h, w, 3); targets: float32 (n, classes). One rectangle a batch, cut at the edges.
    """
    height, width = stacked.shape[2:4]
    other = rng.permutation(len(targets))
    side = np.sqrt(1 - rng.beta(alpha, alpha))
    y, x = rng.uniform(0, height), rng.uniform(0, width)
    top, bottom = (int(np.clip(round(y + sign * side * height / 2), 0, height)) for sign in (-1, 1))
    left, right = (int(np.clip(round(x + sign * side * width / 2), 0, width)) for sign in (-1, 1))
    mixed = stacked.copy()
    mixed[:, :, top:bottom, left:right] = stacked[:, other, top:bottom, left:right]
    share = np.float32(1 - (bottom - top) * (right - left) / (height * width))
    return mixed, share * targets + (1 - share) * targets[other]


MIXINGS: Mapping[str, Mixing] = {"none": no_mixing, "mixup": mixup, "cutmix": cutmix}
