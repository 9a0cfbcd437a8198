"""The optics of a virtual camera: painted frames to light on the sensor.

A frame's sRGB values become linear light (``blend``), a pinhole with a slightly distorting lens sees the planar screen
at an angle (``project``, ``sampling_maps``), and the lens blurs and shades the picture (``form_image``). Coordinates
are pixels, x right and y down, with pixel centres at integers: a frame of width W spans [-0.5, W - 0.5].
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_agents.errors import BadInput

RGB = NDArray[np.uint8]
Image = NDArray[np.float32]
Layer = tuple[RGB, NDArray[np.float32]]

BEZEL_PX = 16  # frame pixels of surround around the screen, so that the blur at the screen's edge is right
PIXEL_VARIANCE = 1.0 / 12.0  # of a box one pixel wide, in square pixels
ROWS_AT_ONCE = 16  # of a sampling map, so that what lies between stays in the processor's cache


@dataclass(frozen=True)
class Display:
    """A screen with the sRGB transfer function, seen in a dim room. Luminances in cd/m2."""

    white_cd_m2: float = 200.0
    black_cd_m2: float = 0.2
    surround_cd_m2: float = 1.6


@dataclass(frozen=True)
class Lens:
    """A lens: f-number, transmission (0..1), blur (standard deviation in sensor pixels), distortion and shading.

    k1, k2, p1, p2 are Brown-Conrady coefficients on the normalised image plane (x / focal length).
    corner_angle_deg is the field angle at the sensor's corner that the cos^4 law of shading is computed for.
    """

    f_number: float
    transmission: float
    blur_px: float
    k1: float
    k2: float
    p1: float
    p2: float
    corner_angle_deg: float


@dataclass(frozen=True)
class Mount:
    """Where a device stands before the screen.

    fill is the share of the sensor's width or height (whichever is tighter) that the screen takes at 0 degrees;
    distance_screens the distance in screen widths; shifts are shares of the sensor's width and height.
    """

    fill: float
    distance_screens: float
    shift_x: float
    shift_y: float
    roll_deg: float
    pitch_deg: float


@dataclass(frozen=True)
class Geometry:
    """All that fixes where a frame pixel falls on the sensor; sizes in pixels, angle in degrees about the vertical.

    At a positive angle the right edge of the screen is the nearer one.
    """

    frame_height: int
    frame_width: int
    height: int
    width: int
    angle_deg: float
    lens: Lens
    mount: Mount

    @property
    def distance_px(self) -> float:
        """Distance from the pinhole to the screen's centre, in frame pixels."""
        return self.mount.distance_screens * self.frame_width

    @property
    def focal_px(self) -> float:
        """Focal length in sensor pixels: the screen, seen straight on, takes the share mount.fill."""
        tighter = min(self.width / self.frame_width, self.height / self.frame_height)
        return self.mount.fill * tighter * self.distance_px

    @property
    def frame_px_per_pixel(self) -> float:
        """Frame pixels that one sensor pixel sees at the screen's centre, across the direction of the tilt."""
        return self.distance_px / self.focal_px


def srgb_to_linear(encoded: NDArray[np.floating]) -> NDArray[np.float64]:
    """Decode sRGB values in 0..1 to linear light in 0..1: the EOTF of IEC 61966-2-1:1999, equations 5 and 6."""
    values = np.asarray(encoded, dtype=np.float64)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def luminance_table(display: Display) -> NDArray[np.float32]:
    """Luminance in cd/m2 of each code value 0..255: black level + (white - black) * EOTF. Shape (256,), float32."""
    linear = srgb_to_linear(np.arange(256) / 255.0)
    return np.asarray(display.black_cd_m2 + (display.white_cd_m2 - display.black_cd_m2) * linear, dtype=np.float32)


def blend(layers: Sequence[Layer], *, display: Display) -> Image:
    """Add what the screen showed during one exposure, in linear light.

    Each layer is a frame, uint8 (height, width, 3) sRGB, and the share of the exposure (0..1) that each of its rows was
    integrated for, shape (height,); the shares of a row sum to 1. Returns float32 (height, width, 3): for each primary
    the luminance in cd/m2 of the white that it would belong to (so a grey has three equal values).
    Raises BadInput when shapes differ or a row's shares do not sum to 1.
    """
    import cv2

    frames, weights = _checked_layers(layers)
    table = luminance_table(display)
    if len(frames) == 1:
        return np.asarray(cv2.LUT(frames[0], table), dtype=np.float32)
    light = np.zeros(frames[0].shape, dtype=np.float32)
    for frame, weight in zip(frames, weights, strict=True):
        rows = np.flatnonzero(weight)
        if rows.size:
            part = slice(int(rows[0]), int(rows[-1]) + 1)
            light[part] += cv2.LUT(np.ascontiguousarray(frame[part]), table) * weight[part, None, None]
    return light


def _checked_layers(layers: Sequence[Layer]) -> tuple[list[RGB], list[NDArray[np.float32]]]:
    if not layers:
        raise BadInput("expected at least one layer (a frame with its row weights), got none")
    frames = [np.asarray(frame) for frame, _ in layers]
    weights = [np.asarray(weight, dtype=np.float32) for _, weight in layers]
    for frame, weight in zip(frames, weights, strict=True):
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.shape != frames[0].shape:
            raise BadInput(f"expected uint8 frames of one shape (height, width, 3), got {frame.dtype} {frame.shape}")
        if weight.shape != frame.shape[:1]:
            raise BadInput(f"expected one weight a frame row, shape {frame.shape[:1]}, got {weight.shape}")
    total = np.sum(weights, axis=0)
    if not np.allclose(total, 1.0, atol=1e-3):
        raise BadInput(f"expected row weights that sum to 1, got sums from {total.min():g} to {total.max():g}")
    return frames, weights


def homography(geometry: Geometry) -> NDArray[np.float64]:
    """Map frame pixels to the ideal, undistorted normalised image plane: a pinhole sees a plane.

    The screen point (X, Y) about its centre, turned by the angle a about the vertical, lies at
    (X cos a, Y, D - X sin a) before the pinhole; then the mount's roll and pitch turn the camera (Hartley and
    Zisserman, Multiple View Geometry, 2nd ed., section 8.1). Shape (3, 3), float64; homogeneous.
    """
    angle = math.radians(geometry.angle_deg)
    centre = np.array(
        [[1.0, 0.0, -(geometry.frame_width - 1) / 2], [0.0, 1.0, -(geometry.frame_height - 1) / 2], [0.0, 0.0, 1.0]]
    )
    screen = np.array(
        [[math.cos(angle), 0.0, 0.0], [0.0, 1.0, 0.0], [-math.sin(angle), 0.0, geometry.distance_px]], dtype=np.float64
    )
    roll, pitch = math.radians(geometry.mount.roll_deg), math.radians(geometry.mount.pitch_deg)
    turn_z = np.array([[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1.0]])
    turn_x = np.array([[1.0, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]])
    return np.asarray(turn_x @ turn_z @ screen @ centre, dtype=np.float64)


def distort(x: NDArray[np.floating], y: NDArray[np.floating], lens: Lens) -> tuple[NDArray[np.floating], ...]:
    """Move ideal normalised points to where the lens puts them (Brown, Close-range camera calibration, 1971)."""
    radius2 = x * x + y * y
    radial = 1.0 + radius2 * (lens.k1 + radius2 * lens.k2)
    product = 2.0 * x * y
    return (
        x * radial + lens.p1 * product + lens.p2 * (radius2 + 2.0 * x * x),
        y * radial + lens.p2 * product + lens.p1 * (radius2 + 2.0 * y * y),
    )


def undistort(x: NDArray[np.floating], y: NDArray[np.floating], lens: Lens) -> tuple[NDArray[np.floating], ...]:
    """Invert distort by fixed-point iteration; six rounds leave less than 1e-6 for the slight distortions used here."""
    ideal_x, ideal_y = x, y
    for _ in range(6):
        moved_x, moved_y = distort(ideal_x, ideal_y, lens)
        ideal_x, ideal_y = ideal_x + (x - moved_x), ideal_y + (y - moved_y)
    return ideal_x, ideal_y


def _principal_point(geometry: Geometry) -> tuple[float, float]:
    return (
        (geometry.width - 1) / 2 + geometry.mount.shift_x * geometry.width,
        (geometry.height - 1) / 2 + geometry.mount.shift_y * geometry.height,
    )


def project(points: NDArray[np.floating], geometry: Geometry) -> NDArray[np.float64]:
    """Where points of the frame (n, 2), in frame pixels, fall on the sensor (n, 2), in sensor pixels."""
    points = np.asarray(points, dtype=np.float64)
    ideal = np.column_stack([points, np.ones(len(points))]) @ homography(geometry).T
    x, y = distort(ideal[:, 0] / ideal[:, 2], ideal[:, 1] / ideal[:, 2], geometry.lens)
    centre_x, centre_y = _principal_point(geometry)
    return np.column_stack([x * geometry.focal_px + centre_x, y * geometry.focal_px + centre_y])


@functools.lru_cache(maxsize=12)
def sampling_maps(geometry: Geometry) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """For every sensor pixel the frame pixel it looks at: the inverse of project. Two float32 arrays (height, width).

    Kept for the last twelve geometries (a device keeps its angle for a whole block of scenes); do not write into them.
    """
    centre_x, centre_y = _principal_point(geometry)
    columns = ((np.arange(geometry.width) - centre_x) / geometry.focal_px).astype(np.float32)
    rows = ((np.arange(geometry.height) - centre_y) / geometry.focal_px).astype(np.float32)
    # Python floats keep the arrays float32: good to a thousandth of a pixel, in half the time.
    (a, b, c), (d, e, f), (g, h, i) = np.linalg.inv(homography(geometry)).tolist()
    maps = tuple(np.empty((geometry.height, geometry.width), dtype=np.float32) for _ in range(2))
    for start in range(0, geometry.height, ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        x, y = undistort(*np.meshgrid(columns, rows[part]), geometry.lens)
        depth = g * x + h * y + i
        maps[0][part], maps[1][part] = (a * x + b * y + c) / depth, (d * x + e * y + f) / depth
    for array in maps:
        array.setflags(write=False)
    return maps[0], maps[1]


@functools.lru_cache(maxsize=16)
def shading(height: int, width: int, corner_angle_deg: float) -> Image:
    """Natural vignetting: cos^4 of the field angle (Born and Wolf, Principles of Optics, section 4.8.1).

    Float32 (height, width), 1 at the centre and cos^4(corner_angle_deg) at the corner pixels' outer corners.
    """
    x = np.arange(width, dtype=np.float64) - (width - 1) / 2
    y = np.arange(height, dtype=np.float64) - (height - 1) / 2
    corner2 = (width / 2) ** 2 + (height / 2) ** 2
    tan2 = (x[None, :] ** 2 + y[:, None] ** 2) / corner2 * math.tan(math.radians(corner_angle_deg)) ** 2
    # cos^4 = 1 / (1 + tan^2)^2
    falloff = (1.0 / (1.0 + tan2) ** 2).astype(np.float32)
    falloff.setflags(write=False)
    return falloff


def blur_sigma_px(geometry: Geometry) -> float:
    """Standard deviation, in sensor pixels, of lens blur, sensor pixel and screen pixel together.

    Variances of the three point spread functions add; the two pixels (boxes) enter as Gaussians of equal variance.
    """
    screen_pixel = PIXEL_VARIANCE / geometry.frame_px_per_pixel**2
    return math.sqrt(geometry.lens.blur_px**2 + PIXEL_VARIANCE + screen_pixel)


def form_image(light: Image, geometry: Geometry, *, surround_cd_m2: float) -> Image:
    """Light on the sensor: the screen's light, seen by the pinhole, blurred, distorted and shaded by the lens.

    light is float32 (frame_height, frame_width, 3) in cd/m2; the result is float32 (height, width, 3) in cd/m2 times
    the shading. Where a sensor pixel sees more than one frame pixel the blur is made in the frame, before sampling, so
    nothing aliases; it is then exact at the screen's centre, and at 30 degrees within a fifth at the screen's edges.
    Otherwise it is made on the sensor and exact everywhere.
    """
    import cv2

    if light.shape != (geometry.frame_height, geometry.frame_width, 3):
        raise BadInput(f"expected light of shape {(geometry.frame_height, geometry.frame_width, 3)}, got {light.shape}")
    sigma, scale = blur_sigma_px(geometry), geometry.frame_px_per_pixel
    edge = (surround_cd_m2,) * 3
    framed: Any = cv2.copyMakeBorder(light, *(BEZEL_PX,) * 4, cv2.BORDER_CONSTANT, value=edge)
    blur_first = scale >= 1.0
    if blur_first:
        along = sigma * scale / math.cos(math.radians(geometry.angle_deg))
        framed = cv2.GaussianBlur(framed, (0, 0), sigmaX=along, sigmaY=sigma * scale)
    x, y = _bezel_maps(geometry)
    image: Any = cv2.remap(framed, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=edge)
    if not blur_first:
        image = cv2.GaussianBlur(image, (0, 0), sigmaX=sigma)
    falloff = shading(geometry.height, geometry.width, geometry.lens.corner_angle_deg)
    image *= falloff[:, :, None]
    # Cubic interpolation overshoots at hard edges; light is never negative.
    return np.asarray(np.maximum(image, 0.0, out=image), dtype=np.float32)


def _bezel_maps(geometry: Geometry) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    x, y = sampling_maps(geometry)
    return x + np.float32(BEZEL_PX), y + np.float32(BEZEL_PX)
