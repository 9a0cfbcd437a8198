import re

from analysis.drawing import LONGEST_NAME, name_rows, new_axes, short, svg_text


def test_a_figure_is_one_svg_with_ids_of_its_own():
    figure, axes = new_axes(rows=2)
    axes.plot([1, 2], [0, 1])
    name_rows(axes, ["one", "a $name$ as long as some people like them to be"])
    text = svg_text(figure, "mine")
    assert text.startswith("<svg")
    assert "<style" not in text
    assert "<metadata" not in text
    assert all(name.startswith("mine-") for name in re.findall(r'\bid="([^"]+)"', text))
    assert all(name.startswith("mine-") for name in re.findall(r"url\(#([^)]+)\)", text))
    assert "a $name$ as long as s…" in text


def test_names_are_cut():
    assert short("x" * LONGEST_NAME) == "x" * LONGEST_NAME
    assert len(short("x" * 99)) == LONGEST_NAME
