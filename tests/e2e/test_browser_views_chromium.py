"""The page's views in Chromium: the scene cut out or straightened gives the host's bits, for pictures of every size."""

import dataclasses
import itertools

import numpy as np
import pytest
from PIL import Image

from capture.display import DisplayServer
from device_agents.predict import Job, JobPicture, predict
from device_agents.preprocess import StageFailed, fingerprint, preprocess
from device_agents.sidecar import Sidecar
from device_agents.view import VIEWS, rectified_size
from hostctl.browsers.device import WebDevice, browser_environments
from hostctl.browsers.link import WebLink
from hostctl.browsers.pages import is_built, web_blueprint
from hostctl.virtual.browser_phone import BrowserPhone
from stability_train.zoo import resolve_model

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_built(), reason="device_agents/web is not built: npm ci && npm run build there"),
]
PATIENCE_S = 120.0
PICTURES = 110
SIDECAR = Sidecar("none", 64, 64, "nhwc", "rgb", "squash", "pillow-bilinear", "bytes", "logits")
GREY = np.full((60, 80, 3), 128, np.uint8)
REFUSED = {
    "no corners": (),
    "three corners": ((0, 0), (10, 0), (10, 10)),
    "a line": ((0, 0), (10, 10), (20, 20), (30, 30)),
    "a bow tie": ((0, 0), (50, 50), (50, 0), (0, 50)),
    "not finite": ((0, 0), (float("nan"), 0), (50, 50), (0, 50)),
    "outside": ((200, 200), (240, 200), (240, 240), (200, 240)),
}


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    link = WebLink("pixel", folder=tmp_path_factory.mktemp("web") / "shots")
    pages = web_blueprint(link)
    with DisplayServer(blueprints=[pages], guests={pages.name: "token-of-the-phone"}) as server, link:
        address = server.guest_url(pages.name)
        with BrowserPhone(address, folder=tmp_path_factory.mktemp("camera"), picture=GREY) as phone:
            link.wait_for_page(timeout_s=PATIENCE_S)
            yield WebDevice(link)
            assert phone.said == []


@pytest.fixture(scope="module")
def info(device):
    return device.info(timeout_s=PATIENCE_S)


@pytest.fixture(scope="module")
def no_model(tmp_path_factory):
    """A file that loads nowhere: fingerprints are there before a model is needed."""
    path = tmp_path_factory.mktemp("model") / "none.onnx"
    path.write_bytes(b"no model")
    return path


def drawn(number, rng):
    """A picture, of noise or of smooth colours, and a scene in it: straight, tilted, partly outside or mirrored."""
    height, width = rng.integers(3, 300, 2)
    small = rng.integers(0, 256, (height, width, 3) if number % 2 else (4, 5, 3), np.uint8)
    photo = np.asarray(Image.fromarray(small).resize((int(width), int(height)), Image.Resampling.BICUBIC))
    corners = np.array([[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]) * (width, height)
    tilted = corners + rng.normal(0, 0.07, (4, 2)) * (width, height)
    corners = np.rint(corners) - 0.5 if number % 3 == 0 else tilted  # every third is on whole pixels
    if number % 5 == 0:
        corners = corners + rng.normal(0, 0.2, 2) * (width, height)
    return photo, tuple(map(tuple, (corners[::-1] if number % 7 == 0 else corners).tolist()))


def test_views_give_the_hosts_bits(device, info, no_model, tmp_path):
    """The model's input is as large as the view, so that the resized picture is the view itself."""
    rng, compared = np.random.default_rng(6), 0
    environments = {
        view: browser_environments(no_model, SIDECAR, info, machine="pixel", view=view)
        for view in ("crop", "rectified-pillow")
    }
    for number in range(PICTURES):
        photo, corners = drawn(number, rng)
        Image.fromarray(photo).save(tmp_path / f"{number}.png")
        picture = JobPicture(str(number), str(tmp_path / f"{number}.png"), corners)
        for view, environment in environments.items():
            wanted = VIEWS[view](photo, corners)
            height, width = wanted.shape[:2]
            sidecar = dataclasses.replace(SIDECAR, input_height=height, input_width=width)
            job = Job(str(no_model), sidecar, (picture,), environment, labels=("a", "b"))
            (got,) = device.predict(job, silence_s=PATIENCE_S)
            assert got.error.startswith("load: ")
            assert got.pixels_sha256 == fingerprint(photo)
            assert got.resized_sha256 == fingerprint(wanted), (number, view, photo.shape, corners)
            compared += 1
        assert wanted.shape[:2] == rectified_size(corners)
    assert compared == 2 * PICTURES


def test_corners_that_the_host_refuses_are_one_pictures_error(device, info, no_model, tmp_path):
    Image.fromarray(GREY).save(tmp_path / "grey.png")
    good = ((9.5, 9.5), (49.5, 9.5), (49.5, 39.5), (9.5, 39.5))
    pictures = tuple(
        JobPicture(name, str(tmp_path / "grey.png"), corners) for name, corners in {**REFUSED, "good": good}.items()
    )
    made = [browser_environments(no_model, SIDECAR, info, machine="pixel", view=view)[0] for view in info["views"]]
    job = Job(str(no_model), SIDECAR, pictures, tuple(made), labels=("a", "b"))
    named = {one.environment: one for one in made}
    told = {one.picture: one for one in pictures}
    data = (tmp_path / "grey.png").read_bytes()
    for one in device.predict(job, silence_s=PATIENCE_S):
        error, resized_sha256 = on_host(data, named[one.environment], told[one.picture].corners)
        assert one.error.split(", got")[0] == error or one.error.startswith("load: ")
        assert one.resized_sha256 == resized_sha256


def on_host(data, environment, corners):
    """The host's error for the same variants, without what it got, and its fingerprint."""
    environment = dataclasses.replace(environment, decoder="pillow", runtime="onnxruntime")
    try:
        prepared = preprocess(data, environment=environment, sidecar=SIDECAR, corners=corners)
    except StageFailed as failure:
        return str(failure).split(", got")[0], ""
    return "", prepared.resized_sha256


def test_a_photograph_is_predicted_as_by_the_hosts_default(device, info, tmp_path):
    path, sidecar = resolve_model("mobilenet-v2.onnx")
    rng, pictures = np.random.default_rng(7), []
    for number in range(4):
        small = rng.integers(0, 256, (6, 7, 3), np.uint8)
        Image.fromarray(small).resize((640, 480), Image.Resampling.BICUBIC).save(tmp_path / f"{number}.png")
        corners = np.array([[80, 60], [560, 60], [560, 420], [80, 420]]) + rng.normal(0, 12, (4, 2))
        pictures.append(JobPicture(str(number), str(tmp_path / f"{number}.png"), tuple(map(tuple, corners.tolist()))))
    views = [
        browser_environments(path, sidecar, info, machine="pixel", view=view)[0]
        for view in ("rectified-pillow", "crop", "whole")
    ]
    job = Job(str(path), sidecar, tuple(pictures), tuple(views))
    on_host = dataclasses.replace(
        job,
        environments=tuple(
            dataclasses.replace(one, decoder="pillow", runtime="onnxruntime", runtime_version="", machine="host")
            for one in views
        ),
    )
    for got, wanted in itertools.zip_longest(device.predict(job, silence_s=PATIENCE_S), predict(on_host)):
        assert got.error == ""
        assert got.tensor_sha256 == wanted.tensor_sha256
        assert got.labels[0] == wanted.labels[0]
        assert np.allclose(got.scores, wanted.scores, rtol=1e-5, atol=1e-6)
