import dataclasses
import io
import json

import numpy as np
import pytest
from PIL import Image

from device_agents.errors import BadInput, DeviceError
from device_agents.records import Prediction
from hostctl.browsers import checks as web_checks
from hostctl.browsers.checks import Asked, checked_info, checked_photograph, checked_prediction, read_answer

ASKED = Asked(frozenset({("p", "e")}), frozenset({"cat", "dog", "cow"}), 2)
GOOD = Prediction("p", "e", ("cat", "dog"), (0.75, 0.25), 12.5, "0" * 64, "1" * 64, "2" * 64, "f" * 64)
INFO = dict.fromkeys(("agent", "platform", "platform_version", "model", "utc"), "x") | {
    **{key: ["a"] for key in ("cameras", "decoders", "fits", "resizers", "scalings", "views")},
    "runtimes": {"onnxruntime-web": "1"},
}


def picture(kind):
    out = io.BytesIO()
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(out, kind)
    return out.getvalue()


def line(**changes):
    return json.loads(json.dumps(dataclasses.asdict(GOOD) | changes))


def test_a_good_prediction_is_the_record():
    assert checked_prediction(line(), ASKED, name="pixel") == GOOD


def test_a_failure_has_a_reason_and_no_labels():
    failed = checked_prediction(line(labels=[], scores=[], error="decode: Error"), ASKED, name="pixel")
    assert failed.error == "decode: Error"


@pytest.mark.parametrize(
    "changes",
    [
        {"picture": "other"},
        {"environment": "other"},
        {"picture": ["p"]},
        {"labels": ["cat"]},
        {"labels": ["cat", "cat"]},
        {"labels": ["cat", "<img>"]},
        {"labels": ["cat", "dog", "cow"], "scores": [0.5, 0.3, 0.2]},
        {"labels": "cat"},
        {"labels": [], "scores": []},
        {"scores": [0.25, 0.75]},
        {"scores": [1.5, 0.25]},
        {"scores": [True, False]},
        {"scores": ["0.75", "0.25"]},
        {"scores": 0.75},
        {"latency_ms": -1},
        {"latency_ms": 1e12},
        {"latency_ms": "12"},
        {"file_sha256": "../../etc/passwd"},
        {"pixels_sha256": "A" * 64},
        {"error": "decode: but it has labels"},
        {"error": 7},
        {"extra": 1},
    ],
    ids=str,
)
def test_a_prediction_that_was_not_asked_for_is_refused(changes):
    with pytest.raises(DeviceError, match="^pixel: "):
        checked_prediction(line(**changes), ASKED, name="pixel")


@pytest.mark.parametrize("values", [None, [], "text", {}, 3])
def test_what_is_no_prediction_is_refused(values):
    with pytest.raises(DeviceError, match="^pixel: "):
        checked_prediction(values, ASKED, name="pixel")


def test_without_a_label_list_a_class_is_its_index():
    by_index = dataclasses.replace(ASKED, labels=None)
    assert checked_prediction(line(labels=["12", "background"]), by_index, name="pixel").labels == ("12", "background")
    with pytest.raises(DeviceError, match="unknown label"):
        checked_prediction(line(labels=["cat", "1"]), by_index, name="pixel")


@pytest.mark.parametrize(("kind", "suffix"), [("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp")])
def test_the_suffix_comes_from_the_bytes(kind, suffix):
    assert checked_photograph(picture(kind)) == suffix


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh", b"<svg xmlns='http://www.w3.org/2000/svg'/>", picture("GIF")])
def test_what_is_no_photograph_is_refused(data):
    with pytest.raises(BadInput):
        checked_photograph(data)


def test_a_photograph_has_a_limit(monkeypatch):
    monkeypatch.setattr(web_checks, "MOST_PHOTOGRAPH_BYTES", 100)
    with pytest.raises(BadInput, match="at most 100 bytes"):
        checked_photograph(b"x" * 101)


def test_answers_are_bounded():
    assert read_answer(b'{"a": [1, {"b": "text"}]}') == {"a": [1, {"b": "text"}]}
    deep = b'{"a": ' + b"[" * 20000 + b"]" * 20000 + b"}"
    for data in (b"", b"[]", b"7", b"\xff", b'{"a": NaN}', b'{"a": -Infinity}', b"{" + b" " * 70000 + b"}", deep):
        with pytest.raises(BadInput):
            read_answer(data)
    for values in ({"a": "x" * 1001}, {"x" * 1001: 1}, {"a": [0] * 257}, {"a": [[[[[[1]]]]]]}):
        with pytest.raises(BadInput, match="at most"):
            read_answer(json.dumps(values).encode())


def test_info_has_its_form():
    assert checked_info(INFO, name="pixel") == INFO
    for wrong in (None, {}, INFO | {"agent": 1}, INFO | {"cameras": "canvas"}, INFO | {"runtimes": {"x": 1}}):
        with pytest.raises(DeviceError, match="^pixel: "):
            checked_info(wrong, name="pixel")


def test_a_page_that_was_built_before_the_kit_is_said():
    with pytest.raises(DeviceError, match=r"pixel: the page is older than the kit; `npm ci && npm run build`"):
        checked_info({key: value for key, value in INFO.items() if key != "views"}, name="pixel")
