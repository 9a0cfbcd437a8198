"""The page a phone opens, in a real Chromium whose camera sees what we put before it: photographs and predictions."""

import dataclasses
import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from capture.display import DisplayServer
from capture.screen import Limits, judge, read_proof
from device_agents.decode import DECODERS
from device_agents.errors import DeviceError
from device_agents.predict import Job, JobPicture, default_environment, predict
from device_agents.preprocess import preprocess
from device_agents.records import Scene
from hostctl.browsers.device import WebDevice, browser_environments
from hostctl.browsers.link import WebLink
from hostctl.browsers.pages import is_built, web_blueprint
from hostctl.virtual.browser_phone import PHONE, BrowserPhone
from hostctl.virtual.browser_screen import BrowserScreen, launch_chromium
from stability_train.zoo import resolve_model
from tests.fakes.host_thread import HostThread

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_built(), reason="device_agents/web is not built: npm ci && npm run build there"),
]
PATIENCE_S = 120.0
HEIGHT, WIDTH = 480, 640
FRACTION_OF_TOP_SCORE = 1e-5  # float32 sums in another order


def photograph(seed, height=HEIGHT, width=WIDTH):
    """Smooth colours, so that a camera's halved chroma changes little."""
    small = np.random.default_rng(seed).integers(30, 226, (5, 6, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    link = WebLink("pixel", folder=tmp_path_factory.mktemp("web") / "shots")
    pages = web_blueprint(link)
    with DisplayServer(settle_ms=0, blueprints=[pages], guests={pages.name: "token-of-the-phone"}) as server, link:
        link.address = server.guest_url(pages.name)
        yield server, link


@pytest.fixture(scope="module")
def link(server):
    return server[1]


@pytest.fixture(scope="module")
def phone(link, tmp_path_factory):
    folder = tmp_path_factory.mktemp("camera")
    with BrowserPhone(link.address, folder=folder, picture=photograph(0)) as made:
        link.wait_for_page(timeout_s=PATIENCE_S)
        yield made


@pytest.fixture(scope="module")
def device(link, phone):
    yield WebDevice(link)
    assert phone.said == []


@pytest.fixture(scope="module")
def info(device):
    return device.info(timeout_s=PATIENCE_S)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """The same scenes as PNG and as JPEG with halved chroma, of odd sizes, one smaller than the model's input."""
    folder = tmp_path_factory.mktemp("pictures")
    for seed, size in enumerate([(333, 501), (480, 360), (150, 201)]):
        image = Image.fromarray(photograph(seed, *size))
        image.save(folder / f"{seed}.png")
        image.save(folder / f"{seed}.jpg", quality=90, subsampling=2)
    return tuple(JobPicture(file.name, str(file)) for file in sorted(folder.iterdir()))


def test_it_says_what_it_is(info):
    assert "Chrome" in info["agent"]
    assert info["isolated"] is True
    assert info["cameras"] == ["take-photo", "canvas", "file"]
    assert info["camera"]["settings"]["width"] == WIDTH
    assert not {"deviceId", "groupId"} & (set(info["camera"]["settings"]) | set(info["camera"]["capabilities"]))


@pytest.mark.parametrize("way", ["canvas", "take-photo"])
def test_its_photographs_show_what_is_before_the_camera_now(device, phone, way):
    for seed in (1, 2):
        phone.see(photograph(seed))
        shot = device.shoot(way=way, reopen=True, timeout_s=PATIENCE_S)
        got = np.asarray(Image.open(shot.path).convert("RGB")).astype(int)
        assert got.shape == (HEIGHT, WIDTH, 3)
        assert abs(got - photograph(seed)).mean() < 4
        assert shot.about["way"] == way
        assert shot.about["settings"]["height"] == HEIGHT


def test_its_photograph_of_the_display_proves_which_frame_it_shows(server, device, phone, tmp_path):
    display = server[0]
    Image.fromarray(photograph(7, 240, 320)).save(tmp_path / "scene.png")
    scene = Scene("one", str(tmp_path / "scene.png"), "hash", ("label",))
    with BrowserScreen(display.url, height=960, width=1280) as screen:
        display.wait_for_screen(timeout_s=PATIENCE_S)
        for stimulus in (12, 13):
            shown = display.show(scene, stimulus, timeout_s=PATIENCE_S)
            phone.see(screen.exposed(0, 0, 0).layers[0][0])
            shot = device.shoot(reopen=True, timeout_s=PATIENCE_S)
            rgb = DECODERS["pillow"](shot.path.read_bytes())
            proof = read_proof(rgb, layout=shown.layout, box=shown.box)
            assert judge(proof, stimulus=stimulus, limits=Limits()) == ()
            assert judge(proof, stimulus=stimulus + 1, limits=Limits()) != ()


def test_own_resizers_fits_and_scalings_give_the_hosts_bits(device, info, pictures):
    path, sidecar = resolve_model("mobilenet-v2.onnx")
    first = browser_environments(path, sidecar, info, machine="pixel")[0]
    resizers = ("android-bitmap", "half-pixel-bilinear", "pillow-bicubic", "pillow-bilinear")
    cells = list(itertools.product(resizers, info["fits"], ("imagenet", "minus-one-one")))
    cells += [("pillow-bilinear", "squash", scaling) for scaling in info["scalings"]]
    environments = tuple(dataclasses.replace(first, resizer=r, fit=f, scaling=s) for r, f, s in dict.fromkeys(cells))
    pngs = tuple(one for one in pictures if one.file.endswith(".png"))
    got = list(device.predict(Job(str(path), sidecar, pngs, environments), silence_s=PATIENCE_S))
    assert len(got) == len(pngs) * len(environments)
    named = {environment.environment: environment for environment in environments}
    files = {one.picture: one.file for one in pngs}
    for one in got:
        environment = dataclasses.replace(named[one.environment], decoder="pillow", runtime="onnxruntime")
        with open(files[one.picture], "rb") as file:
            wanted = preprocess(file.read(), environment=environment, sidecar=sidecar)
        where = (one.picture, environment.resizer, environment.fit, environment.scaling)
        assert one.pixels_sha256 == wanted.pixels_sha256, where
        assert one.resized_sha256 == wanted.resized_sha256, where
        assert one.tensor_sha256 == wanted.tensor_sha256, where


@pytest.mark.parametrize(
    "name",
    [
        "mobilenet-v2.onnx",
        "mobilenet-v2",
        "mobilenet_v2_1.0_224_float.tflite",  # leaves its batch open, which LiteRT.js does not take
        "mobilenet_v2_1.0_224_quant.tflite",  # uint8 in and out
    ],
)
def test_the_real_model_answers_as_on_the_host(device, info, pictures, name):
    if name.endswith(".tflite"):
        if "INSTABILITY_DATA" not in os.environ:
            pytest.skip("INSTABILITY_DATA is not set")
        name = str(Path(os.environ["INSTABILITY_DATA"]) / "models" / "classification" / name)
    path, sidecar = resolve_model(name)
    environments = browser_environments(path, sidecar, info, machine="pixel")
    job = Job(str(path), sidecar, pictures, environments)
    got = list(device.predict(job, silence_s=PATIENCE_S))
    on_host = dataclasses.replace(job, environments=(default_environment(sidecar, path),))
    assert [one.error for one in got] == [""] * len(pictures)
    for one, wanted in zip(got, predict(on_host), strict=True):
        assert one.file_sha256 == wanted.file_sha256
        if one.tensor_sha256 == wanted.tensor_sha256:  # a browser may decode JPEG its own way; PNG is the same for all
            assert one.labels[0] == wanted.labels[0]
            assert np.allclose(one.scores, wanted.scores, rtol=FRACTION_OF_TOP_SCORE, atol=1e-6)
        else:
            assert one.picture.endswith(".jpg")


def test_the_browsers_own_decoders_and_resizers_are_variants(device, info, pictures):
    path, sidecar = resolve_model("mobilenet-v2")
    environments = browser_environments(
        path, sidecar, info, machine="pixel", decoders=tuple(info["decoders"]), resizers=tuple(info["resizers"])
    )
    job = Job(str(path), sidecar, pictures[:1], environments)
    got = list(device.predict(job, silence_s=PATIENCE_S))
    assert [one.error for one in got] == [""] * len(environments)
    assert len({one.resized_sha256 for one in got}) >= 4


def test_a_broken_picture_is_one_failure_and_a_broken_model_is_said(device, info, pictures, tmp_path):
    path, sidecar = resolve_model("mobilenet-v2.onnx")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    environments = browser_environments(path, sidecar, info, machine="pixel")
    broken = JobPicture("broken", str(tmp_path / "broken.jpg"))
    got = list(device.predict(Job(str(path), sidecar, (broken, pictures[1]), environments), silence_s=PATIENCE_S))
    assert got[0].error.startswith("decode: ")
    assert len(got[0].file_sha256) == 64
    assert got[1].labels
    (tmp_path / "model.onnx").write_bytes(b"no model")
    environments = browser_environments(tmp_path / "model.onnx", sidecar, info, machine="pixel")
    job = Job(str(tmp_path / "model.onnx"), sidecar, pictures[:1], environments, labels=("a", "b"))
    (failed,) = device.predict(job, silence_s=PATIENCE_S)
    assert failed.error.startswith("load: ")


def test_without_permission_and_by_hand(tmp_path):
    """A browser that may not use its camera says so, and can still send what a person has taken."""
    link = WebLink("tablet", folder=tmp_path / "shots")
    pages = web_blueprint(link)
    Image.fromarray(photograph(3)).save(tmp_path / "taken.jpg")
    with DisplayServer(blueprints=[pages], guests={pages.name: "another-token"}) as server, link:
        with sync_playwright() as playwright:
            browser = launch_chromium(playwright)
            page = browser.new_page(viewport=PHONE)
            page.goto(server.guest_url(pages.name))
            hosts = HostThread(lambda: WebDevice(link).shoot(way="canvas", timeout_s=PATIENCE_S), link, page)
            with pytest.raises(DeviceError, match=r"tablet: shoot failed in the page: .*(camera|allowed)"):
                hosts.result()
            nobody = HostThread(lambda: WebDevice(link).shoot(way="file", timeout_s=1), link, page)
            with pytest.raises(DeviceError, match="tablet: shoot failed in the page: not done within 1 s"):
                nobody.result()
            by_hand = HostThread(lambda: WebDevice(link).shoot(way="file", timeout_s=PATIENCE_S), link, page)
            expect(page.locator("#choose")).to_be_visible(timeout=PATIENCE_S * 1e3)
            page.screenshot(path=tmp_path / "by-hand.png")
            page.locator("#file").set_input_files(tmp_path / "taken.jpg")
            assert by_hand.result().path.read_bytes() == (tmp_path / "taken.jpg").read_bytes()
            browser.close()
