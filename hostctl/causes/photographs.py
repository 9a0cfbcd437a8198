"""The photographs of a run's devices as looks: each file is opened once, its scene cut out, and its coding read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.causes.diagnosis import Outlier, outliers
from analysis.causes.looks import GRID, Look, deviations, look_of
from capture.raw import RAW_SUFFIXES
from device_agents.decode import decode_pillow, open_image
from device_agents.preprocess import FAILURES
from device_agents.records import Picture
from device_agents.view import VIEWS
from hostctl.causes.remade import PictureFile

VIEW = "rectified-pillow"
QUALITY_STEP = 6  # of JPEG quality: what is less may be the encoder's rounding of its tables
# Luminance quantisation of ITU-T T.81, table K.1, in the zigzag's order of its sum only: libjpeg scales it by quality.
LUMA_TABLE_SUM = 3689.0
SUBSAMPLINGS = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}


class Coding(NamedTuple):
    """How a file is coded: its format, a JPEG's quality on libjpeg's scale (0 else), and its chroma subsampling."""

    kind: str
    quality: int = 0
    subsampling: str = ""

    @property
    def text(self) -> str:
        """As it is printed: "jpeg-85 4:2:0"."""
        return f"jpeg-{self.quality} {self.subsampling}" if self.kind == "JPEG" else self.kind.lower()

    def like(self, other: Coding) -> bool:
        """Whether the two are the same but for a step of quality."""
        same = (self.kind, self.subsampling) == (other.kind, other.subsampling)
        return same and abs(self.quality - other.quality) < QUALITY_STEP


@dataclass(frozen=True)
class Seen:
    """A photograph: its look and its coding."""

    look: Look
    coding: Coding


def see(file: PictureFile) -> Seen | None:
    """Open a photograph; None where it cannot be decoded here."""
    try:
        data = file.path.read_bytes()
        picture = decode_pillow(data)
        scene = VIEWS[VIEW if file.corners else "whole"](picture, file.corners)
        return Seen(look_of(scene), coding_of(data))
    except FAILURES:  # a format that this host lacks, or a damaged file: other photographs speak for the device
        return None


def coding_of(data: bytes) -> Coding:
    """Read a file's coding from its headers; a JPEG's quality from its first quantisation table."""
    from PIL import JpegImagePlugin

    with open_image(data) as image:
        if image.format not in ("JPEG", "MPO"):
            return Coding(str(image.format))
        tables: Mapping[int, Sequence[int]] = getattr(image, "quantization", {})
        sampling = SUBSAMPLINGS.get(JpegImagePlugin.get_sampling(image), "other")
        return Coding("JPEG", _quality(tables[min(tables)]) if tables else 0, sampling)


def _quality(table: Sequence[int]) -> int:
    """The quality at which libjpeg (jpeg_quality_scaling) scales its table to such a sum."""
    scale = 100.0 * sum(table) / LUMA_TABLE_SUM
    return round((200 - scale) / 2 if scale <= 100 else 5000 / scale)


def by_item(pictures: Iterable[Picture]) -> dict[str, dict[tuple[Any, ...], Picture]]:
    """Give each device's own photograph of each item (scene, angle, repeat); what was made from others is left out."""
    found: dict[str, dict[tuple[Any, ...], Picture]] = {}
    for one in pictures:
        if one.device and not one.parent and one.suffix not in RAW_SUFFIXES:
            found.setdefault(one.device, {}).setdefault((one.scene, one.angle, one.repeat), one)
    return found


def standing_out(seen: Mapping[str, Mapping[Any, Seen]], items: Sequence[Any]) -> list[Outlier]:
    """Find the devices whose looks stand out, measured against those that do not: first against all, then anew.

    The median of a few devices is pulled towards one that is far off, which would hide what else is wrong with it.
    """
    first = outliers(_differences(seen, items, None))
    accused = {one.device for one in first}
    clean = np.array([device not in accused for device in range(len(seen))])
    if not accused or clean.sum() < 2:
        return first
    again = [one for one in outliers(_differences(seen, items, clean)) if one.device in accused]
    return again + [one for one in first if one.device not in {other.device for other in again}]


def _differences(
    seen: Mapping[str, Mapping[Any, Seen]], items: Sequence[Any], among: NDArray[np.bool_] | None
) -> dict[str, NDArray[np.float64]]:
    """The looks' differences from the median device, by measure: (devices, items); NaN where a device has none."""
    shape = len(seen), len(items)
    small = np.full((*shape, GRID, GRID, 3), np.nan, dtype=np.float16)
    edge, noise = np.full(shape, np.nan), np.full(shape, np.nan)
    for row, photographs in enumerate(seen.values()):
        for column, item in enumerate(items):
            if (one := photographs.get(item)) is not None:
                small[row, column] = one.look.small
                edge[row, column], noise[row, column] = one.look.edge, one.look.noise
    return deviations(small, edge, noise, among=among)


def other_coding(seen: Mapping[str, Iterable[Seen]]) -> dict[str, tuple[Coding, Coding]]:
    """Find the devices whose coding is another than that of the others, of which most agree: own and theirs."""
    own = {name: Counter(one.coding for one in some).most_common(1) for name, some in seen.items()}
    codings = {name: counted[0][0] for name, counted in own.items() if counted}
    found = {}
    for name, coding in codings.items():
        others = [other for device, other in codings.items() if device != name]
        alike = max(([one for one in others if one.like(other)] for other in others), key=len, default=[])
        # Of four others one may be at fault itself; devices that are all different have nothing to be held against.
        if len(alike) >= max(2, len(others) - (len(others) > 3)) and not any(coding.like(one) for one in alike):
            found[name] = coding, alike[0]
    return found
