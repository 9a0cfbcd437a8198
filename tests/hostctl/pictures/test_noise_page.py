"""The noise page and the map in a real Chromium, from files, without a network; and the parts they are made of."""

import base64
import io
import shutil

import numpy as np
import pytest
from PIL import Image

from hostctl.pictures.difference_map import difference_map
from hostctl.pictures.noise_page import csv_text, data_uri, image_uri
from hostctl.pictures.noise_pictures import differences

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def test_addresses_hold_what_was_given():
    picture = np.random.default_rng(1).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    start, _, text = image_uri(picture).partition(",")
    assert start == "data:image/png;base64"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))), picture)
    assert data_uri(b"a,b", "text/csv") == "data:text/csv;base64,YSxi"
    assert csv_text([{"a": 1, "b": None}, {"a": "x,y", "b": 0.5}]) == 'a,b\n1,\n"x,y",0.5\n'


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")
def test_the_pages_open_offline_and_fit(tmp_path):
    from playwright.sync_api import sync_playwright

    rng = np.random.default_rng(5)
    long_name = "a-photograph-with-a-name-as-long-as-some-cameras-and-people-like-them.jpg"
    path = tmp_path / long_name
    Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((320, 240)).save(path)
    words = ["resizer=pillow-box,opencv-area", "codec=jpeg-50,png", "isp"]
    pages = [differences(path, families=words, out=tmp_path / "out")["page"]]
    pages.append(difference_map(path, path, out=tmp_path / "out")["page"])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
        page = context.new_page()
        complaints, asked = [], []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("request", lambda sent: asked.append(sent.url))
        for number, file in enumerate(pages, 1):
            page.goto(f"file://{file}", wait_until="load")
            broken = "all => all.filter(one => !(one.complete && one.naturalWidth > 0)).length"
            assert page.locator("img").count() >= 3
            assert page.locator("img").evaluate_all(broken) == 0
            for width in (1280, 390):
                page.set_viewport_size({"width": width, "height": 900})
                assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert len([url for url in asked if not url.startswith("data:")]) == number
        assert complaints == []
        context.close()
        browser.close()
