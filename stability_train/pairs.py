"""Pairs: which views of a photo stand beside each other in an epoch, the clean one first; and the epoch's order.

Everything follows from (seed, epoch, photo), so an epoch can be made again, from any step on, without what went before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from capture.isp import isp_version
from device_agents.errors import BadInput
from device_agents.noise import NOISES
from stability_train.photos import Photo, check_devices
from stability_train.settings import FAMILIES, PAIRED, RAW, Settings
from stability_train.views import View

# The streams of random numbers: the first number of every seed after the user's own.
_ORDER, _TRAINING, _VALIDATION, _CHOICE, _NOISE, _MIXING, _SENSOR = range(7)


@dataclass(frozen=True)
class Plan:
    """The clean photos of a training, their classes' numbers, and the photos that may stand beside each as noise.

    raws: the photos that have a raw picture, where the settings want one.
    """

    photos: tuple[Photo, ...]
    targets: tuple[int, ...]
    partners: tuple[tuple[str, ...], ...]
    settings: Settings
    validation: bool = False
    raws: frozenset[str] = frozenset()

    def __len__(self) -> int:
        """Give the number of clean photos."""
        return len(self.photos)

    def order(self, epoch: int) -> list[int]:
        """Give the places of the photos in the order of an epoch."""
        return [int(place) for place in self._rng(_ORDER, epoch).permutation(len(self))]

    def views(self, place: int, epoch: int) -> tuple[View, ...]:
        """Give the views of a photo in an epoch: the clean one, then the noisy ones."""
        rng = self._rng(_VALIDATION if self.validation else _TRAINING, epoch, place)
        clean = View(self.photos[place].identity)
        if not self.validation:
            clean = _environment(clean, rng, self, self.settings.mix, (epoch, place, _CLEAN))
            clean = _geometry(clean, rng, self.settings)
        pair = PAIRINGS[self.settings.noise]
        return (clean, *(pair(clean, rng, self, (epoch, place, which)) for which in range(self.settings.noisy_views)))

    def mixing_rng(self, epoch: int, step: int) -> np.random.Generator:
        """Give the generator for what pictures of a batch share."""
        return self._rng(_MIXING, epoch, step)

    def _rng(self, *numbers: int) -> np.random.Generator:
        return np.random.default_rng([self.settings.seed, *numbers])


def make_plan(
    photos: Sequence[Photo],
    *,
    pool: Sequence[Photo],
    classes: Sequence[str],
    settings: Settings,
    validation: bool = False,
) -> Plan:
    """Plan the training on ``photos`` (those of settings.device, if one is named) with partners out of ``pool``.

    Pass as pool the photos of the same side of a split, so that no object of the other side is seen. Raises BadInput
    for a device without pictures, for photos without a partner, all of them at once, and for ISPs without any raw.
    """
    needed = [device for device in (settings.device, settings.partner) if device]
    check_devices(pool, needed=needed, why=f"noise {settings.noise}")
    clean = [photo for photo in photos if not settings.device or photo.device == settings.device]
    number = {label: place for place, label in enumerate(classes)}
    partners = _partners(clean, pool, settings, validation) if settings.noise in PAIRED else ((),) * len(clean)
    targets = tuple(number[photo.label] for photo in clean)
    return Plan(tuple(clean), targets, tuple(partners), settings, validation, _raws([*clean, *pool], settings))


def is_finite(settings: Settings) -> bool:
    """Say whether a training sees a finite set of views, so that what a frozen front makes of them can be kept.

    Fresh noise and random crops are new every epoch; another photo, a round of draws, a flip, or one of a few decoders
    and resizers come back.
    """
    noisy = settings.noise in NOISES and settings.noise != "none"
    shots = "sensor" in settings.drawn and any(settings.sensors)
    return (
        not ((noisy or shots) and settings.draws == 0) and settings.augment != "flip-crop" and settings.mixing == "none"
    )


def _partners(
    clean: Sequence[Photo], pool: Sequence[Photo], settings: Settings, validation: bool
) -> list[tuple[str, ...]]:
    others = [photo for photo in pool if photo.device == settings.partner]
    if settings.noise == "two-images" or validation:  # a device is judged on the same scene, however it was trained
        same = {(other.scene, other.angle, other.repeat): other.identity for other in others}
        found: list[tuple[str, ...]] = [
            ((same[key],) if (key := (one.scene, one.angle, one.repeat)) in same else ()) for one in clean
        ]
        what = "the same scene, angle and repeat"
    else:
        chosen = {label: _subsample(others, label, settings) for label in sorted({one.label for one in clean})}
        found = [chosen[one.label] for one in clean]
        what = "its class"
    missing = [photo.name for photo, names in zip(clean, found, strict=True) if not names]
    if missing:
        shown = ", ".join(missing[:5]) + ", ..." * (len(missing) > 5)
        raise BadInput(
            f"noise {settings.noise}: expected a picture of {what} from {settings.partner} for each of the "
            f"{len(clean)} of {settings.device}, got none for {len(missing)}: {shown}; take them, or leave these out"
        )
    return found


def _raws(photos: Sequence[Photo], settings: Settings) -> frozenset[str]:
    """The photos with a raw picture; raises BadInput if there is none, MissingExtra for an ISP that is not here."""
    if not settings.raws_drawn:
        return frozenset()
    for isp in filter(None, settings.isps):
        isp_version(isp)
    found = frozenset(photo.identity for photo in photos if photo.raw is not None)
    if not found:
        raise BadInput(
            f"isps {', '.join(settings.isps)}: expected photographs with a raw picture beside them, got none of "
            f"{len(photos)}; name a device of the run that keeps raws, or leave isps out"
        )
    return found


def _subsample(others: Sequence[Photo], label: str, settings: Settings) -> tuple[str, ...]:
    """The N pictures of a class that were ever taken with the other device: the same ones in all epochs."""
    names = [other.identity for other in others if other.label == label]
    rng = np.random.default_rng([settings.seed, _CHOICE, *label.encode()])
    return tuple(names[place] for place in sorted(rng.permutation(len(names))[: settings.subsample]))


def _geometry(view: View, rng: np.random.Generator, settings: Settings) -> View:
    """Turn and cut as settings.augment says; the noisy views take it over from the clean one."""
    if settings.augment == "none":
        return view
    view = replace(view, flip=bool(rng.integers(2)))
    if settings.augment == "flip-crop":
        side = float(np.sqrt(rng.uniform(0.7, 1.0)))  # the share of the area that is kept
        view = replace(view, crop=(rng.uniform(0, 1 - side), rng.uniform(0, 1 - side), side, side))
    return view


Moment = tuple[int, int, int]
_CLEAN = -1  # the clean view's place among the noisy ones of a moment


def _environment(view: View, rng: np.random.Generator, plan: Plan, families: Sequence[str], moment: Moment) -> View:
    """Give the view a random variant of each family; without a raw picture it has no ISP and no sensor to choose."""
    chosen = {}
    for family in families:
        if family not in RAW or view.photo in plan.raws:
            variants = getattr(plan.settings, FAMILIES[family])
            chosen[family] = variants[int(rng.integers(len(variants)))]
    view = replace(view, **chosen)
    return replace(view, shot=_drawn(_SENSOR, rng, plan, moment) if view.sensor else ())


def _drawn(stream: int, rng: np.random.Generator, plan: Plan, moment: Moment) -> tuple[int, ...]:
    """The seed of a view's noise: one of the draws that this photo has in the whole training, or a fresh one."""
    epoch, place, which = moment
    draws = plan.settings.draws
    seed = (place, int(rng.integers(draws))) if draws else (place, epoch, which - _CLEAN)
    return (plan.settings.seed, stream, int(plan.validation), *seed)


Pairing = Callable[[View, np.random.Generator, Plan, Moment], View]


def pair_noise(clean: View, rng: np.random.Generator, plan: Plan, moment: Moment) -> View:
    """The same picture with one of NOISES; of a finite number of draws, one."""
    settings = plan.settings
    epoch, place, which = moment
    # One of the draws that this photo has in the whole training, or one that no other moment has.
    seed = (place, int(rng.integers(settings.draws))) if settings.draws else (place, epoch, which)
    side = _VALIDATION if plan.validation else _NOISE
    strength = None if settings.strength is None else float(settings.strength)
    return replace(clean, noise=settings.noise, strength=strength, seed=(settings.seed, side, *seed))


def pair_partner(clean: View, rng: np.random.Generator, plan: Plan, moment: Moment) -> View:
    """Another photo in the same environment and with the same geometry: its only partner, or a random one."""
    names = plan.partners[moment[1]]
    partner = replace(clean, photo=names[int(rng.integers(len(names)))])
    return partner if partner.photo in plan.raws else replace(partner, isp="", sensor="", shot=())


def pair_environment(clean: View, rng: np.random.Generator, plan: Plan, moment: Moment) -> View:
    """The same shot through a random decoder, codec, colour, resizer, ISP and sensor of those that settings name."""
    return _environment(clean, rng, plan, tuple(FAMILIES), moment)


PAIRINGS: Mapping[str, Pairing] = {
    **dict.fromkeys(NOISES, pair_noise),
    "environments": pair_environment,
    "subsample": pair_partner,
    "two-images": pair_partner,
}
