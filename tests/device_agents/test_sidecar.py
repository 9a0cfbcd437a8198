from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from device_agents.errors import BadInput
from device_agents.sidecar import parse_sidecar, read_labels, read_sidecar, sidecar_path, sidecar_values, write_sidecar
from tests.device_agents.tiny_models import tiny_sidecar


def test_round_trip_beside_the_model(tmp_path: Path) -> None:
    model = tmp_path / "net.v2.tflite"
    sidecar = tiny_sidecar(labels="labels.csv", background=True)
    write_sidecar(model, sidecar)
    assert sidecar_path(model) == tmp_path / "net.v2.tflite.json"
    assert read_sidecar(model) == sidecar
    assert read_sidecar(tmp_path / "net.v2.tflite.json") == sidecar


def test_a_changed_model_says_of_what_and_by_which_pictures(tmp_path: Path) -> None:
    changed = tiny_sidecar(variant="int8", source_sha256="a" * 64, calibration=("b" * 64, "c" * 64))
    write_sidecar(tmp_path / "net.tflite", changed)
    assert read_sidecar(tmp_path / "net.tflite") == changed
    write_sidecar(tmp_path / "plain.tflite", tiny_sidecar())
    plain = json.loads((tmp_path / "plain.tflite.json").read_text(encoding="utf-8"))
    assert not {"variant", "source_sha256", "calibration"} & set(plain)  # an older reader knows none of them
    with pytest.raises(BadInput, match="calibration: expected a list of sha256, got"):
        parse_sidecar({**plain, "calibration": ["b"]}, source="net.json")


def test_missing_sidecar_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"expected the model's sidecar at .*net.onnx.json, found none; write one with"):
        read_sidecar(tmp_path / "net.onnx")


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", "\xff"])
def test_what_is_no_json_object_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "net.onnx.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadInput, match="expected a JSON object"):
        read_sidecar(path)


def test_every_problem_is_named_at_once() -> None:
    values = dataclasses.asdict(tiny_sidecar())
    del values["name"]
    values.update(
        input_height=0, input_width=True, layout="hwc", scaling="mean", labels=3, background="yes", colour="rgb"
    )
    with pytest.raises(BadInput) as caught:
        parse_sidecar(values, source="net.json")
    text = str(caught.value)
    assert text.startswith("sidecar net.json: ")
    for problem in (
        "unknown key 'colour'",
        "missing key 'name'",
        "input_height: expected a whole number 1..4096, got 0",
        "input_width: expected a whole number 1..4096, got True",
        "layout: expected one of nhwc, nchw, got 'hwc'",
        "scaling: expected one of bytes, caffe, imagenet, imagenet-swapped, lite, minus-one-one, zero-one, got 'mean'",
        "labels: expected text, got 3",
        "background: expected true or false, got 'yes'",
    ):
        assert problem in text
    assert "\n" not in text


DETECTOR = {
    "outputs": "raw",
    "task": "detection",
    "head": "nanodet",
    "post": {"score_threshold": 0.25, "strides": (8, 16, 32)},
}


def test_a_detectors_sidecar_goes_round(tmp_path: Path) -> None:
    detector = tiny_sidecar(**DETECTOR)
    write_sidecar(tmp_path / "net.onnx", detector)
    told = json.loads((tmp_path / "net.onnx.json").read_text(encoding="utf-8"))
    assert told["post"] == {"score_threshold": 0.25, "strides": [8, 16, 32]}
    assert dataclasses.replace(read_sidecar(tmp_path / "net.onnx"), post=DETECTOR["post"]) == detector
    assert len({detector, dataclasses.replace(detector, post={})}) == 2  # may be put into a set, unlike its post


def test_a_classifiers_sidecar_is_what_it_always_was() -> None:
    assert not {"task", "head", "post"} & set(sidecar_values(tiny_sidecar()))


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"task": "sorting"}, ["task: expected one of classification, detection, segmentation, got 'sorting'"]),
        ({"task": ["detection"]}, ["task: expected one of"]),
        (
            {"task": "detection"},
            ["outputs: expected 'raw' for the task detection, got 'probabilities'", "head: expected"],
        ),
        ({"outputs": "raw"}, ["outputs: expected other than 'raw' for the task classification"]),
        ({"head": "nanodet"}, ["head: expected none for the task classification, got 'nanodet'"]),
        ({"post": {"offset": 1.0}}, ["post: unknown setting 'offset'; known: none"]),
        ({**DETECTOR, "head": "yolo"}, ["head: expected one of", "nanodet", "for the task detection, got 'yolo'"]),
        ({**DETECTOR, "head": 3}, ["for the task detection, got 3"]),
        ({**DETECTOR, "post": [1]}, ["post: expected an object of settings, got '[1]'"]),
        (
            {**DETECTOR, "post": {"colour": 1, "offset": "one", "strides": 8}, "layout": "hwc"},
            [
                "unknown setting 'colour'; known:",
                "offset: expected a number, got 'one'",
                "strides: expected a list",
                "hwc",
            ],
        ),
        ({**DETECTOR, "post": {"nms": "greedy"}}, ["post: ", "greedy"]),
    ],
)
def test_what_is_wrong_with_a_task_is_named(changes: dict[str, object], problems: list[str]) -> None:
    values = {**dataclasses.asdict(tiny_sidecar()), **changes}
    with pytest.raises(BadInput) as caught:
        parse_sidecar(values, source="net.json")
    for problem in problems:
        assert problem in str(caught.value)


def test_labels_and_background_may_be_left_out() -> None:
    values = dataclasses.asdict(tiny_sidecar())
    del values["labels"], values["background"]
    assert parse_sidecar(json.loads(json.dumps(values)), source="x") == tiny_sidecar()


def test_labels_are_read_in_the_order_of_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text('label,name\nn04557648,"water bottle, flask"\nn02769748,backpack\n', encoding="utf-8")
    assert read_labels(path) == ("n04557648", "n02769748")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class,label\n1,2\n", "expected the header"),
        ("", "expected the header"),
        ("label,name\na,x\na,y\n", "twice: \\['a'\\]"),
        ("label,name\na,x\n\nb,y\n", "distinct labels"),
        ("label,name\n\xff\n", "cannot read the label list"),
    ],
)
def test_bad_label_lists_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadInput, match=message):
        read_labels(path)


def test_absent_label_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot read the label list"):
        read_labels(tmp_path / "none.csv")
