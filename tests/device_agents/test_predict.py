from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from device_agents import predict as loop
from device_agents import preprocess, runtimes
from device_agents.errors import BadInput, WrongJob
from device_agents.perturbations import known
from device_agents.perturbations.families import Perturbation
from device_agents.predict import Job, JobPicture, check_environment, default_environment, predict, read_job, write_job
from device_agents.preprocess import fingerprint
from device_agents.records import Prediction, from_line, to_line
from tests.device_agents.tiny_models import png, tiny_sidecar, write_onnx, write_tflite

PIXELS = np.array([[[0, 51, 102], [153, 204, 255]], [[10, 20, 30], [40, 50, 60]]], np.uint8)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_onnx(tmp_path / "tiny.onnx")


def picture_file(folder: Path, name: str, pixels: np.ndarray = PIXELS) -> JobPicture:
    (folder / name).write_bytes(png(pixels))
    return JobPicture(name, str(folder / name))


def job_of(model: Path, pictures: list[JobPicture], *changes: dict[str, object], **fields: object) -> Job:
    sidecar = tiny_sidecar()
    plain = default_environment(sidecar, model)
    environments = tuple(dataclasses.replace(plain, **change) for change in changes or ({},))  # type: ignore[arg-type]
    return Job(str(model), sidecar, tuple(pictures), environments, **fields)  # type: ignore[arg-type]


def test_one_prediction_by_hand(tmp_path: Path, model: Path) -> None:
    ticks = count(10.0, 0.25)
    job = job_of(model, [picture_file(tmp_path, "a.png")], top_k=3)
    (prediction,) = predict(job, clock=lambda: next(ticks))
    # The scores are the pixels over 255: the largest are 255, 204 and 153, at places 5, 4 and 3.
    assert prediction == Prediction(
        picture="a.png",
        environment=job.environments[0].environment,
        labels=("5", "4", "3"),
        scores=pytest.approx((1.0, 0.8, 0.6), abs=1e-7),  # type: ignore[arg-type]
        latency_ms=250.0,
        file_sha256=hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest(),
        pixels_sha256=fingerprint(PIXELS),
        resized_sha256=fingerprint(PIXELS),
        tensor_sha256=fingerprint((PIXELS.astype(np.float32) / np.float32(255))[None]),
    )
    assert from_line(Prediction, to_line(prediction)) == prediction


def test_labels_of_the_job_and_of_the_sidecar(tmp_path: Path, model: Path) -> None:
    names = tuple(f"n{index:08d}" for index in range(12))
    job = job_of(model, [picture_file(tmp_path, "a.png")], top_k=1)
    (prediction,) = predict(dataclasses.replace(job, labels=names))
    assert prediction.labels == ("n00000005",)
    lines = "".join(f"{name},x\n" for name in names[1:])
    (tmp_path / "labels.csv").write_text(f"label,name\n{lines}", encoding="utf-8")
    sidecar = dataclasses.replace(job.sidecar, labels="labels.csv", background=True)
    (prediction,) = predict(dataclasses.replace(job, sidecar=sidecar))
    assert prediction.labels == ("n00000005",)


class Counted:
    """Wraps the entries of a family so that every call is noted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.patch = monkeypatch

    def family(self, table: dict[str, Callable[..., object]], kind: str) -> None:
        for name, work in list(table.items()):
            self.patch.setitem(table, name, self._noting(f"{kind} {name}", work))

    def _noting(self, name: str, work: Callable[..., object]) -> Callable[..., object]:
        def call(*values: object) -> object:
            self.calls.append(name)
            return work(*values)

        return call


def test_shared_work_is_done_once(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch)
    for table, kind in (
        (preprocess.DECODERS, "decode"),
        (preprocess.VIEWS, "view"),
        (preprocess.COLOURS, "colour"),
        (preprocess.RESIZERS, "resize"),
        (preprocess.SCALINGS, "scale"),
    ):
        counted.family(table, kind)
    inferred: list[str] = []
    load = runtimes.RUNTIMES["onnxruntime"]

    def noting_load(path: Path, threads: int) -> runtimes.Classifier:
        classify = load(path, threads)
        return lambda tensor: inferred.append(fingerprint(tensor)) or classify(tensor)

    monkeypatch.setitem(runtimes.RUNTIMES, "onnxruntime", noting_load)
    # Both decoders give the same pixels, and both resizers leave a picture of the right size as it is.
    changes = [
        {"decoder": decoder, "resizer": resizer, "colour": colour}
        for resizer in ("pillow-nearest", "opencv-nearest")
        for decoder in ("pillow", "opencv")
        for colour in ("rgb", "bt601-float")
    ]
    job = job_of(model, [picture_file(tmp_path, "a.png"), picture_file(tmp_path, "b.png", PIXELS[::-1])], *changes)
    predictions = list(predict(job))
    assert not [one.error for one in predictions if one.error]
    assert [one.picture for one in predictions] == ["a.png"] * 8 + ["b.png"] * 8
    assert [one.environment for one in predictions] == [one.environment for one in job.environments] * 2
    of_each = {name: counted.calls.count(name) // 2 for name in set(counted.calls)}
    assert of_each["decode pillow"] == of_each["decode opencv"] == 1
    # Pixels that hash alike are not viewed, coloured or resized again for the second decoder.
    assert of_each["view whole"] == 1
    assert of_each["colour rgb"] == of_each["colour bt601-float"] == 1
    assert of_each["resize pillow-nearest"] == of_each["resize opencv-nearest"] == 2
    assert len(inferred) == len(set(inferred)) == 4
    assert len({one.latency_ms for one in predictions}) == 4


def test_one_failure_never_stops_the_rest(tmp_path: Path, model: Path) -> None:
    good = picture_file(tmp_path, "good.png")
    (tmp_path / "text.png").write_bytes(b"no picture")
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "short.png").write_bytes(whole[:-20])
    others = [JobPicture(name, str(tmp_path / name)) for name in ("text.png", "short.png", "none.png")]
    predictions = list(predict(job_of(model, [*others, good], {}, {"view": "rectified-pillow"})))
    errors = [one.error for one in predictions]
    assert errors[0] == errors[1]
    assert errors[0].startswith("decode: BadInput: expected an image file, got 10 bytes")
    assert errors[2].startswith("decode: BadInput: image file is truncated")
    assert errors[4].startswith("read: FileNotFoundError: ")
    assert errors[6] == ""
    assert errors[7].startswith("view: BadInput: this view needs the scene's four corners")
    # The fingerprints reached before the failure stay.
    assert predictions[0].file_sha256 == hashlib.sha256(b"no picture").hexdigest()
    assert predictions[0].pixels_sha256 == ""
    assert predictions[7].pixels_sha256 == fingerprint(PIXELS)
    assert predictions[7].resized_sha256 == predictions[7].tensor_sha256 == ""
    assert all(one.labels == () and one.scores == () for one in predictions if one.error)


def test_what_the_device_lacks_is_said_in_each_prediction(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(
        model,
        [picture_file(tmp_path, "a.png")],
        {},
        {"decoder": "opencv"},
        {"runtime": "tflite-runtime", "runtime_version": ""},
        {"runtime_version": "0.1"},
    )
    monkeypatch.setitem(sys.modules, "cv2", None)
    good, decoder, runtime, older = predict(job)
    assert good.error == ""
    assert decoder.error.startswith("not available: decoder 'opencv' needs opencv-python-headless")
    assert runtime.error.startswith("not available: runtime 'tflite-runtime' needs tflite-runtime")
    assert runtime.tensor_sha256 == good.tensor_sha256 != ""
    assert older.error.startswith("not available: onnxruntime 0.1 was asked for, this machine has ")


def test_a_model_that_cannot_be_loaded_is_an_error_of_each_picture(tmp_path: Path) -> None:
    model = tmp_path / "broken.onnx"
    model.write_bytes(b"hello")
    job = job_of(model, [picture_file(tmp_path, "a.png"), picture_file(tmp_path, "b.png")])
    assert [one.error[:40] for one in predict(job)] == [f"load: BadInput: {model}"[:40]] * 2


def test_an_input_that_the_model_refuses(tmp_path: Path, model: Path) -> None:
    job = job_of(model, [picture_file(tmp_path, "a.png")], {"scaling": "bytes"})
    (prediction,) = predict(job)
    assert prediction.error.startswith("infer: BadInput: the model takes tensor(float)")


def test_a_label_list_that_does_not_fit_ends_the_job_at_the_first_answer(tmp_path: Path, model: Path) -> None:
    """No picture could be predicted; nothing is kept, so that the same command does all once the list is right."""
    bad = picture_file(tmp_path, "a.png")
    Path(bad.file).write_bytes(b"no picture")
    job = job_of(model, [bad, picture_file(tmp_path, "b.png")])
    said = "expected 12 labels as the model has classes, got 2"
    told = predict(dataclasses.replace(job, labels=("a", "b")))
    assert next(told).error.startswith("decode: ")
    with pytest.raises(WrongJob, match=f"^model {job.sidecar.name}: {said}; correct .*one line a class$"):
        next(told)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("decoder", "pil", "unknown decoder 'pil'"),
        ("view", "all", "unknown view 'all'"),
        ("colour", "yuv", "unknown colour 'yuv'"),
        ("fit", "stretch", "unknown fit 'stretch'"),
        ("resizer", "pillow-linear", "unknown resizer 'pillow-linear'; did you mean"),
        ("scaling", "none", "unknown scaling 'none'"),
        ("runtime", "tensorrt", "unknown runtime 'tensorrt'"),
        ("threads", 0, "one thread or more, got 0"),
    ],
)
def test_unknown_variants_are_refused_before_the_first_picture(
    tmp_path: Path, model: Path, field: str, value: object, message: str
) -> None:
    job = job_of(model, [JobPicture("none", str(tmp_path / "none"))], {field: value})
    with pytest.raises(BadInput, match=message):
        check_environment(job.environments[0])
    with pytest.raises(BadInput, match=message):
        predict(job)


def test_a_wrong_job_is_refused_at_once(tmp_path: Path, model: Path) -> None:
    job = job_of(model, [])
    with pytest.raises(BadInput, match="top_k of 1 or more, got 0"):
        predict(dataclasses.replace(job, top_k=0))
    with pytest.raises(BadInput, match="cannot read"):
        predict(dataclasses.replace(job, model=str(tmp_path / "none.onnx")))
    with pytest.raises(BadInput, match="expected the file with sha256 0000"):
        predict(job_of(model, [], {"model_sha256": "0000"}))
    assert list(predict(job_of(model, [], {"model_sha256": ""}))) == []


def test_a_model_that_was_replaced_between_two_jobs_is_noticed(tmp_path: Path, model: Path) -> None:
    job = job_of(model, [], {"model_sha256": hashlib.sha256(model.read_bytes()).hexdigest()})
    assert list(predict(job)) == []
    model.write_bytes(model.read_bytes() + b"more")
    with pytest.raises(BadInput, match="expected the file with sha256"):
        predict(job)


def test_a_job_goes_through_its_file(tmp_path: Path, model: Path) -> None:
    corners = ((0.0, 0.0), (1.5, 0.0), (1.5, 1.0), (0.0, 1.0))
    picture = dataclasses.replace(picture_file(tmp_path, "a.png"), corners=corners)
    job = job_of(model, [picture], {}, {"decoder": "opencv"}, labels=tuple("abcdefghijkl"), top_k=2)
    write_job(tmp_path / "job.json", job)
    assert read_job(tmp_path / "job.json") == job


def test_paths_in_a_job_are_taken_from_its_folder(tmp_path: Path, model: Path) -> None:
    picture_file(tmp_path, "a.png")
    job = dataclasses.replace(job_of(model, [JobPicture("a", "a.png")]), model="tiny.onnx")
    write_job(tmp_path / "job.json", job)
    read = read_job(tmp_path / "job.json")
    assert read.model == str(model)
    assert [one.error for one in predict(read)] == [""]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (None, "cannot read the job"),
        ([], "JSON object of Job"),
        ({"extra": 1}, r"unknown keys \['extra'\]"),
        ({"model": 3}, "expected model a path"),
        ({"pictures": "a.png"}, "pictures and environments lists"),
        ({"pictures": [{"picture": "a"}]}, r"JobPicture: .*missing keys \['file'\]"),
        ({"environments": [3]}, "JSON object of Environment"),
        ({"sidecar": {"name": ""}}, "sidecar in .*job.json: missing key"),
        ({"top_k": "5"}, "top_k a whole number"),
    ],
)
def test_bad_job_files_are_refused(tmp_path: Path, model: Path, change: object, message: str) -> None:
    path = tmp_path / "job.json"
    values = dataclasses.asdict(job_of(model, []))
    text = json.dumps(change if not isinstance(change, dict) else {**values, **change})
    path.write_text(text if change is not None else "{", encoding="utf-8")
    with pytest.raises(BadInput, match=message):
        read_job(path)


def test_memory_holds_one_picture_at_a_time(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[int] = []
    alive: list[object] = []
    make = preprocess.Share

    class Watched(make):  # type: ignore[misc,valid-type]
        def __init__(self) -> None:
            super().__init__()
            alive.append(None)

        def __del__(self) -> None:
            alive.pop()

    monkeypatch.setattr(loop, "Share", Watched)
    pictures = [picture_file(tmp_path, f"{index}.png") for index in range(5)]
    for _ in predict(job_of(model, pictures)):
        shares.append(len(alive))
    assert max(shares) <= 3  # the models', the picture's, and the one about to go


def test_a_quantised_model_end_to_end(tmp_path: Path) -> None:
    model = write_tflite(tmp_path / "tiny.tflite", kind="UINT8", scale=1 / 256, zero_point=0)
    sidecar = tiny_sidecar(scaling="bytes", outputs="quantised", background=True)
    picture = picture_file(tmp_path, "a.png")
    job = Job(str(model), sidecar, (picture,), (default_environment(sidecar, model),), top_k=2)
    (prediction,) = predict(job)
    assert prediction.labels == ("4", "3")  # places 5 and 4, the background taken off
    assert prediction.scores == (255 / 256, 204 / 256)


def test_a_large_photograph_is_turned_before_it_is_viewed(tmp_path: Path, model: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(PIXELS)).save(tmp_path / "a.png", exif=exif)
    (prediction,) = predict(job_of(model, [JobPicture("a", str(tmp_path / "a.png"))]))
    assert prediction.pixels_sha256 == fingerprint(PIXELS)


def test_a_perturbed_picture_is_made_once_for_all_that_sees_it(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def noisy(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        made.append("noisy")
        return rng.integers(0, 256, picture.shape, dtype=np.uint8)

    def inverted(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        made.append("inverted")
        return 255 - picture

    monkeypatch.setitem(known.PERTURBATIONS, "noisy", Perturbation(noisy, "noisy"))
    monkeypatch.setitem(known.PERTURBATIONS, "inverted", Perturbation(inverted, "inverted"))
    names = ("", "noisy", "noisy+inverted", "inverted")
    changes = [{"perturbation": name, "threads": threads} for threads in (1, 2) for name in names]
    found = list(predict(job_of(model, [picture_file(tmp_path, "a.png")], *changes)))
    assert not [one.error for one in found if one.error]
    assert len({one.resized_sha256 for one in found}) == len(names)
    assert {one.pixels_sha256 for one in found} == {found[0].pixels_sha256}
    assert sorted(made) == ["inverted", "inverted", "noisy"]
    assert [one.labels for one in found[:4]] == [one.labels for one in found[4:]]
    assert "perturbation" not in to_line(job_of(model, []).environments[0])


def test_an_unknown_perturbation_is_refused_before_the_first_picture(tmp_path: Path, model: Path) -> None:
    with pytest.raises(BadInput, match="unknown perturbation 'fogg-3'"):
        predict(job_of(model, [picture_file(tmp_path, "a.png")], {"perturbation": "fogg-3"}))
