"""The report in a real Chromium, from a file, without a network."""

import shutil

import pandas as pd
import pytest

from analysis.report import write_report
from analysis.tables import study
from tests.analysis.sample import CLASSES, device_picture, predictions, scene_picture

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LONG_NAME = "a-board-with-a-name-as-long-as-some-people-like-them-to-be"
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    table = predictions(missing=0.02)
    table["device"] = table["device"].replace({"pi-camera-3": LONG_NAME})
    table["picture"] = table["picture"].str.replace("pi-camera-3", "lg-k10-like")
    return write_report(
        tmp_path_factory.mktemp("report"),
        study=study(table),
        load_picture=device_picture,
        load_scene=scene_picture,
        names=CLASSES,
        provenance={
            "Run": {"command": "instability demo --quick --runtime litert", "model_sha256": "0123456789abcdef" * 4},
            "Devices": pd.DataFrame({"device": ["pi"], "os": ["Debian GNU/Linux 13 on a very long kernel name"]}),
        },
        failures=pd.DataFrame({"where": ["scene-3 on pi"], "reason": ["wrong frame: " + "expected 12, got 11; " * 8]}),
        virtual=True,
        limit=8,
    )


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def opened(request, browser, report):
    """The page, and everything it complained of or asked the network for."""
    context = browser.new_context(viewport=request.param, offline=True)
    page = context.new_page()
    complaints, requests = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda sent: requests.append(sent.url))
    page.goto(report.as_uri(), wait_until="load")
    page.wait_for_function("document.readyState === 'complete'")
    yield page, complaints, requests
    context.close()


def test_it_opens_offline_without_a_complaint_or_a_request(opened, report):
    _, complaints, requests = opened
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [report.as_uri()]


def test_it_is_all_there(opened):
    page, _, _ = opened
    assert page.locator("h1").inner_text().startswith("Your model is unstable on")
    assert page.locator("table").count() >= 9
    assert page.locator(".plot svg").count() == 7
    page.locator("details.more > summary").click()
    broken = "images => images.filter(image => !(image.complete && image.naturalWidth > 0)).length"
    assert page.locator("img").count() > 40
    assert page.locator("img").evaluate_all(broken) == 0


def test_nothing_scrolls_sideways_but_tables(opened):
    page, _, _ = opened
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"]
    beyond = """() => [...document.querySelectorAll('h1, h2, h3, p, img, .svg svg, .chip, dd, figcaption')]
        .filter(one => !one.closest('.scroll') && one.getBoundingClientRect().right > innerWidth + 1)
        .map(one => one.outerHTML.slice(0, 80))"""
    assert page.evaluate(beyond) == []


def test_the_keyboard_reaches_the_sections_and_the_tables(opened):
    page, _, _ = opened
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.url.endswith("#answer")
    names = page.locator(".scroll").evaluate_all(
        "all => all.map(one => [one.tabIndex, one.getAttribute('aria-label')])"
    )
    assert all(index == 0 and name for index, name in names)


def test_a_table_comes_as_csv(opened):
    page, _, _ = opened
    with page.expect_download() as waiting:
        page.locator("#table-accuracy a.csv").click()
    assert waiting.value.suggested_filename == "accuracy.csv"
    with open(waiting.value.path(), encoding="utf-8") as stream:
        assert stream.readline().startswith("device,accuracy")
