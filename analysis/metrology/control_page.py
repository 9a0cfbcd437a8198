"""The page of a run's drift: a table of all control charts, and each device's charts against time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from analysis.metrology.control_charts import Chart
from analysis.pages.answer import VIRTUAL
from analysis.pages.drawing import BLUE, GREY, INK, ORANGE, STYLE, Plot, svg_text
from analysis.report import render_page
from analysis.run_folder.files import write_whole
from device_agents.errors import BadInput

PAGE = "drift.html"
PANEL_COLUMNS, PANEL_HEIGHT_IN, WIDTH_IN = 2, 1.75, 9.4


class Named(Protocol):
    """A measure: what it is called, and its unit."""

    @property
    def title(self) -> str:
        """What it is."""
        ...

    @property
    def unit(self) -> str:
        """What it is counted in."""
        ...

    @property
    def matters(self) -> float:
        """The smallest change that matters, as a share."""
        ...


def write_page(
    folder: Path,
    found: Mapping[str, Any],
    drawn: Mapping[str, Mapping[str, Chart]],
    *,
    rules: Mapping[int, str],
    measures: Mapping[str, Named],
    virtual: bool,
) -> Path:
    """Write drift.html (no script, nothing loaded) into a folder and give its path; drawn: charts by device, measure.

    Raises BadInput where the file cannot be written.
    """
    plots = {
        f"drift-{number}": plot_device(device, own, found["minutes"][device], measures, f"drift-{number}")
        for number, (device, own) in enumerate(drawn.items())
    }
    text = render_page(
        "drift.html", found=found, plots=plots, rules=rules, measures=measures, warning=VIRTUAL if virtual else ""
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / PAGE, text.encode("utf-8"))
    except OSError as problem:
        raise BadInput(f"cannot write the page to {folder}: {problem.strerror}") from problem
    return folder / PAGE


def plot_device(
    device: str, charts: Mapping[str, Chart], minutes: Sequence[float], measures: Mapping[str, Named], name: str
) -> Plot:
    """Draw one device's control charts: values against minutes, the centre, 3 sigma limits, and signals marked."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = -(-len(charts) // PANEL_COLUMNS)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, PANEL_HEIGHT_IN * rows), layout="constrained")
        panels = figure.subplots(rows, PANEL_COLUMNS, squeeze=False, sharex=True).ravel()
    for axes, (key, chart) in zip(panels, charts.items(), strict=False):
        _draw(axes, chart, minutes)
        axes.set_title(measures[key].title)
    for axes in panels[-PANEL_COLUMNS:]:
        axes.set_xlabel("minutes")
    fired = [
        f"{measures[key].title} by rule {', '.join(map(str, chart.signals))}"
        for key, chart in charts.items()
        if chart.signals
    ]
    alt = f"Control charts of {device}: " + ("; ".join(fired) if fired else "none signals") + "."
    caption = "Line: centre; dashed: 3 sigma; an orange diamond completes a rule."
    return Plot(device, caption, alt, svg_text(figure, name))


def _draw(axes: Any, chart: Chart, minutes: Sequence[float]) -> None:
    low, high = chart.limits
    axes.axhline(chart.centre, color=GREY, lw=1)
    for limit in (low, high):
        axes.axhline(limit, color=INK, lw=1, ls="--")
    axes.plot(minutes, chart.values, "o-", color=BLUE, ms=3, lw=1)
    marked = sorted({place for places in chart.signals.values() for place in places})
    if marked:
        axes.plot([minutes[at] for at in marked], chart.values[marked], "D", color=ORANGE, ms=5)
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.grid(True, axis="y")
