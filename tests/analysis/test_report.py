import base64
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from analysis.report import frame_table, write_report
from analysis.tables import study
from device_agents.errors import BadInput
from tests.analysis.sample import CLASSES, device_picture, predictions, scene_picture

VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """Checks that elements nest, and collects ids, links, images and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.images, self.words = [], [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if tag == "a" else []
        self.images += [found] if tag == "img" else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.ids += [value for key, value in attrs if key == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def written(folder, table, **options):
    given = {
        "study": study(table),
        "load_picture": device_picture,
        "load_scene": scene_picture,
        "names": CLASSES,
        "provenance": {},
        "virtual": False,
    }
    return write_report(folder, **(given | options)).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    provenance = {"Run": {"seed": 7, "command": "instability demo"}, "Libraries": ["numpy 2"], "Notes": "none"}
    provenance["Devices"] = pd.DataFrame({"device": ["pi"], "soc": ["BCM2711"]})
    failures = pd.DataFrame({"where": ["scene-3 on pi"], "reason": ["wrong frame: expected 12, got 11"]})
    options = {"provenance": provenance, "failures": failures, "virtual": True, "limit": 3}
    return written(tmp_path_factory.mktemp("report"), predictions(missing=0.02), **options)


def test_the_answer_comes_first_and_everything_is_there(page):
    parsed = Page(page)
    text = " ".join(parsed.words)
    order = [text.rindex(words) for words in ("Your model is", "The most unstable scenes", "Figures", "Provenance")]
    assert order == sorted(order)
    for words in ("devices are virtual", "BCM2711", "instability demo", "numpy 2", "expected 12, got 11", "make study"):
        assert words in text
    assert {"answer", "photographs", "figures", "tables", "provenance", "missing", "figure-accuracy"} <= set(parsed.ids)
    assert len(parsed.ids) == len(set(parsed.ids))


def test_every_inner_link_leads_somewhere_and_nothing_leads_out(page):
    parsed = Page(page)
    inner = [link[1:] for link in parsed.links if link.startswith("#")]
    assert set(inner) <= set(parsed.ids)
    assert all(link.startswith(("#", "data:text/csv")) for link in parsed.links)
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page.replace("xlink:", ""))
    assert "<script" not in page


def test_pictures_have_words_and_sizes(page):
    images = Page(page).images
    assert len(images) == 3 * 7
    assert all(one["alt"] and int(one["width"]) and one["src"].startswith("data:image/jpeg") for one in images)


def test_csv_holds_the_whole_table(page):
    (address,) = re.findall(r'href="data:text/csv;charset=utf-8;base64,([^"]+)" download="accuracy.csv"', page)
    lines = base64.b64decode(address).decode().splitlines()
    assert lines[0] == "device,accuracy,low,high,right,wrong,ambiguous,missing,predictions"
    assert len(lines) == 6


def test_the_same_study_gives_the_same_page_in_file_or_folder(tmp_path):
    table = predictions(scenes=4)
    first = written(tmp_path / "report", table)
    second = written(tmp_path / "one.html", table)
    assert first == second
    assert (tmp_path / "report" / "index.html").is_file()
    assert (tmp_path / "one.html").is_file()


def test_names_cannot_break_out_of_the_page(tmp_path):
    table = predictions(scenes=4)
    table["device"] = table["device"].replace({"pi-camera-3": "<script>alert(1)</script>"})
    page = written(tmp_path, table, title='"><img src=x>', load_picture=lambda name: None)
    Page(page)
    assert "<script>" not in page
    assert "<img src=x>" not in page


@pytest.mark.parametrize(
    "shape",
    [
        {"scenes": 3, "devices": 1, "angles": (0,), "repeats": 1},
        {"scenes": 1, "devices": 2, "angles": (0,), "repeats": 1},
        {"scenes": 2, "devices": 3, "missing": 1.0},
    ],
)
def test_small_studies_have_a_report(tmp_path, shape):
    Page(written(tmp_path, predictions(**shape)))


def test_hundreds_of_scenes_stay_light(tmp_path):
    table = predictions(scenes=400, angles=(0,), repeats=2, missing=0.02)
    table["category"] = table["scene"]
    page = written(tmp_path, table)
    Page(page)
    assert len(page) < 5_000_000
    assert "The first 12 of 400 rows; the CSV has all." in page


def test_several_environments_are_listed(tmp_path):
    both = pd.concat([predictions(scenes=4), predictions(scenes=4, seed=3).assign(environment="other", model="lite0")])
    page = written(tmp_path, both, load_picture=lambda name: None)
    assert "All environments of this run" in page
    assert "lite0" in page


def test_a_table_writes_its_cells():
    frame = pd.DataFrame({"category": ["n04557648"], "rate": [0.031], "score": [0.25], "angle": [-10], "n_a": [None]})
    table = frame_table("t", frame, CLASSES, title="T")
    assert [cell.text for cell in table.headings] == ["class", "instability", "score", "angle (°)", "n a"]
    assert [cell.text for cell in table.rows[0]] == ["water bottle", "3.1\u00a0%", "0.25", "−10", "–"]
    assert [cell.css for cell in table.rows[0]] == ["", "n", "n", "n", ""]


def test_a_folder_that_cannot_be_written_is_explained(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot write the report"):
        written(tmp_path / "file", predictions(scenes=2, angles=(0,), repeats=1))
