"""Raw pictures: the Raw record, raw files of any camera read, and DNG files written.

A Raw is a sensor's mosaic, or the camera's own demosaiced but still linear picture, with all that an image signal
processor needs to develop it.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.tiff_tags import noise_profile, noise_reduction_applied
from device_agents.errors import BadInput

# What LibRaw reads, by the makers' suffixes; ".raw" is left out: a bare dump of samples is called so too.
RAW_SUFFIXES = (
    ".dng", ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".erf", ".fff", ".iiq", ".kdc", ".mef", ".mos", ".mrw",
    ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw",
)  # fmt: skip
# Linear sRGB to CIE XYZ, D65: from the primaries of ITU-R BT.709 (= IEC 61966-2-1), six digits as in dcraw and LibRaw.
SRGB_TO_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])

PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")
X_TRANS_CELLS = 36  # Fujifilm's pattern repeats after 6 x 6 cells
# LibRaw's flip (bit 0: left to right, bit 1: upside down, bit 2: transposed first) to EXIF orientation.
ORIENTATION_OF_FLIP = {0: 1, 1: 2, 2: 4, 3: 3, 4: 5, 5: 8, 6: 6, 7: 7}
D65_ILLUMINANT = 21  # EXIF LightSource
CFA_PHOTOMETRIC, LINEAR_RAW_PHOTOMETRIC = 32803, 34892  # DNG 1.4, PhotometricInterpretation


@dataclass(frozen=True, eq=False)
class Raw:
    """What a raw file holds and how to read it.

    mosaic            uint16 sensor codes: (height, width), or (height, width, 3) where the file is already demosaiced
    black_levels      codes of no light: one for each cell of the pattern, row by row; of R, G, B without a pattern
    white_level       code at which the sensor saturates
    pattern           colours of the cells, row by row: "RGGB", "BGGR", "GRBG", "GBRG", the 36 letters of an X-Trans
                      sensor, or "" where mosaic holds all three colours of each pixel (a linear DNG)
    neutral           as-shot white balance: what camera R, G, B a neutral surface gives, the largest being 1
    xyz_to_camera     CIE XYZ (D65) to camera R, G, B, (3, 3) float64: DNG's ColorMatrix1 for illuminant 21
    noise_profile     (S, O) of DNG 1.4: variance of a normalised sample x in 0..1 is S x + O
    make, model       of the camera; orientation: EXIF, 1 = upright
    source            the file itself where it was read from one, so that other programs get it and not a copy of ours;
                      who changes another field of such a Raw clears it
    denoised          the camera has reduced noise or demosaiced already: a linear DNG, or one that says so
    """

    mosaic: NDArray[np.uint16]
    black_levels: tuple[float, ...]
    white_level: int
    pattern: str
    neutral: tuple[float, float, float]
    xyz_to_camera: NDArray[np.float64]
    noise_profile: tuple[float, float] = (0.0, 0.0)
    make: str = ""
    model: str = ""
    orientation: int = 1
    source: bytes = b""
    denoised: bool = False

    def __post_init__(self) -> None:
        """Check what every stage relies on; raises BadInput."""
        shape, linear = self.mosaic.shape, not self.pattern
        whole = len(shape) == 3 and shape[2] == 3 if linear else len(shape) == 2 and not (shape[0] % 2 or shape[1] % 2)
        if self.mosaic.dtype != np.uint16 or not whole or 0 in shape:
            wanted = "picture (height, width, 3)" if linear else "mosaic of even height and width"
            raise BadInput(f"expected a uint16 {wanted}, got {self.mosaic.dtype} {shape}")
        x_trans = len(self.pattern) == X_TRANS_CELLS and set(self.pattern) == set("RGB")
        if not (linear or x_trans or self.pattern in PATTERNS):
            raise BadInput(
                f"expected a Bayer pattern out of {', '.join(PATTERNS)}, or 36 X-Trans cells, got {self.pattern!r}"
            )
        if len(self.black_levels) != (len(self.pattern) or 3):
            raise BadInput(f"expected {len(self.pattern) or 3} black levels, got {len(self.black_levels)}")
        if not max(self.black_levels) < self.white_level <= 65535:
            raise BadInput(f"expected black level < white level <= 65535, got {self.black_levels}, {self.white_level}")
        if min(self.neutral) <= 0 or self.xyz_to_camera.shape != (3, 3):
            raise BadInput(f"expected a positive neutral and a 3 x 3 matrix, got {self.neutral}, {self.xyz_to_camera}")
        if self.orientation not in ORIENTATION_OF_FLIP.values():
            raise BadInput(f"expected an EXIF orientation of 1 to 8, got {self.orientation}")


def camera_to_srgb(raw: Raw) -> NDArray[np.float64]:
    """White-balanced camera R, G, B to linear sRGB, (3, 3); each row sums to 1, so neutral stays neutral.

    As dcraw and LibRaw do it: sRGB to camera, each row divided by its sum, then inverted.
    """
    srgb_to_camera = raw.xyz_to_camera @ SRGB_TO_XYZ
    return np.asarray(np.linalg.inv(srgb_to_camera / srgb_to_camera.sum(axis=1, keepdims=True)), dtype=np.float64)


def raw_file(raw: Raw) -> bytes:
    """Give the file that a Raw was read from, or a DNG of it where there is none."""
    return raw.source or write_dng(raw)


def write_dng(raw: Raw) -> bytes:
    """Write a Raw as an uncompressed 16-bit DNG 1.4 (Adobe, Digital Negative Specification 1.4.0.0)."""
    import tifffile

    period = math.isqrt(len(raw.pattern)) or 1
    black = [_ratio(level) for level in raw.black_levels]
    planes = 1 if raw.pattern else 3
    tags = [
        (274, "H", 1, raw.orientation, True),
        (50706, "B", 4, bytes((1, 4, 0, 0)), True),  # DNGVersion
        (50707, "B", 4, bytes((1, 3, 0, 0)), True),  # DNGBackwardVersion
        (50708, "s", 0, f"{raw.make} {raw.model}".strip() or "unknown", True),  # UniqueCameraModel
        (50713, "H", 2, (period, period), True),  # BlackLevelRepeatDim
        (50714, "2I", len(black), _flat(black), True),  # BlackLevel
        (50717, "I", planes, raw.white_level if planes == 1 else (raw.white_level,) * planes, True),  # WhiteLevel
        (50721, "2i", 9, _flat([_ratio(value) for value in raw.xyz_to_camera.ravel()]), True),  # ColorMatrix1
        (50728, "2I", 3, _flat([_ratio(value) for value in raw.neutral]), True),  # AsShotNeutral
        (50778, "H", 1, D65_ILLUMINANT, True),  # CalibrationIlluminant1
        (51041, "d", 2, raw.noise_profile, True),  # NoiseProfile
    ]
    if raw.pattern:
        tags += [
            (33421, "H", 2, (period, period), True),  # CFARepeatPatternDim
            (33422, "B", len(raw.pattern), bytes("RGB".index(colour) for colour in raw.pattern), True),  # CFAPattern
            (50710, "B", 3, bytes((0, 1, 2)), True),  # CFAPlaneColor
            (50711, "H", 1, 1, True),  # CFALayout: rectangular
        ]
    tags += [(tag, "s", 0, text, True) for tag, text in ((271, raw.make), (272, raw.model)) if text]
    target = io.BytesIO()
    # datetime=None and a fixed software name: the same Raw gives the same bytes.
    tifffile.imwrite(
        target,
        raw.mosaic,
        photometric=CFA_PHOTOMETRIC if raw.pattern else LINEAR_RAW_PHOTOMETRIC,
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
    """Read the samples and their description from a raw file of any camera that LibRaw knows.

    Black levels come as whole codes; the file's bytes are kept as ``source``. Raises BadInput for bytes that are no raw
    file, for a sensor that is neither Bayer nor X-Trans (monochrome, four colours), and for a camera without a colour
    matrix.
    """
    import rawpy

    try:
        with rawpy.imread(io.BytesIO(data)) as file:
            return _from_libraw(file, data)
    except (rawpy.LibRawError, NotImplementedError) as problem:
        raise BadInput(f"expected a raw file that LibRaw reads, got {len(data)} bytes: {problem}") from problem


def _from_libraw(file: Any, data: bytes) -> Raw:
    """Copy the visible samples and their description out of an open rawpy file."""
    mosaic, pattern, cells = _linear(file) if file.raw_image_visible.ndim == 3 else _mosaic(file)
    black = file.black_level_per_channel
    return Raw(
        mosaic=mosaic,
        black_levels=tuple(float(black[index]) for index in cells),
        white_level=int(file.white_level),
        pattern=pattern,
        neutral=_neutral(file.camera_whitebalance),
        xyz_to_camera=_matrix(file),
        noise_profile=noise_profile(data),
        orientation=ORIENTATION_OF_FLIP.get(int(file.sizes.flip), 1),
        source=data,
        denoised=not pattern or noise_reduction_applied(data),
    )


def _linear(file: Any) -> tuple[NDArray[np.uint16], str, list[int]]:
    """Samples (height, width, 3), no pattern, LibRaw's numbers of the channels."""
    if file.num_colors != 3:
        raise BadInput(f"expected a linear raw of three colours, got {file.num_colors}")
    return np.array(file.raw_image_visible[..., :3], dtype=np.uint16), "", [0, 1, 2]


def _mosaic(file: Any) -> tuple[NDArray[np.uint16], str, list[int]]:
    """Samples (height, width), cut to whole 2 x 2 cells, the pattern, LibRaw's number of each cell's channel."""
    pattern, names = file.raw_pattern, file.color_desc.decode()
    if pattern is None or pattern.shape not in ((2, 2), (6, 6)):
        raise BadInput(f"expected a raw with a Bayer or X-Trans mosaic, got {file.raw_type} with pattern {pattern}")
    visible = file.raw_image_visible
    cells = file.raw_colors_visible[: len(pattern), : len(pattern)].ravel().tolist()
    cut = visible[: visible.shape[0] // 2 * 2, : visible.shape[1] // 2 * 2]
    return np.array(cut, dtype=np.uint16), "".join(names[index] for index in cells), cells


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
