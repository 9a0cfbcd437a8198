"""CONDITIONS: what trained models are tested under, by family, and which of them a remedy has seen the like of.

Families of environments are compared within themselves; corruptions, sequences and natural changes are perturbations
of the picture in the usual environment.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from device_agents.decode import DECODERS, RGB
from device_agents.errors import BadInput, pick
from device_agents.perturbations.chains import chain
from device_agents.perturbations.families import VIEWED, generator
from device_agents.resize import RESIZERS
from device_agents.sidecar import Sidecar
from device_agents.view import VIEWS
from stability_train.photos import Photo
from stability_train.remedies.remedies import Remedy
from stability_train.views import View, ViewMaker

CLEAN = "clean"
ENVIRONMENTS = ("decoder", "resizer", "colour", "codec")
CORRUPTIONS, SEQUENCES, SHIFT, NATURAL = "corruptions", "sequences", "shift", "natural"

# What mix training draws from: none of what is tested, but for what every model is shown as usual.
MIXED: Mapping[str, tuple[str, ...]] = {
    "decoder": ("pillow", "jpeg-fast-plain"),
    "resizer": ("", "pillow-box", "pillow-hamming", "opencv-area"),
    "colour": ("rgb", "bt601-full-444", "bt709-full-444"),
    "codec": ("", "jpeg-92", "jpeg-75"),
}
TESTED: Mapping[str, tuple[str, ...]] = {
    "decoder": ("jpeg-fast-dct", "jpeg-plain-upsampling", "libjpeg-9f"),
    "resizer": ("pillow-bicubic", "pillow-lanczos", "pillow-nearest", "opencv-linear", "opencv-cubic"),
    "colour": ("bt601-full-nv12-bilinear", "bt601-nv12-nearest", "bt709-nv12-bilinear"),
    "codec": ("jpeg-85", "jpeg-50", "webp-80"),
}
CORRUPTION_NAMES = (
    *("gaussian-noise", "shot-noise", "impulse-noise", "defocus-blur", "glass-blur", "motion-blur", "zoom-blur"),
    *("snow", "frost", "fog", "brightness", "contrast", "elastic-transform", "pixelate", "jpeg-compression"),
)
NOISE_SEQUENCES = ("gaussian-noise", "shot-noise")  # each frame is new, and compared with the first
MOVING_SEQUENCES = ("motion-blur", "zoom-blur", "snow", "brightness", "translate", "rotate", "tilt", "scale")
NATURAL_NAMES = (
    *("rotate--5", "rotate-5", "zoom-95", "zoom-105", "gain-80", "gain-125", "offset--16", "offset-16"),
    *("contrast-by-80", "contrast-by-120", "hue--10", "hue-10", "saturation-80", "blur-10", "camera-noise-8"),
    *("dead-pixels-10", "translate--4", "translate-4", "off-centre-10"),
)
# Words of REMEDIES.trains_with -> the groups tested that are the same or akin; a word left out has none.
KIN: Mapping[str, tuple[str, ...]] = {
    "noise": ("gaussian-noise", "shot-noise", "impulse-noise", "camera-noise"),
    "occlusion": ("dead-pixels",),
    "autocontrast": ("contrast", "contrast-by"),
    "rotate": ("rotate", "tilt"),
    "shear": ("tilt",),
    "translate": ("translate", "off-centre", "consistency"),
    "filter": ("defocus-blur", "motion-blur", "blur"),
    "colour-mix": ("hue", "saturation"),
    "jpeg": ("jpeg-compression",),
    "decoder": ("decoder",),
    "resizer": ("resizer", "pixelate"),
    "colour": ("colour",),
    "codec": ("codec",),
}
EVERYBODY = ("zoom", "scale", "translate", "off-centre", "consistency")  # the crops that all trainings share


@dataclass(frozen=True)
class Condition:
    """One way in which all test pictures are made. group: what its family compares it within, such as a corruption.

    changes: fields of a View; perturbation: a chain of names, done to the picture at the model's size.
    """

    name: str
    family: str
    group: str
    changes: Mapping[str, str] = field(default_factory=dict)
    perturbation: str = ""


@dataclass(frozen=True)
class Extent:
    """How much is tested: severities of each corruption, frames of each sequence, crops of the shift consistency."""

    severities: tuple[int, ...] = (2, 4)
    frames: int = 4
    crops: int = 5

    def __post_init__(self) -> None:
        """Refuse what cannot be compared."""
        if not self.severities or not set(self.severities) <= set(range(1, 6)):
            raise BadInput(f"expected severities of 1 to 5, got {self.severities}")
        if not 2 <= self.frames <= 31 or not 2 <= self.crops <= 16:
            raise BadInput(f"expected 2 to 31 frames and 2 to 16 crops, got {self.frames} and {self.crops}")


def all_conditions(extent: Extent, *, families: Sequence[str]) -> list[Condition]:
    """List the conditions of the families named, the clean one first; raises BadInput for an unknown family."""
    found = [Condition(CLEAN, CLEAN, CLEAN)]
    for family in families:
        found += pick(_FAMILIES, family, what="family to test")(family, extent)
    for one in found:
        chain(one.perturbation)
    return found


def seen_by(remedy: Remedy, conditions: Sequence[Condition]) -> list[str]:
    """List the conditions' groups that are like what a remedy trains with, in their order."""
    return _akin([kin for word in remedy.trains_with for kin in KIN.get(word, ())], conditions)


def seen_by_all(conditions: Sequence[Condition]) -> list[str]:
    """List the conditions' groups that are like the crops that every training has, plain fine-tuning too."""
    return _akin(EVERYBODY, conditions)


def _akin(akin: Sequence[str], conditions: Sequence[Condition]) -> list[str]:
    return list(dict.fromkeys(place(one) for one in conditions if one.group in akin))


def place(condition: Condition) -> str:
    """Name a condition's group within its family: "corruptions: fog", or "decoder" for a family that is one group."""
    return condition.family if condition.group == condition.family else f"{condition.family}: {condition.group}"


class PictureMaker:
    """Makes the pictures of conditions, of a model's input size, from files that are decoded once."""

    def __init__(self, photos: Sequence[Photo], sidecar: Sidecar) -> None:
        """Take the photos that may be asked for."""
        self._views = ViewMaker(photos, sidecar)
        self._sidecar = sidecar
        self._viewed = lru_cache(maxsize=256)(_viewed)

    def picture(self, photo: Photo, condition: Condition) -> RGB:
        """Give uint8 (height, width, 3); raises BadInput that names a file that cannot be read."""
        steps = chain(condition.perturbation)
        if steps and steps[0].of == VIEWED:
            height, width, _ = self._views.shape
            first, *steps = steps
            resizer = pick(RESIZERS, self._sidecar.resizer, what="resizer")
            viewed = self._viewed(photo)
            picture: Any = first.apply(viewed, resizer, height, width, generator(photo.sha256, first.stream))
        else:
            picture = self._views.picture(dataclasses.replace(View(photo.identity), **_changes(photo, condition)))
        for one in steps:
            picture = one.apply(picture, generator(photo.sha256, one.stream))
        return np.asarray(picture, np.uint8)


def _changes(photo: Photo, condition: Condition) -> dict[str, Any]:
    """What the condition changes; the decoders tested are of JPEG, and leave another file to the usual one."""
    changes: dict[str, Any] = dict(condition.changes)
    if "decoder" in changes and not changes.get("codec") and not _is_jpeg(photo.file):
        del changes["decoder"]
    return changes


@lru_cache(maxsize=4096)
def _is_jpeg(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(3) == b"\xff\xd8\xff"


def _viewed(photo: Photo) -> RGB:
    pixels = DECODERS["pillow"](photo.file.read_bytes())
    return VIEWS["rectified-pillow" if photo.corners else "whole"](pixels, photo.corners)


def _environments(family: str, extent: Extent) -> list[Condition]:
    return [Condition(f"{family}:{name}", family, family, {family: name}) for name in TESTED[family]]


def _corruptions(family: str, extent: Extent) -> list[Condition]:
    return [
        Condition(f"{name}-{severity}", family, name, {}, f"{name}-{severity}")
        for name in CORRUPTION_NAMES
        for severity in extent.severities
    ]


def _sequences(family: str, extent: Extent) -> list[Condition]:
    names = [
        (name, f"{name}-frame-{frame:02d}")
        for name in (*NOISE_SEQUENCES, *MOVING_SEQUENCES)
        for frame in range(extent.frames)
    ]
    return [Condition(frame, family, name, {}, frame) for name, frame in names]


def _shifts(family: str, extent: Extent) -> list[Condition]:
    return [
        Condition(f"consistency-{number}", family, "consistency", {}, f"consistency-{number}")
        for number in range(extent.crops)
    ]


def _natural(family: str, extent: Extent) -> list[Condition]:
    return [Condition(name, family, _stem(name), {}, name) for name in NATURAL_NAMES]


def _stem(name: str) -> str:
    return name.rstrip("0123456789").rstrip("-")


_FAMILIES: Mapping[str, Any] = {
    **dict.fromkeys(ENVIRONMENTS, _environments),
    CORRUPTIONS: _corruptions,
    SEQUENCES: _sequences,
    SHIFT: _shifts,
    NATURAL: _natural,
}
FAMILY_NAMES = tuple(_FAMILIES)
