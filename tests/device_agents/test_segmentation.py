"""Masks from raw outputs: enlarged as ONNX Runtime's Resize does, placed as the fit did, ties and mistakes by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from device_agents.errors import BadInput
from device_agents.placed import Placed
from device_agents.sidecar import parse_sidecar, sidecar_values
from device_agents.tasks.answers import NO_CLASS, read_mask
from device_agents.tasks.asked import Asked
from device_agents.tasks.families import TASKS, check_post
from device_agents.tasks.segmentation import NOTHING, POSTS, UPSAMPLINGS, Settings, answer, enlarged
from tests.device_agents.tiny_models import tiny_sidecar

LABELS = ("sky", "road", "tree")
# ONNX's attributes of each upsampling (operators of opset 13, Resize).
RESIZES = {
    "bilinear-align-corners": {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
    "bilinear-asymmetric": {"mode": "linear", "coordinate_transformation_mode": "asymmetric"},
    "bilinear-half-pixel": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
    "nearest": {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    "nearest-half-pixel": {
        "mode": "nearest",
        "coordinate_transformation_mode": "half_pixel",
        "nearest_mode": "round_prefer_ceil",
    },
}


def asked(
    head: str = "logits",
    *,
    size: tuple[int, int] = (2, 2),
    post: str = "",
    labels: tuple[str, ...] | None = LABELS,
    top_k: int = 5,
    placed: Placed | None = None,
    settings: dict[str, object] | None = None,
    **more: object,
) -> Asked:
    card = tiny_sidecar(
        outputs="raw",
        task="segmentation",
        head=head,
        input_height=size[0],
        input_width=size[1],
        post=settings or {},
        **more,
    )
    return Asked(card, labels, post, top_k, placed or Placed(size[0], size[1], 1.0, 1.0, 0.0, 0.0))


def test_a_mask_by_hand_with_ties_to_the_lower_class() -> None:
    scores = np.array([[[1.0, 0, 0], [1, 1, 0]], [[0, 2, 2], [0, 0, 5]]], np.float32)
    found = answer((scores[None],), asked())
    mask = read_mask(found.detail)
    assert mask.classes.tolist() == [[0, 0], [1, 2]]
    assert (mask.labels, mask.extent) == (LABELS, (0.0, 0.0, 1.0, 1.0))
    assert found.labels == ("sky", "road", "tree")
    assert found.scores == (0.5, 0.25, 0.25)
    assert TASKS["segmentation"](((scores[None]),), asked(top_k=1)).labels == ("sky",)


def test_either_layout_is_told_by_the_number_of_labels() -> None:
    scores = np.random.default_rng(0).normal(size=(1, 4, 5, 3)).astype(np.float32)
    last = answer((scores,), asked(size=(4, 5)))
    first = answer((scores.transpose(0, 3, 1, 2),), asked(size=(4, 5)))
    assert first == last
    both = np.zeros((1, 3, 3, 3), np.float32)
    both[0, 0, :, 1] = 1.0  # channels last: the top row is road; channels first: all of sky's middle column is
    assert read_mask(answer((both,), asked(size=(3, 3))).detail).classes[0].tolist() == [1, 1, 1]
    told = read_mask(answer((both,), asked(size=(3, 3), layout="nchw")).detail)
    assert told.classes.tolist() == [[0, 0, 0]] * 3


@pytest.mark.parametrize("name", sorted(UPSAMPLINGS))
@pytest.mark.parametrize("sizes", [((3, 4), (6, 8)), ((3, 5), (13, 17)), ((1, 2), (4, 5)), ((4, 4), (5, 9))])
def test_enlarged_as_onnx_runtime_does(name: str, sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    ort, onnx = pytest.importorskip("onnxruntime"), pytest.importorskip("onnx")
    (height, width), wanted = sizes
    scores = np.random.default_rng(1).normal(size=(height, width, 3)).astype(np.float32)
    node = onnx.helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], **RESIZES[name])
    graph = onnx.helper.make_graph(
        [node],
        "resize",
        [onnx.helper.make_tensor_value_info("x", 1, [1, 3, height, width])],
        [onnx.helper.make_tensor_value_info("y", 1, None)],
        [onnx.numpy_helper.from_array(np.array([1, 3, *wanted], np.int64), "sizes")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": scores.transpose(2, 0, 1)[None]})[0][0].argmax(axis=0)
    found = enlarged(scores, *wanted, Settings(upsampling=name))
    assert (found == expected).all()


def test_argmax_first_keeps_a_corner_that_mixing_rounds_off() -> None:
    scores = np.zeros((2, 2, 2), np.float32)
    scores[0, 0, 1], scores[0, 1, 0], scores[1, 0, 0] = 1.0, 3.0, 3.0  # class 1 in one corner, weakly
    mixed = enlarged(scores, 4, 4, Settings())
    first = enlarged(scores, 4, 4, POSTS["argmax-first"](Settings()))
    assert int(first.sum()) == 4
    assert int(mixed.sum()) < 4


@settings(deadline=None, max_examples=40)
@given(
    arrays(
        np.float32, st.tuples(st.integers(1, 5), st.integers(1, 5), st.just(3)), elements=st.floats(-9, 9, width=32)
    ),
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from(sorted(UPSAMPLINGS)),
    st.booleans(),
)
def test_no_class_comes_from_nowhere(scores, height, width, name, argmax_first) -> None:
    chosen = Settings(upsampling=name, argmax_first=argmax_first)
    found = enlarged(scores, height, width, chosen)
    assert found.shape == (height, width)
    if argmax_first or name.startswith("nearest"):
        assert set(found.ravel()) <= set(scores.argmax(axis=2).ravel())
    same = enlarged(scores, *scores.shape[:2], chosen)
    assert (same == scores.argmax(axis=2)).all()


def test_posts_switch_what_the_sidecar_says() -> None:
    card = asked(post="upsample-nearest+argmax-first", size=(4, 4))
    assert POSTS["upsample-nearest"](Settings()).upsampling == "nearest"
    assert answer((np.eye(2, dtype=np.float32)[None, ..., None],), replace(card, labels=None)).labels == ("0",)
    check_post("upsample-nearest+argmax-first", sidecar=card.sidecar)
    with pytest.raises(BadInput, match="unknown post"):
        check_post("upsample-cubic", sidecar=card.sidecar)
    values = sidecar_values(card.sidecar) | {"post": {"upsampling": "cubic"}}
    with pytest.raises(BadInput, match="unknown upsampling 'cubic'"):
        parse_sidecar(values, source="here")
    with pytest.raises(BadInput, match="unknown setting 'sharpness'"):
        parse_sidecar(sidecar_values(card.sidecar) | {"post": {"sharpness": 2}}, source="here")


def test_a_network_that_has_chosen_itself() -> None:
    found = answer((np.array([[[2, 255], [0, 0]]], np.int64),), asked("classes"))
    assert read_mask(found.detail).classes.tolist() == [[2, NO_CLASS], [0, 0]]
    assert (found.labels, found.scores) == (("sky", "tree"), (0.5, 0.25))
    enlarged_too = answer((np.array([[[[2.0], [1.0]]]], np.float32),), asked("classes", size=(2, 4)))
    assert read_mask(enlarged_too.detail).classes.tolist() == [[2, 2, 1, 1]] * 2
    nothing = answer((np.full((2, 2), 255),), asked("classes"))
    assert (nothing.labels, nothing.scores) == ((NOTHING,), (0.0,))


def test_a_single_score_is_two_classes() -> None:
    logits = np.array([[[[0.0], [0.4]], [[-3], [8]]]], np.float32)
    two = ("ground", "polyp")
    assert read_mask(answer((logits,), asked("binary", labels=two)).detail).classes.tolist() == [[0, 1], [0, 1]]
    card = asked("binary", labels=two, settings={"threshold": 0.5})
    assert read_mask(answer((logits.transpose(0, 3, 1, 2),), card).detail).classes.tolist() == [[0, 0], [0, 1]]


def test_under_a_letterbox_the_mask_reaches_outside_and_shares_are_of_the_picture() -> None:
    # A picture of 4 x 2 in an input of 4 x 4: one row of padding above and below.
    placed = Placed(2, 4, 1.0, 1.0, 0.0, 1.0)
    classes = np.array([[2, 2, 2, 2], [0, 0, 0, 1], [0, 0, 0, 1], [2, 2, 2, 2]])
    found = answer((classes,), asked("classes", size=(4, 4), placed=placed))
    assert (found.labels, found.scores) == (("sky", "road"), (0.75, 0.25))
    assert read_mask(found.detail).extent == (0.0, -0.5, 1.0, 1.5)


@pytest.mark.parametrize(
    ("outputs", "head", "message"),
    [
        ((np.zeros((1, 2, 2, 3)), np.zeros(3)), "logits", "one output, got 2"),
        ((np.zeros((1, 12)),), "logits", r"for a mask, got \[1, 12\]"),
        ((np.full((1, 2, 2, 3), np.nan),), "logits", "expected finite scores, got 12 of 12"),
        ((np.zeros((1, 2, 2, 4)),), "logits", "a label for each of at most 255 classes, got 3 for 4"),
        ((np.full((1, 2, 2), 3),), "classes", "a label for each of at most 255 classes, got 3 for 4"),
        ((np.full((1, 2, 2), -1),), "classes", "expected classes 0..255, got -1..-1"),
        ((np.full((1, 2, 2), 0.5),), "classes", "expected whole numbers"),
        ((np.full((1, 2, 2, 1), np.inf),), "binary", "expected finite scores, got 4 of 4"),
    ],
)
def test_what_is_no_mask_is_one_message(outputs, head, message) -> None:
    with pytest.raises(BadInput, match=message):
        answer(outputs, asked(head))
