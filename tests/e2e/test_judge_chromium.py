"""A person judges a run's answers in a real Chromium: keys and buttons, and the command that serves the page."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from analysis.run_folder.judgements import NOTE
from analysis.store import Run
from device_agents.records import Picture, Prediction, Scene
from hostctl.virtual.browser_screen import launch_chromium
from tests.hostctl.drawn_runs import ENVIRONMENT

PATIENCE_MS = 60_000


@pytest.fixture
def run(tmp_path):
    scenes = []
    for number in range(3):
        file = tmp_path / f"{number}.png"
        Image.fromarray(np.full((40, 60, 3), 80 * number, np.uint8)).save(file)
        scenes.append(Scene(f"s{number}", str(file), "0" * 64, ("cat",)))
    with Run.create(tmp_path / "run", settings={}, scenes=scenes) as made:
        sha256 = made.put_file(b"no picture")
        made.add_environment(ENVIRONMENT)
        pictures = [Picture(one.scene, sha256, ".png", 10, 60, 40, scene=one.scene, device="phone") for one in scenes]
        made.add_pictures(pictures, {})
        labels = ("<b>dog</b>", "lynx", "cat")
        made.add_predictions(
            [
                Prediction(picture.picture, ENVIRONMENT.environment, (label,), (0.9,), 1.0)
                for picture, label in zip(pictures, labels, strict=True)
            ]
        )
    return tmp_path / "run"


def test_a_person_judges_by_keys_and_buttons_and_the_command_ends(run):
    command = [sys.executable, "-c", "from hostctl.cli import main; raise SystemExit(main())"]
    serving = subprocess.Popen(
        [*command, "judge", str(run), "--by", "anna", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert serving.stderr is not None
        line = serving.stderr.readline()
        address = re.search(r"http://\S+", line)
        assert address, line
        with sync_playwright() as playwright:
            browser = launch_chromium(playwright)
            page = browser.new_page(viewport={"width": 390, "height": 844})
            page.set_default_timeout(PATIENCE_MS)
            errors = []
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto(address[0].rstrip(";"))
            expect(page.locator("#label")).to_have_text("<b>dog</b>", timeout=PATIENCE_MS)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            page.wait_for_function("document.getElementById('picture').naturalWidth === 60")
            page.keyboard.press("w")
            expect(page.locator("#label")).to_have_text("lynx", timeout=PATIENCE_MS)
            page.click("text=Right")
            expect(page.locator("#last-word")).to_have_text("All are judged.", timeout=PATIENCE_MS)
            page.keyboard.press("ArrowLeft")
            page.keyboard.press("r")  # the same once more takes it back
            expect(page.locator("#count")).to_have_text("1 of 2 judged", timeout=PATIENCE_MS)
            page.click("#finish")
            expect(page.locator("main")).to_contain_text("Finished.", timeout=PATIENCE_MS)
            browser.close()
        out, _ = serving.communicate(timeout=60)
    finally:
        serving.kill()
        serving.wait()
    assert errors == []
    found = json.loads(out)
    assert (found["questions"], found["left"], found["verdicts"]["wrong"]) == (2, 1, 1)
    with Run.open(run, write=False) as opened:
        assert opened.note(NOTE) == {"anna": {"s0": {"<b>dog</b>": "wrong"}}}
