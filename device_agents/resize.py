"""RESIZERS: RGB -> RGB of the size asked for; how pixels are interpolated. The fits (fit.py) say which part is kept.

A resizer gives uint8 (height, width, 3) of exactly the size asked for. Pillow's filters grow with the reduction
(antialiasing); OpenCV's but for area, and TensorFlow's without "-antialias", do not. The kit's own: interpolate.py.
"""

from __future__ import annotations

from functools import partial
from typing import Dict

import numpy as np
from PIL import Image

from device_agents import interpolate
from device_agents.decode import RGB
from device_agents.errors import MissingExtra
from device_agents.fit import FITS, Fit, Resizer, covering_size

__all__ = ["FITS", "RESIZERS", "Fit", "Resizer", "covering_size", "resize_opencv", "resize_pillow", "resize_tensorflow"]


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


def resize_tensorflow(picture: RGB, height: int, width: int, *, method: str, antialias: bool = False) -> RGB:
    """Resize with tf.image.resize (half-pixel centres), rounded and clipped. Raises MissingExtra where it is absent.

    ``method`` is a value of tf.image.ResizeMethod; ``antialias`` lets the filter grow with the reduction.
    """
    try:
        import tensorflow as tf
    except ImportError as problem:
        raise MissingExtra(
            "resizers 'tensorflow-...' need tensorflow; pip install 'instability-kit[tensorflow]'"
        ) from problem
    resized = tf.image.resize(picture, (height, width), method=method, antialias=antialias).numpy()
    return np.asarray(np.rint(resized).clip(0, 255), np.uint8)


RESIZERS: Dict[str, Resizer] = {
    "align-corners-bilinear": interpolate.align_corners_bilinear,
    "android-bitmap": interpolate.android_bitmap,
    "asymmetric-bilinear": interpolate.asymmetric_bilinear,
    "half-pixel-bicubic": interpolate.half_pixel_bicubic,
    "half-pixel-bicubic-antialias": interpolate.half_pixel_bicubic_antialias,
    "half-pixel-bilinear": interpolate.half_pixel_bilinear,
    "half-pixel-bilinear-antialias": interpolate.half_pixel_bilinear_antialias,
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
    "tensorflow-area": partial(resize_tensorflow, method="area"),
    "tensorflow-bicubic": partial(resize_tensorflow, method="bicubic"),
    "tensorflow-bicubic-antialias": partial(resize_tensorflow, method="bicubic", antialias=True),
    "tensorflow-bilinear": partial(resize_tensorflow, method="bilinear"),
    "tensorflow-bilinear-antialias": partial(resize_tensorflow, method="bilinear", antialias=True),
    "tensorflow-lanczos3": partial(resize_tensorflow, method="lanczos3"),
    "tensorflow-lanczos3-antialias": partial(resize_tensorflow, method="lanczos3", antialias=True),
    "tensorflow-lanczos5": partial(resize_tensorflow, method="lanczos5"),
    "tensorflow-lanczos5-antialias": partial(resize_tensorflow, method="lanczos5", antialias=True),
    "tensorflow-mitchell": partial(resize_tensorflow, method="mitchellcubic"),
    "tensorflow-mitchell-antialias": partial(resize_tensorflow, method="mitchellcubic", antialias=True),
    "tensorflow-nearest": partial(resize_tensorflow, method="nearest"),
}
