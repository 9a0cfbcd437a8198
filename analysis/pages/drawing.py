"""What every figure of the kit shares: the style, axes without pyplot's global state, and SVG text that fits a page.

Okabe and Ito's colours, which the colour-blind can tell apart, and never colour alone; the same data give the same
bytes (no date, fixed hash salt). Text stays text, so that a browser sets it in its own font.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

BLUE, ORANGE, GREEN, GREY, INK = "#0072B2", "#D55E00", "#009E73", "#8a929b", "#1f2933"
CELL_DARK, CELL_LIGHT = "#111111", "#fdfdfd"  # ink within coloured cells, the same in a light and in a dark page
THEME = {
    "blue": BLUE,
    "orange": ORANGE,
    "green": GREEN,
    "grey": GREY,
    "ink": INK,
    "grid": "#e3e7eb",
    "ground": "#ffffff",
}
WIDTH_IN = 4.6
LONGEST_NAME = 22
STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 10.5,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "grid.color": "#e3e7eb",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Plot:
    """One figure: its title and caption for the page, its words for those who cannot see it, and the SVG element."""

    title: str
    caption: str
    alt: str
    svg: str


def new_axes(*, rows: int = 0, height_in: float = 0.0, panels: int = 1, legend: bool = False) -> tuple[Any, Any]:
    """Make a figure and its axes without pyplot's global state; rows: how many names stand one below the other."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        height = height_in or 0.85 + 0.33 * rows + (0.35 if legend else 0)
        figure = Figure(figsize=(WIDTH_IN, height), layout="constrained")
        axes = figure.subplots(1, panels)
    return figure, axes


def name_rows(axes: Any, names: Iterable[Any]) -> None:
    """Write names down the left side, the first on top, one at each whole number from 0."""
    shown = [short(str(name)) for name in names]
    axes.set_yticks(range(len(shown)), shown)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def add_legend(axes: Any, columns: int) -> None:
    """Put the legend above the axes, so that it hides nothing."""
    style = {"fontsize": 9.5, "columnspacing": 1.2, "handletextpad": 0.4, "frameon": False, "labelcolor": INK}
    axes.figure.legend(loc="outside upper left", ncols=columns, borderaxespad=0.1, **style)


def short(name: str) -> str:
    """Cut the middle out of a name that would leave no room for the figure; names often differ at their ends."""
    head = LONGEST_NAME // 2 - 1
    return name if len(name) <= LONGEST_NAME else f"{name[:head]}…{name[head + 1 - LONGEST_NAME :]}"


def themed(svg: str) -> str:
    """Let a page's dark style reach a figure: its colours become variables, with themselves as the default."""
    for name, colour in THEME.items():
        svg = re.sub(rf"(fill|stroke): {colour}\b", rf"\1: var(--plot-{name}, {colour})", svg, flags=re.IGNORECASE)
    return svg


def tell(figure: Any, line: Any, words: Iterable[str]) -> None:
    """Give each point of a line words that a browser shows when the pointer rests on it."""
    told = figure.__dict__.setdefault("told", [])
    line.set_gid(f"told{len(told)}-")
    told.append(tuple(words))


def _with_words(text: str, told: Iterable[Iterable[str]]) -> str:
    """Put what tell() was given into the points, <use> elements in the order of the data."""
    for number, words in enumerate(told):
        start = text.index(f'<g id="told{number}-"')
        parts = re.split(r"(<use [^>]*?)/>", text[start:], maxsplit=len(tuple(words)))
        marks = [f"{use}><title>{escape(word)}</title></use>" for use, word in zip(parts[1::2], words, strict=True)]
        text = text[:start] + "".join(part for pair in zip(parts[::2], [*marks, ""], strict=True) for part in pair)
    return text


def svg_text(figure: Any, name: str) -> str:
    """Write a figure as one svg element whose ids are its own, so that several fit into one page."""
    import matplotlib as mpl
    from matplotlib.text import Text

    stream = io.StringIO()
    for words in figure.findobj(Text):  # a name with a dollar is no formula, and a broken formula is an error
        words.set_parse_math(False)
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # The page's font draws the letters; matplotlib's own need not know them (a class named in Japanese).
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = _with_words(text[text.index("<svg") :], getattr(figure, "told", ()))
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(url\(#|xlink:href="#)', rf"\1{name}-", text)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)  # it would reach the whole page
    return text.replace("<svg ", '<svg style="stroke-linejoin:round" ', 1)
