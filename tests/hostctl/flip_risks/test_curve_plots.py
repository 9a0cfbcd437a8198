"""The figure of curves: each score once with its area, few points, and its words for those who cannot see it."""

import numpy as np

from analysis.flip_risk.curves import roc
from hostctl.flip_risks.curve_plots import POINTS, ROC, Curve, plot_curves


def test_a_curve_of_many_rows_is_thinned_and_told():
    rng = np.random.default_rng(0)
    events = rng.random(3000) < 0.5
    table = roc(rng.normal(events), events)
    curves = {"first": Curve(table, 0.76, "#0072B2", "-"), "second": Curve(table, 0.5, "#D55E00", "--")}
    told = {"name": "roc", "title": "ROC", "caption": "As seen.", "what": "ROC areas"}
    plot = plot_curves(curves, ROC, **told)
    few = plot_curves(curves, ROC._replace(chance=0.25), **told)
    assert plot.alt == "ROC areas: first 0.760, second 0.500."
    assert "first 0.760" in plot.svg
    assert plot.svg != few.svg
    assert len(table) > 10 * POINTS
    assert plot.svg.count(" L ") + plot.svg.count("\nL ") < 3 * POINTS
