"""The virtual camera's video: it shakes, drifts and repeats."""

from __future__ import annotations

import numpy as np
import pytest

from capture.video import read_frames
from capture.video_example import Hand, film, write_example

STILL = Hand(shift=0, turn_deg=0, drift_ev=0)


def scene():
    ys, xs = np.mgrid[:240, :320]
    return np.stack([(xs * 255 // 319), (ys * 255 // 239), 128 + 60 * ((xs // 20 + ys // 20) % 2)], 2).astype(np.uint8)


def filmed(hand=None, *, seed=0, frames=3):
    return list(film(scene(), frames=frames, rng=np.random.default_rng(seed), hand=hand))


def test_equal_seeds_give_equal_frames_and_others_do_not():
    first, again, other = filmed(), filmed(), filmed(seed=1)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert (first[0] != other[0]).any()
    assert first[0].shape == (360, 480, 3)


def test_a_still_hand_leaves_only_noise_and_a_shaking_one_moves_more():
    still, shaken = filmed(STILL), filmed(Hand(drift_ev=0))
    apart = [np.abs(frames[0].astype(int) - frames[2]).mean() for frames in (still, shaken)]
    assert apart[0] < 5
    assert apart[1] > 1.5 * apart[0]


def test_the_exposure_drifts():
    levels = [frame.mean() for frame in filmed(Hand(shift=0, turn_deg=0, drift_ev=0.5, slowness=0.0), frames=5)]
    assert np.ptp(levels) > 10
    assert np.ptp([frame.mean() for frame in filmed(STILL, frames=5)]) < 1


def test_the_example_is_a_video(tmp_path):
    path = tmp_path / "hand.mp4"
    assert write_example(path, frames=4) == 4
    frames = list(read_frames(path))
    assert [frame.time_s for frame in frames] == pytest.approx([0, 1 / 30, 2 / 30, 3 / 30])
    assert frames[0].rgb.shape == (360, 480, 3)
    write_example(tmp_path / "again.mp4", frames=4)
    assert (tmp_path / "again.mp4").read_bytes() == path.read_bytes()
