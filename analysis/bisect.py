"""Bisection: which swaps of stages turn one answer into the other, and whether chance of equal size does it as well.

Two ways lead from a shot to an answer, A and B. A hybrid over a set S of stages takes B's variant at the stages in S
and A's at the others. This file says which hybrids to compute and reads the answers; hostctl/explain.py computes them.
The search is delta debugging's question ("which smallest change makes it fail", Zeller and Hildebrandt 2002), answered
for all minimal sets, since several may be: 1-minimal is not enough to call a stage the cause.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_agents.errors import BadInput

# In the order of the way. "file" stands for shot, ISP and codec where a device saves nothing but its own photograph.
STAGES = (
    *("file", "shot", "isp", "codec", "decoder", "view", "colour", "fit", "resizer", "perturbation", "scaling"),
    *("runtime", "model"),
)
FINGERPRINTED = ("file", "pixels", "resized", "tensor", "scores")
LEVEL = 0.05
# A share of lost answers between the two is a picture that bears no change of that size. Of more the size is too large
# for the test: a change near a border is lost in half of all directions, and what is lost in nearly all would be in any
# picture (another fit or scaling, another shot), which says nothing of this one. Measured: docs/diagnosis.md.
MOSTLY, ANYWAY = 0.5, 0.9
DRAWS = 39  # the fewest at which one of them may flip too and the swap is still blamed: (1 + 1) / (1 + 39) = LEVEL
MOST_TRIED = 256  # hybrids in one direction: all of them for eight stages that differ

Swap = tuple[str, ...]
Restores = Callable[[Sequence[Swap]], Sequence[bool]]


@dataclass(frozen=True)
class Search:
    """The minimal swaps in the order found, how many were tried, and up to how many stages at once all were tried."""

    minimal: tuple[Swap, ...]
    tried: int
    complete_to: int


def differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the stages at which two ways have other variants, in the order of the way; both have the same stages.

    Raises BadInput where they have not, or for an unknown stage.
    """
    if a.keys() != b.keys() or set(a) - set(STAGES):
        raise BadInput(f"expected two ways of the same stages out of {', '.join(STAGES)}, got {list(a)} and {list(b)}")
    return tuple(stage for stage in STAGES if stage in a and a[stage] != b[stage])


def smallest_swaps(stages: Sequence[str], restores: Restores, *, most: int = MOST_TRIED) -> Search:
    """Find every minimal set of stages whose swap restores the other way's answer, by size; supersets of a hit are cut.

    restores: says for each of some swaps, tuples of stages in the order given, whether it does; it is asked once for
    each size. A size is begun only if all of it fits within ``most`` swaps in all, so that what is found is complete up
    to ``complete_to`` stages at once. Swaps need not be monotone: a superset of a hit may well not restore.
    """
    minimal: list[Swap] = []
    tried = complete_to = 0
    for size in range(1, len(stages) + 1):
        owed = [
            swap for swap in itertools.combinations(stages, size) if not any(set(hit) <= set(swap) for hit in minimal)
        ]
        if tried + len(owed) > most:
            break
        minimal += [swap for swap, hit in zip(owed, restores(owed) if owed else (), strict=True) if hit]
        tried, complete_to = tried + len(owed), size
    return Search(tuple(minimal), tried, complete_to)


def surrogates(base: NDArray[Any], other: NDArray[Any], *, count: int, rng: np.random.Generator) -> list[NDArray[Any]]:
    """Draw random perturbations of base of the same L2 norm as other - base, and give base with each of them added.

    The change's own values are dealt out again to random places with random signs: every direction is as likely as its
    mirror image, the norm is exactly the change's, and bytes stay bytes. Bytes that would leave 0..255 take the other
    sign, and where neither fits the nearer end, which shortens the norm a little. base, other: the same shape and
    dtype, uint8 or float; raises BadInput else.
    """
    if base.shape != other.shape or base.dtype != other.dtype:
        raise BadInput(
            f"expected two arrays of one shape and type, got {base.dtype} {base.shape}, {other.dtype} {other.shape}"
        )
    wide = np.int16 if base.dtype == np.uint8 else np.float64
    start, change = base.astype(wide).reshape(-1), (other.astype(wide) - base.astype(wide)).reshape(-1)
    drawn = []
    for _ in range(count):
        dealt = rng.permutation(change) * (2 * rng.integers(0, 2, change.size, np.int8) - 1).astype(wide)
        moved = start + dealt
        if base.dtype == np.uint8:
            outside = (moved < 0) | (moved > 255)
            moved[outside] = np.clip(start[outside] - dealt[outside], 0, 255)
        drawn.append(moved.astype(base.dtype).reshape(base.shape))
    return drawn


def norm(base: NDArray[Any], other: NDArray[Any]) -> float:
    """Give the L2 norm of other - base, both of one shape."""
    return float(np.linalg.norm((other.astype(np.float64) - base.astype(np.float64)).reshape(-1)))


def chance(flips: int, draws: int) -> float:
    """Give the Monte Carlo p-value (1 + flips) / (1 + draws): how likely chance of equal size does what the swap did.

    Davison and Hinkley 1997, equation 4.11. Under the null that the swap's change is one more such draw, the share of
    swaps with a value of LEVEL or less is LEVEL at most.
    """
    return (1 + flips) / (1 + draws)


@dataclass(frozen=True)
class Trial:
    """A minimal swap in one direction ("to A": B with A's variants, or "to B"), and what chance of equal size did.

    label, score: the answer after the swap. measured: where the change was compared: "pixels" (at the model's input
    size), "tensor", "scores", or "" where the two ends cannot be subtracted. norm is the change's L2 norm there. Of
    ``draws`` random changes of that norm, made at the swap's right end (at both, and the larger counts taken, where not
    exactly one end is right), ``same`` gave the other end's label and ``lost`` any label but this end's.
    """

    direction: str
    swap: Swap
    label: str
    score: float
    measured: str = ""
    norm: float = float("nan")
    same: int = 0
    lost: int = 0
    draws: int = 0

    @property
    def share(self) -> float:
        """The share of random changes that did the same as the swap; NaN where none were drawn."""
        return self.same / self.draws if self.draws else float("nan")

    @property
    def blamed(self) -> bool:
        """Whether the swap is to blame and not the picture; False without draws.

        Chance of equal size rarely gives the same answer (its p-value is LEVEL or less), and does not mostly lose this
        end's answer either: a picture that bears no change of that size is fragile too, unless none would bear it.
        """
        if not self.draws:
            return False
        fragile = MOSTLY * self.draws < self.lost < ANYWAY * self.draws
        return chance(self.same, self.draws) <= LEVEL + 1e-12 and not fragile


# What came out, from the most to the least telling.
BLAMED, INTERACTION, FRAGILE, UNTESTED, NOTHING, ELSEWHERE = (
    "stage", "interaction", "fragile", "untested", "nothing restores", "not reproduced",
)  # fmt: skip


@dataclass(frozen=True)
class Cause:
    """The answer for one flip: its kind, and the stages it names (a tuple for each blamed swap)."""

    kind: str
    swaps: tuple[Swap, ...] = ()

    @property
    def text(self) -> str:
        """The answer in a few words: "decoder", "codec with resizer", "fragile", "decoder or isp"."""
        named = " or ".join(" with ".join(swap) for swap in self.swaps)
        return named if self.kind in (BLAMED, INTERACTION) else self.kind


def find_cause(tested: Sequence[Trial]) -> Cause:
    """Decide what a flip comes from, given its minimal swaps in both directions, each tested against chance.

    "stage": a swap of one stage is blamed; "interaction": only swaps of several are; "fragile": swaps restore and none
    is blamed, since chance of equal size often does the same; "untested": they restore and chance could not be drawn;
    "nothing restores": there is none within the bound. A single stage outranks an interaction, and a swap blamed in
    both directions outranks one that is blamed in one of them.
    """
    if not tested:
        return Cause(NOTHING)
    blamed = [one for one in tested if one.blamed]
    if not blamed:
        return Cause(FRAGILE if any(one.draws for one in tested) else UNTESTED)
    alone = [one for one in blamed if len(one.swap) == 1]
    swaps = [one.swap for one in alone or blamed]
    both = [swap for swap in swaps if swaps.count(swap) > 1]
    named = dict.fromkeys(both or swaps)
    return Cause(BLAMED if alone else INTERACTION, tuple(sorted(named, key=_place)))


def count_causes(flips: Sequence[tuple[Sequence[str], Sequence[Trial], Cause]]) -> list[dict[str, Any]]:
    """Count over flips: a row a stage that differs in any, then a row a kind without a stage; see the keys.

    flips: for each the stages that differ, its tested swaps and its cause. Keys: stage; differs (flips where it does);
    restores (its swap alone restores, in either direction); blamed (the flip's one cause); shared (one of several
    causes, or part of an interaction). Rows of kinds have their count in ``blamed`` alone.
    """
    rows = []
    for stage in STAGES:
        some = [flip for flip in flips if stage in flip[0]]
        if not some:
            continue
        named = [cause.swaps for _, _, cause in some if any(stage in swap for swap in cause.swaps)]
        rows.append(
            {
                "stage": stage,
                "differs": len(some),
                "restores": sum(any(one.swap == (stage,) for one in tested) for _, tested, _ in some),
                "blamed": sum(swaps == ((stage,),) for swaps in named),
                "shared": sum(swaps != ((stage,),) for swaps in named),
            }
        )
    for kind in (INTERACTION, FRAGILE, UNTESTED, NOTHING, ELSEWHERE):
        count = sum(cause.kind == kind for _, _, cause in flips)
        rows.append({"stage": kind, "differs": None, "restores": None, "blamed": count, "shared": None})
    return rows


def amounts(a: NDArray[Any] | None, b: NDArray[Any] | None) -> dict[str, Any]:
    """Say how much two arrays differ: equal, mean and largest absolute difference, share of elements that differ.

    Numbers are None where the shapes differ or one is absent; then "equal" is False unless both are absent.
    """
    if a is None or b is None or a.shape != b.shape:
        return {"equal": a is None and b is None, "mean": None, "largest": None, "share": None}
    gap = np.abs(a.astype(np.float64) - b.astype(np.float64))
    equal = bool((gap == 0).all()) and a.dtype == b.dtype
    found = (float(gap.mean()), float(gap.max()), float((gap > 0).mean())) if gap.size else (0.0, 0.0, 0.0)
    return {"equal": equal, **dict(zip(("mean", "largest", "share"), found, strict=True))}


def _place(swap: Swap) -> tuple[int, ...]:
    return tuple(STAGES.index(stage) for stage in swap)


def sentence(flips: int, table: Sequence[Mapping[str, Any]]) -> str:
    """Say what count_causes counted: "Of 7 flips: resizer 4, fragile 3"."""
    told = ", ".join(f"{row['stage']} {row['blamed']}" for row in table if row["blamed"])
    return f"Of {flips} flip{'s' * (flips != 1)}: {told or 'none explained'}"
