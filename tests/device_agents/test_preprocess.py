from __future__ import annotations

import dataclasses
import hashlib
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents import preprocess as stages
from device_agents.decode import RGB
from device_agents.errors import BadInput, MissingExtra
from device_agents.preprocess import SCALINGS, Share, StageFailed, fingerprint, preprocess, to_tensor
from device_agents.records import Environment
from device_agents.resize import RESIZERS
from tests.device_agents.tiny_models import png, tiny_sidecar

PIXELS = np.array([[[0, 51, 102], [153, 204, 255]], [[10, 20, 30], [40, 50, 60]]], np.uint8)
HERE = Environment(
    model="tiny",
    model_sha256="",
    decoder="pillow",
    view="whole",
    colour="rgb",
    fit="squash",
    resizer="pillow-nearest",
    scaling="zero-one",
    runtime="onnxruntime",
)


def test_fingerprints_by_hand() -> None:
    header = b"uint8 2 2 3\n"
    expected = hashlib.sha256(header + bytes(PIXELS.ravel().tolist())).hexdigest()
    assert fingerprint(PIXELS) == expected
    floats = np.array([[1.0, -2.5]], np.float32)
    expected = hashlib.sha256(b"float32 1 2\n" + struct.pack("<ff", 1.0, -2.5)).hexdigest()
    assert fingerprint(floats) == expected
    # The same from the command line: printf 'uint8 3\n\001\002\003' | sha256sum
    assert fingerprint(np.array([1, 2, 3], np.uint8)) == (
        "8aff5efeca64c9e78ace2dc0716e03a6aafa530b74cd46f4b7697ab24414364c"
    )


def test_fingerprint_is_of_the_values_not_of_the_memory() -> None:
    floats = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert fingerprint(floats.astype(">f4")) == fingerprint(floats)
    assert fingerprint(np.asfortranarray(floats)) == fingerprint(floats)
    assert fingerprint(np.repeat(floats, 2, axis=1)[:, ::2]) == fingerprint(floats)


def test_fingerprint_tells_type_and_shape_apart() -> None:
    zeros = np.zeros(4, np.uint8)
    different = [zeros, zeros.reshape(2, 2), zeros.reshape(4, 1), zeros.astype(np.int8), np.zeros(1, np.float32)]
    assert len({fingerprint(array) for array in different}) == len(different)


@given(st.integers(0, 11), st.integers(1, 255))
@settings(max_examples=20, deadline=None)
def test_any_changed_value_changes_the_fingerprint(place: int, change: int) -> None:
    changed = PIXELS.copy().reshape(-1)
    changed[place] = (int(changed[place]) + change) % 256
    assert fingerprint(changed.reshape(2, 2, 3)) != fingerprint(PIXELS)


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        ("imagenet", [(0 / 255 - 0.485) / 0.229, (51 / 255 - 0.456) / 0.224, (102 / 255 - 0.406) / 0.225]),
        ("minus-one-one", [-1.0, -0.6, -0.2]),
        ("lite", [-127 / 128, -76 / 128, -25 / 128]),
        ("zero-one", [0.0, 0.2, 0.4]),
        ("caffe", [-123.0, -66.0, -2.0]),
    ],
)
def test_scalings_by_hand(scaling: str, expected: list[float]) -> None:
    scaled = SCALINGS[scaling](PIXELS)
    assert scaled.dtype == np.float32
    assert scaled.shape == PIXELS.shape
    assert scaled[0, 0].tolist() == pytest.approx(expected, abs=1e-6)


def test_bytes_stay_bytes() -> None:
    assert SCALINGS["bytes"](PIXELS) is PIXELS
    assert set(SCALINGS) == {"imagenet", "imagenet-swapped", "minus-one-one", "lite", "zero-one", "caffe", "bytes"}


def test_swapped_gives_blue_the_means_of_red() -> None:
    scaled = SCALINGS["imagenet-swapped"](np.array([[[255, 51, 0]]], np.uint8))
    by_hand = [(0 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    assert scaled.dtype == np.float32
    assert scaled[0, 0].tolist() == pytest.approx(by_hand, abs=1e-6)


@pytest.mark.parametrize("order", ["rgb", "bgr"])
@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_layout_and_colour_order(layout: str, order: str) -> None:
    tensor = to_tensor(PIXELS, scaling="caffe", layout=layout, colour_order=order)
    assert tensor.flags.c_contiguous
    assert tensor.shape == ((1, 2, 2, 3) if layout == "nhwc" else (1, 3, 2, 2))
    pixel = tensor[0, 0, 1] if layout == "nhwc" else tensor[0, :, 0, 1]
    # The means belong to the colours: turning the order round must not turn the means round.
    expected = [153 - 123, 204 - 117, 255 - 104]
    assert pixel.tolist() == (expected if order == "rgb" else expected[::-1])


def test_preprocess_gives_the_stages_and_their_fingerprints() -> None:
    large = PIXELS.repeat(4, axis=0).repeat(4, axis=1)
    prepared = preprocess(png(large), environment=HERE, sidecar=tiny_sidecar())
    np.testing.assert_array_equal(prepared.resized, PIXELS)
    np.testing.assert_allclose(prepared.tensor, PIXELS[None] / 255, rtol=1e-6)
    assert prepared.pixels_sha256 == fingerprint(large)
    assert prepared.resized_sha256 == fingerprint(PIXELS)
    assert prepared.tensor_sha256 == fingerprint(prepared.tensor)


def test_view_and_colour_come_between_decoding_and_resizing() -> None:
    framed = np.pad(PIXELS, ((3, 3), (5, 5), (0, 0)), constant_values=99)
    corners = ((4.5, 2.5), (6.5, 2.5), (6.5, 4.5), (4.5, 4.5))
    environment = dataclasses.replace(HERE, view="crop", colour="bt601-float")
    prepared = preprocess(png(framed), environment=environment, sidecar=tiny_sidecar(), corners=corners)
    np.testing.assert_array_equal(prepared.resized, stages.COLOURS["bt601-float"](PIXELS))
    assert prepared.pixels_sha256 == fingerprint(framed)


def test_failures_name_their_stage() -> None:
    with pytest.raises(StageFailed, match=r"^decode: BadInput: expected an image file, got 5 bytes"):
        preprocess(b"hello", environment=HERE, sidecar=tiny_sidecar())
    with pytest.raises(StageFailed, match=r"^view: BadInput: this view needs the scene's four corners"):
        preprocess(png(PIXELS), environment=dataclasses.replace(HERE, view="crop"), sidecar=tiny_sidecar())
    with pytest.raises(StageFailed, match=r"^scale: BadInput: unknown scaling 'x'"):
        preprocess(png(PIXELS), environment=dataclasses.replace(HERE, scaling="x"), sidecar=tiny_sidecar())


def test_stage_failure_is_one_short_line() -> None:
    assert str(StageFailed.because("infer", ValueError("one\ntwo"))) == "infer: ValueError: one"
    assert str(StageFailed.because("infer", ValueError())) == "infer: ValueError: "
    assert len(str(StageFailed.because("infer", ValueError("x" * 5000)))) < 330
    assert str(StageFailed.because("decode", MissingExtra("no cv2"))) == "not available: no cv2"


def test_share_does_a_piece_of_work_once() -> None:
    calls: list[str] = []

    def work(name: str) -> str:
        calls.append(name)
        return name

    share = Share()
    for _ in range(3):
        assert share.once("resize", "a", lambda: work("a")) == "a"
        assert share.once("scale", "a", lambda: work("b")) == "b"
    assert calls == ["a", "b"]


def test_share_holds_only_the_latest_large_value() -> None:
    calls: list[str] = []
    share = Share()
    for name in ("a", "a", "b", "a"):
        assert share.once("decode", name, lambda name=name: calls.append(name) or name, keep=False) == name
    assert calls == ["a", "b", "a"]


def test_share_fails_once_and_the_first_stage_keeps_the_blame() -> None:
    calls: list[int] = []
    share = Share()

    def broken() -> int:
        calls.append(1)
        raise BadInput("broken")

    def outer() -> int:
        return share.once("decode", "pillow", broken)

    for _ in range(3):
        with pytest.raises(StageFailed, match=r"^decode: BadInput: broken$"):
            share.once("resize", "key", outer)
    assert calls == [1]


def test_share_lets_an_interrupt_through() -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Share().once("decode", "pillow", interrupted)


def test_frames_that_move_the_picture_share_its_resizing(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, resize = [], RESIZERS["pillow-bilinear"]

    def counted(pixels: RGB, height: int, width: int) -> RGB:
        sizes.append((height, width))
        return resize(pixels, height, width)

    monkeypatch.setitem(RESIZERS, "counted", counted)
    data = png(np.random.default_rng(1).integers(0, 256, (40, 52, 3)).astype(np.uint8))
    names = [f"{kind}-frame-{number:02d}" for kind in ("rotate", "shear", "translate") for number in (2, 9, 30)]
    sidecar = dataclasses.replace(tiny_sidecar(), input_height=28, input_width=28)
    asked = [dataclasses.replace(HERE, resizer="counted", perturbation=name) for name in [*names, "shift-crop-3"]]
    alone = [preprocess(data, environment=one, sidecar=sidecar).resized_sha256 for one in asked]
    assert len(sizes) == len(asked)
    sizes.clear()
    share = Share()
    together = [preprocess(data, environment=one, sidecar=sidecar, share=share).resized_sha256 for one in asked]
    assert together == alone
    assert sizes == [(32, 41), (28, 28)]


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_imagenet_scaling_is_the_formula_of_every_value(height: int, width: int, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    mean, deviation = (np.array(x, np.float32) for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    expected = (picture.astype(np.float32) / np.float32(255) - mean) / deviation
    assert np.array_equal(SCALINGS["imagenet"](picture), expected)
    assert np.array_equal(SCALINGS["imagenet-swapped"](picture), SCALINGS["imagenet"](picture[..., ::-1].copy()))
