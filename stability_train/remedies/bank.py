"""The examples of a training: several draws a picture, with the same crops and partners for every remedy of a seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from device_agents.decode import RGB
from stability_train.photos import Photo
from stability_train.remedies.augmentations import crop_and_flip
from stability_train.remedies.conditions import CLEAN, MIXED, Condition, PictureMaker
from stability_train.remedies.remedies import Drawn, Example, Remedy

Array = npt.NDArray[Any]
_CROP, _REMEDY, _PARTNER, _MIX = 1, 2, 3, 4
_USUAL = Condition(CLEAN, CLEAN, CLEAN)


def draw_bank(
    remedy: Remedy, photos: Sequence[Photo], targets: Array, *, maker: PictureMaker, draws: int, seed: int
) -> Iterator[list[Drawn]]:
    """Give ``draws`` times the views and target of every photo; targets: float32 (photos, classes).

    The same seed, draw and photo give the same crop and the same partner whatever the remedy, so that remedies differ
    by nothing else; they are made by generators of their own.
    """
    for draw in range(draws):
        bases = [_base(remedy, photo, maker, (seed, draw, place)) for place, photo in enumerate(photos)]
        examples = [Example(base, target) for base, target in zip(bases, targets, strict=True)]
        partners = np.random.default_rng([seed, draw, _PARTNER]).permutation(len(photos))
        yield [
            remedy.draw(one, examples[partner], np.random.default_rng([seed, draw, place, _REMEDY]))
            for place, (one, partner) in enumerate(zip(examples, partners, strict=True))
        ]


def _base(remedy: Remedy, photo: Photo, maker: PictureMaker, moment: tuple[int, int, int]) -> RGB:
    """The photo in its environment, cropped and mirrored."""
    condition = _mixed(np.random.default_rng([*moment, _MIX])) if remedy.mixes else _USUAL
    return crop_and_flip(maker.picture(photo, condition), np.random.default_rng([*moment, _CROP]))


def _mixed(rng: np.random.Generator) -> Condition:
    changes = {family: names[int(rng.integers(len(names)))] for family, names in MIXED.items()}
    return Condition("mixed", "mixed", "mixed", changes)
