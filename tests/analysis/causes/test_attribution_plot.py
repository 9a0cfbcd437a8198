import pytest

from analysis.causes.attribution_plot import plot_shares
from analysis.statistics import Interval
from device_agents.errors import BadInput


def estimate(value, low, high):
    return value, Interval(low, high, 0.95, "weighted-events", 100)


def test_the_figure_names_stages_and_says_the_sentence():
    shares = {"codec": estimate(0.02, -0.01, 0.05), "isp": estimate(0.1, 0.07, 0.13)}
    plot = plot_shares(shares, estimate(0.12, 0.09, 0.15))
    assert plot.alt == "Of 12.0 % +- 3.0: isp 10.0, codec 2.0"
    assert plot.svg.startswith("<svg")
    assert plot.svg.index(">isp<") < plot.svg.index(">codec<")  # the largest on top
    assert plot_shares(shares, estimate(0.12, 0.09, 0.15)) == plot
    with pytest.raises(BadInput, match="one stage or more"):
        plot_shares({}, estimate(0.0, 0.0, 0.1))
