"""JPEG_READERS: the bytes of a JPEG file -> its pixels as stored, by what a decoder does rather than by its package.

What a decoder may choose: the inverse DCT (slow accurate, fast, floating point), how halved chroma is enlarged (smooth
"fancy" upsampling or plain repetition), and libjpeg 7 and later, which enlarge chroma inside the DCT. Packages that
choose alike give identical pixels today. The callers have checked the file (decode.open_image) and turn it upright.
"""

from __future__ import annotations

import importlib
import os
import re
import tempfile
import threading
from functools import partial
from typing import Any, Callable, Dict, Tuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from device_agents.errors import BadInput, MissingExtra

Pixels = npt.NDArray[np.uint8]
# The file, Pillow's mode of it ("L", "RGB" or "CMYK") and its (height, width).
JpegReader = Callable[[bytes, str, Tuple[int, int]], Pixels]

# A marker that begins a segment, and those that begin a frame (ITU T.81, table B.1): C3, C5 to C7, CB and CD to CF are
# lossless or hierarchical, which no libjpeg of jpeglib's reads.
_SEGMENT = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd8]", re.DOTALL)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_READABLE_FRAMES = frozenset((0xC0, 0xC1, 0xC2, 0xC9, 0xCA))
# jpeglib holds one libjpeg at a time for the whole process.
_JPEGLIB = threading.Lock()
_RGB_SPACE, _CMYK_SPACE = 2, 4  # J_COLOR_SPACE of jpeglib.h
_SLOW_DCT, _FLOAT_DCT = 0, 2  # J_DCT_METHOD of jpeglib.h


def read_simplejpeg(
    data: bytes, mode: str, size: Tuple[int, int], *, fast_dct: bool = False, plain_upsampling: bool = False
) -> Pixels:
    """Decode with simplejpeg (libjpeg-turbo). Raises BadInput (damaged) or MissingExtra."""
    simplejpeg = _load("simplejpeg", "simplejpeg", "decoders")
    space = "CMYK" if mode == "CMYK" else "RGB"
    try:
        # Not strict: Pillow and OpenCV let recoverable damage pass too.
        pixels = simplejpeg.decode_jpeg(
            data, colorspace=space, fastdct=fast_dct, fastupsample=plain_upsampling, strict=False
        )
    except ValueError as problem:
        raise BadInput(f"simplejpeg cannot decode this JPEG: {problem}") from problem
    return _without_ink(pixels) if mode == "CMYK" else np.asarray(pixels)


def read_jpeglib(data: bytes, mode: str, size: Tuple[int, int], *, version: str, float_dct: bool = False) -> Pixels:
    """Decode with the libjpeg that jpeglib calls ``version``. Raises BadInput (damaged) or MissingExtra."""
    jpeglib = _load("jpeglib", "jpeglib", "decoders")
    # On a damaged header jpeglib closes a file it does not hold, so libjpeg-turbo reads the header first.
    if _header_size(data) != size:
        raise BadInput(f"expected a JPEG of {size[1]} x {size[0]}, its header says otherwise to libjpeg")
    pixels = np.zeros((*size, 4 if mode == "CMYK" else 3), np.uint8)
    # It reads files only.
    with _JPEGLIB, tempfile.TemporaryDirectory(prefix="jpeg-") as folder:
        path = os.path.join(folder, "picture.jpg")
        with open(path, "wb") as file:
            file.write(data)
        before = jpeglib.version.get()
        jpeglib.version.set(version)
        try:
            # Not through its read_spatial: that decodes twice, has room for so many markers and no more, and leaves a
            # temporary file behind for every damaged picture.
            jpeglib._bind.CJpegLib.read_jpeg_spatial(
                srcfile=path,
                spatial=np.ctypeslib.as_ctypes(pixels),
                colormap=None,
                in_colormap=None,
                out_color_space=_CMYK_SPACE if mode == "CMYK" else _RGB_SPACE,
                dither_mode=0,
                dct_method=_FLOAT_DCT if float_dct else _SLOW_DCT,
                flags=None,
            )
        except OSError as problem:
            raise BadInput(f"libjpeg {version} cannot decode this JPEG: it is damaged") from problem
        finally:
            if before is not None:
                jpeglib.version.set(before)
    return _without_ink(pixels) if mode == "CMYK" else pixels


def _header_size(data: bytes) -> Tuple[int, int]:
    simplejpeg = _load("simplejpeg", "simplejpeg", "decoders")
    found = _SEGMENT.search(data, 2)
    while found and found[0][1] not in _FRAMES:
        found = _SEGMENT.search(data, found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big"))
    if found is None or found[0][1] not in _READABLE_FRAMES:
        raise BadInput("libjpeg reads sequential and progressive JPEGs only, this one is lossless or hierarchical")
    for strict in (False, True):
        try:
            simplejpeg.decode_jpeg_header(data, strict=strict)
            break
        except ValueError as problem:
            raise BadInput(f"libjpeg cannot decode this JPEG: {problem}") from problem
        except KeyError:
            # Either an unreadable header, which is a ValueError when strict, or only a chroma subsampling of no name.
            continue
    frame = data[found.end() : found.end() + 7]  # length, precision, height, width
    return int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[5:7], "big")


def read_ffmpeg(data: bytes, mode: str, size: Tuple[int, int], *, interpolation: str) -> Pixels:
    """Decode with FFmpeg's own JPEG decoder and swscale through PyAV; ``interpolation`` is how swscale enlarges chroma.

    BILINEAR is what PyAV does unless told otherwise. Raises BadInput (damaged) or MissingExtra.
    """
    av = _load("av", "av", "decoders")
    try:
        codec = av.CodecContext.create("mjpeg", "r")
        codec.thread_count = 1
        frames = codec.decode(av.Packet(data)) or codec.decode(None)
        if not frames:
            raise BadInput("FFmpeg finds no picture in this JPEG: it is damaged")
        return np.asarray(frames[0].reformat(format="rgb24", interpolation=interpolation).to_ndarray(), np.uint8)
    except av.FFmpegError as problem:
        raise BadInput(f"FFmpeg cannot decode this JPEG: {problem}") from problem


def read_tensorflow(data: bytes, mode: str, size: Tuple[int, int], *, dct: str = "") -> Pixels:
    """Decode with tf.io.decode_jpeg; ``dct`` is its dct_method, "" its default (fast). BadInput or MissingExtra."""
    tf = _load("tensorflow", "tensorflow", "tensorflow")
    try:
        return np.asarray(tf.io.decode_jpeg(data, channels=3, dct_method=dct).numpy(), np.uint8)
    except tf.errors.OpError as problem:
        raise BadInput(f"TensorFlow cannot decode this JPEG: {problem.message.splitlines()[0]}") from problem


def read_dali(data: bytes, mode: str, size: Tuple[int, int]) -> Pixels:
    """Decode with NVIDIA DALI on the processor, as fn.decoders.image documents it; no part of the kit installs DALI.

    Raises MissingExtra where it is absent and RuntimeError for what it cannot decode.
    """
    try:
        dali = importlib.import_module("nvidia.dali")
        fn = importlib.import_module("nvidia.dali.fn")
    except ImportError as problem:
        raise MissingExtra("decoder 'dali' needs NVIDIA DALI (1.1 GB); pip install nvidia-dali-cuda120") from problem

    def graph() -> Any:
        file = fn.external_source(name="file", dtype=dali.types.UINT8, ndim=1)
        return fn.decoders.image(file, device="cpu", output_type=dali.types.RGB, adjust_orientation=False)

    # One pipeline a picture: one that has met a damaged file does not run again.
    pipeline = dali.pipeline_def(graph, batch_size=1, num_threads=1, device_id=None, prefetch_queue_depth=1)()
    pipeline.build()
    pipeline.feed_input("file", [np.frombuffer(data, np.uint8)])
    (pictures,) = pipeline.run()
    return np.array(pictures.at(0), np.uint8)


def _load(module: str, package: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as problem:
        raise MissingExtra(f"this decoder needs {package}; pip install 'instability-kit[{extra}]'") from problem


def _without_ink(stored: Pixels) -> Pixels:
    # JPEG stores ink upside down (Adobe's convention, which Pillow takes for granted too).
    ink = np.ascontiguousarray(255 - stored)
    image = Image.frombytes("CMYK", (ink.shape[1], ink.shape[0]), ink.tobytes())
    return np.asarray(image.convert("RGB"))


JPEG_READERS: Dict[str, JpegReader] = {
    "dali": read_dali,
    "ffmpeg": partial(read_ffmpeg, interpolation="BILINEAR"),
    "ffmpeg-bicubic": partial(read_ffmpeg, interpolation="BICUBIC"),
    "ffmpeg-point": partial(read_ffmpeg, interpolation="POINT"),
    "jpeg-accurate": read_simplejpeg,
    "jpeg-fast-dct": partial(read_simplejpeg, fast_dct=True),
    "jpeg-fast-plain": partial(read_simplejpeg, fast_dct=True, plain_upsampling=True),
    "jpeg-plain-upsampling": partial(read_simplejpeg, plain_upsampling=True),
    "libjpeg-6b": partial(read_jpeglib, version="6b"),
    "libjpeg-6b-float": partial(read_jpeglib, version="6b", float_dct=True),
    "libjpeg-7": partial(read_jpeglib, version="7"),
    "libjpeg-8d": partial(read_jpeglib, version="8d"),
    "libjpeg-9f": partial(read_jpeglib, version="9f"),
    "libjpeg-turbo": partial(read_jpeglib, version="turbo210"),
    "mozjpeg": partial(read_jpeglib, version="mozjpeg403"),
    "tensorflow": read_tensorflow,
    "tensorflow-accurate": partial(read_tensorflow, dct="INTEGER_ACCURATE"),
}
