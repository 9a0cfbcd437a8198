"""The report in a real Chromium, from a file, without a network."""

import shutil

import pandas as pd
import pytest

from analysis.pages.sections import make_sections
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
    recoded = table[table["repeat"] == 0].assign(codec="jpeg-50-as-the-app-writes-it", isp="")
    recoded["picture"] += "||jpeg-50"
    shares = [{"stage": "isp", "share": 0.089, "interval": [0.05, 0.12]}]
    sections, lacking = make_sections(
        study(table),
        predictions=pd.concat([table.assign(isp="", codec=""), recoded], ignore_index=True),
        notes={"attribution": {"mobilenet-v2": {"sentence": "Of 15 %: ISP 8.9.", "shares": shares}}},
    )
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
        sections=sections,
        lacking=lacking,
        limit=8,
    )


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(params=[(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
def opened(request, browser, report):
    """The page, and everything it complained of or asked the network for."""
    viewport, scheme = request.param
    context = browser.new_context(viewport=viewport, color_scheme=scheme, offline=True)
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
    assert page.locator("table").count() >= 14
    assert page.locator(".plot svg").count() == 7 + 3  # curves, components and shares; two conditions have no matrix
    for name in ("confidence", "differences", "repeatability", "agreement", "attribution", "lacking"):
        assert page.locator(f"#{name} h2").is_visible()
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


LUMINANCE = """one => {
    const parts = (one.tagName === 'text' ? getComputedStyle(one).fill : getComputedStyle(one).color).match(/[0-9.]+/g);
    const linear = parts.slice(0, 3).map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_the_light_and_in_the_dark(browser, report, scheme):
    context = browser.new_context(viewport=DESKTOP, color_scheme=scheme, offline=True)
    page = context.new_page()
    page.goto(report.as_uri())
    card = page.evaluate("getComputedStyle(document.querySelector('.plot')).backgroundColor")
    ground = sum((float(v) / 255) ** 2.2 for v in card[card.index("(") + 1 : -1].split(",")[:3]) / 3
    # The ink in the matrix of pairs follows its cells.
    wanted = "h1, .lead, td, th, .plot figcaption, .plot > p, .csv, .plot:not(#figure-pairs) svg text"
    found = page.locator(wanted).evaluate_all(f"all => all.map({LUMINANCE})")
    contrast = [(max(ground, one) + 0.05) / (min(ground, one) + 0.05) for one in found]
    assert len(contrast) > 200
    assert min(contrast) >= 4.5  # WCAG 2.2, 1.4.3
    context.close()


def test_in_print_it_is_light_and_nothing_is_hidden(browser, report):
    context = browser.new_context(viewport=DESKTOP, color_scheme="dark", offline=True)
    page = context.new_page()
    page.goto(report.as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(31, 41, 51)"
    assert page.locator("#agreement h2").is_visible()
    assert len(page.pdf()) > 10_000
    context.close()


def test_points_tell_their_values(browser, report):
    page = browser.new_page(viewport=DESKTOP)
    page.goto(report.as_uri())
    words = page.locator("#figure-accuracy use > title").all_text_contents()
    assert len(words) == 5
    assert all("% [" in one for one in words)
    page.close()
