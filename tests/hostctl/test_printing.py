"""Tables in the terminal: wide ones below each other, each row with its name on one line."""

from __future__ import annotations

import pytest

from hostctl.printing import table_text, wide_table_text

NAME = "augmix-deepaugment-like"
HEADINGS = ("clean accuracy (%)", "instability (%)", "relative corruption error (%)", "shift inconsistency (%)")
ROWS = [
    {"remedy": name, **dict.fromkeys(HEADINGS, "83.2 [70.1, 99.0]"), "training (s)": "12.3"}
    for name in ("standard", NAME)
]


@pytest.mark.parametrize("width", [60, 80, 140])
def test_a_wide_table_never_breaks_a_name_or_an_interval(width):
    lines = wide_table_text(ROWS, width=width).splitlines()
    assert max(map(len, lines)) <= width
    named = [line for line in lines if line.startswith(NAME)]
    assert sum(line.count("83.2 [70.1, 99.0]") for line in named) == len(HEADINGS)
    assert sum(line.count("12.3") for line in named) == 1
    assert len(named) == {60: 4, 80: 2, 140: 1}[width]


def test_headings_are_broken_before_cells():
    assert wide_table_text(ROWS, width=80).splitlines()[:4] == [
        "                                                               relative",
        "                         clean accuracy                        corruption error",
        "remedy                   (%)                instability (%)    (%)",
        "standard                 83.2 [70.1, 99.0]  83.2 [70.1, 99.0]  83.2 [70.1, 99.0]",
    ]


def test_narrow_tables_and_empty_ones_are_as_ever():
    assert wide_table_text([{"name": "long enough", "n": 3}]) == table_text([{"name": "long enough", "n": 3}])
    assert wide_table_text([]) == table_text([])


def test_a_cell_wider_than_the_terminal_is_folded_below_its_name():
    text = wide_table_text([{"remedy": NAME, "about": "word " * 40, "p": "0.01"}], width=60)
    assert max(map(len, text.splitlines())) <= 60
    assert text.count("word") == 40
