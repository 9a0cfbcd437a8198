"""Pictures of noise: what each variant of a family does to one picture, measured and on one page.

After figure 5 of the SysNoise paper (Wang et al. 2023); analysis.measures.pixel_differences does the sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from analysis.measures import pixel_differences as pixels
from analysis.run_folder.files import make_folder, write_whole
from capture.codecs import CODECS
from capture.isp import BORDER_PX, render
from capture.raw import RAW_SUFFIXES, Raw, read_raw
from device_agents.colour import COLOURS
from device_agents.decode import DECODERS, RGB
from device_agents.errors import BadInput, pick
from device_agents.preprocess import FAILURES, StageFailed, fingerprint
from device_agents.records import Corners, Picture
from device_agents.resize import FITS, RESIZERS
from device_agents.view import VIEWS
from hostctl.pictures.noise_page import csv_text, data_uri, fill_page, image_uri
from hostctl.predictions.designs import parse_vary
from hostctl.printing import Progress, silent

DECODER, COLOUR, ISP = "pillow", "rgb", "libraw-pinned"  # the base, with the fit and resizer asked for
FIT, RESIZER, SIZE_PX = "short-side-256-crop", "pillow-bilinear", 224
VIEW = "rectified-pillow"
AS_SHOT = "as it is"


class Source(NamedTuple):
    """A picture to show: a photograph's bytes, a raw's bytes, or both of one shot; the scene's corners, or ()."""

    name: str
    photograph: bytes
    raw: bytes
    corners: Corners
    device: str = ""


@dataclass
class _Bench:
    """One picture in the making: what all variants start from is made once, when the first one asks for it."""

    source: Source
    fit: str
    resizer: str
    size: int
    _kept: dict[str, Any] = field(default_factory=dict)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Give a value that is made once."""
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]

    def whole(self) -> RGB:
        """The picture that is coded again: the photograph decoded, or a raw's base rendering."""
        if self.source.photograph:
            return np.asarray(self.once("whole", lambda: DECODERS[DECODER](self.source.photograph)))
        return self.developed(ISP)

    def developed(self, isp: str) -> RGB:
        """The raw as an ISP renders it."""
        raw: Raw = self.once("raw", lambda: read_raw(self.source.raw))
        return np.asarray(self.once("base rendering", lambda: render(raw, ISP)) if isp == ISP else render(raw, isp))

    def scene_in_raw(self) -> Corners:
        """The scene's corners in every rendering of the raw, from those in the photograph beside it."""
        from capture.develop import Beside, corners_beside

        if not (self.source.corners and self.source.photograph):
            return ()
        beside = Beside(self.source.photograph, self.source.corners)
        found: Corners = self.once("corners", lambda: corners_beside(self.developed(ISP), beside, cut_px=BORDER_PX))
        return found

    def seen(self, picture: RGB, corners: Corners) -> RGB:
        """What the model is shown of a picture: the rectified scene where its corners are known, else the whole."""
        return VIEWS[VIEW](picture, corners) if corners else picture

    def photographed(self) -> RGB:
        """The part of the base that colours and resizers work on."""
        return np.asarray(self.once("seen", lambda: self.seen(self.whole(), self.source.corners)))

    def input(self, picture: RGB, *, resizer: str = "") -> RGB:
        """Bring a picture to the model's input size, uint8 (size, size, 3)."""
        return FITS[self.fit](picture, RESIZERS[resizer or self.resizer], self.size, self.size)


def _by_decoder(bench: _Bench, name: str) -> RGB:
    return bench.input(bench.seen(DECODERS[name or DECODER](bench.source.photograph), bench.source.corners))


def _by_resizer(bench: _Bench, name: str) -> RGB:
    return bench.input(bench.photographed(), resizer=name)


def _by_colour(bench: _Bench, name: str) -> RGB:
    return bench.input(COLOURS[name or COLOUR](bench.photographed()))


def _by_codec(bench: _Bench, name: str) -> RGB:
    if not name:
        return bench.input(bench.photographed())
    return bench.input(bench.seen(DECODERS[DECODER](CODECS[name](bench.whole())), bench.source.corners))


def _by_isp(bench: _Bench, name: str) -> RGB:
    return bench.input(bench.seen(bench.developed(name or ISP), bench.scene_in_raw()))


# The model's input as a variant makes it; the name "" stands for the base.
MAKERS: dict[str, Callable[[_Bench, str], RGB]] = {
    "decoder": _by_decoder,
    "resizer": _by_resizer,
    "colour": _by_colour,
    "codec": _by_codec,
    "isp": _by_isp,
}


def differences(
    folder_or_file: Path,
    *,
    families: Sequence[str],
    out: Path,
    picture: str = "",
    fit: str = FIT,
    resizer: str = RESIZER,
    size: int = SIZE_PX,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Show and measure what the variants of families do to one picture, as the model gets it; write OUT/noise.html.

    folder_or_file: a photograph or a raw file, or a run with ``picture``, the name of one of its pictures. families:
    words of --vary, such as "decoder=all", "resizer=pillow-*" or "codec"; none for all five. Each family starts from
    the same base (decoder pillow, colour rgb, the fit, resizer and size given; ISP libraw-pinned) and changes one
    thing. Gives "page", "csv", "rows" (a variant each, with analysis.measures.pixel_differences.Facts), "summary" (a
    family each) and "left_out" (what cannot be made of this picture, with the reason). Raises BadInput where nothing
    can.
    """
    asked = _asked(families)
    pick(FITS, fit, what="fit")
    pick(RESIZERS, resizer, what="resizer")
    bench = _Bench(read_source(folder_or_file, picture), fit, resizer, size)
    base_names = {"decoder": DECODER, "resizer": resizer, "colour": COLOUR, "codec": AS_SHOT, "isp": ISP}
    sections, left_out = [], list[str]()
    for family, names in asked.items():
        if family in ("decoder", "isp") and not (bench.source.photograph if family == "decoder" else bench.source.raw):
            left_out.append(f"{family}: expected a {'raw' if family == 'isp' else 'coded'} picture, got none")
            continue
        others = [name for name in names if name != base_names[family]]
        sections.append(_section(bench, family, base_names[family], others, left_out, progress))
    rows = [row for section in sections for row in section["rows"]]
    if not rows:
        raise BadInput("\n  ".join([f"{bench.source.name}: no difference can be shown:", *left_out]))
    described = {"fit": fit, "size": size, **{one["family"]: one["base"] for one in sections}}
    table = csv_text(rows).encode()
    page = fill_page(
        "noise.html",
        title=f"Noise in {bench.source.name}",
        size=size,
        fit=fit,
        sections=[section for section in sections if section["rows"]],
        left_out=left_out,
        rows=rows,
        csv=data_uri(table, "text/csv;charset=utf-8"),
    )
    make_folder(out)
    write_whole(out / "noise.csv", table)
    write_whole(out / "noise.html", page)
    return {
        "picture": bench.source.name,
        "page": str(out / "noise.html"),
        "csv": str(out / "noise.csv"),
        "base": described,
        "summary": [section["summary"] for section in sections if section["rows"]],
        "rows": rows,
        "left_out": left_out,
    }


def read_source(folder_or_file: Path, picture: str = "") -> Source:
    """Read a picture file, or a run's picture of this name with the raw of the same shot, if there is one.

    Raises BadInput where there is none, naming some that there are.
    """
    if folder_or_file.is_dir():
        return _from_run(folder_or_file, picture)
    if picture:
        raise BadInput(f"{folder_or_file}: expected a run's folder with --run, got a file or nothing")
    try:
        data = folder_or_file.read_bytes()
    except OSError as problem:
        raise BadInput(f"cannot read the picture {folder_or_file}: {problem.strerror}") from problem
    raw = folder_or_file.suffix.lower() in RAW_SUFFIXES
    return Source(folder_or_file.name, b"" if raw else data, data if raw else b"", ())


def _from_run(folder: Path, picture: str) -> Source:
    from analysis.store import Run

    with Run.open(folder, write=False) as run:
        records = {one.picture: one for one in run.picture_records()}
        if picture not in records:
            some = ", ".join(list(records)[:5]) or "none"
            raise BadInput(
                f"{folder}: expected the name of one of its pictures, got '{picture}'; there are {some}, ..."
            )
        chosen = records[picture]
        shot = [one for one in records.values() if _shot(one) == _shot(chosen) and not one.parent]
        raws = [one for one in (chosen, *shot) if one.suffix in RAW_SUFFIXES]
        coded = [one for one in (chosen, *shot) if one.suffix not in RAW_SUFFIXES]
        files = [run.file(some[0].sha256).read_bytes() if some else b"" for some in (coded, raws)]
    return Source(picture, files[0], files[1], coded[0].corners if coded else (), chosen.device)


def _shot(record: Picture) -> tuple[str, int, int, str]:
    return record.scene, record.angle, record.repeat, record.device


def _asked(families: Sequence[str]) -> dict[str, list[str]]:
    """Read --vary words for the families that change pixels; a family alone stands for all of its variants."""
    words = [word if "=" in word else f"{word}=all" for word in families or MAKERS]
    for word in words:
        pick(MAKERS, word.partition("=")[0], what="family of noises")
    return {family: [str(name) for name in names] for family, names in parse_vary(words).items()}


def _section(
    bench: _Bench, family: str, base_name: str, names: Sequence[str], left_out: list[str], progress: Progress
) -> dict[str, Any]:
    """One family: its base, a row a variant, and a figure for each distinct result; adds what failed to left_out."""
    try:
        base = MAKERS[family](bench, "")
    except FAILURES as problem:
        left_out.append(f"{family}: {StageFailed.because('base', problem)}")
        return {"family": family, "base": base_name, "rows": [], "figures": [], "summary": {}, "image": ""}
    rows, figures, reasons = list[dict[str, Any]](), dict[str, dict[str, Any]](), dict[str, list[str]]()
    for number, name in enumerate(names, 1):
        try:
            made = MAKERS[family](bench, name)
            facts = known(pixels.measure(base, made)._asdict())
        except FAILURES as problem:
            reasons.setdefault(str(StageFailed.because(family, problem)), []).append(name)
        else:
            drawn = pixels.scaled_difference(base, made) if facts["max_difference"] else None
            figure = figures.setdefault(fingerprint(made), {"names": [], "facts": facts, "image": ""})
            if not figure["names"] and drawn is not None:
                figure["image"] = image_uri(drawn)
            same_as = base_name if drawn is None else "".join(figure["names"][:1])
            figure["names"].append(name)
            rows.append({"family": family, "variant": name, "same_as": same_as, **facts})
        progress(family, number, len(names), "")
    left_out += [f"{family} {', '.join(some)}: {reason}" for reason, some in reasons.items()]
    shown = sorted(figures.values(), key=lambda one: -one["facts"]["mean_difference"])
    summary = _summary(family, rows, [one["facts"] for one in shown if one["image"]])
    return {
        "family": family,
        "base": base_name,
        "rows": rows,
        "figures": shown,
        "summary": summary,
        "image": image_uri(base),
    }


def _summary(family: str, rows: Sequence[Mapping[str, Any]], distinct: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A family in one line: how many variants, distinct and unlike the base; the worst of them, and the medians."""

    def median(name: str) -> float | None:
        values = [one[name] for one in distinct if one[name] is not None]
        return float(np.median(values)) if values else None

    return {
        "family": family,
        "variants": len(rows),
        "distinct": len(distinct),
        "max_difference": max((one["max_difference"] for one in distinct), default=0),
        "worst_mean_difference": max((one["mean_difference"] for one in distinct), default=0.0),
        **{name: median(name) for name in ("share_different", "red_green", "red_blue", "green_blue", "edges")},
    }


def known(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as JSON knows them: what is not a number is None."""
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in facts.items()}
