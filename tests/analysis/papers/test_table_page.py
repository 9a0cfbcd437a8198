import base64
import io
import math
import re

import pandas as pd
import pytest

from analysis.papers.paper_tables import comparison_table
from analysis.papers.printed_table import Bars, Column, Lines, Part, cell_text, percent_text
from analysis.papers.table_page import as_shown, draw, write_table
from device_agents.errors import BadInput
from tests.analysis.paper_sample import pictures, predictions


@pytest.fixture
def made():
    answers = {("e", "", f"jpeg-{quality}"): letters for quality, letters in ((85, "RW<"), (50, "RRR"))}
    table = predictions({key: letters.replace("<", "W") for key, letters in answers.items()})
    return comparison_table("paper-2", table, pictures(table, {"jpeg-85": 650_000}))


def test_cells_are_written_with_their_intervals():
    rate = Column("rate", "instability", "percent", ("low", "high"))
    assert cell_text({"rate": 0.1234, "low": 0.1, "high": 0.2}, rate) == "12.3 [10.0, 20.0]"
    assert cell_text({"rate": 0.1234, "low": math.nan, "high": 0.2}, rate) == "12.3"
    assert cell_text({"rate": math.nan, "low": 0.1, "high": 0.2}, rate) == "-"
    assert cell_text({"delta": -0.000001}, Column("delta", "d", "points")) == "0.00"
    assert cell_text({"size": 2_500}, Column("size", "s", "megabytes")) == "0.003"
    assert cell_text({"worst": None}, Column("worst", "w")) == "-"
    assert percent_text(0.076, (0.05, 0.11)) == "7.6 % [5.0, 11.0]"
    assert percent_text(math.nan) == "-"


def test_a_part_keeps_its_numbers_in_its_csv():
    frame = pd.DataFrame({"name": ["<b>"], "rate": [0.123456]})
    shown = as_shown(Part("x", "X", "", frame, (Column("name", "name"), Column("rate", "rate (%)", "percent"))))
    assert [[cell.text for cell in row] for row in shown.rows] == [["<b>", "12.3"]]
    assert [cell.numeric for cell in shown.headings] == [False, True]
    text = base64.b64decode(shown.csv.split(",")[1]).decode()
    assert pd.read_csv(io.StringIO(text)).equals(frame)


def test_the_page_and_the_csv_are_written(made, tmp_path):
    page, numbers = write_table(tmp_path / "report", made, provenance={"run": "<mine>"}, virtual=True)
    text = page.read_text(encoding="utf-8")
    assert page.name == "paper-2.html"
    assert "&lt;mine&gt;" in text
    assert "<mine>" not in text
    assert "These devices are virtual" in text
    assert "Why this cannot agree with the paper" in text
    assert "<script" not in text
    assert "http://" not in re.sub(r'xmlns(:\w+)?="[^"]+"', "", text)
    table = pd.read_csv(numbers)
    assert table["condition"].tolist() == ["jpeg-85", "jpeg-50"]
    assert table["size"][0] == 650_000
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_the_same_table_gives_the_same_bytes(made, tmp_path):
    one = write_table(tmp_path / "a", made, provenance={}, virtual=False)
    two = write_table(tmp_path / "b", made, provenance={}, virtual=False)
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_bars_tell_what_they_show():
    frame = pd.DataFrame(
        {
            "name": ["decode", "none"],
            "value": [-1.5, math.nan],
            "low": [-3.0, math.nan],
            "high": [0.5, math.nan],
            "published": [1.39, math.nan],
        }
    )
    plot = draw(Bars("Lost", "points", "c", frame), 0)
    assert plot.alt == "points: decode -1.5."
    assert "published" in plot.svg
    assert "decode" in plot.svg
    without = draw(Bars("Lost", "points", "c", frame.assign(published=math.nan)), 1)
    assert "published" not in without.svg


def test_lines_have_one_series_a_noise():
    frame = pd.DataFrame(
        {
            "series": ["a", "a", "b", "b"],
            "size_mb": [2.0, 8.0, 2.0, 8.0],
            "value": [1.0, 2, 3, 4],
            "low": 0.0,
            "high": 5,
        }
    )
    plot = draw(Lines("Size", "points", "c", frame), 0)
    assert plot.alt.startswith("points of 2 series")
    assert plot.svg.startswith("<svg")


def test_a_folder_that_cannot_be_written_is_bad_input(made, tmp_path):
    (tmp_path / "report").write_text("in the way")
    with pytest.raises(BadInput, match="cannot write the table"):
        write_table(tmp_path / "report", made, provenance={}, virtual=False)
