"""Each head against a plain reimplementation of its model's published decoding, and TFLite's own operator."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from device_agents.errors import BadInput
from device_agents.tasks.boxes import edges_of_centres
from device_agents.tasks.detection import suppress
from device_agents.tasks.detection_defaults import DEFAULTS, READ
from device_agents.tasks.detection_heads import HEADS
from device_agents.tasks.detection_settings import SWITCHES, Settings


def test_every_head_has_defaults_and_every_switch_a_head() -> None:
    assert set(HEADS) == set(DEFAULTS) == set(READ)
    for name, changes in SWITCHES.items():
        assert any(set(changes) <= read for read in READ.values()), name


def test_nanodet_is_its_published_decoding() -> None:
    """For each cell: softmax over 8 bins a side, its expectation times the stride, from (column + 0.5) * stride."""
    rng = np.random.default_rng(3)
    levels = [(rng.random((4, 5)), rng.normal(0, 2, (4, 32))), (rng.random((1, 5)), rng.normal(0, 2, (1, 32)))]
    outputs = tuple(one[None].astype(np.float32) for pair in zip(*levels, strict=True) for one in pair)
    settings = replace(DEFAULTS["nanodet"], strides=(8, 16), score_threshold=0.5, exp="float64")
    found = HEADS["nanodet"](outputs, settings, (16, 16))
    wanted = []
    for (scores, sides), stride, columns in zip(levels, (8, 16), (2, 1), strict=True):
        for cell, row in enumerate(scores):
            centre = [(cell % columns + 0.5) * stride, (cell // columns + 0.5) * stride]
            away = []
            for side in range(4):
                powers = [math.exp(one) for one in sides[cell, side * 8 : side * 8 + 8]]
                away.append(sum(n * one for n, one in enumerate(powers)) / sum(powers) * stride)
            box = [centre[0] - away[0], centre[1] - away[1], centre[0] + away[2], centre[1] + away[3]]
            wanted += [(score, name, box) for name, score in enumerate(row.tolist()) if score >= 0.5]
    assert len(found.scores) == len(wanted) > 5
    for score, name, box in wanted:
        place = int(np.argmin(np.abs(found.scores - score)))
        assert found.classes[place] == name
        assert found.boxes[place] == pytest.approx(box, abs=1e-5)


def test_fastestdet_is_its_published_decoding() -> None:
    rng = np.random.default_rng(4)
    output = rng.normal(0, 1, (1, 8, 2, 3)).astype(np.float32)
    output[0, [0, 5, 6, 7]] = rng.random((4, 2, 3))
    settings = replace(DEFAULTS["fastestdet"], score_threshold=0.0, exp="float64")
    found = HEADS["fastestdet"]((output,), settings, (20, 60))
    assert len(found.scores) == 6
    for row in range(2):
        for column in range(3):
            values = output[0, :, row, column].astype(float)
            name = int(np.argmax(values[5:]))
            score = values[0] ** 0.6 * values[5 + name] ** 0.4
            middle = [(column + math.tanh(values[1])) / 3 * 60, (row + math.tanh(values[2])) / 2 * 20]
            half = [30 / (1 + math.exp(-values[3])), 10 / (1 + math.exp(-values[4]))]
            place = int(np.argmin(np.abs(found.scores - score)))
            assert found.classes[place] == name
            wanted = [middle[0] - half[0], middle[1] - half[1], middle[0] + half[0], middle[1] + half[1]]
            assert found.boxes[place] == pytest.approx(wanted, abs=1e-5)


def test_anchors_decode_as_torchvisions_retinanet() -> None:
    """Zero deltas give the anchors back: torchvision's rounded base anchors around multiples of the stride."""
    settings = replace(
        DEFAULTS["anchors"], strides=(8, 16), anchor_sizes=((32.0,), (64.0,)), anchor_ratios=(0.5, 1.0, 2.0)
    )
    logits = np.full((1, 15, 3), -9.0, np.float32)
    logits[0, 4, 2] = 2.0  # second cell (8, 0), ratio 1
    logits[0, 12, 1] = 1.0  # the other level's first anchor
    deltas = np.zeros((1, 15, 4), np.float32)
    deltas[0, 4] = [0.25, 0.0, math.log(0.5), 0.0]
    found = HEADS["anchors"]((logits, deltas), settings, (16, 16))
    assert found.scores == pytest.approx([1 / (1 + math.exp(-2)), 1 / (1 + math.exp(-1))])
    assert found.classes.tolist() == [1, 0]  # class 0 of the outputs is the background
    assert found.boxes[0] == pytest.approx([8 + 8 - 8, -16, 8 + 8 + 8, 16])
    assert found.boxes[1] == pytest.approx([-45, -23, 45, 23])


def test_softmax_scores_leave_the_background_out() -> None:
    settings = replace(DEFAULTS["ssd"], activation="softmax", prior_boxes="given", each="all", score_threshold=0.1)
    priors = np.array([[0.5, 0.5, 0.2, 0.4]])
    logits = np.log(np.array([[[0.6, 0.3, 0.1]]], np.float32))
    found = HEADS["ssd"]((np.zeros((1, 1, 4), np.float32), logits, priors), settings, (100, 200))
    assert found.scores == pytest.approx([0.3, 0.1])
    assert found.boxes[0] == pytest.approx([60, 40, 140, 60])


def test_ready_boxes_are_taken_as_the_model_gives_them() -> None:
    boxes, labels = np.array([[10, 20, 30, 40], [0, 0, 5, 5]], np.float32), np.array([2, 0])
    found = HEADS["boxes"]((boxes, labels, np.array([0.9, 0.8], np.float32)), DEFAULTS["boxes"], (100, 100))
    assert found.boxes.tolist() == [[10, 20, 30, 40]]  # label 0 is the background
    assert found.classes.tolist() == [1]
    moved = HEADS["boxes"]((boxes, labels, np.array([0.9, 0.8])), replace(DEFAULTS["boxes"], offset=1.0), (100, 100))
    assert moved.boxes.tolist() == [[10, 20, 29, 39]]
    fractions = np.array([[[0.25, 0.5, 0.75, 1.0]]])  # top, left, bottom, right
    four = (fractions, np.array([[7.0]]), np.array([[0.5]]), np.array([1.0]))
    lite = HEADS["tflite-post"](four, DEFAULTS["tflite-post"], (100, 200))
    assert lite.boxes.tolist() == [[100, 25, 200, 75]]
    assert lite.classes.tolist() == [7]


def test_offset_1_moves_the_right_and_bottom_edges_of_every_head() -> None:
    rng = np.random.default_rng(5)
    inputs = {
        "nanodet": ((rng.random((1, 4, 3)), rng.normal(0, 1, (1, 4, 32))), {"strides": (8,)}),
        "fastestdet": ((rng.random((1, 7, 2, 2)),), {}),
        "ssd": ((rng.random((1, 1, 3)), rng.normal(0, 1, (1, 1, 4)), np.array([[0.5, 0.5, 0.2, 0.4]])), {}),
        "anchors": (
            (rng.random((1, 12, 3)), rng.normal(0, 1, (1, 12, 4))),
            {"strides": (8,), "anchor_sizes": ((32.0,),)},
        ),
        "boxes": ((rng.random((3, 4)) * 10, np.array([1, 2, 3]), rng.random(3)), {}),
        "tflite-post": ((rng.random((1, 3, 4)), np.array([[1, 2, 3]]), rng.random((1, 3)), np.array([3])), {}),
    }
    assert set(inputs) == set(HEADS)
    for head, (outputs, changes) in inputs.items():
        settings = replace(DEFAULTS[head], **changes)  # type: ignore[arg-type]
        plain = HEADS[head](outputs, settings, (16, 16))
        moved = HEADS[head](outputs, replace(settings, offset=1.0), (16, 16))
        assert len(plain.boxes), head
        assert np.allclose(plain.boxes - moved.boxes, [0, 0, 1, 1]), head


def test_a_level_gives_at_most_as_many_candidates_as_are_wanted() -> None:
    scores = np.linspace(0.1, 0.9, 12).reshape(1, 4, 3)
    outputs = (scores, np.zeros((1, 4, 32)))
    few = HEADS["nanodet"](outputs, replace(DEFAULTS["nanodet"], strides=(8,), candidates=2), (16, 16))
    assert few.scores == pytest.approx([0.9, scores[0, 3, 1]])
    best = HEADS["nanodet"](outputs, replace(DEFAULTS["nanodet"], strides=(8,), each="best"), (16, 16))
    assert best.classes.tolist() == [2, 2, 2, 2]


def test_levels_of_ceil_mode_are_a_row_and_a_column_larger() -> None:
    # An input of 16 with stride 8 has 2 x 2 cells, in ceil mode 3 x 3: the fifth one is the second of the second row.
    scores, sides = np.zeros((1, 9, 2)), np.full((1, 9, 32), -50.0)
    scores[0, 4, 1] = 0.9
    sides[0, 4, [1, 9, 17, 25]] = 50.0  # the bin of one stride on each side
    found = HEADS["nanodet"]((scores, sides), replace(DEFAULTS["nanodet"], strides=(8,)), (16, 16))
    assert found.boxes[0] == pytest.approx([4, 4, 20, 20])
    with pytest.raises(BadInput, match="levels of n = 4"):
        HEADS["nanodet"]((scores[:, :8], sides[:, :8]), replace(DEFAULTS["nanodet"], strides=(8,)), (16, 16))


def test_outputs_that_do_not_fit_a_head_are_refused() -> None:
    with pytest.raises(BadInput, match=r"5 \+ classes"):
        HEADS["fastestdet"]((np.zeros((1, 5, 2, 2)),), DEFAULTS["fastestdet"], (16, 16))
    with pytest.raises(BadInput, match="anchor_sizes for each of 3 strides, got 0"):
        HEADS["anchors"]((np.zeros((1, 1, 1)),), Settings(), (16, 16))
    settings = replace(DEFAULTS["nanodet"], strides=(8,), first_class=3)
    with pytest.raises(BadInput, match="first_class 3 leaves none of 3"):
        HEADS["nanodet"]((np.zeros((1, 4, 3)), np.zeros((1, 4, 32))), settings, (16, 16))


def test_ssd_is_tflites_own_operator(data_pack: Path) -> None:
    """The operator's inputs and anchors through the ssd head, against the operator's outputs, on a noise picture."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        str(data_pack / "models" / "detection" / "ssd_mobilenet_v1_coco_quant.tflite"),
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    from PIL import Image

    with Image.open(data_pack / "detection" / "images" / "2007_000027.jpg") as photo:
        tensor = np.asarray(photo.convert("RGB").resize((300, 300)))[None]
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], tensor)
    interpreter.invoke()
    operator = interpreter._get_ops_details()[-1]
    assert operator["op_name"] == "TFLite_Detection_PostProcess"
    raw = []
    for index in operator["inputs"]:
        scale, zero = interpreter._get_tensor_details(int(index), 0)["quantization"]
        raw.append((interpreter.get_tensor(int(index)).astype(np.float64) - zero) * scale)
    theirs = [interpreter.get_tensor(one["index"])[0] for one in interpreter.get_output_details()]
    candidates = HEADS["ssd"](tuple(raw), DEFAULTS["ssd"], (300, 300))
    places, scores = suppress(candidates, DEFAULTS["ssd"])
    assert candidates.classes[places].tolist() == theirs[1].astype(int).tolist()
    assert scores == pytest.approx(theirs[2], abs=1e-5)
    ours = candidates.boxes[places][:, [1, 0, 3, 2]] / 300
    assert np.abs(ours - theirs[0]).max() < 1e-5
    # The file's default boxes are rounded to steps of 0.0065: ours, by the formulae, are within half a step.
    from device_agents.tasks.anchors import ssd_priors

    made = ssd_priors(300, 300, strides=DEFAULTS["ssd"].strides, priors=DEFAULTS["ssd"].priors) / 300
    step = interpreter._get_tensor_details(int(operator["inputs"][2]), 0)["quantization"][0]
    kept = edges_of_centres(raw[2][:, [1, 0, 3, 2]])
    assert np.abs(made[:, :2] + made[:, 2:] - kept[:, :2] - kept[:, 2:]).max() / 2 <= step / 2 + 1e-6
    assert np.abs(made[:, 2:] - made[:, :2] - kept[:, 2:] + kept[:, :2]).max() <= step / 2 + 1e-6
