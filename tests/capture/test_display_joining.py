"""QR codes to join, read back by OpenCV, and what they may hold when."""

import base64
import re
import urllib.parse

import cv2
import numpy as np
import pytest
import segno
import zxingcpp

from capture.display import create_app
from capture.display_joining import device_label, fingerprint, qr_picture, qr_text
from capture.display_state import Display
from device_agents.errors import BadInput, Unreachable
from device_agents.records import Scene

LINK = "https://192.168.100.200:65535/?token=" + "aB3_-" * 7


@pytest.fixture
def display():
    made = Display(settle_s=0.0)
    yield made
    made.close()


def test_a_terminal_code_can_be_read():
    rows = qr_text(LINK).splitlines()
    halves = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0)}
    plain = [[halves[letter] for letter in _shown(row)] for row in rows if _shown(row)]
    width = max(len(row) for row in plain)
    grid = np.zeros((2 * len(plain), width), np.uint8)
    for number, row in enumerate(plain):
        for column, pair in enumerate(row):
            grid[2 * number : 2 * number + 2, column] = pair
    picture = cv2.resize(grid * 255, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST)
    assert [code.text for code in zxingcpp.read_barcodes(picture)] == [LINK]


def _shown(row):
    """The letters of a terminal's line without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", row)


def test_a_picture_is_an_svg_with_its_quiet_zone():
    kind, _, data = qr_picture(LINK).partition(",")
    assert kind.startswith("data:image/svg+xml")
    text = (base64.b64decode(data).decode() if "base64" in kind else urllib.parse.unquote(data)).replace("'", '"')
    side = segno.make(LINK, error="m", micro=False).symbol_size(border=4)[0]
    assert f'viewBox="0 0 {side} {side}"' in text


def test_only_devices_have_a_code():
    assert [device_label(name) for name in ("web-pixel", "live", "web-", "pixel")] == ["pixel", "", "", ""]


def test_codes_are_for_the_screen_alone_and_until_the_first_frame(display):
    links = {"pixel": LINK}
    app = create_app(display, token="screen", guests={"web-pixel": "phone"}, links=lambda: links)
    client = app.test_client()
    assert client.get("/joining?token=phone").status_code == 401
    assert client.get("/joining").status_code == 401
    shown = client.get("/joining?token=screen").get_json()
    assert shown == {"codes": [{"name": "pixel", "picture": qr_picture(LINK)}]}
    with pytest.raises(Unreachable, match="no screen is connected"):
        display.show(Scene("a", "a.png", "hash", ("label",)), 1, timeout_s=0.01)
    assert display.begun
    assert client.get("/joining?token=screen").get_json() == {"codes": []}


def test_what_is_no_certificate_has_no_fingerprint(tmp_path):
    (tmp_path / "a.crt").write_text("hello")
    for name in ("a.crt", "none.crt"):
        with pytest.raises(BadInput, match="expected a certificate .PEM. in .*run `instability devices certificate`"):
            fingerprint(tmp_path / name)
