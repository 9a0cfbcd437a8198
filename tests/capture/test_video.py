"""Frames of real video files: times, rotation, sizes that change, damage; and what is written is read."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime
from fractions import Fraction

import av
import numpy as np
import pytest

from capture.video import read_frames, recorded_at, write_video
from device_agents.errors import BadInput, MissingExtra


def steps(count, *, height=48, width=64):
    """Frames of one grey each, 10 levels apart."""
    return [np.full((height, width, 3), 20 + 10 * number, np.uint8) for number in range(count)]


def corner(*, height=48, width=64):
    """Black, its upper left quarter white."""
    shown = np.zeros((height, width, 3), np.uint8)
    shown[: height // 2, : width // 2] = 255
    return shown


def written(path, frames, *, codec="libx264", rate=30, times=None, rotation=None, metadata=(), ratio=None, trc=None):
    """Write frames with PyAV itself, at times in milliseconds where given."""
    with av.open(str(path), "w") as container:
        container.metadata.update(dict(metadata))
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
        stream.options = {"crf": "1", "threads": "1"} if codec == "libx264" else {}
        if rotation is not None:
            stream.set_display_rotation(rotation)
        if ratio is not None:
            stream.codec_context.sample_aspect_ratio = ratio
        if trc is not None:
            stream.codec_context.color_trc = trc
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, rgb in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_every_nth_frame_with_its_number_and_time(tmp_path):
    path = tmp_path / "a.mp4"
    assert write_video(steps(20), path, rate=10) == 20
    frames = list(read_frames(path, every=3, most=4))
    assert [frame.number for frame in frames] == [0, 3, 6, 9]
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.3, 0.6, 0.9])
    assert [frame.rgb.shape for frame in frames] == [(48, 64, 3)] * 4
    assert [frame.rgb.mean() for frame in frames] == pytest.approx([20, 50, 80, 110], abs=3)
    assert not list(tmp_path.glob("*.part"))


def test_lossless_video_gives_the_pixels_back(tmp_path):
    rng = np.random.default_rng(1)
    frames = [rng.integers(0, 256, (20, 30, 3)).astype(np.uint8) for _ in range(3)]
    path = written(tmp_path / "a.mkv", frames, codec="ffv1")
    assert all((frame.rgb == shown).all() for frame, shown in zip(read_frames(path), frames, strict=True))


def test_a_variable_frame_rate_keeps_the_files_times(tmp_path):
    path = written(tmp_path / "a.mkv", steps(4), times=[0, 40, 240, 250])
    assert [frame.time_s for frame in read_frames(path)] == pytest.approx([0, 0.04, 0.24, 0.25])


@pytest.mark.parametrize(("rotation", "turns"), [(0, 0), (90, 1), (-90, -1), (180, 2)])
def test_rotation_is_applied(tmp_path, rotation, turns):
    """A phone held upright writes -90: the white corner goes from the upper left to the upper right."""
    path = written(tmp_path / "a.mp4", [corner()] * 2, rotation=rotation)
    shown = next(read_frames(path)).rgb
    expected = np.rot90(corner(), turns)
    assert shown.shape == expected.shape
    assert np.abs(shown.astype(int) - expected).mean() < 4
    if rotation == -90:
        assert (shown[:10, -10:].mean() > 240, shown[:10, :10].mean() < 15) == (True, True)


def test_frames_before_a_change_of_size_are_given_then_it_is_refused(tmp_path):
    stream = io.BytesIO()
    for frames in (steps(3), steps(3, height=64, width=32)):
        part = tmp_path / "part.ts"
        written(part, frames, codec="mpeg4")
        stream.write(part.read_bytes())
    path = tmp_path / "both.ts"
    path.write_bytes(stream.getvalue())
    seen = []
    with pytest.raises(BadInput, match="frames of one size, got 32 x 64 at frame 3 after 64 x 48"):
        seen.extend(frame.number for frame in read_frames(path))
    frames = read_frames(path)
    assert [next(frames).number for _ in range(3)] == [0, 1, 2]


def test_what_cannot_be_decoded_is_refused_in_one_line(tmp_path):
    text, cut = tmp_path / "a.mp4", tmp_path / "b.mp4"
    text.write_text("no video at all\n" * 50)
    write_video(steps(5), tmp_path / "whole.mp4")
    cut.write_bytes((tmp_path / "whole.mp4").read_bytes()[:900])
    for path, said in ((text, "FFmpeg cannot decode this video"), (cut, "FFmpeg cannot|without a video stream")):
        with pytest.raises(BadInput, match=said) as problem:
            list(read_frames(path))
        assert "\n" not in str(problem.value)
    with pytest.raises(BadInput, match="there is no"):
        list(read_frames(tmp_path / "none.mp4"))


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx264"), ("a.mkv", "ffv1"), ("a.webm", "libvpx-vp9")])
def test_a_file_that_is_cut_short_gives_its_frames_and_then_says_so(tmp_path, name, codec):
    """FFmpeg reads such files to their end without a word."""
    rng = np.random.default_rng(0)
    shown = [rng.integers(0, 255, (48, 64, 3)).astype(np.uint8) for _ in range(40)]
    path, frames = written(tmp_path / name, shown, codec=codec), []
    assert len(list(read_frames(path))) == 40
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with pytest.raises(BadInput, match=f"{name}: the file is cut short"):
        frames.extend(frame.number for frame in read_frames(path))
    assert frames == list(range(len(frames)))
    assert 15 <= len(frames) <= 30
    assert len(list(read_frames(path, most=10))) == 10, "what was asked for is there"


@pytest.mark.parametrize(("rate", "bframes"), [(30, 3), (Fraction(30000, 1001), 0), (5, 2)])
@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "ts", "avi"])
def test_a_whole_file_is_not_taken_for_one_that_is_cut(tmp_path, suffix, rate, bframes):
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.options = {"bf": str(bframes), "threads": "1"}
        for rgb in steps(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode())
    assert len(list(read_frames(path))) == 20


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(BadInput, match="without a video stream"):
        list(read_frames(path))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"ratio": Fraction(4, 3)}, "square pixels, got pixels of 4/3"),
        ({"trc": 16}, "got HDR, PQ"),
        ({"rotation": 45}, "quarter turns, got"),
    ],
)
def test_what_would_be_shown_wrongly_is_refused(tmp_path, how, said):
    path = written(tmp_path / "a.mp4", steps(2), **how)
    with pytest.raises(BadInput, match=said):
        list(read_frames(path))


def test_a_frame_that_would_not_fit_into_memory_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = written(tmp_path / "a.mp4", steps(2))
    monkeypatch.setattr("capture.video.MAX_PIXELS", 3000)
    with pytest.raises(BadInput, match="at most 3,000 pixels, got 64 x 48"):
        next(read_frames(path))


def test_the_date_is_the_files_or_unknown(tmp_path):
    dated = written(tmp_path / "a.mp4", steps(2), metadata={"creation_time": "2024-05-06T07:08:09.000000Z"}.items())
    assert recorded_at(dated) == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    write_video(steps(2), tmp_path / "b.mp4")
    assert recorded_at(tmp_path / "b.mp4") is None
    (tmp_path / "c.mp4").write_text("no video")
    assert recorded_at(tmp_path / "c.mp4") is None


def test_writing_needs_even_sides_and_a_frame_and_leaves_no_half_file(tmp_path):
    with pytest.raises(BadInput, match="even height and width"):
        write_video(steps(2, height=47), tmp_path / "a.mp4")
    with pytest.raises(BadInput, match="one frame or more"):
        write_video([], tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtra, match=r"instability-kit\[video\]"):
        list(read_frames(tmp_path / "a.mp4"))
