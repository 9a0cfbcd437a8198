"""RESIZERS and FITS: RGB -> RGB of the model's input size; how pixels are interpolated, and which part is kept.

A resizer gives uint8 (height, width, 3) of exactly the size asked for. A fit says what becomes of the aspect ratio, and
calls a resizer once. Pillow's filters grow with the reduction (antialiasing); OpenCV's, but for area, do not.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Callable, Dict, Tuple

import numpy as np
from PIL import Image

from device_agents.decode import MAX_PIXELS, RGB
from device_agents.errors import BadInput, MissingExtra

Resizer = Callable[[RGB, int, int], RGB]
Rounding = Callable[[float], int]
Fit = Callable[[RGB, Resizer, int, int], RGB]


def resize_pillow(picture: RGB, height: int, width: int, *, filter_name: str) -> RGB:
    """Resize with Pillow; filter_name is a member of Image.Resampling."""
    image = Image.fromarray(picture).resize((width, height), Image.Resampling[filter_name])
    return np.asarray(image)


def resize_opencv(picture: RGB, height: int, width: int, *, filter_name: str) -> RGB:
    """Resize with OpenCV; filter_name is one of its INTER_ constants. Raises MissingExtra where OpenCV is absent."""
    try:
        import cv2
    except ImportError as problem:
        raise MissingExtra(
            "resizers 'opencv-...' need opencv-python-headless; pip install 'instability-kit[host]'"
        ) from problem
    return np.asarray(cv2.resize(picture, (width, height), interpolation=getattr(cv2, filter_name)), np.uint8)


def fit_squash(picture: RGB, resizer: Resizer, height: int, width: int) -> RGB:
    """Resize to (height, width), the aspect ratio given up."""
    return resizer(picture, height, width)


def fit_cover_crop(
    picture: RGB,
    resizer: Resizer,
    height: int,
    width: int,
    *,
    margin: float,
    whole_side: Rounding,
    whole_offset: Rounding,
) -> RGB:
    """Resize keeping the ratio until (height, width) times margin is covered, then cut the centre.

    With margin 256/224 and a square input of 224 this is the usual ImageNet rule. How the longer side and the crop's
    offset become whole pixels differs between programs and moves the picture by a pixel: torchvision's Resize(int)
    and CenterCrop take int and round, most others round and floor.
    """
    resized_height, resized_width = covering_size(picture.shape[:2], height, width, margin=margin, whole=whole_side)
    if resized_height * resized_width > MAX_PIXELS:
        raise BadInput(f"a {picture.shape[1]} x {picture.shape[0]} picture is too narrow to resize to its short side")
    if picture.shape[:2] != (resized_height, resized_width):
        picture = resizer(picture, resized_height, resized_width)
    return centre_crop(picture, height, width, whole=whole_offset)


def fit_squash_crop(picture: RGB, resizer: Resizer, height: int, width: int, *, margin: float) -> RGB:
    """Resize to (height, width) times margin, the aspect ratio given up, then cut the centre."""
    squashed = resizer(picture, round(height * margin), round(width * margin))
    return centre_crop(squashed, height, width, whole=math.floor)


def covering_size(size: Tuple[int, ...], height: int, width: int, *, margin: float, whole: Rounding) -> Tuple[int, int]:
    """Give the (height, width) that keeps the ratio of a picture's size and just covers (height, width) times margin.

    ``whole`` brings the longer side to whole pixels.
    """
    target_height, target_width = round(height * margin), round(width * margin)
    if size[0] * width < size[1] * height:  # the picture is wider than the input: height decides
        return target_height, whole(target_height * size[1] / size[0])
    return whole(target_width * size[0] / size[1]), target_width


def centre_crop(picture: RGB, height: int, width: int, *, whole: Rounding) -> RGB:
    """Cut (height, width) from the centre, its offset brought to whole pixels; BadInput for a smaller picture."""
    top, left = whole((picture.shape[0] - height) / 2), whole((picture.shape[1] - width) / 2)
    if top < 0 or left < 0:
        raise BadInput(f"expected at least {width} x {height} pixels to cut from, got {picture.shape[:2][::-1]}")
    return np.ascontiguousarray(picture[top : top + height, left : left + width])


RESIZERS: Dict[str, Resizer] = {
    "opencv-area": partial(resize_opencv, filter_name="INTER_AREA"),
    "opencv-cubic": partial(resize_opencv, filter_name="INTER_CUBIC"),
    "opencv-lanczos4": partial(resize_opencv, filter_name="INTER_LANCZOS4"),
    "opencv-linear": partial(resize_opencv, filter_name="INTER_LINEAR"),
    "opencv-nearest": partial(resize_opencv, filter_name="INTER_NEAREST"),
    "pillow-bicubic": partial(resize_pillow, filter_name="BICUBIC"),
    "pillow-bilinear": partial(resize_pillow, filter_name="BILINEAR"),
    "pillow-box": partial(resize_pillow, filter_name="BOX"),
    "pillow-hamming": partial(resize_pillow, filter_name="HAMMING"),
    "pillow-lanczos": partial(resize_pillow, filter_name="LANCZOS"),
    "pillow-nearest": partial(resize_pillow, filter_name="NEAREST"),
}

FITS: Dict[str, Fit] = {
    "short-side-256-crop": partial(fit_cover_crop, margin=256 / 224, whole_side=round, whole_offset=math.floor),
    "short-side-crop": partial(fit_cover_crop, margin=1.0, whole_side=round, whole_offset=math.floor),
    "squash": fit_squash,
    "squash-256-crop": partial(fit_squash_crop, margin=256 / 224),
    "torchvision-256-crop": partial(fit_cover_crop, margin=256 / 224, whole_side=int, whole_offset=round),
}
