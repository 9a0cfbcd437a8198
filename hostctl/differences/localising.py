"""Which differences are looked into, and what is said of each: the input, the conversion, the kernels, or rounding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.differential.layers import TOLERANCE, relative_distance
from analysis.differential.outputs import output_difference
from analysis.store import Run
from device_agents.preprocess import FAILURES
from device_agents.records import Picture
from device_agents.runtimes import NETWORKS
from hostctl.differences.asked import HOST, Variant, first_line
from hostctl.differences.inputs import input_key, prepare
from hostctl.differences.kinds import PLAIN
from hostctl.differences.layers import Cuts, Found, first_conversion
from hostctl.printing import Progress

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[Any]
INPUT, CONVERSION, KERNELS, ROUNDING, DEVICE = "input", "conversion", "kernels", "rounding", "device"
UNKNOWN = "not found"


@dataclass(frozen=True)
class Located:
    """Why two variants differ on one picture, and where it begins.

    cause: "input" (they are given other pixels), "conversion" (their files say different things), "kernels" (one file,
    computed otherwise; of ``variant`` where it is known which), "rounding" (no layer beyond the tolerance), "device"
    (the same runtime and file on another machine), "not found" (with the reason in ``note``).
    """

    a: str
    b: str
    picture: str
    cause: str
    layer: str = ""
    other_layer: str = ""
    kind: str = ""
    relative: float | None = None
    before: str = ""
    variant: str = ""
    note: str = ""


class Localiser:
    """Looks for the first layer at which variants part; files are cut once a picture, and compared once."""

    def __init__(self, run: Run, *, tolerance: float = TOLERANCE) -> None:
        """Look at pictures of a run; tolerance: of the relative L2 distance of a layer's values."""
        self._run, self._tolerance = run, tolerance
        self._pictures: dict[str, Picture] = {one.picture: one for one in run.picture_records()}
        self._cuts: dict[tuple[str, Path, int], Cuts] = {}
        self._outputs: dict[tuple[str, Path, str], tuple[Array, ...]] = {}
        self._conversions: dict[tuple[str, Path, Path], Found | None] = {}

    def locate(self, a: Variant, b: Variant, picture: str) -> Located:
        """Say why two variants of one model differ on a picture; what cannot be looked into says why."""
        named = (a.variant, b.variant, picture)
        if a.device != HOST or b.device != HOST:
            note = "computed on a device; its layers are not at hand"
            return Located(*named, DEVICE if a.environment.runtime == b.environment.runtime else UNKNOWN, note=note)
        if input_key(a)[:8] != input_key(b)[:8]:
            return Located(*named, INPUT, note="their sidecars prepare the picture differently")
        try:
            return self._located(a, b, named)
        except FAILURES as problem:
            return Located(*named, UNKNOWN, note=first_line(problem))

    def _located(self, a: Variant, b: Variant, named: tuple[str, str, str]) -> Located:
        tensors = self._tensors(a, b, named[2])
        ends = [
            self._output(one, one.environment.runtime, given, named[2])
            for one, given in zip((a, b), tensors, strict=True)
        ]
        if output_difference(*ends).relative <= self._tolerance:
            return _told(named, ROUNDING, None, "")
        if a.path == b.path:
            found = self._kernels(a, tensors[0], named[2], b.environment.runtime)
            return _told(named, KERNELS if found else ROUNDING, found, "")
        key = (named[2], a.path, b.path)
        if key not in self._conversions:
            self._conversions[key] = first_conversion(a.path, b.path, tensors, self._tolerance)
        if converted := self._conversions[key]:
            return _told(named, CONVERSION, converted, "")
        for one, tensor in zip((a, b), tensors, strict=True):
            plain = PLAIN.get(one.path.suffix.lower(), "")
            if plain and plain != one.environment.runtime and (found := self._kernels(one, tensor, named[2], plain)):
                return _told(named, KERNELS, found, one.variant)
        return _told(named, ROUNDING, None, "")

    def _tensors(self, a: Variant, b: Variant, picture: str) -> tuple[Array, Array]:
        record = self._pictures[picture]
        ready = prepare(self._run.file(record.sha256).read_bytes(), record.corners, (a, b))
        found = [ready[input_key(one)].tensor for one in (a, b)]
        assert found[0] is not None
        assert found[1] is not None
        return found[0], found[1]

    def _kernels(self, one: Variant, tensor: Array, picture: str, other: str) -> Found | None:
        """The first tensor of a file at which two runtimes differ, on the way to the output that differs most."""
        runtime, threads = one.environment.runtime, one.environment.threads
        ends = [self._output(one, name, tensor, picture) for name in (runtime, other)]
        apart = [relative_distance(a, b) or 0.0 for a, b in zip(*ends, strict=True)]
        key = (picture, one.path, int(np.argmax(apart)))
        if key not in self._cuts:
            self._cuts[key] = Cuts(one.path, tensor, threads=threads, output=key[2])
        return self._cuts[key].first(runtime, other, self._tolerance)

    def _output(self, one: Variant, runtime: str, tensor: Array, picture: str) -> tuple[Array, ...]:
        key = (picture, one.path, runtime)
        if key not in self._outputs:
            self._outputs[key] = NETWORKS[runtime](one.path, one.environment.threads)(tensor)
        return self._outputs[key]


def locate_all(
    run: Run,
    variants: Sequence[Variant],
    outputs: pd.DataFrame,
    flips: Mapping[tuple[str, str], str],
    *,
    tolerance: float,
    progress: Progress,
) -> list[Located]:
    """Look into every pair of variants of one model whose outputs or labels are not all the same.

    outputs: rows picture, a, b, same_bits, relative; flips: for pairs with another first label, a picture where it is.
    The pair is looked at on such a picture, else where its outputs are furthest apart; pairs share pictures where they
    can, since a file's values are then computed once.
    """
    by_name = {one.variant: one for one in variants}
    differ = outputs[~outputs["same_bits"] & outputs["comparable"]]
    pairs = [(str(a), str(b)) for a, b in dict.fromkeys(zip(differ["a"], differ["b"], strict=True))]
    pairs += [pair for pair in flips if pair not in pairs]
    localiser, found = Localiser(run, tolerance=tolerance), []
    shared = _shared_pictures(differ, by_name)
    for number, (a, b) in enumerate(pairs):
        progress("layers", number, len(pairs), "")
        own = differ[(differ["a"] == a) & (differ["b"] == b)]
        found.append(
            localiser.locate(
                by_name[a], by_name[b], _picture(own, flips.get((a, b)), shared[by_name[a].model], tolerance)
            )
        )
    progress("layers", len(pairs), len(pairs), "")
    return found


def _shared_pictures(differ: pd.DataFrame, by_name: Mapping[str, Variant]) -> dict[str, str]:
    """For each model the picture on which most of its pairs are far apart."""
    models = differ["a"].map(lambda name: by_name[name].model)
    shared = {one.model: "" for one in by_name.values()}
    for model, part in differ.groupby(models, sort=False):
        apart = np.log(part["relative"].clip(lower=1e-12)).groupby(part["picture"], sort=False).sum()
        shared[str(model)] = str(apart.idxmax())
    return shared


def _picture(own: pd.DataFrame, flip: str | None, shared: str, tolerance: float) -> str:
    if flip is not None and own.empty:
        return flip
    there = own[own["picture"] == shared]
    if not there.empty and float(there["relative"].iloc[0]) > tolerance:
        return shared
    worst = str(own["picture"].iloc[int(own["relative"].to_numpy().argmax())])
    return shared if not there.empty and not float(own["relative"].max()) > tolerance else worst


def _told(named: tuple[str, str, str], cause: str, found: Found | None, variant: str) -> Located:
    if found is None:
        return Located(*named, cause)
    return Located(
        *named,
        cause,
        layer=found.layer,
        other_layer=found.other if found.other != found.layer else "",
        kind=found.kind,
        relative=found.relative,
        before=found.before,
        variant=variant,
    )
