"""The charts: what stands in them where."""

import numpy as np
import pytest

from capture import charts


@pytest.mark.parametrize("name", charts.CHARTS)
def test_every_chart_has_one_size_and_is_drawn_alike_each_time(name):
    chart = charts.CHARTS[name]()
    assert chart.shape == (*charts.SIZE, 3)
    assert chart.dtype == np.uint8
    assert np.array_equal(chart, charts.CHARTS[name]())


def test_the_golden_parts_hold_what_they_are_called_after():
    chart = charts.golden()
    for part, level in zip(charts.RAMP_PARTS, charts.RAMP, strict=True):
        assert (part.cut(chart, inset=0.1) == level).all()
    for part, colour in zip(charts.COLOUR_PARTS, charts.COLOURS, strict=True):
        assert (part.cut(chart, inset=0.1) == colour).all()
    assert (charts.GREY_PART.cut(chart, inset=0.02) == charts.MID).all()


@pytest.mark.parametrize(("chart", "parts"), [(charts.golden, charts.GOLDEN_EDGES), (charts.edges, charts.FOCUS_EDGES)])
def test_edges_run_from_top_to_bottom_of_their_parts(chart, parts):
    for part in parts:
        edge = part.cut(chart(), inset=0.1)
        assert (edge[:, 0] == charts.EDGE_DARK).all()
        assert (edge[:, -1] == charts.EDGE_LIGHT).all()


def test_a_fine_grid_is_mid_grey_on_average_everywhere():
    chart = charts.lines().astype(float)
    for part, period in zip(charts.GRID_PARTS, np.repeat(charts.PERIODS_PX, 2), strict=True):
        cut = part.cut(chart)
        whole = cut[: period * (cut.shape[0] // period), : period * (cut.shape[1] // period)]
        assert whole.mean() == pytest.approx(charts.MID, abs=0.3)
        assert cut.std() > 50
