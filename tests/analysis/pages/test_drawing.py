import re

from analysis.pages.drawing import BLUE, LONGEST_NAME, name_rows, new_axes, short, svg_text, tell, themed


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
    assert "a $name$ a… them to be" in text


def test_names_are_cut():
    assert short("x" * LONGEST_NAME) == "x" * LONGEST_NAME
    assert len(short("x" * 99)) == LONGEST_NAME
    ends = [short(f"colour=bt601-full-nv12-{how}") for how in ("bilinear", "nearest")]
    assert len(set(ends)) == 2


def test_a_page_may_change_the_colours():
    figure, axes = new_axes(rows=1)
    axes.plot([1, 2], [0, 1], color=BLUE)
    text = themed(svg_text(figure, "mine"))
    assert f"stroke: var(--plot-blue, {BLUE.lower()})" in text.lower()
    assert "fill: #1f2933" not in text


def test_points_have_words():
    figure, axes = new_axes(rows=3)
    (line,) = axes.plot([1, float("nan"), 3], [0, 1, 2], "o")
    tell(figure, line, ["one <of two>", "three"])
    (other,) = axes.plot([2], [1], "s")
    tell(figure, other, ["another"])
    text = svg_text(figure, "mine")
    assert re.findall("<title>([^<]*)</title></use>", text) == ["one &lt;of two&gt;", "three", "another"]
    assert text.count("<title>") == text.count("</title></use>")
