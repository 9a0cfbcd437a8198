"""The figures of a differential test: N x N matrices of labels, ranks, outputs and times, and the times themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.pages.drawing import BLUE, CELL_DARK, CELL_LIGHT, Plot, name_rows, new_axes, short, svg_text

Array = NDArray[np.float64]
MOST = 24  # variants of one model that a matrix shows
WRITTEN = 14  # up to so many the numbers stand in the cells


def plot_model(pairs: pd.DataFrame, variants: pd.DataFrame, *, number: int) -> list[Plot]:
    """Draw one model's variants: labels, rank-biased overlap, raw outputs, times, ratios; what has no data is left out.

    pairs: a, b, rate, overlap, max_abs, ratio (b over a); variants: variant, median_ms, low_ms, high_ms; both of one
    model. number: tells the ids from those of the page's other figures.
    """
    names = list(variants["variant"])[:MOST]
    told = _without_model(names, str(variants["model"].iloc[0]))
    changed = square(pairs, "rate", names, diagonal=0.0)
    largest = square(pairs, "max_abs", names, diagonal=0.0)
    ratio = square(pairs, "ratio", names, diagonal=1.0, turned=lambda value: 1 / value)
    worst = f"most {100 * np.nanmax(changed):.1f} %" if np.isfinite(changed).any() else "nothing to compare"
    found = [
        _matrix("labels", "First labels changed", "Share of the pictures in %.", 100 * changed, told, _percent, number,
                alt=f"Share of pictures with another first label for every two variants, {worst}."),
        _matrix("ranks", "Rank-biased overlap", "Of the five first labels, 1 for equal lists (p = 0.7).",
                square(pairs, "overlap", names, diagonal=1.0), told, _share, number, falling=True,
                alt="Rank-biased overlap of every two variants."),
        _matrix("outputs", "Largest difference of a raw output", "In the output's own unit; colours by its logarithm.",
                np.log10(np.maximum(largest, 1e-9)), told, _power, number, alt="Largest difference of a raw output."),
        plot_times(variants.head(MOST), told, number=number),
        _matrix("ratios", "Times as ratios", "The row's time over the column's; colours by its logarithm.",
                np.log2(ratio), told, _ratio, number, centred=True, alt="Ratios of the times of every two variants."),
    ]  # fmt: skip
    return [one for one in found if one is not None]


def square(
    pairs: pd.DataFrame,
    column: str,
    names: Sequence[str],
    *,
    diagonal: float,
    turned: Callable[[float], float] = lambda value: value,
) -> Array:
    """Lay rows a, b, column out as float64 (names, names); row b, column a has the value, row a, column b it turned."""
    place = {name: number for number, name in enumerate(names)}
    found = np.full((len(names), len(names)), np.nan)
    np.fill_diagonal(found, diagonal)
    for a, b, value in zip(pairs["a"], pairs["b"], pairs[column], strict=True):
        if a in place and b in place:
            found[place[b], place[a]], found[place[a], place[b]] = value, turned(value)
    return found


def plot_times(variants: pd.DataFrame, names: Sequence[str], *, number: int) -> Plot | None:
    """Draw each variant's median time with its exact interval."""
    there = variants["median_ms"].notna()
    if not there.any():
        return None
    frame, shown = variants[there], [name for name, some in zip(names, there, strict=True) if some]
    figure, axes = new_axes(rows=len(frame))
    places = np.arange(len(frame))
    axes.barh(places, frame["median_ms"], height=0.5, color=BLUE, alpha=0.35)
    axes.hlines(places, frame["low_ms"], frame["high_ms"], color=BLUE, lw=2)
    name_rows(axes, shown)
    axes.set_xlim(left=0)
    axes.set_xlabel("ms an inference")
    axes.grid(True, axis="x")
    words = "; ".join(f"{name} {value:.1f} ms" for name, value in zip(shown, frame["median_ms"], strict=True))
    caption = "Median of the rounds, with its exact 95 % interval; one thread unless told otherwise."
    return Plot("Time of an inference", caption, f"{words}.", svg_text(figure, f"times-{number}"))


def _matrix(
    name: str,
    title: str,
    caption: str,
    values: Array,
    names: Sequence[str],
    write: Callable[[float], str],
    number: int,
    *,
    alt: str,
    falling: bool = False,
    centred: bool = False,
) -> Plot | None:
    """Draw an N x N matrix; None where nothing off the diagonal is known."""
    off = values[~np.eye(len(names), dtype=bool)]
    if not np.isfinite(off).any():
        return None
    figure, axes = new_axes(height_in=min(9.0, 1.6 + 0.4 * len(names)))
    low, high = _ends(values, centred, falling)
    colours = "RdBu_r" if centred else "Blues_r" if falling else "Blues"
    axes.pcolormesh(values, cmap=colours, vmin=low, vmax=high, edgecolors="white", linewidth=1.5)
    for row, column in np.argwhere(np.isfinite(values)) if len(names) <= WRITTEN else ():
        part = (values[row, column] - low) / (high - low)
        dark = abs(2 * part - 1) > 0.75 if centred else (1 - part if falling else part) > 0.6
        ink = CELL_LIGHT if dark else CELL_DARK
        size = 9 if len(names) <= 8 else 7
        text = write(float(values[row, column]))
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=ink, fontsize=size)
    ticks, shown = np.arange(len(names)) + 0.5, [short(one) for one in names]
    axes.set_xticks(ticks, shown, rotation=40, ha="right", fontsize=9)
    axes.set_yticks(ticks, shown, fontsize=9)
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return Plot(title, caption, alt, svg_text(figure, f"{name}-{number}"))


def _ends(values: Array, centred: bool, falling: bool) -> tuple[float, float]:
    known: Any = values[np.isfinite(values)]
    low, high = float(known.min()), float(known.max())
    if centred:
        high = max(0.1, abs(low), abs(high))
        return -high, high
    return (min(low, high - 1e-6), high) if falling else (low, max(high, low + 1e-6))


def _without_model(names: Sequence[str], model: str) -> list[str]:
    return [name.removeprefix(f"{model} ") for name in names]


def _percent(value: float) -> str:
    return "0" if value == 0 else f"{value:.1f}"


def _share(value: float) -> str:
    return "1" if value == 1 else f"{min(value, 0.999):.3f}".lstrip("0")


def _power(value: float) -> str:
    return "0" if value <= -9 else f"{10**value:.0e}".replace("e-0", "e-").replace("e+00", "")


def _ratio(value: float) -> str:
    return f"{2**value:.2f}" if abs(value) < 4 else f"{2**value:.0f}" if value > 0 else f"{2**value:.3f}"
