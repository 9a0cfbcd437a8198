"""A phone's page over its cable and over https: photographs by `adb reverse`, long polls through TLS, in Chromium."""

import contextlib
import secrets
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from capture.display import DisplayServer
from device_agents.decode import DECODERS
from hostctl.adb import AdbServer
from hostctl.browsers.certificate import certificate, display_tls
from hostctl.browsers.device import WebDevice
from hostctl.browsers.joining import open_on_phone
from hostctl.browsers.link import WebLink
from hostctl.browsers.pages import is_built, web_blueprint
from hostctl.virtual.browser_phone import BrowserPhone
from hostctl.virtual.browser_screen import launch_chromium
from hostctl.virtual.hosting import serving
from hostctl.virtual.phone import PHONES, VirtualPhone

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_built(), reason="device_agents/web is not built: npm ci && npm run build there"),
]
PATIENCE_S = 120.0


def photograph(seed):
    small = np.random.default_rng(seed).integers(30, 226, (5, 6, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((640, 480), Image.Resampling.BICUBIC))


@contextlib.contextmanager
def displayed(folder, **options):
    """A display server with one browser device."""
    link = WebLink("pixel", folder=folder / "shots")
    pages = web_blueprint(link)
    guests = {pages.name: secrets.token_urlsafe(24)}
    with DisplayServer(settle_ms=0, blueprints=[pages], guests=guests, **options) as display, link:
        yield display, link, pages.name


def test_a_phone_on_a_cable_photographs_over_its_own_loopback(tmp_path):
    """The browser stands for the phone's: it opens the phone's end of the way, whatever the display's own port is."""
    phone = VirtualPhone(PHONES["modern"], shoot=dict)
    with serving([phone]), AdbServer(tmp_path / "adb") as server, displayed(tmp_path) as (display, link, name):
        with open_on_phone(server, f"127.0.0.1:{phone.port}", display.local_guest_url(name)) as there:
            assert phone.state.page == there
            port = display.local_port
            url = there.replace(f":{port}/", f":{phone.ports[port]}/")
            with BrowserPhone(url, folder=tmp_path, picture=photograph(1)) as browser:
                link.wait_for_page(timeout_s=PATIENCE_S)
                device = WebDevice(link)
                assert "error" not in device.info(timeout_s=PATIENCE_S)["camera"]
                shot = device.shoot(way="canvas", timeout_s=PATIENCE_S)
                photo = DECODERS["pillow"](shot.path.read_bytes())
                assert np.abs(photo.astype(int) - photograph(1)).mean() < 4
                assert browser.said == []


def test_over_https_the_page_is_isolated_and_asks_for_work(tmp_path):
    """As an iPhone would be, which cannot use a cable: long polls and the camera's permission over TLS."""
    certificate([], folder=tmp_path / "authority", now=datetime.now(UTC))
    options = display_tls("127.0.0.1", folder=tmp_path / "authority")
    with displayed(tmp_path, **options) as (display, link, name), sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        page = browser.new_context(ignore_https_errors=True).new_page()
        page.goto(display.guest_url(name))
        link.wait_for_page(timeout_s=PATIENCE_S)
        assert page.evaluate("isSecureContext && crossOriginIsolated && !!crypto.subtle && !!navigator.mediaDevices")
        browser.close()
