"""The live page in a real Chromium: with a scripted board, and while a real small session on a virtual rack runs."""

import re
import subprocess
import threading

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from capture.display import DisplayServer
from device_agents.records import Step
from hostctl.dashboard import NAME, Viewers, page_blueprint
from hostctl.runner import Outcome
from hostctl.sessions.progress_board import Board
from hostctl.sessions.vitals import Vitals
from hostctl.virtual.browser_screen import launch_chromium
from tests.fakes.command import PROGRAM, write_lab
from tests.fakes.photos import packaged

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PATIENCE_MS = 60_000
EVIL = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
LONG = "a-phone-with-a-name-as-long-as-some-people-like-them-to-be-and-a-bit"


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        made = launch_chromium(playwright)
        yield made
        made.close()


class Opened:
    """The page in a browser, with everything that went wrong in it and everything it asked for."""

    def __init__(self, chromium, url, **options):
        self.context = chromium.new_context(**{"viewport": DESKTOP, **options})
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.errors, self.asked = [], []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda line: line.type == "error" and self.errors.append(line.text))
        self.page.on("request", lambda sent: self.asked.append(sent.url))
        self.page.goto(url)

    def says(self, place, words):
        expect(self.page.locator(place)).to_contain_text(words, timeout=PATIENCE_MS)


@pytest.fixture
def board():
    made = Board(devices={"pixel": "adb", EVIL: "adb", LONG: "ssh"}, attempts=2)
    made.plan(dict.fromkeys(("pixel", EVIL, LONG), 10), dict.fromkeys(("pixel", EVIL, LONG), 10))
    return made


@pytest.fixture
def address(board, tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (120, 160, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "thumbnail.jpg")
    about = {"name": f"run {EVIL}", "lab": "rack", "model": "mobilenet-v2", "virtual": True, "secrets": tuple}
    pages = page_blueprint(board, about=about, thumbnail=lambda sha256: tmp_path / "thumbnail.jpg", viewers=Viewers())
    with DisplayServer(blueprints=[pages], guests={NAME: "look"}) as server:
        yield server.guest_url(NAME)


@pytest.fixture
def opened(chromium, address):
    made = []

    def make(**options):
        made.append(Opened(chromium, address, **options))
        return made[-1]

    yield make
    for one in made:
        one.context.close()


def step(number, device):
    return Step(f"scene {EVIL if number == 3 else number}", 0, 1, device, number + 1, number, 1)


def fill(board):
    board.stage("photographs", 0, 30, "")
    for number in range(4):
        for device in ("pixel", LONG):
            board.tell(Outcome(step(number, device), "ok", thumbnail=f"{number:064x}"))
    for _ in range(2):
        board.tell(Outcome(step(5, EVIL), "rejected", f"torn {EVIL} " + "very " * 30 + "torn"))
    board.vitals("pixel", Vitals(12, 41.5, ("battery at 12 %; charge it",)))
    board.answer(
        {
            "predictions": 24,
            "headline": "Your model is unstable on 25 % [9.0, 49] of these photographs across these three devices.",
            "instability": {"rate": 0.25, "low": 0.09, "high": 0.49, "items": 8},
            "accuracy": {EVIL: {"accuracy": 0.5, "low": 0.2, "high": 0.8}},
        }
    )


def test_everything_is_there_as_text_and_nothing_runs(opened, board):
    fill(board)
    one = opened()
    one.says("#headline", "Photographing: 8 of 30")
    one.says("#troubles", f"{EVIL}: 2 attempts in a row went wrong; the last: torn {EVIL}")
    one.says("#troubles", "pixel: battery at 12 %; charge it")
    one.says("#answer", "unstable on 25 % [9.0, 49]")
    one.says("#caution", "24 predictions and 8 photographs")
    one.says("#accuracy", "50.0 %")
    one.says("#retakes", f"torn {EVIL}")
    one.says("#virtual", "virtual")
    assert one.page.locator("#devices > li").count() == 3
    assert "battery 12 %, 41.5 °C" in one.page.locator("#devices > li").first.inner_text()
    expect(one.page.locator("#recent img")).to_have_count(8)
    loaded = "images => images.every(image => image.complete && image.naturalWidth === 160)"
    one.page.wait_for_timeout(500)
    assert one.page.locator("#recent img").evaluate_all(loaded)
    assert one.page.locator("main script, #recent img[onerror], #troubles img").count() == 0
    assert one.page.title().startswith("26 % · run <img")
    assert one.errors == []
    origin = one.page.url.partition("/?")[0]
    assert {url for url in one.asked if not url.startswith((origin, "data:"))} == set()


def test_it_follows_the_board_and_keeps_what_did_not_change(opened, board):
    one = opened()
    one.says("#headline", "The session is starting.")
    one.says("#answer", "Not yet: the photographs are predicted (with mobilenet-v2) after the last one is taken")
    one.page.locator("#devices > li").first.evaluate("item => { item.mark = 'the same'; }")
    fill(board)
    one.says("#headline", "8 of 30")
    assert one.page.locator("#devices > li").first.evaluate("item => item.mark") == "the same"
    board.stage("predictions", 3, 24, "")
    one.says("#headline", "Predictions on the host: 3 of 24")
    board.end("The session has ended.")
    one.says("#headline", "The session has ended.")
    one.says("#link", "this page no longer changes")
    count = len(one.asked)
    one.page.wait_for_timeout(2500)
    assert len([url for url in one.asked[count:] if "state" in url]) == 0
    assert one.errors == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read(opened, board, size, scheme, tmp_path):
    fill(board)
    one = opened(viewport=size, color_scheme=scheme)
    one.says("#headline", "8 of 30")
    one.page.screenshot(path=tmp_path / "live.png", full_page=True)
    assert one.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    colours = one.page.evaluate(
        """() => ['body', '.soft', '.devices .state', '#troubles li', '.devices [data-trouble="yes"] .state', 'th']
        .map(name => document.querySelector(name)).filter(Boolean).map(node => {
          const ground = one => getComputedStyle(one).backgroundColor;
          let behind = node;
          while (ground(behind) === 'rgba(0, 0, 0, 0)' && behind.parentElement) behind = behind.parentElement;
          return [getComputedStyle(node).color, ground(behind)];
        })"""
    )
    assert len(colours) == 6
    assert all(contrast(*pair) >= 4.5 for pair in colours), colours


def contrast(*colours):
    """Work out the contrast ratio of WCAG 2.2 between two colours as CSS gives them."""
    found = []
    for colour in colours:
        parts = np.array([int(part) for part in re.findall(r"\d+", colour)[:3]]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        found.append(float(linear @ [0.2126, 0.7152, 0.0722]))
    return (max(found) + 0.05) / (min(found) + 0.05)


def test_keyboard_and_screen_reader(opened, board):
    fill(board)
    one = opened()
    one.says("#headline", "8 of 30")
    one.page.keyboard.press("Tab")
    assert one.page.evaluate("document.activeElement.className") == "skip"
    one.page.keyboard.press("Enter")
    assert one.page.evaluate("document.activeElement.id") == "main"
    reached = []
    for _ in range(2):
        one.page.keyboard.press("Tab")
        reached.append(one.page.evaluate("document.activeElement.getAttribute('aria-label')"))
    assert reached == ["Accuracy by device", "Refused and failed attempts"]
    said = one.page.locator("#said")
    assert (said.get_attribute("aria-live"), said.get_attribute("role")) == ("polite", "status")
    one.says("#said", "Photographing: 8 of 30")
    one.says("#said", "battery at 12 %")
    unnamed = "all => all.filter(bar => !bar.hidden && !bar.getAttribute('aria-label')).length"
    assert one.page.locator("progress").evaluate_all(unnamed) == 0
    assert one.page.locator("img:not([alt])").count() == 0
    assert one.page.locator("h1").count() == 1
    # Mere progress is not read out each second.
    board.tell(Outcome(step(6, "pixel"), "ok", thumbnail="0" * 64))
    one.says("#headline", "9 of 30")
    assert "8 of 30" in said.inner_text()
    board.trouble("pixel", "unplugged")
    one.says("#said", "pixel: unplugged")


def test_a_host_that_is_gone_is_said_and_a_hidden_page_does_not_ask(opened, board):
    one = opened()
    one.says("#link", "Live")
    one.page.route("**/live/state*", lambda route: route.abort())
    one.says("#link", "The host does not answer; what stands here is of")
    one.page.unroute("**/live/state*")
    one.says("#link", "Live")
    one.page.evaluate("Object.defineProperty(document, 'visibilityState', {configurable: true, get: () => 'hidden'})")
    one.page.wait_for_timeout(1500)
    count = len(one.asked)
    one.page.wait_for_timeout(2500)
    assert len(one.asked) == count


@pytest.mark.slow
def test_a_real_session_is_followed_to_its_result(chromium, tmp_path):
    lab = write_lab(tmp_path, board=True)
    words = [PROGRAM, "run", lab, "--scenes", packaged(tmp_path, 4), "--out", "run", "--model", "mobilenet-v2"]
    with subprocess.Popen(
        [str(word) for word in words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as session:
        watch = threading.Timer(240, session.kill)
        watch.start()
        try:
            url = next(found[1] for line in session.stderr if (found := re.search(r"live page: (http\S+)", line)))
            reading = threading.Thread(target=session.stderr.read)
            reading.start()
            one = Opened(chromium, url)
            one.says("#headline", "Photographing")
            expect(one.page.locator("#recent img").first).to_be_visible(timeout=PATIENCE_MS)
            one.page.screenshot(path=tmp_path / "session.png", full_page=True)
            one.says("#headline", "The session has ended.")
            one.says("#stages", "Predictions on the devices")
            one.says("#stages", "Predictions on the host")
            one.says("#answer", "across these two devices")
            assert one.page.locator("#answer-title").inner_text() == "Result"
            assert one.page.locator("#accuracy tr").count() == 2
            assert "4 of 4" in one.page.locator("#devices > li").first.inner_text()
            assert one.errors == []
            one.page.screenshot(path=tmp_path / "ended.png", full_page=True)
            one.context.close()
            assert session.wait(PATIENCE_MS / 1e3) == 0
            reading.join()
        finally:
            watch.cancel()
            session.kill()
    token = url.partition("token=")[2]
    assert token not in (tmp_path / "run" / "run.log").read_text("utf-8")
