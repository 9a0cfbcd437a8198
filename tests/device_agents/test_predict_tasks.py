"""The loop with other tasks: what environments share, and what a model that does not fit its sidecar leaves behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from device_agents import predict as predicting
from device_agents.errors import BadInput
from device_agents.network import Network
from device_agents.predict import Job, JobPicture, default_environment, predict, read_job, write_job
from device_agents.records import Environment, Prediction
from device_agents.sidecar import Sidecar
from device_agents.tasks.answers import read_detections, read_mask
from device_agents.tasks.asked import Answer, Asked
from tests.device_agents.tiny_models import png, tiny_sidecar, write_onnx, write_onnx_boxes, write_onnx_mask

DETECTOR = tiny_sidecar(outputs="raw", task="detection", head="boxes", post={"first_class": 0})
SEGMENTER = tiny_sidecar(outputs="raw", task="segmentation", head="logits")
BOXES = [[0.0, 0.5, 1.0, 1.5], [0.25, 0.5, 1.0, 1.5]]
PIXELS = np.array([[[200, 0, 0], [0, 100, 0]], [[0, 0, 50], [9, 0, 0]]], np.uint8)


def picture(folder: Path, pixels: np.ndarray = PIXELS, name: str = "a.png") -> JobPicture:
    (folder / name).write_bytes(png(pixels))
    return JobPicture(name, str(folder / name))


def boxes(folder: Path, scores: tuple[float, ...] = (0.75, 0.5)) -> Path:
    return write_onnx_boxes(folder / "boxes.onnx", boxes=BOXES, labels=[1, 0], scores=list(scores))


def job_of(model: Path, card: Sidecar, pictures: list[JobPicture], *changes: dict[str, str], **more: object) -> Job:
    base = default_environment(card, model)
    environments = tuple(replace(base, **one) for one in changes or ({},))  # type: ignore[arg-type]
    return Job(str(model), card, tuple(pictures), environments, **more)  # type: ignore[arg-type]


def test_a_detector_answers_its_boxes_in_fractions_of_the_picture(tmp_path: Path) -> None:
    wide = np.zeros((2, 4, 3), np.uint8)  # letterboxed into 2 x 2: one row, the picture's pixels halved
    job = job_of(
        boxes(tmp_path), DETECTOR, [picture(tmp_path, wide)], {"fit": "letterbox-black"}, labels=("cup", "dog")
    )
    [found] = predict(job)
    assert (found.error, found.labels, found.scores) == ("", ("dog", "cup"), (0.75, 0.5))
    detail = read_detections(found.detail)
    # y 0.5..1.5 of the input is the whole height of the picture, which lies from (2 - 1) // 2 = 0 to 1: clipped there.
    assert detail.labels == ("dog", "cup")
    assert detail.boxes == ((0.0, 0.5, 0.5, 1.0), (0.125, 0.5, 0.5, 1.0))


def test_a_segmenter_answers_a_mask(tmp_path: Path) -> None:
    job = job_of(
        write_onnx_mask(tmp_path / "mask.onnx"), SEGMENTER, [picture(tmp_path)], labels=("red", "green", "blue")
    )
    [found] = predict(job)
    assert (found.labels, found.scores) == (("red", "green", "blue"), (0.5, 0.25, 0.25))
    mask = read_mask(found.detail)
    assert mask.classes.tolist() == [[0, 1], [2, 0]]
    assert mask.extent == (0, 0, 1, 1)


def test_environments_that_differ_in_post_share_the_inference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"infer": 0, "finish": 0}
    load, answer = predicting.NETWORKS["onnxruntime"], predicting.TASKS["detection"]

    def counted_load(path: Path, threads: int) -> Network:
        network = load(path, threads)

        def run(tensor: np.ndarray) -> tuple[np.ndarray, ...]:
            counts["infer"] += 1
            return network(tensor)

        return Network(run, network.outputs)

    def counted_answer(outputs: tuple[np.ndarray, ...], asked: Asked) -> Answer:
        counts["finish"] += 1
        return answer(outputs, asked)

    monkeypatch.setitem(predicting.NETWORKS, "onnxruntime", counted_load)
    monkeypatch.setitem(predicting.TASKS, "detection", counted_answer)
    posts = ("", "threshold-0.5", "round-nearest", "nms-class-agnostic+threshold-0.5")
    changes = [{"post": post, "decoder": decoder} for post in posts for decoder in ("pillow", "opencv")]
    job = job_of(boxes(tmp_path, (0.75, 0.4)), DETECTOR, [picture(tmp_path)], *changes)
    found = {(one.post, one.decoder): made for one, made in zip(job.environments, predict(job), strict=True)}
    assert counts == {"infer": 1, "finish": len(posts)}  # both decoders give the same pixels of a PNG
    assert len({one.environment for one in found.values()}) == 8
    assert len({one.latency_ms for one in found.values()}) == 1
    sizes = [len(read_detections(found[post, "pillow"].detail).boxes) for post in posts]
    assert sizes == [2, 1, 2, 1]


def test_the_place_of_the_picture_counts_where_tensors_are_equal(tmp_path: Path) -> None:
    grey = np.zeros((2, 4, 3), np.uint8)  # black, so that a letterbox and a squash make the same tensor
    fits = ({"fit": "squash"}, {"fit": "letterbox-black"})
    one, other = predict(job_of(boxes(tmp_path), DETECTOR, [picture(tmp_path, grey)], *fits))
    assert one.tensor_sha256 == other.tensor_sha256
    assert one.detail != other.detail


@pytest.mark.parametrize(
    ("post", "message"),
    [
        ("offset-2", "unknown post of the task detection 'offset-2'; did you mean 'offset-1'"),
        ("round-up+round-up", "expected each post once, got 'round-up\\+round-up'"),
        ("exp-float16", "post 'exp-float16' changes exp, which the head 'boxes' does not use"),
    ],
)
def test_an_unknown_post_is_refused_before_the_first_picture(tmp_path: Path, post: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        predict(job_of(boxes(tmp_path), DETECTOR, [picture(tmp_path)], {"post": post}))


def test_a_classifier_has_no_post(tmp_path: Path) -> None:
    model = write_onnx(tmp_path / "tiny.onnx")
    with pytest.raises(BadInput, match="unknown post of the task classification 'offset-1'; known: $"):
        predict(job_of(model, tiny_sidecar(), [picture(tmp_path)], {"post": "offset-1"}))


def test_what_does_not_fit_is_one_record_each_with_its_reason(tmp_path: Path) -> None:
    a = picture(tmp_path)
    nans = boxes(tmp_path, (0.75, float("nan")))
    cases: list[tuple[Path, Sidecar, dict[str, object], str]] = [
        (nans, DETECTOR, {}, "finish: BadInput: expected finite outputs, got 1 numbers"),
        (nans, replace(DETECTOR, head="nanodet", post={}), {}, "finish: BadInput: "),
        (write_onnx(tmp_path / "tiny.onnx"), DETECTOR, {}, "finish: BadInput: expected boxes (n, 4), labels (n,) and"),
        (write_onnx(tmp_path / "tiny.onnx"), SEGMENTER, {}, "finish: BadInput: "),
        (nans, tiny_sidecar(), {}, f"load: BadInput: {nans}: expected a classifier with one output, got 3"),
    ]
    for model, card, more, reason in cases:
        [found] = predict(job_of(model, card, [a], **more))
        assert found.error.startswith(reason), found.error
        assert (found.labels, found.scores, found.detail) == ((), (), "")
        assert found.tensor_sha256


def test_a_class_without_a_label_and_nothing_at_all(tmp_path: Path) -> None:
    model = boxes(tmp_path)
    [unnamed] = predict(job_of(model, DETECTOR, [picture(tmp_path)], labels=("cup",)))
    assert unnamed.error == "finish: BadInput: the model answered class 1, but its label list has 1 labels"
    [nothing] = predict(job_of(model, replace(DETECTOR, post={"score_threshold": 0.99}), [picture(tmp_path)]))
    assert (nothing.error, nothing.labels, nothing.scores) == ("", ("nothing",), (0.0,))
    assert read_detections(nothing.detail).boxes == ()


def test_a_job_goes_through_its_file(tmp_path: Path) -> None:
    job = job_of(boxes(tmp_path), DETECTOR, [picture(tmp_path)], {"post": "round-up"}, labels=("cup", "dog"))
    write_job(tmp_path / "job.json", job)
    assert read_job(tmp_path / "job.json") == job
    assert [replace(one, latency_ms=0.0) for one in predict(read_job(tmp_path / "job.json"))] == [
        replace(one, latency_ms=0.0) for one in predict(job)
    ]


def test_a_classifiers_job_says_nothing_that_an_older_agent_does_not_know(tmp_path: Path) -> None:
    write_job(tmp_path / "job.json", job_of(write_onnx(tmp_path / "tiny.onnx"), tiny_sidecar(), [picture(tmp_path)]))
    text = (tmp_path / "job.json").read_text(encoding="utf-8")
    assert not [name for name in ('"task"', '"head"', '"post"', '"variant"') if name in text]


def test_records_of_a_classifier_have_no_detail(tmp_path: Path) -> None:
    [found] = predict(job_of(write_onnx(tmp_path / "tiny.onnx"), tiny_sidecar(), [picture(tmp_path)]))
    assert isinstance(found, Prediction)
    assert found.detail == ""
    assert Environment.__dataclass_fields__["post"].default == ""
