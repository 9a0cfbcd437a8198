"""Which conditions a study compares: --vary words -> variants, and one at a time, factorial or stacked designs."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from device_agents.errors import BadInput, pick
from device_agents.perturbations.chains import chain
from hostctl.predictions.conditions import CHAINS, FAMILIES, THREADS, Condition, Variant, changed

if TYPE_CHECKING:
    import pandas as pd

Variants = Mapping[str, Sequence[Variant]]

SEED = 0  # of the halves of a stacked design


def parse_vary(words: Sequence[str]) -> dict[str, dict[str | int, bool]]:
    """Read words such as "resizer=pillow-*,opencv-area": each family's variants, and whether each was asked by name.

    A variant is asked by its name, a shell glob, or "all"; threads are whole numbers from 1. Globs give their variants
    sorted by name. Raises BadInput for an unknown family or variant, naming the closest, and for a glob that hits none.
    """
    asked: dict[str, dict[str | int, bool]] = {}
    for word in words:
        family, _, patterns = word.partition("=")
        table = pick(FAMILIES, family, what="family to vary")
        found = asked.setdefault(family, {})
        listed = [pattern.strip() for pattern in patterns.split(",") if pattern.strip()]
        if not listed:
            raise BadInput(f"--vary {word}: expected FAMILY=VARIANT,... such as resizer=pillow-* or decoder=all")
        for pattern in listed:
            for name in [_threads(pattern)] if family == THREADS else _matches(table, pattern, family):
                found[name] = found.get(name, False) or name == pattern or family == THREADS
    return asked


def one_at_a_time(base: Condition, variants: Variants) -> list[Condition]:
    """Give the base and each single change of it, each condition once."""
    return list(dict.fromkeys([base, *(changed(base, variant) for family in variants.values() for variant in family)]))


def factorial(base: Condition, variants: Variants) -> list[Condition]:
    """Give the base, to compare with, and every combination of one variant a family, each condition once."""
    combined = (changed(base, _merged(some)) for some in itertools.product(*variants.values()))
    return list(dict.fromkeys([base, *combined]))


def candidates(stacked: Condition, left: Variants) -> dict[Condition, tuple[str, Variant]]:
    """Give the conditions of a stacked design's next round, with the family and the variant that each adds.

    ``left`` holds the families that are not stacked yet; a variant that changes nothing is no candidate.
    """
    pairs = [(family, variant) for family, some in left.items() for variant in some]
    found = {changed(stacked, variant): (family, variant) for family, variant in pairs}
    return {condition: added for condition, added in found.items() if condition != stacked}


def most_harmful(table: pd.DataFrame, conditions: Iterable[Condition]) -> Condition | None:
    """Give the condition of lowest accuracy on the choosing half, the first of equals; None where none is measured.

    table: predictions with condition, cluster and verdict. The greedy rule of SysNoise (Wang et al. 2023, figure 3),
    except that the harm is measured on other items than those that choose (scoring_half): the lowest of many noisy
    accuracies is lower than its truth.
    """
    from analysis.accuracy import accuracy

    chosen = accuracy(table[~scoring_half(table["cluster"])], by="condition").set_index("condition")["accuracy"]
    measured = {one: chosen.get(one.name, float("nan")) for one in conditions}
    known = {one: value for one, value in measured.items() if value == value}
    return min(known, key=lambda one: known[one]) if known else None


def scoring_half(clusters: pd.Series[Any], *, seed: int = SEED) -> pd.Series[bool]:
    """Say of each row whether its cluster scores (True) or chooses: the last bit of sha256 of "SEED:CLUSTER"."""
    bits = {name: bool(hashlib.sha256(f"{seed}:{name}".encode()).digest()[-1] & 1) for name in clusters.unique()}
    return clusters.map(bits).astype(bool)


def _matches(table: Mapping[str, Any], pattern: str, family: str) -> list[str]:
    if family in CHAINS and "+" in pattern:
        _check(table, pattern, family)
        return [pattern]
    glob = "*" if pattern == "all" else pattern
    found = sorted(name for name in table if fnmatchcase(name, glob))
    if not found:
        _check(table, pattern, family)
    return found


def _check(table: Mapping[str, Any], names: str, family: str) -> None:
    if family == "perturbation":
        chain(names)  # of which there are too many to list
        return
    for name in names.split("+"):
        pick(table, name, what=family)


def _threads(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise BadInput(f"--vary threads={text}: expected whole numbers from 1, such as threads=1,2,4")
    return int(text)


def _merged(some: Iterable[Variant]) -> dict[str, Any]:
    return {field: value for variant in some for field, value in variant.items()}


DESIGNS: dict[str, Callable[[Condition, Variants], list[Condition]]] = {
    "one-at-a-time": one_at_a_time,
    "factorial": factorial,
}
