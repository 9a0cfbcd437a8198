import contextlib
import dataclasses
import io
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from device_agents.errors import BadInput, DeviceError
from device_agents.predict import Job, JobPicture
from device_agents.records import Environment, Prediction
from device_agents.sidecar import Sidecar
from hostctl.browsers.device import WebDevice, WebShutter, browser_environments
from hostctl.browsers.link import WebLink
from hostctl.transport import LocalTransport

PAGE = "a" * 16
INFO = {
    **dict.fromkeys(("agent", "platform", "platform_version", "model", "utc"), "x"),
    "cameras": ["canvas", "file"],
    "decoders": ["create-image-bitmap", "image-element"],
    "fits": ["squash"],
    "resizers": ["canvas-low", "pillow-bilinear"],
    "scalings": ["imagenet"],
    "views": ["crop", "rectified-pillow", "whole"],
    "runtimes": {"onnxruntime-web": "1.30.0", "litert-js": "2.5.3"},
}
SIDECAR = Sidecar("tiny", 8, 8, "nchw", "rgb", "squash", "pillow-bilinear", "imagenet", "logits")


def png():
    out = io.BytesIO()
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(out, "PNG")
    return out.getvalue()


class ScriptedPage:
    """A page that gives to each kind of job the answers it was told to; fails on a job that it has none for."""

    def __init__(self, link, **answers):
        self.link, self.answers, self.jobs, self.failure = link, answers, [], None
        self.thread = threading.Thread(target=self.work)

    def work(self):
        while True:
            try:
                job = self.link.next_job(PAGE, timeout_s=60)
            except DeviceError:
                return
            if job is not None:
                self.jobs.append(job)
                with contextlib.suppress(BadInput):  # the host has heard enough and has ended the job
                    self.do(job)

    def do(self, job):
        if job["kind"] == "shoot":
            self.link.photograph(PAGE, job["id"], png())
        for answer in self.answers[job["kind"]]:
            self.link.answer(PAGE, job["id"], json.dumps(answer).encode())


@pytest.fixture
def device(tmp_path):
    started = []

    def start(**answers):
        link = WebLink("pixel", folder=tmp_path / "shots")
        page = ScriptedPage(link, **answers)
        started.append(page)
        page.thread.start()
        link.wait_for_page(timeout_s=60)
        made = WebDevice(link)
        made.page = page
        return made

    yield start
    for page in started:
        page.link.__exit__(None, None, None)
        page.thread.join()


@pytest.fixture
def job(tmp_path):
    (tmp_path / "tiny.onnx").write_bytes(b"a model")
    (tmp_path / "a.png").write_bytes(png())
    environments = browser_environments(tmp_path / "tiny.onnx", SIDECAR, INFO, machine="pixel")
    pictures = (JobPicture("one", str(tmp_path / "a.png")), JobPicture("two", str(tmp_path / "a.png")))
    return Job(str(tmp_path / "tiny.onnx"), SIDECAR, pictures, environments, ("cat", "dog"), 2)


def answers(job):
    """A good prediction line for each cell of a job."""
    cells = [(one.picture, environment.environment) for one in job.pictures for environment in job.environments]
    return [{"prediction": dataclasses.asdict(Prediction(*cell, ("cat", "dog"), (0.75, 0.25), 1.5))} for cell in cells]


def test_info_comes_back(device):
    assert device(info=[{"info": INFO}]).info() == INFO


def test_a_wrong_info_is_the_devices_fault(device):
    with pytest.raises(DeviceError, match="pixel: expected what the page says of itself"):
        device(info=[{"info": {"cameras": 7}}]).info()


def test_a_photograph_is_fetched_as_from_any_device(device, tmp_path):
    made = device(info=[{"info": INFO}], shoot=[{"shot": {"way": "canvas", "settings": {"width": 6}}}])
    shutter = WebShutter(made)
    shutter.prepare()
    (file,) = shutter.shoot(timeout_s=60)
    LocalTransport("pixel").pull(file.path, tmp_path / "home.png")
    assert (tmp_path / "home.png").read_bytes() == png()
    assert file.size == len(png())
    shutter.release()
    assert not Path(file.path).exists()
    assert made.shoot(timeout_s=60).about["settings"] == {"width": 6}
    assert {one["way"] for one in made.page.jobs if one["kind"] == "shoot"} == {"canvas"}


def test_a_way_that_the_browser_has_not_is_said_before_the_first_photograph(device):
    with pytest.raises(DeviceError, match="pixel: expected the camera 'take-photo' in the page, got"):
        WebShutter(device(info=[{"info": INFO}]), way="take-photo").prepare()


def test_predictions_come_back_each_once(device, job):
    lines = answers(job)
    made = device(predict=[*lines, lines[0], {"done": 3}])
    got = list(made.predict(job))
    assert [one.picture for one in got] == ["one", "two"]
    assert {one.environment for one in got} == {job.environments[0].environment}
    asked = made.page.jobs[0]
    assert asked["labels"] == ("cat", "dog")
    assert asked["quantisation"] is None
    assert asked["environments"][0]["runtime"] == "onnxruntime-web"


def test_a_page_that_leaves_one_out_is_found_out(device, job):
    with pytest.raises(DeviceError, match="pixel: the page left out 1 predictions"):
        list(device(predict=[answers(job)[0], {"done": 1}]).predict(job))


def test_a_page_that_makes_one_up_is_found_out(device, job):
    made_up = {"prediction": {**answers(job)[0]["prediction"], "picture": "three"}}
    with pytest.raises(DeviceError, match="that was asked for"):
        list(device(predict=[made_up]).predict(job))


@pytest.mark.parametrize("changes", [{"view": "rectified-opencv"}, {"colour": "bt601-float"}, {"threads": 2}])
def test_what_a_page_cannot_do_is_said_at_once(device, job, changes):
    other = dataclasses.replace(job, environments=(dataclasses.replace(job.environments[0], **changes),))
    with pytest.raises(BadInput, match="a browser predicts with the view crop, rectified-pillow or whole, "):
        next(device().predict(other))


def test_another_models_hash_is_refused(device, job):
    other = dataclasses.replace(job.environments[0], model_sha256="0" * 64)
    with pytest.raises(BadInput, match="expected sha256 0000"):
        next(device().predict(dataclasses.replace(job, environments=(other,))))


def test_environments_are_decoders_times_resizers(tmp_path):
    (tmp_path / "tiny.onnx").write_bytes(b"a model")
    made = browser_environments(
        tmp_path / "tiny.onnx",
        SIDECAR,
        INFO,
        machine="pixel",
        decoders=("image-element", "create-image-bitmap"),
        resizers=("canvas-low", "pillow-bilinear"),
    )
    assert len({one.environment for one in made}) == 4
    assert {one.runtime_version for one in made} == {"1.30.0"}
    assert all(isinstance(one, Environment) for one in made)


@pytest.mark.parametrize("options", [{"decoders": ("pillow",)}, {"resizers": ("opencv-linear",)}])
def test_variants_that_the_page_has_not_are_refused(tmp_path, options):
    (tmp_path / "tiny.onnx").write_bytes(b"a model")
    with pytest.raises(BadInput, match="for the page of pixel; known: "):
        browser_environments(tmp_path / "tiny.onnx", SIDECAR, INFO, machine="pixel", **options)


def test_only_models_of_the_two_runtimes(tmp_path):
    with pytest.raises(BadInput, match=r"expected a \.tflite or \.onnx model"):
        browser_environments(tmp_path / "tiny.keras", SIDECAR, INFO, machine="pixel")


def test_view_and_runtime_are_chosen(tmp_path):
    (tmp_path / "tiny.onnx").write_bytes(b"a model")
    info = {**INFO, "runtimes": {"onnxruntime-web": "1", "onnxruntime-web-webgpu": "2"}}
    (made,) = browser_environments(
        tmp_path / "tiny.onnx",
        SIDECAR,
        info,
        machine="pixel",
        view="rectified-pillow",
        runtime="onnxruntime-web-webgpu",
    )
    assert (made.view, made.runtime, made.runtime_version) == ("rectified-pillow", "onnxruntime-web-webgpu", "2")


def test_a_page_without_webgpu_says_why(tmp_path):
    (tmp_path / "tiny.onnx").write_bytes(b"a model")
    info = {**INFO, "webgpu": {"error": "the browser gives no WebGPU adapter"}}
    with pytest.raises(BadInput, match=r"pixel \(the browser gives no WebGPU adapter\); known: litert-js, onnx"):
        browser_environments(tmp_path / "tiny.onnx", SIDECAR, info, machine="pixel", runtime="onnxruntime-web-webgpu")
    with pytest.raises(BadInput, match=r"unknown runtime 'litert-js' for tiny\.onnx in a browser; known: onnx"):
        browser_environments(tmp_path / "tiny.onnx", SIDECAR, info, machine="pixel", runtime="litert-js")


def test_another_task_than_classification_is_not_available_in_a_page(device, job):
    other = dataclasses.replace(job.sidecar, outputs="raw", task="detection", head="boxes")
    made = device(info=[{"info": INFO}])
    found = list(made.predict(dataclasses.replace(job, sidecar=other)))
    assert [(one.picture, one.labels) for one in found] == [("one", ()), ("two", ())]
    assert {one.error for one in found} == {
        "not available: a page predicts classification alone, the model's task is detection; "
        "predict on the host or an agent"
    }
    assert made.info() == INFO
