from __future__ import annotations

import numpy as np
import pytest

from analysis.causes.readings import readings
from analysis.identify import EXACT, ROUNDING, UNKNOWN, Distance, decide, distance
from device_agents.errors import BadInput
from device_agents.preprocess import SCALINGS, to_tensor

PICTURE = np.random.default_rng(3).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def test_distance_by_hand() -> None:
    pixels = np.array([[[0, 255, 10], [7, 7, 7]]], np.uint8)
    other = np.array([[[3, 250, 10], [7, 7, 9]]], np.uint8)
    assert distance(pixels, other) == Distance(10 / 6, 5.0, 0.5)
    assert distance(pixels.astype(np.float32) + 0.4, pixels, slack=0.5) == Distance(0.0, 0.0, 0.0)
    with pytest.raises(BadInput, match="shape"):
        distance(pixels, PICTURE)


def test_identical_pixels_are_a_proof_and_name_the_whole_group() -> None:
    zero, far = Distance(0.0, 0.0, 0.0), Distance(0.0001, 1.0, 0.0001)
    decision = decide({"a": far, "b": zero, "c": zero})
    assert (decision.kind, set(decision.names), decision.runner_up) == (EXACT, {"b", "c"}, "a")
    assert decide({"a": zero}, slack=0.5).kind == ROUNDING
    with pytest.raises(BadInput, match="at least one candidate"):
        decide({})


@pytest.mark.parametrize(
    ("near", "second", "kind"),
    [
        (Distance(0.01, 1.0, 0.01), Distance(0.124, 1.0, 0.124), ROUNDING),
        (Distance(0.01, 2.0, 0.01), Distance(0.9, 9.0, 0.5), UNKNOWN),  # a step of two is not rounding
        (Distance(0.124, 1.0, 0.124), Distance(0.9, 9.0, 0.5), UNKNOWN),
        (Distance(0.029, 1.0, 0.029), Distance(0.04, 1.0, 0.04), UNKNOWN),  # the second is too near
    ],
)
def test_rounding_is_told_from_the_unknown(near: Distance, second: Distance, kind: str) -> None:
    decision = decide({"near": near, "second": second})
    assert decision.kind == kind
    assert decision.nearest == "near"
    assert decision.runner_up == "second"
    assert decision.names == (("near",) if kind == ROUNDING else ())


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_every_scaling_is_read_back(scaling: str, layout: str, order: str) -> None:
    tensor = to_tensor(PICTURE, scaling=scaling, layout=layout, colour_order=order)
    found = [one for one in readings(tensor) if (one.scaling, one.layout, one.colour_order) == (scaling, layout, order)]
    assert len(found) == 1
    assert found[0].slack == 0.0
    np.testing.assert_array_equal(found[0].pixels, PICTURE)
    assert len(readings(tensor)) <= 2


def test_other_types_are_read_too() -> None:
    square = PICTURE[:40, :40]
    signed = (square.astype(np.int16) - 128).astype(np.int8)
    np.testing.assert_array_equal(readings(signed)[0].pixels, square)
    half = to_tensor(square, scaling="imagenet", layout="nchw", colour_order="rgb").astype(np.float16)
    np.testing.assert_array_equal(readings(half)[0].pixels, square)
    flat = to_tensor(square, scaling="caffe", layout="nchw", colour_order="rgb").ravel().tolist()
    assert any(one.layout == "nchw" and np.array_equal(one.pixels, square) for one in readings(np.array(flat)))
    quantised = readings(np.rint((square / 255 - 0.45) / 0.05).astype(np.int16)[None], quantisation=(0.05, 9))
    assert min(one.slack for one in quantised) > 0.5


def test_values_never_rounded_have_slack() -> None:
    (reading,) = [
        one for one in readings(PICTURE + np.float32(0.3)) if (one.scaling, one.colour_order) == ("bytes", "rgb")
    ]
    assert reading.slack > 0.5
    assert distance(reading.pixels, PICTURE, slack=reading.slack).largest == 0.0


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros((5, 5, 4)), "one picture"),
        (np.zeros(100), "give --shape"),
        (np.full((2, 2, 3), np.nan), "finite"),
        (np.linspace(-1e4, 1e4, 48).reshape(4, 4, 3), "no picture in any scaling"),
    ],
)
def test_what_is_no_picture_is_refused(values: np.ndarray, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        readings(values)
