"""REMEDIES: what each remedy trains with, its loss, its network, and what it does when it is asked.

A drawing takes one picture, already cropped and mirrored, with its target, another such picture to mix with, and a
generator; it gives the views that are compared, the first of which is learnt from, and the target.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from device_agents.decode import RGB
from device_agents.noise import augmix, gaussian, patch_gaussian
from device_agents.perturbations.turned import four_turns
from stability_train.remedies.augmentations import apr_sp, blend, cutout, paste, randaugment
from stability_train.remedies.random_network import deepaugment_like

Target = npt.NDArray[np.float32]
STANDARD = "standard"
SMOOTHING = 0.1
PLAIN, MULTI_CROP, TENT, TENT_SCALES = "plain", "multi-crop", "tent", "tent-scales"


class Example(NamedTuple):
    """A cropped and mirrored picture, uint8 (h, w, 3), and its target: shares of the classes that sum to 1."""

    picture: RGB
    target: Target


Drawn = tuple[tuple[RGB, ...], Target]
Drawing = Callable[[Example, Example, np.random.Generator], Drawn]


def draw_plain(one: Example, other: Example, rng: np.random.Generator) -> Drawn:
    """Give the picture as it is."""
    return (one.picture,), one.target


def draw_mixup(one: Example, other: Example, rng: np.random.Generator, *, alpha: float = 0.2) -> Drawn:
    """Blend with the other in shares from Beta(alpha, alpha), the targets alike."""
    share = float(rng.beta(alpha, alpha))
    return (blend(one.picture, other.picture, share),), _mixed(one, other, share)


def draw_cutmix(one: Example, other: Example, rng: np.random.Generator, *, alpha: float = 1.0) -> Drawn:
    """Put a rectangle of the other in, the targets by area."""
    mixed, share = paste(one.picture, other.picture, float(rng.beta(alpha, alpha)), rng)
    return (mixed,), _mixed(one, other, share)


def draw_changed(
    one: Example, other: Example, rng: np.random.Generator, *, change: Callable[..., RGB], chance: float = 1.0
) -> Drawn:
    """Give the picture changed by an augmentation, with ``chance``; else as it is."""
    return (change(one.picture, rng) if rng.random() < chance else one.picture,), one.target


def draw_beside(
    one: Example, other: Example, rng: np.random.Generator, *, change: Callable[..., RGB], copies: int
) -> Drawn:
    """Give the picture, and beside it ``copies`` changed ones that it is compared with."""
    return (one.picture, *(change(one.picture, rng) for _ in range(copies))), one.target


def draw_augmix_of(one: Example, other: Example, rng: np.random.Generator, *, first: Drawing = draw_plain) -> Drawn:
    """Give what another drawing gives, and two AugMix copies of it: clean + 2, as AugMix compares them."""
    (picture, *_), target = first(one, other, rng)
    return (picture, augmix(picture, rng), augmix(picture, rng)), target


def draw_smoothed(one: Example, other: Example, rng: np.random.Generator, *, smoothing: float = SMOOTHING) -> Drawn:
    """Take ``smoothing`` of the target and spread it over all classes: Szegedy et al. (2016), section 7."""
    even = np.float32(smoothing / len(one.target))
    return (one.picture,), np.float32(1 - smoothing) * one.target + even


def draw_turned(one: Example, other: Example, rng: np.random.Generator) -> Drawn:
    """Give the picture turned by 0, 1, 2 and 3 quarters; pictures that are not square are refused by np.stack."""
    return four_turns(one.picture), one.target


def _mixed(one: Example, other: Example, share: float) -> Target:
    return np.float32(share) * one.target + np.float32(1 - share) * other.target


@dataclass(frozen=True)
class Remedy:
    """One way to a steadier model.

    trains_with: what its training pictures go through, in words of overlap (conditions.KIN). loss: a key of LOSSES
    between the views, "" for none, with its weight alpha. how: "kept" (features of a frozen front), "rotation" (the
    same, with an auxiliary head) or "adversarial" (against the whole network). mixes: environments that training
    pictures are made through. network: "" is the study's, "blurpool" that with anti-aliased strides, else a zoo model.
    asks: what is done at test time, with the weights of ``weights_of`` where it trains nothing itself.
    """

    about: str
    source: str
    draw: Drawing = draw_plain
    trains_with: tuple[str, ...] = ()
    loss: str = ""
    alpha: float = 0.0
    how: str = "kept"
    mixes: bool = False
    network: str = ""
    asks: str = PLAIN
    weights_of: str = ""


_AUGMIX_OPERATIONS = ("autocontrast", "equalise", "posterise", "rotate", "shear", "solarise", "translate")
_JSD: dict[str, Any] = {"loss": "jensen-shannon", "alpha": 12.0}
_APR = partial(draw_changed, change=apr_sp, chance=0.8)
_DEEP = partial(draw_changed, change=deepaugment_like, chance=0.5)

REMEDIES: Mapping[str, Remedy] = {
    STANDARD: Remedy("plain fine-tuning", "the baseline of all others"),
    "mixup": Remedy("blends of two pictures", "Zhang et al. 2018", draw_mixup, ("blend",)),
    "cutmix": Remedy("a rectangle of another picture", "Yun et al. 2019", draw_cutmix, ("occlusion",)),
    "cutout": Remedy("a grey square", "DeVries and Taylor 2017", partial(draw_changed, change=cutout), ("occlusion",)),
    "randaugment": Remedy(
        "two random operations",
        "Cubuk et al. 2020",
        partial(draw_changed, change=randaugment),
        _AUGMIX_OPERATIONS,
    ),
    "augmix": Remedy(
        "three mixed chains, JSD over clean + 2", "Hendrycks et al. 2020", draw_augmix_of, _AUGMIX_OPERATIONS, **_JSD
    ),
    "patch-gaussian": Remedy(
        "noise in a square", "Lopes et al. 2019", partial(draw_changed, change=patch_gaussian), ("noise",)
    ),
    "apr-sp": Remedy("another amplitude for the phase", "Chen et al. 2021", _APR, (*_AUGMIX_OPERATIONS, "spectrum")),
    "deepaugment-like": Remedy(
        "a network with broken weights (a likeness)", "Hendrycks et al. 2021", _DEEP, ("filter", "colour-mix")
    ),
    "augmix-apr-sp": Remedy(
        "AugMix of APR-SP pictures",
        "Chen et al. 2021",
        partial(draw_augmix_of, first=_APR),
        (*_AUGMIX_OPERATIONS, "spectrum"),
        **_JSD,
    ),
    "augmix-deepaugment-like": Remedy(
        "AugMix of the network's pictures (a likeness)",
        "Hendrycks et al. 2021",
        partial(draw_augmix_of, first=_DEEP),
        (*_AUGMIX_OPERATIONS, "filter", "colour-mix"),
        **_JSD,
    ),
    "label-smoothing": Remedy("a tenth of the target for all", "Szegedy et al. 2016", draw_smoothed),
    "stability-training": Remedy(
        "clean answers held against noisy ones",
        "Zheng et al. 2016",
        partial(draw_beside, change=gaussian, copies=1),
        ("noise",),
        loss="relative-entropy",
        alpha=1.0,
    ),
    "mix-training": Remedy(
        "a random decoder, codec, colour and resizer a picture",
        "Wang et al. 2023 (SysNoise), algorithm 1",
        trains_with=("decoder", "codec", "jpeg", "colour", "resizer"),
        mixes=True,
    ),
    "rotation-head": Remedy(
        "also asked how far it was turned",
        "Hendrycks et al. 2019",
        draw_turned,
        ("quarter-turn",),
        alpha=0.5,
        how="rotation",
    ),
    "adversarial": Remedy(
        "PGD, 2 steps within 2 grey levels of 255", "Madry et al. 2018", trains_with=("adversarial",), how="adversarial"
    ),
    "blurpool": Remedy(
        "anti-aliased strides, the front not trained again", "Zhang 2019", trains_with=(), network="blurpool"
    ),
    "efficientnet-lite0": Remedy(
        "another, deeper network", "Tan and Le 2019; no squeeze-and-excitation", network="efficientnet-lite0"
    ),
    "multi-crop": Remedy(
        "standard; five crops averaged", "Krizhevsky et al. 2012", asks=MULTI_CROP, weights_of=STANDARD
    ),
    TENT: Remedy("standard; normalisation fitted when asked", "Wang et al. 2021", asks=TENT, weights_of=STANDARD),
    TENT_SCALES: Remedy(
        "the same with the statistics of training", "after Wang et al. 2021", asks=TENT_SCALES, weights_of=STANDARD
    ),
}
