"""The figure of an attribution: each stage's share of the instability with its interval, the largest first."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.attribution import sentence
from analysis.causes.attribution_intervals import Estimate
from analysis.pages.drawing import BLUE, GREY, INK, Plot, name_rows, new_axes, svg_text
from device_agents.errors import BadInput


def plot_shares(shares: Mapping[str, Estimate], whole: Estimate, *, name: str = "attribution") -> Plot:
    """Draw shares (0..1, by stage) as bars in points of a percent, with whiskers for their intervals.

    whole: the instability that they sum to. name: of the figure, unique on its page. Raises BadInput without a share.
    """
    if not shares:
        raise BadInput("expected the share of one stage or more to draw, got none")
    ordered = sorted(shares, key=lambda stage: -shares[stage][0])
    figure, axes = new_axes(rows=len(ordered))
    for row, stage in enumerate(ordered):
        value, interval = shares[stage]
        axes.barh(row, 100 * value, height=0.55, color=BLUE)
        axes.plot([100 * interval.low, 100 * interval.high], [row, row], color=INK, linewidth=1.4, marker="|")
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.grid(visible=True, axis="x")
    axes.set_xlabel("share of the instability, percentage points")
    name_rows(axes, ordered)
    told = sentence({stage: one[0] for stage, one in shares.items()}, whole[0], whole[1].half_width)
    caption = (
        f"{told}. Lines: 95 % intervals by cluster. A share is what a stage adds to the instability, averaged over all "
        "orders of swapping stages in (Shapley value); shares sum to the whole."
    )
    return Plot("Which stage the instability comes from", caption, told, svg_text(figure, name))
