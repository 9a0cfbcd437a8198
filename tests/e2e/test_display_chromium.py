"""The display page in a real Chromium: a screenshot at each acknowledgement proves the frame, pixel for pixel."""

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from capture.display import DisplayServer
from capture.screen import Limits, judge, layout_for, read_proof, render_frame
from device_agents.decode import DECODERS
from device_agents.errors import TimedOut, Unreachable
from device_agents.records import Scene
from hostctl.virtual.browser_screen import BrowserScreen, launch_chromium, screenshot

HEIGHT, WIDTH = 600, 800
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    made = []
    for number in range(4):
        rng = np.random.default_rng(number)
        small = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8))
        small.resize((320, 240), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
        made.append(Scene(f"scene{number}", str(folder / f"{number}.png"), f"hash{number}", ("label",)))
    return made


@pytest.fixture
def server():
    with DisplayServer(settle_ms=0) as made:
        yield made


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        made = launch_chromium(playwright)
        yield made
        made.close()


@pytest.fixture
def browser(chromium):
    yield chromium
    for context in chromium.contexts:
        context.close()


class Open:
    """The page in a browser, with everything that went wrong in it."""

    def __init__(self, browser, server, **options):
        self.context = browser.new_context(**{"viewport": {"width": WIDTH, "height": HEIGHT}, **options})
        self.page = self.context.new_page()
        self.errors = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda line: line.type == "error" and self.errors.append(line.text))
        self.page.goto(server.url)

    def says(self, words):
        """Wait for words on the page (not by wait_for_function: the page's security policy forbids eval)."""
        expect(self.page.locator("#message")).to_contain_text(words, timeout=PATIENCE_S * 1e3)


def in_background(call):
    """Run a show() beside playwright, which belongs to this thread; give a function that waits for its result."""
    outcome = []

    def work():
        try:
            outcome.append(call())
        except (TimedOut, Unreachable) as problem:
            outcome.append(problem)

    thread = threading.Thread(target=work)
    thread.start()

    def result(page):
        while thread.is_alive():
            page.wait_for_timeout(20)
        return outcome[0]

    return result


def assert_shows(photo, scene, stimulus, shown):
    proof = read_proof(photo, layout=shown.layout, box=shown.box)
    assert judge(proof, stimulus=stimulus, limits=Limits()) == ()
    expected = render_frame(DECODERS["pillow"](Path(scene.file).read_bytes()), stimulus=stimulus, layout=shown.layout)
    left, top, right, bottom = shown.box
    assert np.array_equal(photo[top:bottom, left:right], expected.rgb[top:bottom, left:right])
    assert np.array_equal(photo, expected.rgb)


def test_each_acknowledged_frame_is_on_the_screen(server, scenes, tmp_path):
    with BrowserScreen(server.url, height=HEIGHT, width=WIDTH) as screen:
        report = server.wait_for_screen(timeout_s=PATIENCE_S)
        assert (report.height, report.width, report.zoom, report.visible) == (HEIGHT, WIDTH, 1, True)
        for number, scene in enumerate(scenes):
            following = (scenes[number + 1], 1001 + number) if number + 1 < len(scenes) else None
            shown = server.show(scene, 1000 + number, next_scene=following, timeout_s=PATIENCE_S)
            exposure = screen.exposed(0.0, 0.01, 0.0)
            assert (exposure.stimulus, exposure.scene) == (1000 + number, scene.scene)
            assert_shows(exposure.layers[0][0], scene, 1000 + number, shown)
    Image.fromarray(exposure.layers[0][0]).save(tmp_path / "screen.png")


def test_before_the_first_scene_the_page_is_grey_and_says_so(server, browser):
    opened = Open(browser, server)
    opened.says("Ready")
    photo = screenshot(opened.page)
    assert np.median(photo.reshape(-1, 3), axis=0).tolist() == [128, 128, 128]
    assert (photo[:100] == 128).all()
    assert "800 x 600" in opened.page.inner_text("#message")
    assert opened.errors == []


@pytest.mark.parametrize("ratio", [1.5, 2.0])
def test_a_denser_screen_is_drawn_in_its_own_pixels(server, browser, scenes, ratio):
    opened = Open(browser, server, device_scale_factor=ratio)
    showing = in_background(lambda: server.show(scenes[0], 5, timeout_s=PATIENCE_S))
    shown = showing(opened.page)
    assert shown.layout == layout_for(int(HEIGHT * ratio), int(WIDTH * ratio))
    assert_shows(screenshot(opened.page), scenes[0], 5, shown)
    assert opened.errors == []


def test_a_resized_window_gets_its_frame_again(server, browser, scenes):
    opened = Open(browser, server)
    in_background(lambda: server.show(scenes[0], 5, timeout_s=PATIENCE_S))(opened.page)
    opened.page.set_viewport_size({"width": 1000, "height": 700})
    expect(opened.page.locator("#stage img")).to_have_js_property("naturalWidth", 1000, timeout=PATIENCE_S * 1e3)
    shown = in_background(lambda: server.show(scenes[1], 6, timeout_s=PATIENCE_S))(opened.page)
    assert shown.layout == layout_for(700, 1000)
    assert_shows(screenshot(opened.page), scenes[1], 6, shown)


def test_dropped_connections_come_back_by_themselves(server, browser, scenes):
    opened = Open(browser, server)
    for number in range(3):
        shown = in_background(lambda number=number: server.show(scenes[number], number, timeout_s=PATIENCE_S))(
            opened.page
        )
        assert_shows(screenshot(opened.page), scenes[number], number, shown)
        server.drop_connections()


def test_a_host_started_again_gets_its_page_back(browser, scenes):
    with DisplayServer(settle_ms=0) as first:
        opened = Open(browser, first)
        in_background(lambda: first.show(scenes[0], 1, timeout_s=PATIENCE_S))(opened.page)
    opened.page.wait_for_timeout(500)
    with DisplayServer(port=first.port, token=first.token, settle_ms=0) as second:
        shown = in_background(lambda: second.show(scenes[1], 2, timeout_s=PATIENCE_S))(opened.page)
        assert_shows(screenshot(opened.page), scenes[1], 2, shown)


HIDE = """hidden => {
  Object.defineProperty(document, 'visibilityState', {configurable: true, get: () => hidden ? 'hidden' : 'visible'});
  document.dispatchEvent(new Event('visibilitychange'));
}"""


def test_a_hidden_page_refuses_and_takes_the_frame_away(server, browser, scenes):
    opened = Open(browser, server)
    in_background(lambda: server.show(scenes[0], 1, timeout_s=PATIENCE_S))(opened.page)
    # Headless Chromium never hides a page, so the page is told that it is.
    opened.page.evaluate(HIDE, True)
    opened.says("hidden")
    refused = in_background(lambda: server.show(scenes[1], 2, timeout_s=0.5))(opened.page)
    assert isinstance(refused, TimedOut)
    assert "the page is hidden" in str(refused)
    assert opened.page.locator("#stage img").count() == 0
    opened.page.evaluate(HIDE, False)
    shown = in_background(lambda: server.show(scenes[1], 3, timeout_s=PATIENCE_S))(opened.page)
    assert_shows(screenshot(opened.page), scenes[1], 3, shown)


def test_a_wrong_zoom_is_refused_on_the_page_and_to_the_host(server, browser, scenes):
    opened = Open(browser, server)
    opened.says("Ready")
    opened.page.evaluate("Object.defineProperty(window, 'outerWidth', {value: innerWidth * 1.25})")
    opened.page.set_viewport_size({"width": WIDTH, "height": HEIGHT - 20})
    opened.says("zoom is 125%")
    assert "press Ctrl+0" in server.display.trouble
    refused = in_background(lambda: server.show(scenes[0], 1, timeout_s=0.3))(opened.page)
    assert "zoom is 125%" in str(refused)


def test_a_frame_that_does_not_arrive_is_said(server, browser, scenes):
    opened = Open(browser, server)
    opened.says("Ready")
    opened.page.route("**/frame/**", lambda route: route.abort())
    lost = in_background(lambda: server.show(scenes[0], 9, timeout_s=2.0))(opened.page)
    assert "the frame of stimulus 9 could not be loaded" in str(lost)


def test_without_the_token_there_is_no_page(server, browser):
    page = browser.new_page()
    answer = page.goto(f"http://127.0.0.1:{server.port}/")
    assert answer.status == 401
    with pytest.raises(Unreachable, match="no screen is connected"):
        server.wait_for_screen(timeout_s=0.2)


def test_a_browser_that_cannot_reach_the_host_says_so():
    with pytest.raises(Unreachable, match="the browser cannot open the display"):
        BrowserScreen("http://127.0.0.1:1/", height=HEIGHT, width=WIDTH).__enter__()
