"""A paper's table in a real Chromium, from a file, without a network."""

import shutil

import pytest

from analysis.papers.sysnoise_tables import classification_table
from analysis.papers.table_page import write_table
from tests.analysis.paper_sample import predictions

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_opens_whole_without_a_complaint(tmp_path, width):
    from playwright.sync_api import sync_playwright

    answers = {("base", "", ""): "RRRW", ("cv", "", ""): "RRWW", ("box", "", ""): "WRWW"}
    table = predictions(answers, changes={"cv": {"decoder": "opencv"}, "box": {"resizer": "pillow-box"}})
    made = classification_table(table.assign(model="mobilenet-v2"))
    path, _ = write_table(tmp_path, made, provenance={"run": "made by hand"}, virtual=False)
    complaints, requests = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": width, "height": 800}, offline=True).new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda sent: requests.append(sent.url))
        page.goto(path.as_uri(), wait_until="load")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.locator("#figures svg").count() == 1
        assert page.locator("#table-sysnoise-cls tbody tr").count() == 3
        assert not page.locator("#table-published").is_visible()
        page.get_by_text("Every published row: 41 rows").click()
        assert page.locator("#table-published").is_visible()
        browser.close()
    assert complaints == []
    assert requests == [path.as_uri()]
