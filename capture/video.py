"""Frames of a video file, upright and with their times, by PyAV (FFmpeg); and frames written as a video."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from device_agents.decode import MAX_PIXELS
from device_agents.errors import BadInput, MissingExtra

RGB = NDArray[np.uint8]

UNSPECIFIED, BT709 = 2, "ITU709"  # AVColorSpace; the matrix of video in high definition, ITU-R BT.709
HD_ROWS = 720  # from here on a file that does not say its matrix is taken to mean BT.709, below it BT.601
HDR_CURVES = {16: "PQ (SMPTE ST 2084)", 18: "HLG (ARIB STD-B67)"}  # AVColorTransferCharacteristic
STEADY = "mbtree=0:bframes=0"  # x264 in PyAV 18.1: with its macroblock tree the same frames give other bytes at times
SHORT_FRAMES = 3  # that a whole file may lack: encoders and rates round
QUALITY = "18"  # x264's crf: 0 is lossless, 18 is called visually lossless


class Frame(NamedTuple):
    """One frame: its number in the file from 0, its time from the first in seconds, and uint8 (height, width, 3)."""

    number: int
    time_s: float
    rgb: RGB


def read_frames(path: Path, *, every: int = 1, most: int | None = None) -> Iterator[Frame]:
    """Give every n-th frame of a video's first video stream from the first on, at most ``most``, upright, as sRGB.

    The times are the file's own, so that a variable frame rate is kept; a file without gets them from its rate. Its
    rotation is applied (quarter turns). The colour matrix is the file's, or BT.601 below 720 rows and BT.709 from there
    on; the curve is taken for sRGB's. Raises BadInput, after the frames before it, for a frame that is damaged, of
    another size, or of no time, and for a file that ends before its own length; at once for what is no video, HDR, not
    of square pixels or turned by half angles.
    """
    av = _av()
    if not path.is_file():
        raise BadInput(f"expected a video file, there is no {path}")
    number = -1
    try:
        with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
            if not container.streams.video:
                raise BadInput(f"{path}: expected a video, got a file without a video stream")
            stream, first, given = container.streams.video[0], None, 0
            if stream.width * stream.height > MAX_PIXELS:
                raise BadInput(f"{path}: expected at most {MAX_PIXELS:,} pixels, got {stream.width} x {stream.height}")
            for number, frame in enumerate(container.decode(stream)):
                first = first or _checked(frame, path, stream)
                _check_same(frame, first, path, number)
                if number % every:
                    continue
                yield Frame(number, _time_s(frame, stream, number, path) - first[2], _upright(frame))
                given += 1
                if most is not None and given >= most:
                    return
            if first:
                _check_whole(stream, path, _end_s(frame, stream, number, path) - first[2])
    except av.FFmpegError as problem:
        where = f"frame {number + 1}: " if number >= 0 else ""
        raise BadInput(f"{path}: FFmpeg cannot decode this video: {where}{problem.strerror}") from problem
    if number < 0:
        raise BadInput(f"{path}: expected a video, got no frame")


def _check_whole(stream: Any, path: Path, seconds: float) -> None:
    """Refuse a file whose frames end more than SHORT_FRAMES before the length that it tells: it was cut short."""
    rate = stream.average_rate or stream.guessed_rate
    told = _length_s(stream)
    if told and rate and seconds + SHORT_FRAMES / rate < told:
        raise BadInput(f"{path}: the file is cut short: it ends at {seconds:.2f} s, its head says {told:.2f} s")


def _length_s(stream: Any) -> float | None:
    """How long a stream is by its file's head; Matroska tells it in a tag, "00:00:02.000000000"."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    parts = stream.metadata.get("DURATION", "").split(":")
    try:
        hours, minutes, seconds = map(float, parts)
    except ValueError:  # it does not say
        return None
    return 3600 * hours + 60 * minutes + seconds


def recorded_at(path: Path) -> datetime | None:
    """Give when a video was recorded, in UTC, where its file says so (creation_time)."""
    av = _av()
    try:
        with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
            told = container.metadata.get("creation_time", "")
        when = datetime.fromisoformat(told) if told else None
    except (av.FFmpegError, OSError, ValueError):  # no video, or no date as ISO 8601: then nobody knows
        return None
    return when if when is None or when.tzinfo else when.replace(tzinfo=UTC)


def write_video(frames: Iterable[RGB], path: Path, *, rate: int = 30, quality: str = QUALITY) -> int:
    """Write frames, uint8 (height, width, 3) of one even size, as H.264 in an MP4 file; gives their number.

    ``rate`` is in frames a second. The file is whole or absent. Raises BadInput for odd sides or no frame.
    """
    av = _av()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    count = 0
    try:
        with av.open(str(part), "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=Fraction(rate))
            for count, rgb in enumerate(frames, 1):
                if count == 1:
                    _describe(stream, rgb, quality)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")))
            if not count:
                raise BadInput(f"{path}: expected one frame or more to write, got none")
            container.mux(stream.encode())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return count


def _describe(stream: Any, rgb: RGB, quality: str) -> None:
    height, width = rgb.shape[:2]
    if height % 2 or width % 2:
        raise BadInput(f"expected frames of even height and width for 4:2:0 video, got {width} x {height}")
    stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
    stream.options = {"crf": quality, "threads": "1", "x264-params": STEADY}


def _checked(frame: Any, path: Path, stream: Any) -> tuple[int, int, float]:
    """Give the width and height that all frames must have, and the first one's time; refuse what cannot be read."""
    if frame.color_trc in HDR_CURVES:
        curve = HDR_CURVES[frame.color_trc]
        raise BadInput(f"{path}: expected an ordinary (SDR) video, got HDR, {curve}; convert it before")
    ratio = stream.sample_aspect_ratio
    if ratio and ratio != 1:
        raise BadInput(f"{path}: expected square pixels, got pixels of {ratio}; scale it before")
    if frame.rotation % 90:
        raise BadInput(f"{path}: expected a rotation by quarter turns, got {frame.rotation} degrees")
    return frame.width, frame.height, _time_s(frame, stream, 0, path)


def _check_same(frame: Any, first: tuple[int, int, float], path: Path, number: int) -> None:
    if (frame.width, frame.height) != first[:2]:
        was, now = f"{first[0]} x {first[1]}", f"{frame.width} x {frame.height}"
        raise BadInput(f"{path}: expected frames of one size, got {now} at frame {number} after {was}")
    if frame.is_corrupt:
        raise BadInput(f"{path}: frame {number} is damaged")


def _time_s(frame: Any, stream: Any, number: int, path: Path) -> float:
    if frame.time is not None:
        return float(frame.time)
    rate = stream.average_rate or stream.guessed_rate
    if not rate:
        raise BadInput(f"{path}: frame {number} has no time, and the file no frame rate")
    return float(number / rate)


def _end_s(frame: Any, stream: Any, number: int, path: Path) -> float:
    """When a frame ends: its time, and its duration where the file tells it."""
    lasts = float(frame.duration * frame.time_base) if frame.duration and frame.time_base else 0.0
    return _time_s(frame, stream, number, path) + lasts


def _upright(frame: Any) -> RGB:
    matrix = BT709 if frame.colorspace == UNSPECIFIED and frame.height >= HD_ROWS else None
    rgb = frame.reformat(format="rgb24", src_colorspace=matrix).to_ndarray()
    return np.ascontiguousarray(np.rot90(rgb, frame.rotation // 90))  # the file's angle is anticlockwise


def _av() -> Any:
    try:
        import av
    except ImportError as problem:
        raise MissingExtra("videos need av (PyAV); pip install 'instability-kit[video]'") from problem
    return av
