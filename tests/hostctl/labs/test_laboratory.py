"""A lab's pages: each has an address and a token of its own, and one that nobody opens is a device out of reach."""

import json
import threading
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

import pytest

import device_agents
from device_agents.errors import DeviceError
from hostctl.browsers.pages import web_blueprint
from hostctl.lab import parse_lab
from hostctl.labs import display as lab_display
from hostctl.labs import laboratory
from hostctl.labs.display import LabDisplay
from hostctl.labs.inspection import inspect_lab
from hostctl.labs.laboratory import opened
from hostctl.sessions.vitals import Vitals, vitals

INFO = {
    **dict.fromkeys(("agent", "platform", "platform_version", "model"), "x"),
    "utc": "2020-01-01T00:00:00.000Z",
    "cameras": ["canvas", "file"],
    "camera": {"error": "the camera was not allowed"},
    **{name: ["x"] for name in ("decoders", "views", "fits", "resizers", "scalings")},
    "runtimes": {"litert-js": "2.5.3"},
}


@pytest.fixture
def lab(tmp_path, monkeypatch):
    dist = tmp_path / "dist"
    dist.mkdir()
    (dist / "page.js").write_text("// the page")
    (dist / "index.html").write_bytes((Path(device_agents.__file__).parent / "web" / "index.html").read_bytes())
    monkeypatch.setattr(lab_display, "web_blueprint", partial(web_blueprint, dist=dist))
    monkeypatch.setattr(laboratory, "PAGE_S", 0.2)
    devices = [
        {"name": "pixel", "kind": "web", "camera": "canvas", "predicts": "agent"},
        {"name": "tablet", "kind": "web", "camera": "file"},
    ]
    return parse_lab({"device": devices}, folder=tmp_path)


def status(url):
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as problem:
        with problem:
            return problem.code


class OpenPage:
    """A page of a device that is open, and answers the question for info."""

    def __init__(self, link, info):
        self.link, self.info = link, info
        self.thread = threading.Thread(target=self.work)

    def work(self):
        try:
            while True:
                job = self.link.next_job("a" * 16, timeout_s=60)
                if job is not None:
                    assert job["kind"] == "info"
                    self.link.answer("a" * 16, job["id"], json.dumps({"info": self.info}).encode())
        except DeviceError:
            return  # the host has ended

    def __enter__(self):
        self.thread.start()
        self.link.wait_for_page(timeout_s=60)

    def __exit__(self, *_):
        self.link.__exit__(None, None, None)
        self.thread.join()


def test_each_page_has_a_token_that_opens_nothing_else(lab, tmp_path):
    with LabDisplay(lab, folder=tmp_path / "lab", port=0) as display:
        pixel, tablet = (display.pages[name].address for name in ("pixel", "tablet"))
        assert pixel != tablet
        assert (status(pixel), status(tablet)) == (200, 200)
        mixed = pixel.replace("/?", "/web-tablet/?")
        assert status(mixed) == 401
        assert status(display.page_url_here("pixel")) == 200
        assert len(set(display.tokens)) == 3
    assert not (tmp_path / "lab" / "pages").exists()


def test_a_page_that_nobody_opens_is_out_of_reach_and_not_waited_for_longer(lab, tmp_path):
    said = []
    with (
        LabDisplay(lab, folder=tmp_path / "lab", port=0) as display,
        OpenPage(display.pages["pixel"], INFO),
        opened(lab, folder=tmp_path / "lab", waiting=None, display=display, said=said.append) as found,
    ):
        assert [one.name for one in found.devices] == ["pixel"]
        assert found.failures["tablet"].startswith("tablet: no page is open; open http://")
        assert [text.split()[3] for text in said] == ["pixel,", "tablet,"]
        (pixel,) = found.devices
        assert pixel.agent.name == "pixel"
        assert pixel.identify()["track"] == INFO["camera"], "what it says of its camera is not how it photographs"
        assert vitals(pixel) == Vitals(), "this machine's temperature is not the phone's"


def test_the_check_of_a_lab_says_what_is_wrong_with_a_page(lab, tmp_path, monkeypatch):
    made = []

    class Opening(LabDisplay):
        def __enter__(self):
            super().__enter__()
            made.append(OpenPage(self.pages["pixel"], INFO))
            made[0].__enter__()
            return self

        def __exit__(self, *rest):
            made[0].__exit__()
            super().__exit__(*rest)

    monkeypatch.setattr(laboratory, "LabDisplay", Opening)
    table = inspect_lab(lab).set_index("device")
    assert not table.loc["pixel", "ok"]
    assert table.loc["pixel", "problem"].startswith("the camera was not allowed; its clock is off by -")
    assert table.loc["tablet", "problem"].startswith("tablet: no page is open")
