"""The two sidecars of docs/detection.md, on tiny detectors made here: a user's own Faster R-CNN and RetinaNet."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from device_agents.predict import Job, JobPicture, default_environment, predict
from device_agents.records import Prediction
from device_agents.tasks.answers import read_detections
from stability_train.zoo import resolve_model

DOCUMENT = Path(__file__).parents[3] / "docs" / "detection.md"


def write_detector(path: Path, outputs: dict[str, np.ndarray], *, size: int) -> None:
    """An ONNX model that answers the same to every picture: constants, each plus nothing times the picture."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    kinds = {name: helper.np_dtype_to_tensor_dtype(value.dtype) for name, value in outputs.items()}
    nodes = [helper.make_node("ReduceMax", ["picture"], ["largest"], keepdims=0)]
    nodes.append(helper.make_node("Mul", ["largest", "zero"], ["nothing"]))
    constants = [numpy_helper.from_array(np.zeros((), np.float32), "zero")]
    for name, value in outputs.items():
        constants.append(numpy_helper.from_array(value, f"{name}/constant"))
        nodes.append(helper.make_node("Cast", ["nothing"], [f"{name}/nothing"], to=kinds[name]))
        nodes.append(helper.make_node("Add", [f"{name}/constant", f"{name}/nothing"], [name]))
    entry = helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, size, size])
    ends = [helper.make_tensor_value_info(name, kinds[name], value.shape) for name, value in outputs.items()]
    graph = helper.make_graph(nodes, "detector", [entry], ends, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def sidecars() -> dict[str, dict[str, object]]:
    found = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)]
    return {str(one["name"]): one for one in found}


def predicted(folder: Path, name: str, outputs: dict[str, np.ndarray], *, post: str = "") -> Prediction:
    """Predict a picture 400 wide and 200 high with the sidecar of that name and a model with these outputs."""
    card = sidecars()[name]
    write_detector(folder / "model.onnx", outputs, size=int(str(card["input_height"])))
    (folder / "model.onnx.json").write_text(json.dumps(card))
    (folder / "labels.csv").write_text("label,name\ncat,Cat\ndog,Dog\n")
    Image.new("RGB", (400, 200), (90, 120, 150)).save(folder / "picture.png")
    path, read = resolve_model(str(folder / "model.onnx"))
    environment = replace(default_environment(read, path), post=post)
    picture = JobPicture("picture", str(folder / "picture.png"))
    return next(predict(Job(str(path), read, (picture,), (environment,))))


def test_a_faster_rcnn_with_its_own_suppression(tmp_path: Path) -> None:
    # A letterbox of 800: the picture is 800 x 400 in the middle, from row 200 to 600.
    outputs: dict[str, np.ndarray] = {
        "boxes": np.array([[80, 240, 400, 400], [400, 100, 800, 400], [0, 200, 10, 210]], np.float32),
        "labels": np.array([2, 1, 1], np.int64),
        "scores": np.array([0.75, 0.5, 0.01], np.float32),
    }
    found = predicted(tmp_path, "my-faster-rcnn", outputs)
    assert found.error == ""
    assert (found.labels, found.scores) == (("dog", "cat"), (0.75, 0.5))
    boxes = read_detections(found.detail)
    assert boxes.boxes == ((0.1, 0.1, 0.5, 0.5), (0.5, 0.0, 1.0, 0.5))  # the second is cut at the picture's edge
    moved = read_detections(predicted(tmp_path, "my-faster-rcnn", outputs, post="offset-1").detail)
    assert moved.boxes[0] == pytest.approx((0.1, 0.1, 399 / 800, 199 / 400), abs=1e-6)


def test_a_retinanet_with_generated_anchors(tmp_path: Path) -> None:
    # Two levels of 16 and 4 cells, an anchor each: 16 pixels around multiples of 16, 32 around multiples of 32.
    logits, deltas = np.full((1, 20, 2), -9, np.float32), np.zeros((1, 20, 4), np.float32)
    logits[0, 5, 0], logits[0, 19, 1], logits[0, 6, 0] = 2.0, 1.0, -1.0
    deltas[0, 5] = [0.5, 0.0, 0.0, math.log(2)]
    found = predicted(tmp_path, "my-retinanet", {"cls_logits": logits, "bbox_regression": deltas})
    assert found.error == ""
    assert found.labels == ("cat", "dog")
    assert found.scores == pytest.approx((1 / (1 + math.exp(-2)), 1 / (1 + math.exp(-1))))
    first, second = read_detections(found.detail).boxes
    assert first == pytest.approx((16 / 64, 0.0, 32 / 64, 32 / 64), abs=1e-6)  # centre 16 + 8, 16; 16 wide, 32 high
    assert second == pytest.approx((16 / 64, 16 / 64, 48 / 64, 48 / 64), abs=1e-6)


def test_outputs_that_do_not_fit_their_sidecar_are_one_record(tmp_path: Path) -> None:
    boxes = {"boxes": np.zeros((2, 4), np.float32), "scores": np.array([0.5, 0.4], np.float32)}
    found = predicted(tmp_path, "my-faster-rcnn", boxes)
    assert found.error.startswith("finish: BadInput: expected boxes (n, 4), labels (n,) and scores (n,), got")
    assert (found.labels, found.detail) == ((), "")
    broken = {**boxes, "labels": np.array([1, 2]), "scores": np.array([np.nan, 0.4], np.float32)}
    assert "expected finite outputs, got 1 numbers" in predicted(tmp_path, "my-faster-rcnn", broken).error
