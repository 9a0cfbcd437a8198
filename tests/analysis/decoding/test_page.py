"""The page of the decoding experiment: what stands on it, what it escapes, and what it leaves out."""

import pandas as pd
import pytest

from analysis.decoding.cause import causes, verdict
from analysis.decoding.groups import (
    FORMATS,
    STAGES,
    compare_formats,
    complete,
    groups_overall,
    groups_within,
    partitions,
    score_differences,
)
from analysis.decoding.page import Found, html_text, rates
from tests.analysis.decoding_sample import WRONG, scene, table

NASTY = "<script>alert(1)</script>"


def found_of(*cells, **changes):
    good, _ = complete(table(*cells))
    comparison, items = compare_formats(good)
    rows = causes(good, items)
    names = list(dict.fromkeys(good["executor"]))
    known = {
        "decoder": "pillow",
        "resizer": "pillow-bilinear",
        "runtime": "litert 2",
        "machine": NASTY,
        "jpeg": 3,
        "png": 3,
    }
    groups = {
        name: {
            **{stage: groups_overall(good, format=name, stage=stage) for stage in (*STAGES, "scores")},
            "tolerance": groups_within(good, format=name),
        }
        for name in FORMATS
    }
    values = {
        "title": "JPEG against PNG",
        "sentence": verdict(good, comparison, rows).sentence,
        "remarks": [NASTY],
        "executors": pd.DataFrame([{"executor": one, **known, "failed": 0, "accuracy": 0.5} for one in names]),
        "groups": groups,
        "comparison": comparison,
        "partitions": {name: partitions(good, format=name, stage="pixels") for name in FORMATS},
        "items": rows,
        "scores": {name: score_differences(good, format=name) for name in FORMATS},
        "differences": pd.DataFrame(columns=["scene", "group", "max", "mean", "different", "visible"]),
        "worst": [],
        "provenance": {"run": NASTY},
    }
    return Found(**{**values, **changes})


@pytest.fixture
def flipping():
    other = {"pixels": 2}
    return found_of(*scene("flips", [{}, {}, {**other, "label": WRONG}]), *scene(NASTY, [{}, {}, other]))


def test_the_sentence_the_groups_and_the_tables_are_there(flipping):
    page = html_text(flipping)
    assert "The one item that is unstable on JPEG is stable on PNG" in page
    assert "Who is equal to whom" in page
    assert "JPEG decoded: a, b | c" in page
    assert "Items that flip" in page
    assert "table-pixels-jpeg" in page


def test_names_cannot_break_out_and_nothing_is_loaded(flipping):
    page = html_text(flipping)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/", "")


def test_without_flips_there_is_no_empty_table():
    page = html_text(found_of(*scene("calm", [{}, {}])))
    assert "Items that flip" not in page
    assert "Pixel differences" not in page
    assert "Pictures that differ most" not in page


def test_the_rates_are_two_and_their_difference(flipping):
    rows = rates(flipping.comparison).to_dict("records")
    assert [(row["what"], row["unstable"], row["items"]) for row in rows] == [
        ("JPEG", 1, 2),
        ("PNG", 0, 2),
        ("JPEG - PNG", 1, 2),
    ]
    assert rows[2]["rate"] == 0.5
