"""The screen as light: weights against hand calculation, and that they always share out all of the light."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.errors import BadInput
from hostctl.virtual.screen_model import NO_STIMULUS, ScreenModel

HEIGHT, WIDTH = 240, 320


def frame(level):
    return np.full((HEIGHT, WIDTH, 3), level, np.uint8)


def model(**options):
    return ScreenModel(height=HEIGHT, width=WIDTH, **options)


def weights_of(exposure):
    """Weight a row by the level of the frame."""
    return {int(rgb[0, 0, 0]): weights for rgb, weights in exposure.layers}


def test_before_anything_is_painted_the_ground_is_seen():
    exposure = model().exposed(100.0, 0.01, 0.02)
    assert (exposure.stimulus, exposure.scene, len(exposure.layers)) == (NO_STIMULUS, "", 1)
    assert (exposure.layers[0][0] == 128).all()
    assert exposure.layers[0][1].tolist() == [1.0] * HEIGHT


def test_a_settled_frame_is_one_layer():
    screen = model(refresh_hz=60.0, response_s=0.004)
    screen.paint(frame(10), at_s=1.0, stimulus=5, scene="five")
    exposure = screen.exposed(1.0 + 1 / 60 + 12 * 0.004, 0.02, 0.02)
    assert (exposure.stimulus, exposure.scene, len(exposure.layers)) == (5, "five", 1)
    assert exposure.layers[0][1].dtype == np.float32


def test_an_exposure_within_the_scan_tears_at_the_row_that_the_beam_has_reached():
    screen = model(refresh_hz=50.0, response_s=0.0)
    screen.paint(frame(10), at_s=0.0, stimulus=1)
    screen.paint(frame(20), at_s=1.0, stimulus=2)
    exposure = screen.exposed(1.005, 1e-9, 0.0)  # a quarter of the 20 ms scan
    weights = weights_of(exposure)
    assert exposure.stimulus == 1
    assert (weights[20][:60] == 1).all()
    assert (weights[10][61:] == 1).all()


def test_a_global_shutter_sees_each_row_from_its_scan_on():
    screen = model(refresh_hz=50.0, response_s=0.0)
    screen.paint(frame(10), at_s=0.0)
    screen.paint(frame(20), at_s=1.0)
    # Row r switches at 1 + 0.02 r / 240 and is exposed over [0.98, 1.02]: new for (0.02 - 0.02 r / 240) / 0.04.
    expected = (1 - np.arange(HEIGHT) / HEIGHT) / 2
    assert weights_of(screen.exposed(0.98, 0.04, 0.0))[20] == pytest.approx(expected, abs=1e-6)


def test_a_rolling_shutter_in_step_with_the_scan_sees_the_same_mixture_in_each_row():
    screen = model(refresh_hz=50.0, response_s=0.0)
    screen.paint(frame(10), at_s=0.0)
    screen.paint(frame(20), at_s=1.0)
    assert weights_of(screen.exposed(0.99, 0.04, 0.02))[20] == pytest.approx(np.full(HEIGHT, 0.75), abs=1e-6)


def test_the_panel_follows_exponentially():
    tau_s, begin_s, exposure_s = 0.01, 0.005, 0.02
    screen = model(refresh_hz=1e9, response_s=tau_s)
    screen.paint(frame(10), at_s=0.0)
    screen.paint(frame(20), at_s=1.0)
    # The mean of exp(-t / tau) over [a, a + T] is tau (exp(-a / tau) - exp(-(a + T) / tau)) / T.
    rest = tau_s * (math.exp(-begin_s / tau_s) - math.exp(-(begin_s + exposure_s) / tau_s)) / exposure_s
    weights = weights_of(screen.exposed(1.0 + begin_s, exposure_s, 0.0))
    assert weights[10] == pytest.approx(np.full(HEIGHT, rest), abs=1e-6)
    assert weights[20] == pytest.approx(np.full(HEIGHT, 1 - rest), abs=1e-6)


def test_three_frames_agree_with_a_stepwise_integration():
    tau_s, starts_s = 0.01, [0.0, 1.0, 1.008]
    screen = model(refresh_hz=60.0, response_s=tau_s)
    for level, start_s in zip((10, 20, 30), starts_s, strict=True):
        screen.paint(frame(level), at_s=start_s)
    weights = weights_of(screen.exposed(0.995, 0.03, 0.01))
    for row in (0, 100, 239):
        step_s = 1e-6
        times = 0.995 + 0.01 * row / HEIGHT + step_s * (np.arange(30000) + 0.5)
        levels = np.empty_like(times)
        value = 10.0
        for at, now_s in enumerate(times):
            target = [10.0, 20.0, 30.0][sum(now_s >= start + row / HEIGHT / 60 for start in starts_s) - 1]
            value += (target - value) * (1 - math.exp(-step_s / tau_s))
            levels[at] = value
        mean = sum(level * float(share[row]) for level, share in weights.items())
        assert mean == pytest.approx(levels.mean(), abs=2e-3)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(0.0, 0.2), min_size=1, max_size=10), st.floats(0.0, 0.3), st.floats(1e-4, 0.1),
    st.floats(0.0, 0.05), st.floats(0.0, 0.02),
)  # fmt: skip
def test_the_weights_of_each_row_share_out_all_light(starts_s, start_s, exposure_s, readout_s, response_s):
    screen = model(response_s=response_s)
    for number, at_s in enumerate(sorted(starts_s)):
        screen.paint(frame(number), at_s=at_s, stimulus=number)
    exposure = screen.exposed(start_s, exposure_s, readout_s)
    total = sum(weights for _, weights in exposure.layers)
    assert total == pytest.approx(np.ones(HEIGHT), abs=1e-5)
    assert all((weights >= 0).all() for _, weights in exposure.layers)


def test_an_earlier_paint_replaces_one_that_was_still_to_come():
    screen = model()
    screen.paint(frame(10), at_s=5.0, stimulus=1)
    screen.paint(frame(20), at_s=2.0, stimulus=2)
    assert screen.exposed(9.0, 0.01, 0.0).stimulus == 2


def test_bad_numbers_and_frames_are_refused():
    with pytest.raises(BadInput, match=r"expected a frame of shape \(240, 320, 3\), got \(2, 2, 3\)"):
        model().paint(np.zeros((2, 2, 3), np.uint8), at_s=0.0)
    with pytest.raises(BadInput, match="exposure above 0 s"):
        model().exposed(0.0, 0.0, 0.0)
