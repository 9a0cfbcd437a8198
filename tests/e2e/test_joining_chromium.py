"""Joining in a real Chromium: codes on the screen read from its screenshot, pages over https, the authority trusted."""

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
import zxingcpp
from flask import Blueprint
from PIL import Image
from playwright.sync_api import Error, expect, sync_playwright

from capture.display import DisplayServer
from capture.display_joining import AUTHORITY_LABEL
from capture.screen import Limits, judge, read_proof
from device_agents.records import Scene
from hostctl.browsers import certificate_files as files
from hostctl.browsers.certificate import certificate, display_tls
from hostctl.virtual.browser_screen import BrowserScreen, find_chromium, launch_chromium, screenshot

PATIENCE_S = 60.0
NAMES = ("pixel", "galaxy", "iphone")
SIZES = [(800, 600), (1280, 960), (1920, 1080)]


def phones(names=NAMES):
    """Three devices with a page each, and one guest that is none."""
    made = []
    for name in names:
        made.append(Blueprint(f"web-{name}", __name__))
        made[-1].add_url_rule(f"/web-{name}/", endpoint="page", view_func=lambda name=name: page_of(name))
    guests = {f"web-{name}": f"token-of-{name}-0123456789abcdef" for name in names}
    return {"blueprints": made, "guests": {**guests, "live": "only-looks"}}


def page_of(name):
    return f"<!doctype html><title>{name}</title><p id=name>{name}</p>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("authority")
    certificate(["lab.local"], folder=made, now=datetime.now(UTC))
    return made


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    path = tmp_path_factory.mktemp("scenes") / "a.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (12, 16, 3), np.uint8)).resize((320, 240)).save(path)
    return Scene("a", str(path), "hash", ("label",))


@pytest.fixture(scope="module")
def playwright():
    with sync_playwright() as made:
        yield made


@pytest.fixture(scope="module")
def chromium(playwright):
    made = launch_chromium(playwright)
    yield made
    made.close()


def codes_on(page):
    """The codes of a page by the names under them, each read from its place in a screenshot.

    By ZXing, as phones do: OpenCV's two detectors read nothing in about one of 150 of these codes.
    """
    page.evaluate("Promise.all([...document.querySelectorAll('#codes img')].map((image) => image.decode()))")
    photo, read = screenshot(page), {}
    for figure in page.locator("#codes figure").all():
        box = figure.locator("img").bounding_box()
        left, top, side = round(box["x"]), round(box["y"]), round(box["width"])
        found = zxingcpp.read_barcodes(np.ascontiguousarray(photo[top : top + side, left : left + side]))
        read[figure.inner_text()] = [code.text for code in found]
    return read


def show_on(page, server, scene):
    """Show a scene while playwright, which belongs to this thread, goes on."""
    with ThreadPoolExecutor(1) as pool:
        showing = pool.submit(server.show, scene, 5, timeout_s=PATIENCE_S)
        while not showing.done():
            page.wait_for_timeout(20)
        return showing.result()


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_screen_shows_each_devices_code_until_the_first_frame(chromium, scene, width, height):
    with DisplayServer(settle_ms=0, **phones()) as server:
        page = chromium.new_page(viewport={"width": width, "height": height})
        page.goto(server.url)
        expect(page.locator("#codes img")).to_have_count(len(NAMES), timeout=PATIENCE_S * 1e3)
        assert codes_on(page) == {name: [server.guest_url(f"web-{name}")] for name in NAMES}
        bottom = page.evaluate("document.getElementById('panel').getBoundingClientRect().bottom")
        assert bottom <= height
        page.close()


def test_a_rack_of_phones_has_all_its_codes_on_the_screen(chromium):
    names = [f"phone{number:02}" for number in range(12)]
    with DisplayServer(settle_ms=0, **phones(names)) as server:
        page = chromium.new_page(viewport={"width": 1280, "height": 800})
        page.goto(server.url)
        expect(page.locator("#codes img")).to_have_count(12, timeout=PATIENCE_S * 1e3)
        assert codes_on(page) == {name: [server.guest_url(f"web-{name}")] for name in names}
        box = page.locator("#panel").bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 800
        page.close()


def test_no_code_is_ever_in_a_frame_nor_comes_back_after_it(chromium, scene):
    with DisplayServer(settle_ms=0, **phones()) as server:
        with BrowserScreen(server.url, height=600, width=800) as screen:
            shown = server.show(scene, 5, timeout_s=PATIENCE_S)
            photo = screen.exposed(0, 0.01, 0).layers[0][0]
            assert judge(read_proof(photo, layout=shown.layout, box=shown.box), stimulus=5, limits=Limits()) == ()
            assert not cv2.QRCodeDetector().detectMulti(photo)[0]
            assert not zxingcpp.read_barcodes(photo)
        page = chromium.new_page(viewport={"width": 800, "height": 600})
        with page.expect_response("**/joining", timeout=PATIENCE_S * 1e3) as answer:
            page.goto(server.url)  # another page, which gets the same frame
        assert answer.value.json() == {"codes": []}
        expect(page.locator("#stage img")).to_have_count(1, timeout=PATIENCE_S * 1e3)
        assert page.locator("#codes").count() == 0
        page.close()


def test_the_screen_and_a_phone_over_https(chromium, scene, folder):
    with DisplayServer(settle_ms=0, **phones(), **display_tls("127.0.0.1", folder=folder)) as server:
        context = chromium.new_context(ignore_https_errors=True, viewport={"width": 800, "height": 800})
        page = context.new_page()
        page.goto(server.url)
        expect(page.locator("#codes img")).to_have_count(len(NAMES) + 1, timeout=PATIENCE_S * 1e3)
        expected = {name: [server.guest_url(f"web-{name}")] for name in NAMES}
        assert codes_on(page) == {AUTHORITY_LABEL: [server.authority_url], **expected}
        assert show_on(page, server, scene).stimulus == 5
        assert page.get_attribute("body", "data-stimulus") == "5"
        phone = context.new_page()
        phone.goto(server.guest_url("web-iphone"))
        assert phone.inner_text("#name") == "iphone"
        assert phone.evaluate("isSecureContext && navigator.mediaDevices !== undefined")
        kept = {cookie["name"]: cookie["secure"] for cookie in context.cookies()}
        assert kept == {f"display-token-{server.port}": True, f"web-iphone-token-{server.port}": True}
        phone.goto(server.authority_url)
        assert "Certificate Trust Settings" in phone.inner_text("main")
        context.close()
        with pytest.raises(Error, match="ERR_CERT_AUTHORITY_INVALID"):
            chromium.new_page().goto(server.url)


def test_beside_https_a_screen_on_this_machine_needs_no_certificate(scene, folder):
    with DisplayServer(settle_ms=0, **display_tls("127.0.0.1", folder=folder)) as server:
        with BrowserScreen(server.local_url, height=600, width=800) as screen:
            assert server.show(scene, 5, timeout_s=PATIENCE_S).stimulus == 5
            assert screen.exposed(0, 0.01, 0).stimulus == 5


needs_certutil = pytest.mark.skipif(
    shutil.which("certutil") is None, reason="certutil (libnss3-tools) is not installed"
)


@needs_certutil
def test_a_chromium_that_trusts_the_authority(playwright, folder, tmp_path, scene):
    """Right host: a secure page that gets its frames. Expired, another host, outside the constraints: refused."""
    authority = files.read(folder / "authority.crt", folder / "authority.key")
    now = datetime.now(UTC)
    forged = {
        "ERR_CERT_DATE_INVALID": (["127.0.0.1"], now - timedelta(days=1)),
        "ERR_CERT_COMMON_NAME_INVALID": (["lab.local"], now + timedelta(days=9)),
        "ERR_CERT_(AUTHORITY_)?INVALID": (["127.0.0.1", "10.9.9.9"], now + timedelta(days=9)),
    }
    browser = trusting(playwright, folder / "authority.crt", tmp_path)
    with DisplayServer(settle_ms=0, **display_tls("127.0.0.1", folder=folder)) as server:
        page = browser.new_page(viewport={"width": 800, "height": 600})
        page.goto(server.url)
        assert page.evaluate("isSecureContext")
        assert show_on(page, server, scene).stimulus == 5
    for reason, (hosts, until) in forged.items():
        made = files.make_server(authority, hosts, since=now - timedelta(days=9), until=until)
        files.write(made, tmp_path / "forged.crt", tmp_path / "forged.key")
        with DisplayServer(tls=(tmp_path / "forged.crt", tmp_path / "forged.key")) as server:
            with pytest.raises(Error, match=reason):
                browser.new_page().goto(server.url)
    browser.close()


def trusting(playwright, authority: Path, home: Path):
    """Start Chromium with a home of its own, in whose certificate database the authority stands."""
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    for words in (["-N", "--empty-password"], ["-A", "-t", "C,,", "-n", "lab", "-i", str(authority)]):
        subprocess.run(["certutil", "-d", f"sql:{database}", *words], check=True, capture_output=True, timeout=60)
    return playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"], env={"HOME": str(home)})
