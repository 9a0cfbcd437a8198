"""Which stage of a device's way is not as it claims: decided from proofs (hashes) and from the looks of photographs.

Knows arrays and names only; hostctl/causes/diagnosing.py brings them. A stage of software is deterministic: what it is
shows in the hash of what it gives, on every picture, so that a single picture that differs is a flake and no fault. A
look is a matter of degree: a device is told apart from the others where its difference from the median device exceeds
what faultless racks show, with an interval by scene, and what the devices of this very rack differ by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

AS_CLAIMED, VARIANT, UNKNOWN, CANNOT_TELL = "as claimed", "variant", "unknown", "cannot tell"
EQUAL, DIFFERS, UNTESTED = 1, 0, -1
FLAKES = 0.02  # share of pictures that may differ for no reason at all
NEARLY = 0.95  # share of the differing pictures that a variant must explain
PROOFS = 2  # pictures that a variant explains and the claim does not: two hashes do not agree by accident

Z = 3.29  # of an interval of 99.9 %: a rack has many devices and measures
FEWEST_SCENES, FEWEST_DEVICES = 10, 3
TIMES_SPREAD = 3.5  # robust deviations by which a device must stand out of a mixed rack (Iglewicz and Hoaglin 1993)

Matches = NDArray[np.int8]


@dataclass(frozen=True)
class Proof:
    """What hashes say of one stage: its kind, the variants that explain it alike (a group), and the pictures.

    pictures: on which the stage could be tested; differing: on which the claim does not hold; explained: of these,
    those on which the group does.
    """

    kind: str
    names: tuple[Any, ...] = ()
    pictures: int = 0
    differing: int = 0
    explained: int = 0


def decide_stage(claim: Matches, candidates: Mapping[Any, Matches]) -> Proof:
    """Decide what a stage is, given on which pictures the claim and each candidate give what was reported.

    claim, candidates: int8 (pictures,) of EQUAL, DIFFERS and UNTESTED. A variant is named where it explains nearly all
    pictures on which the claim fails, two at least (one where there is one); of several the ones that hold on most
    pictures, so that pictures on which candidates coincide do not decide. What nothing explains is unknown if it is
    more than flakes.
    """
    tested = claim != UNTESTED
    pictures, failing = int(tested.sum()), claim == DIFFERS
    differing = int(failing.sum())
    if not pictures:
        return Proof(CANNOT_TELL)
    if not differing:
        return Proof(AS_CLAIMED, (), pictures)
    ranks = {
        name: (int((match[failing] == EQUAL).sum()), int((match[tested] == EQUAL).sum()))
        for name, match in candidates.items()
    }
    best = max(ranks.values(), default=(0, 0))
    if best[0] >= min(PROOFS, pictures) and best[0] >= NEARLY * differing:
        group = tuple(name for name, rank in ranks.items() if rank == best)
        return Proof(VARIANT, group, pictures, differing, best[0])
    if differing > FLAKES * pictures and differing >= min(PROOFS, pictures):
        return Proof(UNKNOWN, (), pictures, differing, best[0])
    return Proof(AS_CLAIMED, (), pictures, differing)


@dataclass(frozen=True)
class Tolerance:
    """How a measure of a look is judged: what faultless devices differ by, and what a larger difference is called.

    stage: where it comes from. more, less: the variant's name for a positive and a negative difference; "" where the
    catalogue has none, so that the answer is unknown. unit: how the size is written, with {0} for the value; ratio: the
    measure is a logarithm, written as a factor.
    """

    most: float
    stage: str
    more: str
    less: str
    unit: str
    ratio: bool = False


# Each limit lies between the most that faultless racks of the calibration seeds showed and the least that a fault did,
# nearer to their geometric middle (docs/diagnosis.md has both). Exposure and noise belong to the shot and are not here.
TOLERANCES: dict[str, Tolerance] = {
    "rest": Tolerance(0.52, "isp", "", "", "{0:.1f} times the usual rest", ratio=True),
    "stretch": Tolerance(0.05, "isp", "", "", "blue and red gain unequally {0:+.2f}"),
    "shear": Tolerance(0.05, "isp", "", "", "colours mixed {0:+.2f}"),
    "hue": Tolerance(2.5, "isp", "", "", "hues turned by {0:+.0f} degrees"),
    "tone": Tolerance(0.08, "isp", "tone curve", "tone curve", "slope of the tone {0:+.2f}"),
    "curve": Tolerance(0.03, "isp", "tone curve", "tone curve", "bend of the tone {0:+.2f}"),
    "shading": Tolerance(0.10, "isp", "", "", "light at the corners {0:.2f}", ratio=True),
    "chroma": Tolerance(0.08, "isp", "oversaturating", "pale", "chroma gain {0:.2f}", ratio=True),
    "edge": Tolerance(0.25, "isp", "over-sharpening", "blurring", "edge gain {0:.2f}", ratio=True),
    "cast_blue": Tolerance(0.01, "isp", "", "", "cast of {0:+.3f} in Cb"),
    "cast_red": Tolerance(0.01, "isp", "", "", "cast of {0:+.3f} in Cr"),
}
# What a difference in one measure brings along in others, so that one cause is named once; the first in this order
# names it. What a tone curve, a gain and a turn cannot explain is no such thing, whatever else it looks like.
BRINGS: dict[str, tuple[str, ...]] = {
    "rest": tuple(TOLERANCES),
    "stretch": ("shear", "hue", "chroma", "cast_blue", "cast_red"),
    "shear": ("hue", "chroma", "cast_blue", "cast_red"),
    "hue": ("cast_blue", "cast_red"),
    "tone": ("curve",),
    "chroma": ("cast_blue", "cast_red"),
}


@dataclass(frozen=True)
class Outlier:
    """A device that stands out in a measure: its difference from the median device with its interval by scene."""

    device: int
    measure: str
    value: float
    low: float
    high: float
    scenes: int
    spread: float

    @property
    def excess(self) -> float:
        """How many times its tolerance it is."""
        return abs(self.value) / TOLERANCES[self.measure].most

    @property
    def variant(self) -> str:
        """The name of what does this, "" for none in the catalogue."""
        tolerance = TOLERANCES[self.measure]
        return tolerance.more if self.value > 0 else tolerance.less

    @property
    def text(self) -> str:
        """The size of the difference in words."""
        tolerance = TOLERANCES[self.measure]
        return tolerance.unit.format(np.exp(self.value) if tolerance.ratio else self.value)


def outliers(values: Mapping[str, NDArray[np.float64]]) -> list[Outlier]:
    """Find the devices that stand out from a rack in each measure: the strongest first for each device.

    values: each measure's differences from the median device, (devices, scenes), NaN where a scene says nothing. A
    device stands out where the whole interval of its median over scenes lies beyond the tolerance, which is wider in a
    rack whose devices differ much among themselves. Racks of fewer than three devices have no median device, and say
    nothing.
    """
    found = []
    for measure, table in values.items():
        if measure not in TOLERANCES:
            continue
        rows = [row[np.isfinite(row)] for row in table]
        if sum(len(row) >= FEWEST_SCENES for row in rows) < FEWEST_DEVICES:
            continue
        medians = np.array([np.median(row) if len(row) >= FEWEST_SCENES else np.nan for row in rows])
        middle = float(np.nanmedian(medians))
        spread = 1.4826 * float(np.nanmedian(np.abs(medians - middle)))
        most = TOLERANCES[measure].most
        # A rack of like devices is held to the tolerance; one of many makes also to what its own devices differ by.
        limit = hypot(most, TIMES_SPREAD * max(0.0, spread - most / 2))
        for device, row in enumerate(rows):
            if np.isnan(medians[device]):
                continue
            low, high = (end - middle for end in median_interval(row))
            value = float(medians[device] - middle)
            beyond = min(abs(low), abs(high)) if low * high > 0 else 0.0
            if beyond > limit:
                found.append(Outlier(device, measure, value, low, high, len(row), spread))
    return sorted(found, key=lambda one: (one.device, -one.excess))


def causes(found: Sequence[Outlier]) -> list[list[Outlier]]:
    """Group one device's outliers by cause: first what names it, behind it what that brings along."""
    groups: list[list[Outlier]] = []
    order = list(TOLERANCES)
    for one in sorted(found, key=lambda one: order.index(one.measure)):
        home = next((group for group in groups if one.measure in BRINGS.get(group[0].measure, ())), None)
        if home is None:
            groups.append([one])
        else:
            home.append(one)
    return groups


def median_interval(values: NDArray[np.float64], *, z: float = Z) -> tuple[float, float]:
    """Give the interval of the median of values (n,) by order statistics (Conover 1999, section 3.2), normal ranks."""
    ordered = np.sort(values)
    half = z * sqrt(len(ordered)) / 2
    low = max(0, int(np.floor(len(ordered) / 2 - half)))
    high = min(len(ordered) - 1, int(np.ceil(len(ordered) / 2 + half)))
    return float(ordered[low]), float(ordered[high])
