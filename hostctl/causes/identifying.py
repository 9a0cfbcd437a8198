"""Find the way through the catalogue that turned a picture into given pixels: candidates made in stages, then compared.

The stages keep it fast. Fits are told apart with two resizers, resizers with one decoder; only what comes near is tried
with every decoder, and colours last. Decoders that give identical pixels for this picture are worked with once. What
identical pixels prove is the whole group of variants that give them, so the group is the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import numpy as np

from analysis.causes.readings import Reading
from analysis.identify import EXACT, UNKNOWN, Decision, Distance, decide, distance
from device_agents.colour import COLOURS, Colour
from device_agents.decode import DECODERS, RGB, Decoder, open_image, read_orientation, turn_upright
from device_agents.errors import BadInput, pick
from device_agents.preprocess import FAILURES, fingerprint
from device_agents.resize import FITS, RESIZERS, Fit, Resizer

UPRIGHT, AS_STORED = "applied", "ignored"
FIT_SCOUTS = ("pillow-bilinear", "opencv-linear")  # one filter that grows with the reduction and one that does not
# Measured on photographs, in levels: another decoder moves a resized picture by 1.3 at most, another colour by 1.0.
NEARLY = 1.6
FIT_FACTOR = 2.0
LEADERS = 3
_BACKWARDS = {6: 8, 8: 6}


@dataclass(frozen=True)
class Way:
    """One way through the catalogue; ``fit`` and ``resizer`` are "" for a picture of full size.

    ``orientation`` says whether the EXIF orientation was "applied" or "ignored".
    """

    decoder: str
    colour: str = "rgb"
    fit: str = ""
    resizer: str = ""
    orientation: str = UPRIGHT


@dataclass(frozen=True)
class Catalogue:
    """The variants to choose from; a hold-out study leaves some away."""

    decoders: Mapping[str, Decoder] = field(default_factory=lambda: dict(DECODERS))
    colours: Mapping[str, Colour] = field(default_factory=lambda: dict(COLOURS))
    fits: Mapping[str, Fit] = field(default_factory=lambda: dict(FITS))
    resizers: Mapping[str, Resizer] = field(default_factory=lambda: dict(RESIZERS))


@dataclass(frozen=True)
class Identified:
    """The decision with all ways that fit, the reading it holds for, and what else was done.

    ``also`` are other readings that fit as well (a grey picture's colours have no order); ``compared`` counts the
    candidates; ``unavailable`` are the variants that this machine lacks, with the reason.
    """

    decision: Decision[Way]
    reading: Reading
    also: tuple[Reading, ...]
    compared: int
    unavailable: Mapping[str, str]


def choose_catalogue(among: Sequence[str] = ()) -> Catalogue:
    """Give the catalogue, or with words such as "resizer=pillow-*,opencv-area" a part of it; BadInput for no match."""
    whole = Catalogue()
    chosen: dict[str, Any] = {}
    for word in among:
        family, _, patterns = word.partition("=")
        name = pick(
            {"decoder": "decoders", "colour": "colours", "fit": "fits", "resizer": "resizers"}, family, what="family"
        )
        table = getattr(whole, name)
        found = {key: table[key] for key in table for one in patterns.split(",") if fnmatchcase(key, one.strip())}
        if not found:
            raise BadInput(f"--among {word}: expected names or globs of {family}s; known: {', '.join(sorted(table))}")
        chosen[name] = found
    return replace(whole, **chosen)


def identify(data: bytes, found: Sequence[Reading], *, catalogue: Catalogue | None = None) -> Identified:
    """Find which way through the catalogue turned a picture file's bytes into pixels, given their readings.

    Pixels of the picture's own size are compared with decoded pictures, others with resized ones. Raises BadInput
    where nothing decodes the picture.
    """
    search = _Search(data, found, catalogue or Catalogue())
    height, width = found[0].pixels.shape[:2]
    if (height, width) in (search.size, search.stored_size):
        search.full_size()
    else:
        search.resized(height, width)
    return search.result()


class _Search:
    """One picture's candidates: each made once, measured against every reading, and forgotten."""

    def __init__(self, data: bytes, found: Sequence[Reading], catalogue: Catalogue) -> None:
        self.readings = found
        self.catalogue = catalogue
        self.unavailable: dict[str, str] = {}
        self.pictures: dict[str, RGB] = {}
        self.alike: dict[str, list[str]] = {}
        self.distances: list[dict[Way, Distance]] = [{} for _ in found]
        self._coloured: tuple[tuple[str, str, str], RGB] | None = None
        self._decode(data)
        with open_image(data) as image:
            self.orientation = read_orientation(image)
        first = next(iter(self.pictures.values()))
        self.size = first.shape[:2]
        self.stored_size = self.size[::-1] if self.orientation >= 5 else self.size
        self.orientations = (UPRIGHT,) if self.orientation == 1 else (UPRIGHT, AS_STORED)

    def _decode(self, data: bytes) -> None:
        marks: dict[str, str] = {}
        for name, decode in self.catalogue.decoders.items():
            picture = self._tried(name, partial(decode, data))
            if picture is not None:
                first = marks.setdefault(fingerprint(picture), name)
                self.pictures.setdefault(first, picture)
                self.alike.setdefault(first, []).append(name)
        if not self.pictures:
            raise BadInput("no decoder of the catalogue reads this picture: " + "; ".join(self.unavailable.values()))

    def _tried(self, name: str, work: Callable[[], RGB]) -> RGB | None:
        if name in self.unavailable:
            return None
        try:
            return work()
        except FAILURES as problem:  # a variant that this machine lacks, or that refuses this picture
            self.unavailable[name] = (str(problem).splitlines() or [type(problem).__name__])[0]
            return None

    def measure(self, ways: Iterable[Way], height: int = 0, width: int = 0) -> None:
        """Make each way's pixels and measure every reading against them."""
        for way in sorted(set(ways), key=lambda way: (way.decoder, way.orientation, way.colour)):
            if way in self.distances[0]:
                continue
            pixels = self._coloured_picture(way)
            if way.fit:
                fit, resizer = self.catalogue.fits[way.fit], self.catalogue.resizers[way.resizer]
                resized = self._tried(
                    way.resizer,
                    lambda: fit(pixels, resizer, height, width),  # noqa: B023 - called at once
                )
                if resized is None:
                    continue
                pixels = resized
            for reading, distances in zip(self.readings, self.distances, strict=True):
                if pixels.shape == reading.pixels.shape:
                    distances[way] = distance(reading.pixels, pixels, slack=reading.slack)

    def _coloured_picture(self, way: Way) -> RGB:
        key = (way.decoder, way.orientation, way.colour)
        if self._coloured is None or self._coloured[0] != key:
            picture = self.pictures[way.decoder]
            if way.orientation == AS_STORED:
                picture = turn_upright(picture, _BACKWARDS.get(self.orientation, self.orientation))
            self._coloured = (key, self.catalogue.colours[way.colour](picture))
        return self._coloured[1]

    def nearest(self) -> list[Way]:
        """Give the ways measured so far, the nearest to any reading first."""
        best = self._best()
        return sorted(best, key=best.__getitem__)

    def _best(self) -> dict[Way, float]:
        best: dict[Way, float] = {}
        for distances in self.distances:
            for way, one in distances.items():
                best[way] = min(one.mean, best.get(way, np.inf))
        return best

    def exact(self) -> list[Way]:
        """Give the ways measured so far that give identical pixels."""
        return [
            way
            for reading, distances in zip(self.readings, self.distances, strict=True)
            for way, one in distances.items()
            if one.largest == 0.0 and not reading.slack
        ]

    def full_size(self) -> None:
        """Compare decoded pictures: decoders, then colours of the nearest, then their colours with all decoders."""
        colour = _plain(self.catalogue.colours)
        every = [Way(name, colour, orientation=turn) for name in self.pictures for turn in self.orientations]
        self.measure(every)
        self._colours(every)

    def resized(self, height: int, width: int) -> None:
        """Compare resized pictures: fits, then resizers, then decoders, then colours."""
        colour = _plain(self.catalogue.colours)
        base = [Way(next(iter(self.pictures)), colour, orientation=turn) for turn in self.orientations]
        resizers = list(self.catalogue.resizers)
        scouts = [name for name in FIT_SCOUTS if name in self.catalogue.resizers] or resizers[:1]
        fits = self.catalogue.fits
        self.measure(
            (replace(way, fit=fit, resizer=one) for way in base for fit in fits for one in scouts), height, width
        )
        best = self._best()
        limit = FIT_FACTOR * min(best.values(), default=0.0) + NEARLY
        kept = {replace(way, resizer="") for way, mean in best.items() if mean <= limit}
        self.measure((replace(way, resizer=one) for way in kept for one in resizers), height, width)
        best = self._best()
        limit = min(best.values(), default=0.0) + NEARLY
        shortlist = [way for way, mean in best.items() if mean <= limit]
        every = [replace(way, decoder=name) for way in shortlist for name in self.pictures]
        self.measure(every, height, width)
        self._colours(every, height, width)

    def _colours(self, every: Sequence[Way], height: int = 0, width: int = 0) -> None:
        colours = self.catalogue.colours
        if not self.exact():
            leaders = self.nearest()[:LEADERS]
            self.measure((replace(way, colour=name) for way in leaders for name in colours), height, width)
        if not self.exact():
            order = self.nearest()
            near = list(dict.fromkeys(way.colour for way in order))[:LEADERS]
            pairs = list(dict.fromkeys((way.fit, way.resizer, way.orientation) for way in order))[:LEADERS]
            likely = [way for way in every if (way.fit, way.resizer, way.orientation) in pairs]
            self.measure((replace(way, colour=name) for way in likely for name in near), height, width)
        # A proof names its whole group, so what differs from the hit in one or two families is tried as well.
        for hit in self.exact()[:1]:
            self.measure((replace(way, decoder=hit.decoder, colour=hit.colour) for way in every), height, width)
            self.measure((replace(hit, colour=name) for name in colours), height, width)
            self.measure((replace(hit, decoder=name) for name in self.pictures), height, width)

    def result(self) -> Identified:
        """Decide for the reading that comes nearest to a candidate."""
        measured = [
            (decide(distances, slack=reading.slack), reading)
            for reading, distances in zip(self.readings, self.distances, strict=True)
            if distances
        ]
        if not measured:
            raise BadInput(
                "no variant of the catalogue gives pixels of this size; " + "; ".join(self.unavailable.values())
            )
        ranks = [(one.kind != EXACT, one.kind == UNKNOWN, one.distance.mean) for one, _ in measured]
        best = min(range(len(ranks)), key=ranks.__getitem__)
        decision, reading = measured[best]
        also = tuple(
            other
            for at, (_, other) in enumerate(measured)
            if at != best and ranks[at] == ranks[best] and not ranks[best][1]
        )
        compared = sum(len(self.alike[way.decoder]) for way in self.distances[0])
        names = tuple(replace(way, decoder=name) for way in decision.names for name in self.alike[way.decoder])
        return Identified(replace(decision, names=names), reading, also, compared, self.unavailable)


def _plain(colours: Mapping[str, Colour]) -> str:
    return "rgb" if "rgb" in colours else next(iter(colours))


def summary(identified: Identified) -> dict[str, Any]:
    """Give the answer as plain values: for JSON and for printing.identified_text."""
    decision, reading = identified.decision, identified.reading
    families = ("decoder", "colour", "fit", "resizer", "orientation")
    return {
        "answer": decision.kind,
        **{family: list(dict.fromkeys(getattr(way, family) for way in decision.names)) for family in families},
        "ways": [asdict(way) for way in decision.names],
        "scaling": reading.scaling,
        "layout": reading.layout,
        "colour_order": reading.colour_order,
        "dtype": reading.dtype,
        "rounded_to_bytes": reading.slack == 0.0,
        "also": [f"{one.scaling} {one.layout} {one.colour_order}" for one in identified.also],
        "nearest": asdict(decision.nearest),
        "distance": asdict(decision.distance),
        "runner_up": decision.runner_up and asdict(decision.runner_up),
        "runner_up_distance": decision.runner_up_distance and asdict(decision.runner_up_distance),
        "compared": identified.compared,
        "unavailable": dict(identified.unavailable),
    }
