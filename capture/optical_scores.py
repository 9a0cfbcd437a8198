"""What a camera does to a chart, as numbers: sharpness, noise, clipping, moire, banding, levels, contrast, balance.

Every function takes parts of the straightened chart as a photograph shows it, uint8 (height, width, 3) sRGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from device_agents.errors import BadInput

RGB = NDArray[np.uint8]
Array = NDArray[np.float64]
LUMA = np.array([0.2126, 0.7152, 0.0722])  # ITU-R BT.709
OVERSAMPLING = 4  # of the edge spread function, ISO 12233
LEAST_CONTRAST = 0.02  # of linear light; below there is no edge to measure
LEAST_CYCLES = 3  # of a band over the field; slower is shading
WIDEST_BAND_PX = 4  # a band is at least so many pixels long


class Band(NamedTuple):
    """The strongest periodic band: its amplitude as a share of the mean, cycles over the field, and whose profile."""

    amplitude: float
    cycles: float
    along: str  # "rows" or "columns"


def luminance(rgb: RGB) -> Array:
    """Weighted mean of the channels' codes 0..255, float64 (height, width)."""
    levels: Array = np.asarray(rgb, np.float64) @ LUMA
    return levels


def mtf50(edge: RGB) -> float:
    """Frequency at which the modulation transfer falls to a half, in cycles per pixel of the picture.

    edge: one slanted edge, near upright, from top to bottom of the part. The slanted-edge method of ISO 12233 (as in
    Burns 2000, sfrmat): linear light, the edge's line fitted to the rows' centroids, the pixels binned four times
    finer along its normal, differentiated, Hamming's window, Fourier. Above 0.5 there is no more than aliasing: what
    never falls to a half before 1 gives 1. Raises BadInput where there is no edge.
    """
    light = _linear(luminance(edge))
    slope, offset = _edge_line(light)
    y, x = np.mgrid[: light.shape[0], : light.shape[1]]
    distance = (x - (slope * y + offset)) * np.cos(np.arctan(slope))
    reach = min(float(-distance.min(axis=1).max()), float(distance.max(axis=1).min()))
    spread = _profile(distance.ravel(), light.ravel(), reach)
    change = np.diff(spread)
    centre = int(np.argmax(np.abs(change)))
    half = min(centre, len(change) - 1 - centre)
    window = np.hamming(2 * half + 1)
    line = change[centre - half : centre + half + 1] * window
    count = 8 * len(line)
    transfer = np.abs(np.fft.rfft(line, count)) / max(abs(float(line.sum())), 1e-12)
    frequency = np.asarray(np.fft.rfftfreq(count, 1 / OVERSAMPLING), np.float64)
    # A difference of neighbours, and bins of a quarter pixel, dampen by a known sinc each.
    dampened = np.sinc(frequency / OVERSAMPLING) ** 2
    return _first_below(frequency, transfer / np.maximum(dampened, 0.1), 0.5, limit=1.0)


def temporal_noise(shots: Sequence[RGB]) -> float:
    """Noise of one shot in codes 0..255: the deviation of differences of shots in a row, over the root of two.

    What stands still (shading, dirt, the panel's pixels) cancels, and so does a change of the whole (EMVA 1288, 4.0,
    section 6.6). Root mean square over channels and pairs. Raises BadInput for fewer than two shots.
    """
    if len(shots) < 2:
        raise BadInput(f"expected two shots of one field or more, got {len(shots)}")
    pairs = [one.astype(np.float64) - two.astype(np.float64) for one, two in pairwise(shots)]
    return float(np.sqrt(np.mean([pair.var(axis=(0, 1)).mean() / 2 for pair in pairs])))


def spatial_noise(field: RGB) -> float:
    """Noise of one picture of an even field in codes 0..255: from differences of neighbours, so shading cancels.

    The root mean square of the differences over the root of two, mean over channels and both directions. Where an ISP
    smooths, neighbours are alike and this is too small: it is for comparing a camera with itself.
    """
    values = field.astype(np.float64)
    changes = [np.diff(values, axis=axis).reshape(-1, 3) for axis in (0, 1)]
    return float(np.mean([np.sqrt(np.square(one).mean(axis=0) / 2) for one in changes]))


def clipped_share(field: RGB) -> float:
    """Share (0..1) of pixels with a channel at 0 or 255."""
    return float(((field == 0) | (field == 255)).any(axis=2).mean())


def moire(grid: RGB, flat: RGB, *, period_px: float) -> float:
    """Waves wider than the lines of a fine grid, as a share of the mean level: root mean square, the worst channel.

    grid, flat: the same part of the picture showing the grid, and an even grey; period_px: of the grid's lines there.
    Both are blurred with a deviation of 1.5 periods, which leaves 1e-19 of the grid itself, and freed of a quadratic
    surface (shading); the flat field's variance is taken off, so that noise and the panel do not count.
    """
    rest = _slow_waves(grid, period_px) - _slow_waves(flat, period_px)
    return float(np.sqrt(max(0.0, float(rest.max()))))


def banding(field: RGB) -> Band:
    """The strongest periodic brightness of a flat field's rows, or of its columns: an upright camera's rows.

    The profile is each row's mean luminance; a quadratic is taken off, Hann's window put on, and the largest peak of
    its spectrum between 3 cycles over the field and one in 4 pixels is the amplitude of a sine, as a share of the mean.
    A panel dimmed by pulses, or a refresh that beats with a rolling shutter, makes such bands.
    """
    levels = luminance(field)
    return max((_strongest(levels.mean(axis=axis), name) for name, axis in (("rows", 1), ("columns", 0))))


def balance(field: RGB) -> tuple[float, float]:
    """Red over green and blue over green of a field's mean codes."""
    red, green, blue = field.reshape(-1, 3).mean(axis=0)
    return float(red / max(green, 1e-6)), float(blue / max(green, 1e-6))


def ramp_slope(levels: Sequence[float], painted: Sequence[int]) -> float:
    """Contrast: codes photographed per code painted, the least-squares slope over a grey ramp (1 = as painted)."""
    return float(np.polyfit(np.asarray(painted, np.float64), np.asarray(levels, np.float64), 1)[0])


def _linear(codes: Array) -> Array:
    """SRGB codes 0..255 as linear light 0..1 (IEC 61966-2-1)."""
    share = codes / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def _edge_line(light: Array) -> tuple[float, float]:
    """Fit x = slope y + offset to the centroids of each row's change, each time nearer to the line found before."""
    low, high = np.percentile(light, [5, 95])
    if high - low < LEAST_CONTRAST:
        raise BadInput(f"expected an edge, got an even field (contrast {high - low:.3f} of linear light)")
    change = np.diff(light, axis=1)  # with its sign, so that noise cancels
    place = np.arange(change.shape[1]) + 0.5
    rows = np.arange(len(change))
    middle, width = np.full(len(change), light.shape[1] / 2), light.shape[1]
    slope, offset = 0.0, width / 2
    for reach in (width / 2, width / 4, max(16.0, width / 8)):
        weight = change * (np.abs(place - middle[:, None]) <= reach)
        total = weight.sum(axis=1)
        sure = np.abs(total) >= (high - low) / 3
        if sure.sum() < len(rows) / 2:
            raise BadInput("expected an edge from top to bottom, got one that most rows do not cross")
        centroid = (weight * place).sum(axis=1)[sure] / total[sure]
        slope, offset = np.polyfit(rows[sure], centroid, 1)
        middle = slope * rows + offset
    return float(slope), float(offset)


def _profile(distance: Array, light: Array, reach: float) -> Array:
    """The edge spread function: means of bins a quarter of a pixel wide, from -reach to reach."""
    bins = int(2 * reach * OVERSAMPLING)
    at = np.floor((distance + reach) * OVERSAMPLING).astype(np.int64)
    inside = (at >= 0) & (at < bins)
    count = np.bincount(at[inside], minlength=bins)
    total = np.bincount(at[inside], weights=light[inside], minlength=bins)
    filled = np.flatnonzero(count)
    return np.interp(np.arange(bins), filled, total[filled] / count[filled])


def _first_below(frequency: Array, values: Array, level: float, *, limit: float) -> float:
    below = np.flatnonzero((values < level) & (frequency <= limit))
    if not below.size:
        return limit
    at = int(below[0])
    drop = values[at - 1] - values[at]
    share = (values[at - 1] - level) / drop if drop > 0 else 0.0
    return float(frequency[at - 1] + share * (frequency[at] - frequency[at - 1]))


def _slow_waves(part: RGB, period_px: float) -> Array:
    """Variance of each channel relative to its mean, after the blur and without a quadratic surface, float64 (3,)."""
    import cv2

    blurred = cv2.GaussianBlur(part.astype(np.float64), (0, 0), 1.5 * period_px, borderType=cv2.BORDER_REFLECT)
    margin = int(min(3 * period_px, min(part.shape[:2]) // 4))
    inner = blurred[margin:-margin, margin:-margin]
    y, x = (axis.ravel() for axis in np.mgrid[-1 : 1 : inner.shape[0] * 1j, -1 : 1 : inner.shape[1] * 1j])
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=1)
    levels = inner.reshape(-1, 3)
    rest = levels - terms @ np.linalg.lstsq(terms, levels, rcond=None)[0]
    found: Array = np.square(rest).mean(axis=0) / np.maximum(levels.mean(axis=0), 1.0) ** 2
    return found


def _strongest(profile: Array, along: str) -> Band:
    count = len(profile)
    place = np.linspace(-1, 1, count)
    rest = profile - np.polyval(np.polyfit(place, profile, 2), place)
    window = np.hanning(count)
    padded = 8 * count
    amplitude = 2 * np.abs(np.fft.rfft(rest * window, padded)) / window.sum()
    cycles = np.fft.rfftfreq(padded, 1 / count)
    wanted = np.flatnonzero((cycles >= LEAST_CYCLES) & (cycles <= count / WIDEST_BAND_PX))
    at = int(wanted[np.argmax(amplitude[wanted])])
    return Band(float(amplitude[at] / max(float(profile.mean()), 1e-6)), float(cycles[at]), along)
