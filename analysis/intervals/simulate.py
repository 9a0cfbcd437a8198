"""Studies whose truth is known, many at once: what the intervals and tests of this package are tried on.

Two families. `beta_binomial` and `verdict_counts` draw what the analysis assumes: scenes that share their fate.
`latent` draws what it does not: verdicts from a logit of scene, device and shot, which may drift during the session,
and answers that are lost the more often the worse they are. Truths are exact or by quadrature, never by the same draws.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from device_agents.errors import BadInput

Array = NDArray[np.float64]
NODES = 61  # of the Gauss-Hermite quadrature; more change a rate by less than 1e-6


def beta_binomial(rng: np.random.Generator, *, studies: int, scenes: int, items: int, rate: float, icc: float) -> Array:
    """Draw the unstable items of each scene: (studies, scenes) float64 0..items, with mean items * rate exactly.

    icc: correlation of two items of a scene, 0 (independent) to below 1; a scene's own rate is then Beta distributed
    with the shapes rate (1/icc - 1) and (1 - rate) (1/icc - 1).
    """
    return rng.binomial(items, _scene_rates(rng, (studies, scenes), rate, icc)).astype(np.float64)


def verdict_counts(
    rng: np.random.Generator, *, studies: int, scenes: int, items: int, rate: float, icc: float, conditions: int
) -> NDArray[np.int64]:
    """Draw how many of the conditions are right in each item: (studies, scenes, items) int64 0..conditions.

    An item is unstable as in beta_binomial; then 1 to conditions - 1 are right, all numbers being as likely. A stable
    item has all right. The instability is rate, the chance that a random pair differs rate * mean_pair_share.
    """
    shares = _scene_rates(rng, (studies, scenes, 1), rate, icc)
    unstable = rng.random((studies, scenes, items)) < shares
    return np.where(unstable, rng.integers(1, conditions, unstable.shape), conditions)


def mean_pair_share(conditions: int) -> float:
    """The chance that two of an unstable item's conditions differ, where 1 to k - 1 right are as likely."""
    right = np.arange(1, conditions)
    return float(np.mean(2 * right * (conditions - right) / (conditions * (conditions - 1))))


@dataclass(frozen=True)
class Latent:
    """A laboratory: the logit of being right is mean + scene + device (+ drift) + moment, and the shot is a coin.

    devices: each device's own effect, in logits (fixed for all studies: "these devices"). scene_sd, moment_sd: spread
    between scenes, and between the moments (angle, light) of one scene, shared by all devices. slope: what the devices'
    logits change from the first scene to the last, times each device's place from -1/2 to +1/2 in the list.
    lost_wrong, lost_right: the chance that a wrong and a right answer is missing.
    """

    devices: tuple[float, ...]
    mean: float = 2.0
    scene_sd: float = 2.0
    moment_sd: float = 0.5
    slope: float = 0.0
    lost_wrong: float = 0.0
    lost_right: float = 0.0

    @property
    def places(self) -> Array:
        """Each device's place, -1/2 to +1/2, which its drift goes by."""
        return np.linspace(-0.5, 0.5, len(self.devices))


@dataclass(frozen=True)
class Drawn:
    """Verdicts (studies, scenes, moments, repeats, devices): right, and whether there (not missing)."""

    right: NDArray[np.bool_]
    there: NDArray[np.bool_] = field(repr=False)


def latent(
    rng: np.random.Generator, lab: Latent, *, studies: int, scenes: int, moments: int = 1, repeats: int = 1
) -> Drawn:
    """Draw studies of a laboratory (Latent). Repeats share scene, moment and device, and differ by the shot's coin."""
    shape = (studies, scenes, moments, repeats, len(lab.devices))
    logit = lab.mean + rng.normal(0, lab.scene_sd, (studies, scenes, 1, 1, 1))
    logit = logit + rng.normal(0, lab.moment_sd, (studies, scenes, moments, 1, 1)) + np.asarray(lab.devices)
    if lab.slope:
        logit = logit + lab.slope * _times(scenes)[:, None, None, None] * lab.places
    right = rng.random(shape) < expit(logit)
    there = rng.random(shape) >= np.where(right, lab.lost_right, lab.lost_wrong)
    return Drawn(right, there)


def unstable_items(drawn: Drawn) -> tuple[Array, Array]:
    """Count each scene's unstable and counted items across devices: two arrays (studies, scenes) float64."""
    right = (drawn.right & drawn.there).any(axis=-1)
    wrong = (~drawn.right & drawn.there).any(axis=-1)
    counted = drawn.there.sum(axis=-1) >= 2
    return ((right & wrong).sum(axis=(2, 3)) * 1.0, counted.sum(axis=(2, 3)) * 1.0)


def true_instability(lab: Latent, *, scenes: int = 1, observed: bool = False) -> float:
    """Give the instability a study of this laboratory estimates, by quadrature over scene and moment.

    scenes: over how many the drift is spread. observed: with the losses (a mean over the items that have two answers
    left) instead of what complete answers would have given; both agree where nothing is lost.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    logit = lab.mean + np.hypot(lab.scene_sd, lab.moment_sd) * nodes[:, None] + np.asarray(lab.devices)
    times = _times(scenes) if lab.slope else np.zeros(1)
    right = expit(logit + lab.slope * times[:, None, None] * lab.places)
    good, bad = right, 1 - right
    if observed:
        good, bad = right * (1 - lab.lost_right), (1 - right) * (1 - lab.lost_wrong)
    lost = 1 - good - bad
    none = lost.prod(axis=-1)
    both = 1 - (1 - bad).prod(axis=-1) - (1 - good).prod(axis=-1) + none
    single = (none[..., None] / np.maximum(lost, 1e-300) * (good + bad)).sum(axis=-1) if observed else 0.0
    counted = 1 - none - single
    share = weights / weights.sum()
    return float((both @ share).mean() / (np.broadcast_to(counted, both.shape) @ share).mean())


def calibrated(lab: Latent, rate: float, *, scenes: int = 1) -> Latent:
    """Move the mean of a laboratory so that its instability is rate; raises BadInput where it cannot be so high."""
    from scipy.optimize import brentq

    highest = true_instability(replace(lab, mean=-float(np.mean(lab.devices))), scenes=scenes)
    if not 0 < rate < highest:
        raise BadInput(f"expected a rate between 0 and {highest:.3f} for these devices and scenes, got {rate}")
    start = -float(np.mean(lab.devices))
    mean = brentq(lambda at: true_instability(replace(lab, mean=at), scenes=scenes) - rate, start, start + 40)
    return replace(lab, mean=float(mean))


def expit(logit: Array) -> Array:
    """1 / (1 + exp(-logit)), which does not overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logit)), dtype=np.float64)


def _scene_rates(rng: np.random.Generator, shape: tuple[int, ...], rate: float, icc: float) -> Array:
    if not 0 < rate < 1 or not 0 <= icc < 1:
        raise BadInput(f"expected a rate within 0..1 and an ICC from 0 to below 1, got {rate} and {icc}")
    if icc == 0:
        return np.full(shape, rate)
    return rng.beta(rate * (1 / icc - 1), (1 - rate) * (1 / icc - 1), shape)


def _times(scenes: int) -> Array:
    """When each scene is shown, 0 to 1."""
    return np.linspace(0, 1, scenes) if scenes > 1 else np.array([0.5])
