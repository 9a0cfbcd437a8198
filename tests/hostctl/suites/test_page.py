"""The page of a suite: its table, a curve where there are points enough, and nothing that a name could break."""

import csv

import pandas as pd
import pytest

from hostctl.suites.page import plot_family, write_page
from hostctl.suites.running import Measured


def measured(family, steps):
    rows = [
        {"device": "", "model": model, "family": family, "measure": "error", "value": 0.5, "low": 0.25, "high": 0.75}
        | {"pictures": 4, "clusters": 4, "missing": 0}
        for model in ("<b>a", "b")
    ]
    result = {
        **{"suite": "corruptions", "about": "<i>about", "models": ["<b>a", "b"], "devices": [""], "level": 0.95},
        **{"pictures": 4, "clusters": 4, "families": {family: ["", "fog-1"]}, "rows": rows, "predictions": 8},
        **{"baseline": "<b>a", "relative": [{**rows[0], "model": "b", "measure": "relative-ce"}]},
        "accuracy": [{"device": "", "model": "b", "value": 0.7, "low": 0.5, "high": 0.8}],
        **{"failed": 1, "failures": ["p<q>: failed"], "run": "r"},
    }
    curve = [{**one, "step": step, "perturbation": f"{family}-{step}"} for one in rows for step in range(1, steps + 1)]
    return Measured(result, pd.DataFrame(rows), pd.DataFrame(curve))


def test_the_page_has_the_table_and_a_curve(tmp_path):
    paths = write_page(measured("fog", 5), tmp_path / "report")
    page = (tmp_path / "report" / "suite-corruptions.html").read_text()
    assert paths["page"] == str(tmp_path / "report" / "suite-corruptions.html")
    assert "50.0 % [25.0, 75.0]" in page
    assert '<section id="curves">' in page
    assert "<dd>as it is, fog-1</dd>" in page
    assert "<svg" in page
    assert "<b>a" not in page
    assert "&lt;b&gt;a" in page
    assert "p&lt;q&gt;: failed" in page
    with open(paths["csv"], newline="") as file:
        assert [(row["model"], row["value"]) for row in csv.DictReader(file)] == [("<b>a", "0.5"), ("b", "0.5")]


def test_two_points_are_no_curve(tmp_path):
    write_page(measured("fog", 2), tmp_path)
    assert "curves" not in (tmp_path / "suite-corruptions.html").read_text()


@pytest.mark.parametrize(
    ("family", "perturbation", "measure", "unit"),
    [
        ("rotate-beyond", "rotate-10", "flip-probability", "degrees"),
        ("shift-crop", "shift-crop-3", "flip-probability", "pixels"),
        ("rotate", "rotate-frame-03", "flip-probability", "frame"),
        ("contrast", "contrast-3", "error", "severity"),
    ],
)
def test_a_curve_names_the_unit_that_it_goes_along(family, perturbation, measure, unit):
    rows = [
        {"model": "a", "step": step, "value": 0.5, "low": 0.2, "high": 0.8, "measure": measure} for step in range(3)
    ]
    drawn = plot_family(family, pd.DataFrame(rows).assign(perturbation=perturbation), "")
    assert f">{unit}</text>" in drawn.svg or f"<!-- {unit} -->" in drawn.svg
