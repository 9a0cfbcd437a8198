"""Develops one picture: a raw by ISPS x CODECS, or a photograph coded again; yields pictures, the caller commits.

A raw is read once for all its ISPs, and an ISP is run once for all its codecs. Nothing is written here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from capture.codecs import CODECS, suffix_of
from capture.isp import BORDER_PX, render
from capture.markers import Points, find_markers, homography, project
from capture.raw import read_raw
from capture.screen import MARKER_IDS
from device_agents.decode import DECODERS
from device_agents.errors import BadInput, pick
from device_agents.preprocess import FAILURES, StageFailed
from device_agents.records import Corners, Picture

RGB = NDArray[np.uint8]
Derivation = tuple[str, str]  # ISP and codec; the ISP is "" where a photograph is coded again

PINNED = "libraw-pinned"  # the corners are found on this rendering, for all ISPs: it never follows the content


@dataclass(frozen=True)
class Beside:
    """The photograph that a device took together with a raw: its file, and where the scene's corners are in it."""

    data: bytes
    corners: Corners


@dataclass(frozen=True)
class Failed:
    """What could not be made: a picture, a rendering ("PICTURE|ISP") or all of a raw ("PICTURE"), and why, one line."""

    where: str
    reason: str


def derived_name(parent: str, derivation: Derivation) -> str:
    """Name a developed picture: its parent, ISP and codec joined by bars; "" stands for no ISP."""
    return "|".join((parent, *derivation))


def develop(
    parent: Picture, data: bytes, derivations: Sequence[Derivation], *, beside: Beside | None = None
) -> Iterator[tuple[Picture, bytes] | Failed]:
    """Yield each derived picture with its file's bytes, or what failed; one failure never stops the others.

    parent, data: the raw, or the photograph where the derivations have no ISP, with its file's bytes. A developed
    picture has its parent's scene, step and time, and the scene's corners in its own pixels: for a photograph the
    parent's, for a raw those of corners_beside, () where there is no photograph beside it. Unknown names are failures
    like others; nothing but a defect is raised.
    """
    by_isp: dict[str, list[str]] = {}
    for isp, codec in derivations:
        by_isp.setdefault(isp, []).append(codec)
    if again := by_isp.pop("", []):
        try:
            rgb = DECODERS["pillow"](data)
        except FAILURES as problem:
            yield _failed("decode", parent.picture, problem)
        else:
            yield from _encoded(parent, rgb, ("", again), parent.corners)
    if by_isp:
        yield from _developed(parent, data, by_isp, beside)


def corners_beside(rgb: RGB, beside: Beside, *, cut_px: int = 0) -> Corners:
    """Give the scene's corners in a picture's own pixels, from those in the photograph taken together with it.

    rgb: uint8 (height, width, 3). The screen's markers are found in both; their homography carries the corners over,
    whatever either was cut or scaled to. Where the markers are not seen, and the picture plus ``cut_px`` a side is as
    large as the photograph, both show the same pixels. Raises BadInput where neither holds.
    """
    photograph = DECODERS["pillow"](beside.data)
    there, here = _markers(photograph), _markers(rgb)
    both = sorted(there.keys() & here.keys())
    matrix = homography({one: here[one] for one in both}, {one: there[one] for one in both})
    if matrix is not None:
        found = project(matrix, np.asarray(beside.corners, np.float64))
        return tuple((float(x), float(y)) for x, y in found)
    (height, width), (photo_height, photo_width) = rgb.shape[:2], photograph.shape[:2]
    if (height + 2 * cut_px, width + 2 * cut_px) == (photo_height, photo_width):
        return tuple((x - cut_px, y - cut_px) for x, y in beside.corners)
    raise BadInput(
        f"expected at least 2 markers seen here and in the photograph beside it, got {len(both)}, and the sizes do not "
        f"agree: {width}x{height} with {cut_px} pixels cut a side, {photo_width}x{photo_height} there"
    )


def import_picture(
    parent: Picture, data: bytes, *, isp: str, suffix: str, beside: Beside | None = None
) -> tuple[Picture, bytes] | Failed:
    """Give the record of a raw's rendering by an outside program ("photoshop"); its bytes stay as they are.

    suffix: of the file, ".jpg"; its word is the codec. The corners are found as for a developed raw.
    """
    derivation = (isp, suffix.lstrip("."))
    try:
        rgb = DECODERS["pillow"](data)
        corners = () if beside is None else corners_beside(rgb, beside)
    except FAILURES as problem:
        return _failed("import", derived_name(parent.picture, derivation), problem)
    return _record(parent, rgb, data, derivation, suffix, corners), data


def _developed(
    parent: Picture, data: bytes, by_isp: dict[str, list[str]], beside: Beside | None
) -> Iterator[tuple[Picture, bytes] | Failed]:
    stage = "read"
    try:
        raw = read_raw(data)
        stage = "corners"
        pinned = None if beside is None else render(raw, PINNED)
        corners = () if beside is None or pinned is None else corners_beside(pinned, beside, cut_px=BORDER_PX)
    except FAILURES as problem:
        yield _failed(stage, parent.picture, problem)
        return
    for isp, codecs in by_isp.items():
        try:
            rgb = pinned if isp == PINNED and pinned is not None else render(raw, isp)
            _check_size(rgb, pinned)
        except FAILURES as problem:
            yield _failed("develop", f"{parent.picture}|{isp}", problem)
        else:
            yield from _encoded(parent, rgb, (isp, codecs), corners)


def _check_size(rgb: RGB, pinned: RGB | None) -> None:
    """Refuse a rendering of another area than the one that the corners were found on."""
    if pinned is not None and rgb.shape != pinned.shape:
        (height, width), (pinned_height, pinned_width) = rgb.shape[:2], pinned.shape[:2]
        raise BadInput(f"expected {pinned_width}x{pinned_height} pixels as of {PINNED}, got {width}x{height}")


def _encoded(
    parent: Picture, rgb: RGB, derivations: tuple[str, Iterable[str]], corners: Corners
) -> Iterator[tuple[Picture, bytes] | Failed]:
    isp, codecs = derivations
    for codec in codecs:
        try:
            data = pick(CODECS, codec, what="codec")(rgb)
        except FAILURES as problem:
            yield _failed("encode", derived_name(parent.picture, (isp, codec)), problem)
        else:
            yield _record(parent, rgb, data, (isp, codec), suffix_of(codec), corners), data


def _record(parent: Picture, rgb: RGB, data: bytes, derivation: Derivation, suffix: str, corners: Corners) -> Picture:
    isp, codec = derivation
    height, width = rgb.shape[:2]
    return replace(
        parent,
        picture=derived_name(parent.picture, derivation),
        parent=parent.picture,
        isp=isp,
        codec=codec,
        sha256=hashlib.sha256(data).hexdigest(),
        suffix=suffix,
        size=len(data),
        width=width,
        height=height,
        corners=corners,
        crop_sha256="",
        thumb_sha256="",
    )


def _failed(stage: str, where: str, problem: BaseException) -> Failed:
    return Failed(where, str(StageFailed.because(stage, problem)))


def _markers(rgb: RGB) -> dict[int, Points]:
    import cv2

    return find_markers(np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8), MARKER_IDS)
