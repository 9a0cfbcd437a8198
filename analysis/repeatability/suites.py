"""SUITES: which perturbations belong together, and how the answers to them are judged; plain data.

A family's perturbations are names of device_agents.perturbations, joined by "+" where one follows another; "" is the
picture as it is. Its kind says what is compared with what.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

PAIRS, FRAMES_FIRST, FRAMES_BEFORE, SEVERITIES = "pairs", "frames-first", "frames-before", "severities"
CLEAN = "clean"  # the family of the picture as it is
CONSISTENCY = "consistency"  # the family whose share of equal answers is the BlurPool paper's shift consistency
STORED = "stored-jpeg-85"
LONGEST_SHIFT = 16
FRAMES = 31  # ImageNet-P: the picture and 30 changes of it; translate has one pixel more to each side


class Family(NamedTuple):
    """Perturbations judged together.

    kind: "pairs" (the first is compared with each other), "frames-first" (the same, of a sequence), "frames-before"
    (each is compared with the one before it) or "severities" (each is judged by the truth).
    """

    name: str
    kind: str
    perturbations: tuple[str, ...]


class Suite(NamedTuple):
    """Families that are run and told together, the tasks whose answers they can judge, and what they ask."""

    name: str
    families: tuple[Family, ...]
    tasks: tuple[str, ...]
    about: str

    @property
    def perturbations(self) -> tuple[str, ...]:
        """All perturbations of the suite, each once, in their order."""
        return tuple(dict.fromkeys(name for family in self.families for name in family.perturbations))


CORRUPTIONS = (
    *("gaussian-noise", "shot-noise", "impulse-noise", "defocus-blur", "glass-blur", "motion-blur", "zoom-blur"),
    *("snow", "frost", "fog", "brightness", "contrast", "elastic-transform", "pixelate", "jpeg-compression"),
)
EXTRA_CORRUPTIONS = ("speckle-noise", "gaussian-blur", "spatter", "saturate")
SEVERITY = range(1, 6)

# Noise changes every frame anew: such frames are compared with the first, the others with the one before.
SEQUENCES = {
    **dict.fromkeys(("gaussian-noise", "shot-noise"), FRAMES_FIRST),
    **dict.fromkeys(("motion-blur", "zoom-blur", "snow", "brightness"), FRAMES_BEFORE),
    **dict.fromkeys(("translate", "rotate", "tilt", "scale"), FRAMES_BEFORE),
}
LENGTHS = {"translate": 41}  # frames of those that are not of FRAMES

# What a line is expected to stand in its way, and what is beyond: trained up to 5 degrees, tested at 10.
NATURAL = {
    "rotate": ("rotate", (-5, -3, -1, 1, 3, 5)),
    "rotate-beyond": ("rotate", (-10, 10)),
    "zoom": ("zoom", (95, 98, 102, 105)),
    "zoom-beyond": ("zoom", (90, 110)),
    "translate": ("translate", (-4, -1, 1, 4)),
    "off-centre": ("off-centre", (5, 10)),
    "off-centre-beyond": ("off-centre", (20,)),
    "gain": ("gain", (80, 90, 110, 125)),
    "gain-beyond": ("gain", (50, 200)),
    "offset": ("offset", (-16, -8, 8, 16)),
    "contrast": ("contrast-by", (80, 90, 110, 120)),
    "hue": ("hue", (-10, -5, 5, 10)),
    "saturation": ("saturation", (80, 90, 110, 120)),
    "blur": ("blur", (5, 10)),
    "blur-beyond": ("blur", (20,)),
    "camera-noise": ("camera-noise", (2, 4, 8)),
    "camera-noise-beyond": ("camera-noise", (16,)),
    "dead-pixels": ("dead-pixels", (1, 5, 10)),
}
EMBEDDED = ("shift-crop", "shift-black", "shift-inpaint")


def _numbered(name: str, numbers: Iterable[int]) -> tuple[str, ...]:
    return tuple(f"{name}-{number}" for number in numbers)


def _severities(names: Iterable[str], levels: Iterable[int] = SEVERITY, *, then: str = "") -> tuple[Family, ...]:
    ending = f"+{then}" if then else ""
    return tuple(Family(name, SEVERITIES, tuple(f"{one}{ending}" for one in _numbered(name, levels))) for name in names)


def _frames(name: str, step: int = 1) -> Family:
    numbers = range(0, LENGTHS.get(name, FRAMES), step)
    return Family(name, SEQUENCES[name], tuple(f"{name}-frame-{number:02d}" for number in numbers))


def _suites() -> Iterable[Suite]:
    """Every suite; all judge first labels, so that only classifiers fit."""
    only = ("classification",)
    one_pixel = tuple(Family(name, PAIRS, _numbered(name, (0, 1))) for name in EMBEDDED)
    scale = Family("scale-black", PAIRS, _numbered("scale-black", (100, 101)))
    consistency = Family(CONSISTENCY, PAIRS, _numbered(CONSISTENCY, (0, 1)))
    yield Suite("shift", (*one_pixel, scale, consistency), only, "one pixel to the side, one larger, two random crops")
    far = tuple(Family(name, PAIRS, _numbered(name, range(LONGEST_SHIFT + 1))) for name in EMBEDDED)
    grown = Family("scale-black", PAIRS, _numbered("scale-black", range(100, 100 + LONGEST_SHIFT + 1)))
    yield Suite("shift-curves", (*far, grown), only, "pixel by pixel to the side, and larger")

    clean, stored = Family(CLEAN, SEVERITIES, ("",)), Family(CLEAN, SEVERITIES, (STORED,))
    yield Suite("corruptions", (clean, *_severities(CORRUPTIONS)), only, "ImageNet-C's 15 corruptions, 5 severities")
    yield Suite(
        "corruptions-stored",
        (stored, *_severities(CORRUPTIONS, then=STORED)),
        only,
        "ImageNet-C's 15, written as JPEG and read again as the published data set was",
    )
    yield Suite("corruptions-extra", (clean, *_severities(EXTRA_CORRUPTIONS)), only, "ImageNet-C's 4 further ones")
    yield Suite(
        "corruptions-quick", (clean, *_severities(CORRUPTIONS, (1, 3, 5))), only, "the 15 at severities 1, 3, 5"
    )

    yield Suite("sequences", tuple(map(_frames, SEQUENCES)), only, "ImageNet-P's ten sequences, frame by frame")
    thinned = tuple(_frames(name, 5) for name in SEQUENCES)
    yield Suite("sequences-quick", thinned, only, "every fifth frame of them: larger steps, not ImageNet-P's number")

    natural = tuple(Family(name, PAIRS, ("", *_numbered(of, numbers))) for name, (of, numbers) in NATURAL.items())
    yield Suite("natural", natural, only, "what a production line does to a picture, and beyond the usual")


SUITES: dict[str, Suite] = {suite.name: suite for suite in _suites()}
