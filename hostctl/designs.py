"""Which environments a study compares: --vary words -> variants, and one at a time, factorial or stacked designs."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from device_agents.colour import COLOURS
from device_agents.decode import DECODERS
from device_agents.errors import BadInput, pick
from device_agents.preprocess import SCALINGS
from device_agents.records import Environment
from device_agents.resize import FITS, RESIZERS
from device_agents.runtimes import RUNTIMES
from device_agents.view import VIEWS

if TYPE_CHECKING:
    import pandas as pd

# A variant is what it changes of an environment: {"resizer": "opencv-area"}, or a runtime together with its version.
Variant = Mapping[str, Any]
Variants = Mapping[str, Sequence[Variant]]

THREADS = "threads"
SEED = 0  # of the halves of a stacked design
FAMILIES: dict[str, Mapping[str, Any]] = {
    "decoder": DECODERS,
    "view": VIEWS,
    "colour": COLOURS,
    "fit": FITS,
    "resizer": RESIZERS,
    "scaling": SCALINGS,
    "runtime": RUNTIMES,
    THREADS: {},
}


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


def one_at_a_time(base: Environment, variants: Variants) -> list[Environment]:
    """Give the base and each single change of it, each environment once."""
    changed = (replace(base, **variant) for family in variants.values() for variant in family)
    return list(dict.fromkeys([base, *changed]))


def factorial(base: Environment, variants: Variants) -> list[Environment]:
    """Give the base, to compare with, and every combination of one variant a family, each environment once."""
    combined = (replace(base, **_merged(some)) for some in itertools.product(*variants.values()))
    return list(dict.fromkeys([base, *combined]))


def candidates(stacked: Environment, left: Variants) -> dict[Environment, tuple[str, Variant]]:
    """Give the environments of a stacked design's next round, with the family and the variant that each adds.

    ``left`` holds the families that are not stacked yet; a variant that changes nothing is no candidate.
    """
    pairs = [(family, variant) for family, some in left.items() for variant in some]
    found = {replace(stacked, **variant): (family, variant) for family, variant in pairs}
    return {environment: added for environment, added in found.items() if environment != stacked}


def most_harmful(table: pd.DataFrame, environments: Iterable[Environment]) -> Environment | None:
    """Give the environment of lowest accuracy on the choosing half, the first of equals; None where none is measured.

    table: predictions with environment, cluster and verdict. The greedy rule of SysNoise (Wang et al. 2023, figure 3),
    except that the harm is measured on other items than those that choose (scoring_half): the lowest of many noisy
    accuracies is lower than its truth.
    """
    from analysis.accuracy import accuracy

    chosen = accuracy(table[~scoring_half(table["cluster"])], by="environment").set_index("environment")["accuracy"]
    measured = {one: chosen.get(one.environment, float("nan")) for one in environments}
    known = {one: value for one, value in measured.items() if value == value}
    return min(known, key=lambda one: known[one]) if known else None


def scoring_half(clusters: pd.Series[Any], *, seed: int = SEED) -> pd.Series[bool]:
    """Say of each row whether its cluster scores (True) or chooses: the last bit of sha256 of "SEED:CLUSTER"."""
    bits = {name: bool(hashlib.sha256(f"{seed}:{name}".encode()).digest()[-1] & 1) for name in clusters.unique()}
    return clusters.map(bits).astype(bool)


def changes(environment: Environment, base: Environment) -> dict[str, Any]:
    """Give the families in which an environment differs from the base, with its variants."""
    return {name: getattr(environment, name) for name in FAMILIES if getattr(environment, name) != getattr(base, name)}


def _matches(table: Mapping[str, Any], pattern: str, family: str) -> list[str]:
    glob = "*" if pattern == "all" else pattern
    found = sorted(name for name in table if fnmatchcase(name, glob))
    if not found:
        pick(table, pattern, what=family)
    return found


def _threads(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise BadInput(f"--vary threads={text}: expected whole numbers from 1, such as threads=1,2,4")
    return int(text)


def _merged(some: Iterable[Variant]) -> dict[str, Any]:
    return {field: value for variant in some for field, value in variant.items()}


DESIGNS: dict[str, Callable[[Environment, Variants], list[Environment]]] = {
    "one-at-a-time": one_at_a_time,
    "factorial": factorial,
}
