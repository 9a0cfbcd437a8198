"""What goes wrong with browsers, in a real Chromium: each time one clear message at the host, and the page goes on."""

import contextlib
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Error, expect, sync_playwright

from capture.display import DisplayServer
from device_agents.errors import BadInput, DeviceError, TimedOut, Unreachable
from device_agents.predict import Job, JobPicture
from device_agents.sidecar import Sidecar
from hostctl.browsers.device import WebDevice, browser_environments
from hostctl.browsers.link import WebLink
from hostctl.browsers.pages import is_built, web_blueprint
from hostctl.virtual.browser_phone import PHONE
from hostctl.virtual.browser_screen import find_chromium
from stability_train.zoo import resolve_model

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_built(), reason="device_agents/web is not built: npm ci && npm run build there"),
]
PATIENCE_S = 120.0
CAMERA = "--use-fake-device-for-media-stream"
MANY = 400


class Phone:
    """A browser with the device's page; host() does the host's part meanwhile, in a thread of its own."""

    def __init__(self, link, browser, context, pool):
        self.link, self.browser, self.context, self.pool = link, browser, context, pool
        self.device = WebDevice(link)
        self.page = context.new_page()

    def start(self, call):
        return self.pool.submit(lambda: (self.link.wait_for_page(timeout_s=PATIENCE_S), call())[1])

    def wait(self, future):
        end = time.monotonic() + PATIENCE_S
        while not future.done():
            assert time.monotonic() < end, "the host's call did not end"
            # A page that was closed or has crashed cannot wait; another one of the browser can.
            self.browser.contexts[-1].pages[-1].wait_for_timeout(30)
        return future.result()

    def host(self, call):
        return self.wait(self.start(call))

    def shoot(self, **options):
        return self.host(lambda: self.device.shoot(**{"timeout_s": PATIENCE_S, **options}))

    def state(self, word):
        expect(self.page.locator("#state")).to_have_text(word, timeout=PATIENCE_S * 1e3)


@pytest.fixture
def phone(tmp_path):
    with contextlib.ExitStack() as kept:

        def start(*arguments, allowed=True, name="127.0.0.1"):
            link = WebLink("pixel", folder=tmp_path / "shots")
            pages = web_blueprint(link)
            guests = {pages.name: "token-of-the-phone"}
            server = kept.enter_context(DisplayServer(blueprints=[pages], guests=guests, name=name))
            kept.enter_context(link)
            pool = kept.enter_context(ThreadPoolExecutor(1))
            playwright = kept.enter_context(sync_playwright())
            root = ["--no-sandbox"] if os.geteuid() == 0 else []
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=[*arguments, *root])
            kept.callback(browser.close)
            link.address = server.guest_url(pages.name)
            context = browser.new_context(viewport=PHONE)
            if allowed:
                context.grant_permissions(["camera"], origin=link.address.partition("/?")[0])
            made = Phone(link, browser, context, pool)
            made.page.goto(link.address)
            return made

        yield start


@pytest.fixture
def job(tmp_path):
    """A job that takes some seconds."""
    path, sidecar = resolve_model("mobilenet-v2.onnx")
    Image.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(tmp_path / "grey.png")

    def make(info, count=MANY, **options):
        environments = browser_environments(path, sidecar, info, machine="pixel", **options)
        pictures = tuple(JobPicture(str(number), str(tmp_path / "grey.png")) for number in range(count))
        return Job(str(path), sidecar, pictures, environments)

    return make


def test_a_browser_without_a_camera(phone):
    made = phone()
    with pytest.raises(DeviceError, match="^pixel: shoot failed in the page: this browser has no camera$"):
        made.shoot()
    made.state("Problem")
    assert made.host(made.device.info)["camera"] == {"error": "this browser has no camera"}
    made.state("Ready")


def test_a_camera_that_was_not_allowed(phone):
    made = phone(CAMERA, allowed=False)
    with pytest.raises(DeviceError, match="^pixel: shoot failed in the page: the camera was not allowed: tap the sign"):
        made.shoot()
    made.page.locator("#start").click()
    made.state("No camera")


def test_a_camera_that_is_taken_away_and_comes_back(phone):
    made = phone(CAMERA)
    assert made.shoot().size > 0
    made.context.clear_permissions()
    with pytest.raises(DeviceError, match=r"^pixel: shoot failed in the page: the camera was "):
        made.shoot()
    made.context.grant_permissions(["camera"])
    assert made.shoot().size > 0
    made.state("Ready")


def test_a_camera_that_is_taken_away_during_a_photograph(phone):
    made = phone(CAMERA)
    made.shoot()
    # No frame comes any more, and the browser says that the track has ended.
    made.page.evaluate("document.getElementById('camera').requestVideoFrameCallback = () => {}")
    asked = made.start(lambda: made.device.shoot(timeout_s=PATIENCE_S))
    made.state("Photographing")
    made.page.evaluate("document.getElementById('camera').srcObject.getTracks()[0].dispatchEvent(new Event('ended'))")
    with pytest.raises(DeviceError, match="the camera was taken away: unplugged, forbidden, or in use by a call"):
        made.wait(asked)


def test_a_page_that_is_loaded_again_in_the_middle_of_a_job(phone, job):
    made = phone()
    whole = job(made.host(made.device.info))
    asked = made.start(lambda: list(made.device.predict(whole, silence_s=PATIENCE_S)))
    made.state("Predicting")
    made.page.reload()
    with pytest.raises(DeviceError, match="^pixel: predict failed in the page: the page was closed or loaded again"):
        made.wait(asked)
    made.state("Ready")
    few = job(made.host(made.device.info), count=2)
    assert len(made.host(lambda: list(made.device.predict(few, silence_s=PATIENCE_S)))) == 2


def test_a_page_that_is_closed_in_the_middle_of_a_job(phone, job):
    made = phone()
    whole = job(made.host(made.device.info))
    made.context.new_page()  # so that the browser stays
    asked = made.start(lambda: list(made.device.predict(whole, silence_s=PATIENCE_S)))
    made.state("Predicting")
    made.page.close(run_before_unload=True)
    with pytest.raises(DeviceError, match="^pixel: predict failed in the page: the page was closed or loaded again"):
        made.wait(asked)
    address = made.link.address.partition("?")[0]
    with pytest.raises(Unreachable, match=re.escape(f"pixel: no page is open; open {address} by its whole link")):
        made.wait(made.pool.submit(made.device.info))


def test_a_page_that_has_crashed_is_silent(phone):
    made = phone()
    made.state("Ready")
    made.context.new_page()
    with made.page.expect_event("crash", timeout=PATIENCE_S * 1e3), contextlib.suppress(Error):
        made.page.goto("chrome://crash")
    with pytest.raises((TimedOut, Unreachable), match=r"is it in front, and the screen on|no page is open"):
        made.wait(made.pool.submit(lambda: made.device.info(timeout_s=1)))


def test_a_page_that_sleeps_is_said_and_goes_on_when_it_wakes(phone):
    made = phone()
    made.state("Ready")
    made.context.new_page()
    session = made.context.new_cdp_session(made.page)
    session.send("Debugger.enable")
    session.send("Debugger.pause")  # no script runs until it is resumed, as in a page that a phone has put to sleep
    with pytest.raises(TimedOut, match="gave no answer to 'info' within 11 s; is it in front, and the screen on"):
        made.wait(made.pool.submit(lambda: made.device.info(timeout_s=1)))
    session.send("Debugger.resume")
    session.send("Debugger.disable")
    assert made.host(made.device.info)["agent"]


def test_a_model_that_does_not_fit_into_memory(phone, job, tmp_path):
    """A good file with a result of 51 GB: the page says so for each picture, and the next job finds it well."""
    import onnx
    from onnx import TensorProto, helper

    made = phone()
    info = made.host(made.device.info)
    nodes = [
        helper.make_node("Expand", ["input", "size"], ["huge"]),
        helper.make_node("ReduceMax", ["huge"], ["output"], keepdims=0),
    ]
    size = helper.make_tensor("size", TensorProto.INT64, [4], [1 << 20, 3, 64, 64])
    ends = [
        helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 64, 64]),
        helper.make_tensor_value_info("output", TensorProto.FLOAT, []),
    ]
    graph = helper.make_graph(nodes, "huge", ends[:1], ends[1:], [size])
    onnx.save(
        helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "huge.onnx"
    )
    sidecar = Sidecar("huge", 64, 64, "nchw", "rgb", "squash", "pillow-bilinear", "zero-one", "logits")
    environments = browser_environments(tmp_path / "huge.onnx", sidecar, info, machine="pixel")
    few = job(info, count=2)
    huge = Job(str(tmp_path / "huge.onnx"), sidecar, few.pictures, environments, labels=("a", "b"))
    for one in made.host(lambda: list(made.device.predict(huge, silence_s=PATIENCE_S))):
        assert re.match("(load|infer): .*(memory|alloc|too large)", one.error), one.error
    assert all(one.labels for one in made.host(lambda: list(made.device.predict(few, silence_s=PATIENCE_S))))


def test_a_model_that_no_browser_takes_is_refused_before_it_is_sent(phone, job, tmp_path):
    made = phone()
    few = job(made.host(made.device.info), count=1)
    with open(tmp_path / "absurd.onnx", "wb") as file:
        file.truncate(5 << 30)  # all holes
    absurd = Job(str(tmp_path / "absurd.onnx"), few.sidecar, few.pictures, few.environments)
    with pytest.raises(BadInput, match="expected a model of at most 1073741824 bytes for a browser, got 5368709120"):
        made.host(lambda: list(made.device.predict(absurd)))
    made.state("Ready")


def test_an_insecure_address_says_what_to_do(phone):
    made = phone(CAMERA, "--host-resolver-rules=MAP kit.test 127.0.0.1", name="kit.test", allowed=False)
    made.state("Not secure")
    expect(made.page.locator("#message")).to_contain_text("Open the https address")
    expect(made.page.locator("#start")).to_be_hidden()
    with pytest.raises(DeviceError, match=r"This address is not secure.* Open the https address"):
        made.shoot()
    info = made.host(made.device.info)
    assert info["cameras"] == ["file"]
    assert info["webgpu"] == {"error": "WebGPU needs https"}
