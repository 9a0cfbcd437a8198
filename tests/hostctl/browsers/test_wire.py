import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from device_agents.errors import BadInput
from device_agents.predict import Job, JobPicture
from device_agents.records import Environment
from device_agents.sidecar import Sidecar
from device_agents.view import VIEWS
from hostctl.browsers import wire as web_wire
from hostctl.browsers.wire import job_files, quantisation_of, rectification, wire_job

SIDECAR = Sidecar("tiny", 8, 8, "nchw", "rgb", "squash", "pillow-bilinear", "imagenet", "logits")
FIRST = Environment(
    "tiny", "", "create-image-bitmap", "whole", "rgb", "squash", "pillow-bilinear", "imagenet", "onnxruntime-web"
)
TILTED = ((10.25, 7.5), (90.0, 12.0), (84.5, 70.25), (5.5, 66.0))


@pytest.fixture
def job(tmp_path):
    (tmp_path / "tiny.onnx").write_bytes(b"a model")
    (tmp_path / "a.png").write_bytes(b"a picture")

    def make(*views, corners=TILTED):
        environments = tuple(dataclasses.replace(FIRST, view=view) for view in views)
        picture = JobPicture("one", str(tmp_path / "a.png"), corners)
        return Job(str(tmp_path / "tiny.onnx"), SIDECAR, (picture,), environments)

    return make


def wired(job):
    """The job as the page reads it: through JSON, without those numbers that JSON does not have."""
    return json.loads(json.dumps(wire_job(job, None, job_files(job)), allow_nan=False))


def test_a_whole_picture_needs_no_corners(job):
    assert set(wired(job("whole"))["pictures"][0]) == {"picture", "sha256"}


def test_corners_go_along_for_the_views_that_need_them(job):
    assert set(wired(job("crop"))["pictures"][0]) == {"picture", "sha256", "corners"}
    values = wired(job("whole", "rectified-pillow"))
    assert values["pictures"][0]["corners"] == [list(corner) for corner in TILTED]
    assert set(values["pictures"][0]["rectified"]) == {"height", "width", "coefficients"}
    assert [one["view"] for one in values["environments"]] == ["whole", "rectified-pillow"]


def test_the_coefficients_are_those_that_the_hosts_view_gives_to_pillow():
    photo = np.random.default_rng(2).integers(0, 256, (80, 100, 3), np.uint8)
    plan = rectification(TILTED)
    assert plan == json.loads(json.dumps(plan))  # not a digit is lost on the way
    size, transform = (plan["width"], plan["height"]), Image.Transform.PERSPECTIVE
    warped = Image.fromarray(photo).transform(size, transform, plan["coefficients"], Image.Resampling.BICUBIC)
    assert np.array_equal(np.asarray(warped), VIEWS["rectified-pillow"](photo, TILTED))


@pytest.mark.parametrize(
    "corners",
    [(), ((0, 0), (1, 1), (2, 2), (3, 3)), ((0, 0), (1e6, 0), (1e6, 1e6), (0, 1e6)), (*TILTED[:3], (np.nan, 1))],
    ids=["none", "a line", "too large", "not finite"],
)
def test_corners_that_cannot_be_straightened_are_the_pictures_fault(job, corners):
    picture = wired(job("rectified-pillow", corners=corners))["pictures"][0]
    assert set(picture["rectified"]) == {"refused"}
    with pytest.raises(BadInput) as told:
        VIEWS["rectified-pillow"](np.zeros((8, 8, 3), np.uint8), corners)
    assert picture["rectified"]["refused"] == str(told.value)[:300]


def test_a_model_that_is_too_large_is_refused_unread(job, monkeypatch):
    monkeypatch.setattr(web_wire, "MOST_MODEL_BYTES", 3)
    with pytest.raises(BadInput, match="expected a model of at most 3 bytes for a browser, got 7"):
        job_files(job("whole"))


def test_a_broken_model_is_said(tmp_path):
    (tmp_path / "broken.tflite").write_bytes(b"no model")
    with pytest.raises(BadInput, match="no model that litert can read"):
        quantisation_of(tmp_path / "broken.tflite")
    assert quantisation_of(tmp_path / "any.onnx") is None
