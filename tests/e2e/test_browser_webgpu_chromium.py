"""WebGPU in the page, on Chromium's software adapter: its answers against WebAssembly's, and why there may be none."""

import contextlib
import functools
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from capture.display import DisplayServer
from device_agents.errors import BadInput
from device_agents.predict import Job, JobPicture
from hostctl.browsers.device import RUNTIMES_BY_SUFFIX, WebDevice, browser_environments
from hostctl.browsers.link import WebLink
from hostctl.browsers.pages import is_built, web_blueprint
from hostctl.virtual.browser_screen import find_chromium
from stability_train.zoo import resolve_model
from tests.fakes.host_thread import HostThread

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_built(), reason="device_agents/web is not built: npm ci && npm run build there"),
]
PATIENCE_S = 120.0
SOFTWARE = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")
PICTURES = 3


@pytest.fixture
def host(tmp_path):
    """Open a page in a browser with these arguments; gives the device, and what calls it meanwhile."""
    with contextlib.ExitStack() as kept:

        def start(*arguments):
            link = WebLink("pixel", folder=tmp_path / "shots")
            pages = web_blueprint(link)
            server = kept.enter_context(DisplayServer(blueprints=[pages], guests={pages.name: "the-token"}))
            kept.enter_context(link)
            playwright = kept.enter_context(sync_playwright())
            root = ["--no-sandbox"] if os.geteuid() == 0 else []
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=[*arguments, *root])
            kept.callback(browser.close)
            page = browser.new_page()
            page.goto(server.guest_url(pages.name))
            return WebDevice(link), lambda call: HostThread(call, link, page).result()

        yield start


@pytest.fixture
def pictures(tmp_path):
    for number in range(PICTURES):
        small = np.random.default_rng(number).integers(0, 256, (5, 6, 3), np.uint8)
        Image.fromarray(small).resize((320, 240), Image.Resampling.BICUBIC).save(tmp_path / f"{number}.png")
    return tuple(JobPicture(str(number), str(tmp_path / f"{number}.png")) for number in range(PICTURES))


def test_the_graphics_processor_answers_as_webassembly_does(host, pictures):
    device, call = host(*SOFTWARE)
    info = call(device.info)
    if "error" in info["webgpu"]:
        pytest.skip(f"this browser has no software adapter: {info['webgpu']['error']}")
    assert "swiftshader" in info["webgpu"]["adapter"]
    for name, count in (("mobilenet-v2", PICTURES), ("mobilenet-v2.onnx", 1)):  # in software 0.5 s and 2 s a picture
        path, sidecar = resolve_model(name)
        both = [
            browser_environments(path, sidecar, info, machine="pixel", runtime=runtime)[0]
            for runtime in RUNTIMES_BY_SUFFIX[path.suffix]
        ]
        job = Job(str(path), sidecar, pictures[:count], tuple(both))
        got = call(functools.partial(all_of, device, job))
        assert [one.error for one in got] == [""] * 2 * count
        for plain, graphics in zip(got[::2], got[1::2], strict=True):
            assert graphics.tensor_sha256 == plain.tensor_sha256
            assert graphics.labels[0] == plain.labels[0]
            assert np.allclose(graphics.scores, plain.scores, rtol=1e-3, atol=1e-4)  # float32, added in another order
            assert graphics.scores != plain.scores  # it is another runtime, and not WebAssembly under another name


def all_of(device, job):
    return list(device.predict(job))


def test_a_quantised_model_is_refused(host, pictures):
    if "INSTABILITY_DATA" not in os.environ:
        pytest.skip("INSTABILITY_DATA is not set")
    folder = Path(os.environ["INSTABILITY_DATA"]) / "models" / "classification"
    path, sidecar = resolve_model(str(folder / "mobilenet_v2_1.0_224_quant.tflite"))
    device, call = host(*SOFTWARE)
    info = call(device.info)
    if "error" in info["webgpu"]:
        pytest.skip(f"this browser has no software adapter: {info['webgpu']['error']}")
    environments = browser_environments(path, sidecar, info, machine="pixel", runtime="litert-js-webgpu")
    (got,) = call(lambda: list(device.predict(Job(str(path), sidecar, pictures[:1], environments))))
    assert got.error == "load: Error: LiteRT.js is wrong about quantised models on WebGPU; use litert-js"


def test_without_an_adapter_it_is_not_offered_and_the_host_says_why(host, pictures):
    device, call = host("--disable-gpu", "--disable-software-rasterizer")
    info = call(device.info)
    assert info["webgpu"]["error"] in ("the browser gives no WebGPU adapter", "this browser has no WebGPU")
    assert set(info["runtimes"]) == {"litert-js", "onnxruntime-web"}
    path, sidecar = resolve_model("mobilenet-v2.onnx")
    with pytest.raises(BadInput, match=r"unknown runtime 'onnxruntime-web-webgpu' for the page of pixel \(.*WebGPU"):
        browser_environments(path, sidecar, info, machine="pixel", runtime="onnxruntime-web-webgpu")
    pretended = {**info, "runtimes": {**info["runtimes"], "onnxruntime-web-webgpu": ""}}
    environments = browser_environments(path, sidecar, pretended, machine="pixel", runtime="onnxruntime-web-webgpu")
    (got,) = call(lambda: list(device.predict(Job(str(path), sidecar, pictures[:1], environments))))
    assert got.error.startswith("load: Error: unknown runtime 'onnxruntime-web-webgpu'; known: litert-js, ")
