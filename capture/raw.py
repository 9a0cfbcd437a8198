"""Raw pictures: the Raw record, and DNG files written and read.

A Raw is a Bayer mosaic with all that an image signal processor needs to develop it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_agents.errors import BadInput

RAW_SUFFIXES = (".dng",)
# Linear sRGB to CIE XYZ, D65: from the primaries of ITU-R BT.709 (= IEC 61966-2-1), six digits as in dcraw and LibRaw.
SRGB_TO_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])

PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")
# LibRaw's flip (0, 3, 5, 6) to EXIF orientation (1, 3, 8, 6).
ORIENTATION_OF_FLIP = {0: 1, 3: 3, 5: 8, 6: 6}
D65_ILLUMINANT = 21  # EXIF LightSource


@dataclass(frozen=True, eq=False)
class Raw:
    """A Bayer mosaic and how to read it.

    mosaic            uint16 (height, width), sensor codes
    black_levels      codes of no light, one for each cell of the 2 x 2 pattern, row by row
    white_level       code at which the sensor saturates
    pattern           colours of the 2 x 2 cells, row by row: "RGGB", "BGGR", "GRBG" or "GBRG"
    neutral           as-shot white balance: what camera R, G, B a neutral surface gives, the largest being 1
    xyz_to_camera     CIE XYZ (D65) to camera R, G, B, (3, 3) float64: DNG's ColorMatrix1 for illuminant 21
    noise_profile     (S, O) of DNG 1.4: variance of a normalised sample x in 0..1 is S x + O
    make, model       of the camera; orientation: EXIF, 1 = upright
    """

    mosaic: NDArray[np.uint16]
    black_levels: tuple[float, float, float, float]
    white_level: int
    pattern: str
    neutral: tuple[float, float, float]
    xyz_to_camera: NDArray[np.float64]
    noise_profile: tuple[float, float] = (0.0, 0.0)
    make: str = ""
    model: str = ""
    orientation: int = 1

    def __post_init__(self) -> None:
        """Check what every stage relies on; raises BadInput."""
        if (
            self.mosaic.dtype != np.uint16
            or self.mosaic.ndim != 2
            or self.mosaic.shape[0] % 2
            or self.mosaic.shape[1] % 2
        ):
            raise BadInput(
                f"expected a uint16 mosaic of even height and width, got {self.mosaic.dtype} {self.mosaic.shape}"
            )
        if self.pattern not in PATTERNS:
            raise BadInput(f"expected a Bayer pattern out of {', '.join(PATTERNS)}, got {self.pattern!r}")
        if not max(self.black_levels) < self.white_level <= 65535:
            raise BadInput(f"expected black level < white level <= 65535, got {self.black_levels}, {self.white_level}")
        if min(self.neutral) <= 0 or self.xyz_to_camera.shape != (3, 3):
            raise BadInput(f"expected a positive neutral and a 3 x 3 matrix, got {self.neutral}, {self.xyz_to_camera}")


def camera_to_srgb(raw: Raw) -> NDArray[np.float64]:
    """White-balanced camera R, G, B to linear sRGB, (3, 3); each row sums to 1, so neutral stays neutral.

    As dcraw and LibRaw do it: sRGB to camera, each row divided by its sum, then inverted.
    """
    srgb_to_camera = raw.xyz_to_camera @ SRGB_TO_XYZ
    return np.asarray(np.linalg.inv(srgb_to_camera / srgb_to_camera.sum(axis=1, keepdims=True)), dtype=np.float64)


def write_dng(raw: Raw) -> bytes:
    """Write a Raw as an uncompressed 16-bit DNG 1.4 (Adobe, Digital Negative Specification 1.4.0.0)."""
    import tifffile

    colours = bytes("RGB".index(colour) for colour in raw.pattern)
    scale, offset = raw.noise_profile
    black = [_ratio(level) for level in raw.black_levels]
    tags = [
        (274, "H", 1, raw.orientation, True),
        (33421, "H", 2, (2, 2), True),  # CFARepeatPatternDim
        (33422, "B", 4, colours, True),  # CFAPattern
        (50706, "B", 4, bytes((1, 4, 0, 0)), True),  # DNGVersion
        (50707, "B", 4, bytes((1, 3, 0, 0)), True),  # DNGBackwardVersion
        (50708, "s", 0, f"{raw.make} {raw.model}".strip() or "unknown", True),  # UniqueCameraModel
        (50710, "B", 3, bytes((0, 1, 2)), True),  # CFAPlaneColor
        (50711, "H", 1, 1, True),  # CFALayout: rectangular
        (50713, "H", 2, (2, 2), True),  # BlackLevelRepeatDim
        (50714, "2I", 4, _flat(black), True),  # BlackLevel
        (50717, "I", 1, raw.white_level, True),  # WhiteLevel
        (50721, "2i", 9, _flat([_ratio(value) for value in raw.xyz_to_camera.ravel()]), True),  # ColorMatrix1
        (50728, "2I", 3, _flat([_ratio(value) for value in raw.neutral]), True),  # AsShotNeutral
        (50778, "H", 1, D65_ILLUMINANT, True),  # CalibrationIlluminant1
        (51041, "d", 2, (scale, offset), True),  # NoiseProfile
    ]
    if raw.make:
        tags.append((271, "s", 0, raw.make, True))
    if raw.model:
        tags.append((272, "s", 0, raw.model, True))
    target = io.BytesIO()
    # datetime=None and a fixed software name: the same Raw gives the same bytes.
    tifffile.imwrite(
        target,
        raw.mosaic,
        photometric=32803,
        extratags=tags,
        metadata=None,
        software="instability-kit",
        rowsperstrip=raw.mosaic.shape[0],
    )
    return target.getvalue()


def _ratio(value: float) -> tuple[int, int]:
    return round(value * 1_000_000), 1_000_000


def _flat(ratios: list[tuple[int, int]]) -> tuple[int, ...]:
    return tuple(number for ratio in ratios for number in ratio)


def read_raw(data: bytes) -> Raw:
    """Read the mosaic and its description from a raw file of any camera that LibRaw knows.

    Black levels come as whole codes. Raises BadInput for bytes that are no raw file, for a raw without a Bayer mosaic
    (an already demosaiced "linear" DNG, an X-Trans or monochrome sensor: there is nothing to develop), and for a camera
    without a colour matrix.
    """
    import rawpy

    try:
        with rawpy.imread(io.BytesIO(data)) as file:
            return _from_libraw(file)
    except rawpy.LibRawError as problem:
        raise BadInput(f"expected a raw file that LibRaw reads, got {len(data)} bytes: {problem}") from problem


def _from_libraw(file: Any) -> Raw:
    """Copy the visible mosaic and its description out of an open rawpy file."""
    pattern = file.raw_pattern
    if pattern is None or pattern.shape != (2, 2):
        raise BadInput(
            f"expected a raw with a 2 x 2 Bayer mosaic, got {file.raw_type} with pattern {pattern}; "
            "a linear DNG is already demosaiced and cannot be developed again"
        )
    names = file.color_desc.decode()
    visible = file.raw_image_visible
    black = file.black_level_per_channel
    neutral = _neutral(file.camera_whitebalance)
    return Raw(
        mosaic=np.array(visible[: visible.shape[0] // 2 * 2, : visible.shape[1] // 2 * 2], dtype=np.uint16),
        black_levels=tuple(float(black[index]) for index in pattern.ravel()),  # type: ignore[arg-type]
        white_level=int(file.white_level),
        pattern="".join(names[index] for index in pattern.ravel()),
        neutral=neutral,
        xyz_to_camera=_matrix(file),
        orientation=ORIENTATION_OF_FLIP.get(int(file.sizes.flip), 1),
    )


def _neutral(balance: Sequence[float]) -> tuple[float, float, float]:
    """As-shot neutral from LibRaw's multipliers; (1, 1, 1) where the file has none."""
    gains = np.asarray(balance[:3], dtype=np.float64)
    if not np.all(gains > 0):
        return (1.0, 1.0, 1.0)
    red, green, blue = (gains.min() / gains).tolist()
    return (red, green, blue)


def _matrix(file: Any) -> NDArray[np.float64]:
    """XYZ to camera, from LibRaw's balanced camera-to-sRGB matrix and its daylight (D65) multipliers."""
    balanced_to_srgb = np.asarray(file.color_matrix, dtype=np.float64)[:, :3]
    daylight = np.asarray(file.daylight_whitebalance[:3], dtype=np.float64)
    if not np.all(daylight > 0) or abs(np.linalg.det(balanced_to_srgb)) < 1e-6:
        raise BadInput("expected a raw whose colour matrix LibRaw knows, got none; convert it to DNG first")
    srgb_to_camera = np.diag(1.0 / daylight) @ np.linalg.inv(balanced_to_srgb)
    return np.asarray(srgb_to_camera @ np.linalg.inv(SRGB_TO_XYZ), dtype=np.float64)
