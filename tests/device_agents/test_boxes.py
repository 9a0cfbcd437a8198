"""Boxes by hand: the appendix's decoding line by line, overlaps with and without the last pixel, edges made whole."""

from __future__ import annotations

import math

import numpy as np
import pytest

from device_agents.tasks.boxes import (
    clip_edges,
    decode_deltas,
    edges_of_centres,
    exponential,
    overlaps,
    round_edges,
    sigmoid,
    softmax_last,
)

PLAIN = {
    "means": (0.0, 0.0, 0.0, 0.0),
    "stds": (1.0, 1.0, 1.0, 1.0),
    "weights": (1.0, 1.0, 1.0, 1.0),
    "clamp": math.log(1000 / 16),
    "exp": "float64",
    "offset": 0.0,
    "width_plus": 0.0,
}


def appendix(anchor: list[float], delta: list[float], settings: dict[str, object]) -> list[float]:
    """The listing of SysNoise's appendix A for one box, in plain Python."""
    means, stds, weights = settings["means"], settings["stds"], settings["weights"]
    plus, offset, clamp = settings["width_plus"], settings["offset"], settings["clamp"]
    width, height = anchor[2] - anchor[0] + plus, anchor[3] - anchor[1] + plus  # type: ignore[operator]
    centre_x, centre_y = anchor[0] + 0.5 * width, anchor[1] + 0.5 * height
    dx, dy, dw, dh = [
        (one * std + mean) / weight
        for one, std, mean, weight in zip(delta, stds, means, weights, strict=True)  # type: ignore[call-overload]
    ]
    dw, dh = (min(dw, clamp), min(dh, clamp)) if clamp else (dw, dh)
    predicted_x, predicted_y = dx * width + centre_x, dy * height + centre_y
    predicted_w, predicted_h = math.exp(dw) * width, math.exp(dh) * height
    return [
        predicted_x - 0.5 * predicted_w,
        predicted_y - 0.5 * predicted_h,
        predicted_x + 0.5 * predicted_w - offset,
        predicted_y + 0.5 * predicted_h - offset,
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"offset": 1.0},
        {"width_plus": 1.0},
        {"means": (0.1, -0.1, 0.2, 0.3), "stds": (0.1, 0.1, 0.2, 0.2)},
        {"weights": (10.0, 10.0, 5.0, 5.0)},
        {"clamp": 0.0},
        {"offset": 1.0, "width_plus": 1.0, "stds": (0.5, 0.5, 0.5, 0.5)},
    ],
)
def test_boxes_are_those_of_the_appendix(changes: dict[str, object]) -> None:
    rng = np.random.default_rng(7)
    corners = rng.uniform(0, 300, (50, 2))
    anchors = np.concatenate([corners, corners + rng.uniform(1, 200, (50, 2))], axis=1)
    deltas = rng.normal(0, 2, (50, 4)).astype(np.float32)
    settings = {**PLAIN, **changes}
    found = decode_deltas(anchors, deltas, **settings)  # type: ignore[arg-type]
    wanted = [appendix(one, delta, settings) for one, delta in zip(anchors.tolist(), deltas.tolist(), strict=True)]
    assert np.allclose(found, wanted, rtol=1e-12, atol=1e-9)


def test_offset_1_takes_one_pixel_off_the_right_and_the_bottom_edge_alone() -> None:
    anchor, delta = np.array([[10.0, 20.0, 50.0, 100.0]]), np.array([[0.1, -0.25, math.log(2), 0.0]], np.float64)
    # width 40, centre 30 -> 34, width 80; height 80, centre 60 -> 40, height 80
    plain = decode_deltas(anchor, delta, **PLAIN)  # type: ignore[arg-type]
    moved = decode_deltas(anchor, delta, **{**PLAIN, "offset": 1.0})  # type: ignore[arg-type]
    assert plain[0] == pytest.approx([-6.0, 0.0, 74.0, 80.0])
    assert moved[0] == pytest.approx([-6.0, 0.0, 73.0, 79.0])


def test_the_clamp_lets_no_box_grow_past_62_and_a_half_anchors() -> None:
    anchor, delta = np.array([[0.0, 0.0, 16.0, 16.0]]), np.array([[0.0, 0.0, 9.0, 4.0]])
    held = decode_deltas(anchor, delta, **PLAIN)  # type: ignore[arg-type]
    assert held[0, 2] - held[0, 0] == pytest.approx(1000.0)
    assert held[0, 3] - held[0, 1] == pytest.approx(16 * math.exp(4.0))


def test_the_exponential_is_rounded_to_its_precision() -> None:
    values = np.array([0.1, 1.0, 5.0, 12.0], np.float32)
    half = exponential(values, precision="float16")
    assert half.tolist()[:3] == [float(np.exp(np.float16(one))) for one in values[:3]]
    assert half[3] == np.inf  # exp(12) = 162754 is past float16's 65504
    assert exponential(values, precision="float64")[2] == pytest.approx(math.exp(5), rel=1e-15)
    assert 0 < abs(exponential(values, precision="float32")[0] - math.exp(0.1)) < 1e-6


def test_sigmoid_and_softmax() -> None:
    assert sigmoid(np.array([0.0, -800.0, 800.0]), precision="float64").tolist() == [0.5, 0.0, 1.0]
    chances = softmax_last(np.array([[1.0, 1.0], [1000.0, 0.0]]), precision="float64")
    assert chances.tolist() == [[0.5, 0.5], [1.0, 0.0]]


def test_overlaps_with_and_without_the_last_pixel() -> None:
    box = np.array([0.0, 0.0, 9.0, 9.0])
    others = np.array([[0.0, 0.0, 9.0, 9.0], [5.0, 0.0, 14.0, 9.0], [9.0, 0.0, 18.0, 9.0], [20.0, 20.0, 30.0, 30.0]])
    assert overlaps(box, others, plus=0.0) == pytest.approx([1.0, 36 / 126, 0.0, 0.0])
    # ten pixels a side, of which five and one columns are shared
    assert overlaps(box, others, plus=1.0) == pytest.approx([1.0, 50 / 150, 10 / 190, 0.0])
    empty = np.zeros((1, 4))
    assert overlaps(empty[0], empty, plus=0.0).tolist() == [0.0]


def test_edges_are_cut_rounded_and_made_of_centres() -> None:
    boxes = np.array([[-1.5, 0.5, 1.5, 12.25]])
    assert clip_edges(boxes, left=0, top=1, right=10, bottom=11).tolist() == [[0.0, 1.0, 1.5, 11.0]]
    assert round_edges(boxes, rounding="none") is boxes
    assert round_edges(boxes, rounding="down").tolist() == [[-2.0, 0.0, 1.0, 12.0]]
    assert round_edges(boxes, rounding="up").tolist() == [[-1.0, 1.0, 2.0, 13.0]]
    assert round_edges(boxes, rounding="nearest").tolist() == [[-2.0, 0.0, 2.0, 12.0]]
    assert edges_of_centres(np.array([[5.0, 6.0, 2.0, 4.0]])).tolist() == [[4.0, 4.0, 6.0, 8.0]]
