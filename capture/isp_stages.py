"""The stages of an image signal processor: pure functions on float32 arrays in 0..1.

A mosaic is (height, width), a picture (height, width, 3) in R, G, B. Values may leave 0..1 between stages; the tone
curve and to_bytes clip them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Curve = Callable[[NDArray[np.float64]], NDArray[np.float64]]

# Rec. 601 luma weights: what cv2's YCrCb and JPEG use (ITU-R BT.601-7, section 2.5.1).
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)

DEMOSAIC_REACH_PX = 2  # the widest kernel of all is 5 x 5
# Malvar, He and Cutler, High-quality linear interpolation for demosaicing of Bayer-patterned color images, ICASSP 2004,
# figure 2: times 8.
GREEN_AT_OTHER = np.array(
    [[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]], dtype=np.float32
)
ALONG_ROW_AT_GREEN = np.array(
    [[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 4, 5, 4, -1], [0, -1, 0, -1, 0], [0, 0, 0.5, 0, 0]], dtype=np.float32
)
ACROSS_DIAGONAL = np.array(
    [[0, 0, -1.5, 0, 0], [0, 2, 0, 2, 0], [-1.5, 0, 6, 0, -1.5], [0, 2, 0, 2, 0], [0, 0, -1.5, 0, 0]], dtype=np.float32
)


def black_level(mosaic: NDArray[np.uint16], *, black_levels: tuple[float, ...], white_level: int) -> Image:
    """Codes to 0..1: (code - black) / (white - black); noise below black stays.

    A black level for each cell of the pattern, or for R, G, B of an already demosaiced (height, width, 3).
    """
    linear = mosaic.astype(np.float32)
    for part, black in zip(_cells(linear, len(black_levels)), black_levels, strict=True):
        part -= np.float32(black)
        part *= np.float32(1.0 / (white_level - black))
    return linear


def white_balance(mosaic: Image, *, neutral: tuple[float, float, float], pattern: str) -> Image:
    """Divide each colour by the neutral's, the weakest gain being 1, and clip at 1 so that saturated stays white.

    The pattern is "" for an already demosaiced (height, width, 3).
    """
    gains = max(neutral) / np.array(neutral, dtype=np.float64)
    balanced = mosaic.copy()
    colours = pattern or "RGB"
    for part, colour in zip(_cells(balanced, len(colours)), colours, strict=True):
        if gains["RGB".index(colour)] != 1.0:
            part *= np.float32(gains["RGB".index(colour)])
    return np.minimum(balanced, np.float32(1.0), out=balanced)


def _cells(samples: Image, count: int) -> Iterator[Image]:
    """Views of the samples of each cell of the pattern (4 or 36, row by row), or of each channel of (h, w, 3)."""
    period = math.isqrt(count)
    if samples.ndim == 3:
        yield from (samples[..., channel] for channel in range(3))
    else:
        yield from (samples[cell // period :: period, cell % period :: period] for cell in range(count))


def demosaic_bilinear(mosaic: Image, *, pattern: str) -> Image:
    """Each missing colour is the mean of its nearest neighbours (two or four)."""
    import cv2

    kernels = {
        "R": np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], dtype=np.float32) / 4,
        "G": np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]], dtype=np.float32) / 4,
    }
    planes = []
    for colour in "RGB":
        plane = np.zeros_like(mosaic)
        for cell in (cell for cell, name in enumerate(pattern) if name == colour):
            plane[cell // 2 :: 2, cell % 2 :: 2] = mosaic[cell // 2 :: 2, cell % 2 :: 2]
        # Reflection about the border pixel keeps the pattern's phase.
        planes.append(cv2.filter2D(plane, -1, kernels.get(colour, kernels["R"]), borderType=cv2.BORDER_REFLECT_101))
    return np.asarray(cv2.merge(planes), dtype=np.float32)


def demosaic_malvar(mosaic: Image, *, pattern: str) -> Image:
    """Bilinear with a gradient correction from the pixel's own colour: Malvar, He and Cutler 2004."""
    import cv2

    def filtered(kernel: Image) -> Image:
        return np.asarray(cv2.filter2D(mosaic, -1, kernel / 8, borderType=cv2.BORDER_REFLECT_101), dtype=np.float32)

    green, diagonal = filtered(GREEN_AT_OTHER), filtered(ACROSS_DIAGONAL)
    along_row, along_column = filtered(ALONG_ROW_AT_GREEN), filtered(ALONG_ROW_AT_GREEN.T.copy())
    picture = np.empty((*mosaic.shape, 3), dtype=np.float32)
    for cell, colour in enumerate(pattern):
        part = np.s_[cell // 2 :: 2, cell % 2 :: 2]
        picture[..., "RGB".index(colour)][part] = mosaic[part]
        if colour == "G":
            beside = pattern[cell ^ 1]
            picture[..., "RGB".index(beside)][part] = along_row[part]
            picture[..., 2 - "RGB".index(beside)][part] = along_column[part]
        else:
            picture[..., 1][part] = green[part]
            picture[..., 2 - "RGB".index(colour)][part] = diagonal[part]
    return picture


def demosaic_x_trans(mosaic: Image, *, pattern: str) -> Image:
    """Each missing colour is the weighted mean of its samples within 5 x 5, for a pattern of 6 x 6 cells.

    Normalised convolution (Knutsson and Westin, CVPR 1993) with binomial weights; what was measured stays.
    """
    import cv2

    weights = np.array([1, 4, 6, 4, 1], dtype=np.float32)
    planes = []
    for colour in "RGB":
        cells = np.array([name == colour for name in pattern]).reshape(6, 6)
        known = np.tile(cells, (mosaic.shape[0] // 6 + 1, mosaic.shape[1] // 6 + 1))[: len(mosaic), : mosaic.shape[1]]
        total, weight = (
            cv2.sepFilter2D(plane.astype(np.float32), -1, weights, weights, borderType=cv2.BORDER_REFLECT_101)
            for plane in (mosaic * known, known)
        )
        planes.append(np.where(known, mosaic, total / weight))
    return np.asarray(cv2.merge(planes), dtype=np.float32)


def colour_matrix(picture: Image, *, matrix: NDArray[np.float64]) -> Image:
    """Multiply every pixel's (R, G, B) by a 3 x 3 matrix."""
    import cv2

    return np.asarray(cv2.transform(picture, matrix.astype(np.float32)), dtype=np.float32)


def tone_curve(picture: Image, *, curve: Curve, exposure: float = 1.0) -> Image:
    """Linear light to display values: curve(exposure * x), x clipped to 0..1, read from a table of 65,536 steps."""
    import cv2

    return np.asarray(cv2.LUT(_codes(picture, 65535, cv2.CV_16U), _curve_table(curve, exposure)), dtype=np.float32)


@functools.lru_cache(maxsize=32)
def _curve_table(curve: Curve, exposure: float) -> NDArray[np.float32]:
    linear = np.arange(65536, dtype=np.float64) / 65535.0
    return np.clip(curve(np.minimum(exposure * linear, 1.0)), 0.0, 1.0).astype(np.float32)


def denoise(picture: Image, *, luma_sigma: float, luma_radius_px: float, chroma_radius_px: float) -> Image:
    """Bilateral filter on luma (Tomasi and Manduchi, ICCV 1998) and Gaussian blur on chroma; on display values.

    luma_sigma is the range (0..1) within which neighbours are averaged; a radius is a standard deviation; 0 leaves
    luma or chroma alone.
    """
    import cv2

    parts = list(cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)))
    if luma_sigma > 0 and luma_radius_px > 0:
        window = 2 * bilateral_reach_px(luma_radius_px) + 1
        parts[0] = cv2.bilateralFilter(parts[0], window, luma_sigma, luma_radius_px)
    if chroma_radius_px > 0:
        parts[1:] = [cv2.GaussianBlur(part, (0, 0), chroma_radius_px) for part in parts[1:]]
    return np.asarray(cv2.cvtColor(cv2.merge(parts), cv2.COLOR_YCrCb2RGB), dtype=np.float32)


def bilateral_reach_px(radius_px: float) -> int:
    """How far denoise's bilateral filter looks, for a standard deviation in pixels."""
    return max(1, round(1.5 * radius_px))


def gaussian_reach_px(radius_px: float) -> int:
    """How far OpenCV's Gaussian of a float picture looks: four standard deviations, at least that."""
    return math.ceil(4.0 * radius_px) + 1


def sharpen(picture: Image, *, amount: float, radius_px: float, threshold: float = 0.0) -> Image:
    """Unsharp mask on luma: add amount * (Y - blurred Y), cored by threshold, to all three channels."""
    import cv2

    luma = cv2.transform(picture, LUMA[None, :])
    detail = luma - cv2.GaussianBlur(luma, (0, 0), radius_px)
    if threshold > 0:
        # Soft threshold: x - clip(x, -t, t).
        detail = detail - np.clip(detail, -threshold, threshold)
    return np.asarray(picture + (np.float32(amount) * detail)[:, :, None], dtype=np.float32)


def saturation(picture: Image, *, factor: float) -> Image:
    """Move every pixel away from its own luma: Y + factor * (RGB - Y)."""
    return colour_matrix(picture, matrix=factor * np.eye(3) + (1.0 - factor) * np.tile(LUMA.astype(np.float64), (3, 1)))


def to_bytes(picture: Image) -> NDArray[np.uint8]:
    """Clip to 0..1 and round to 0..255, uint8."""
    import cv2

    return np.asarray(_codes(picture, 255, cv2.CV_8U), dtype=np.uint8)


def _codes(picture: Image, largest: int, depth: int) -> NDArray[np.unsignedinteger[Any]]:
    """0..1 to 0..largest, the largest number of that OpenCV depth, rounded and clipped in one pass."""
    import cv2

    scaled = cv2.multiply(picture, (float(largest),) * 4, dtype=depth)  # type: ignore[call-overload]  # a scalar may be
    return np.asarray(scaled)


def srgb_curve(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of the sRGB EOTF: IEC 61966-2-1:1999, equations 9 and 10."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def contrast_curve(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """sRGB, then half of a smoothstep S: slope 1.25 in the middle, black and white staying (chosen: punchy)."""
    encoded = srgb_curve(linear)
    return np.asarray(0.5 * encoded + 0.5 * encoded**2 * (3.0 - 2.0 * encoded), dtype=np.float64)


def filmic_curve(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lifted shadows and a soft shoulder: Reinhard's x (1 + x / w^2) / (1 + x) of 3x with w = 3, then sRGB.

    Reinhard and others, Photographic tone reproduction for digital images, SIGGRAPH 2002, equation 4; 3 is chosen.
    """
    bright = 3.0 * linear
    return srgb_curve(bright * (1.0 + bright / 9.0) / (1.0 + bright))


# libcamera, src/ipa/rpi/vc4/data/imx219.json, rpi.contrast, gamma_curve (BSD-2-Clause): 16-bit linear in, display out.
PI_CURVE_IN = (
    0, 1024, 2048, 3072, 4096, 5120, 6144, 7168, 8192, 9216, 10240, 11264, 12288, 13312, 14336, 15360, 16384, 18432,
    20480, 22528, 24576, 26624, 28672, 30720, 32768, 36864, 40960, 45056, 49152, 53248, 57344, 61440, 65535,
)  # fmt: skip
PI_CURVE_OUT = (
    0, 5040, 9338, 12356, 15312, 18051, 20790, 23193, 25744, 27942, 30035, 32005, 33975, 35815, 37600, 39168, 40642,
    43379, 45749, 47753, 49621, 51253, 52698, 53796, 54876, 57012, 58656, 59954, 61183, 62355, 63419, 64476, 65535,
)  # fmt: skip


def pi_curve(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """The Raspberry Pi cameras' default tone curve, straight lines between the published points."""
    return np.interp(linear, np.array(PI_CURVE_IN) / 65535.0, np.array(PI_CURVE_OUT) / 65535.0)


TONE_CURVES: dict[str, Curve] = {
    "srgb": srgb_curve,
    "contrast": contrast_curve,
    "filmic": filmic_curve,
    "pi": pi_curve,
}
