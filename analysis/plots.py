"""The figures of a study as SVG text: the paper's figures 3a to 3d, 4 and 9, and the matrix of device pairs.

Intervals are drawn, and the same study gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.pages.answer import noun
from analysis.pages.drawing import (
    BLUE,
    CELL_DARK,
    CELL_LIGHT,
    GREEN,
    INK,
    ORANGE,
    Plot,
    add_legend,
    name_rows,
    new_axes,
    short,
    svg_text,
    tell,
)
from analysis.tables import Study

MOST_ROWS = 30


def plots(study: Study, *, names: Mapping[str, str]) -> dict[str, Plot]:
    """Draw every figure that the study has data for, by the keys of PLOTS; names: label -> words for people."""
    drawn = {name: draw(study, names) for name, draw in PLOTS.items()}
    return {name: one for name, one in drawn.items() if one is not None}


def plot_accuracy(study: Study, names: Mapping[str, str]) -> Plot | None:
    """Figure 3a: accuracy by device."""
    table = study.frames["accuracy"].dropna(subset=["accuracy"]).head(MOST_ROWS)
    if table.empty:
        return None
    figure, axes = new_axes(rows=len(table))
    draw_dots(axes, table, "accuracy", "low", "high", colour=BLUE, marker="o")
    name_rows(axes, table["device"])
    name_percent(axes, "accuracy: right answers (%)")
    low, high = table["accuracy"].min(), table["accuracy"].max()
    return Plot(
        f"Accuracy by {_noun(study)}",
        "As figure 3a of the paper. Lines are 95 % intervals by object. Equal accuracy may hide disagreement.",
        f"Accuracy of {len(table)} {_noun(study)}s, from {low:.0%} to {high:.0%}.",
        svg_text(figure, "accuracy"),
    )


def plot_classes(study: Study, names: Mapping[str, str]) -> Plot | None:
    """Figure 3b: instability by class, with the class's accuracy beside it, for classes of several scenes."""
    table = study.frames["classes"].dropna(subset=["rate"]).sort_values("rate", ascending=False, kind="stable")
    if table.empty:
        return None
    scenes = study.table.groupby("category", observed=True)["scene"].nunique()
    table = table[table["category"].map(scenes) > 1]  # one scene is stable or not: it says nothing about its class
    if len(table) < 2:
        return None
    shown = table.head(MOST_ROWS)
    figure, axes = new_axes(rows=len(shown), legend=True)
    draw_dots(axes, shown, "rate", "low", "high", colour=ORANGE, marker="o", label="instability")
    axes.plot(100 * shown["accuracy"], range(len(shown)), "D", ms=5, mfc="white", mec=BLUE, mew=1.4, label="accuracy")
    name_rows(axes, [names.get(value, value) for value in shown["category"]])
    name_percent(axes, "of the photographs (%)")
    add_legend(axes, 2)
    left_out = f" The {len(shown)} least stable of {len(table)} classes." if len(table) > len(shown) else ""
    return Plot(
        "Instability by class",
        f"As figure 3b of the paper.{left_out} Accuracy does not tell which classes are unstable.",
        f"Instability of {len(shown)} classes, from {shown['rate'].min():.0%} to {shown['rate'].max():.0%}.",
        svg_text(figure, "classes"),
    )


def plot_angles(study: Study, names: Mapping[str, str]) -> Plot | None:
    """Figure 3c: instability by angle."""
    table = study.frames["angles"].dropna(subset=["rate"])
    if len(table) < 2:
        return None
    figure, axes = new_axes(height_in=2.7)
    _points(axes, table["angle"], table, "rate", "low", "high", colour=ORANGE, marker="o")
    axes.set_xticks(list(table["angle"]) if len(table) <= 9 else list(table["angle"])[:: len(table) // 8])
    axes.set_xlabel("angle between device and screen (degrees)")
    name_percent(axes, "instability (%)", vertical=True)
    return Plot(
        "Instability by angle",
        "As figure 3c of the paper. Lines are 95 % intervals by object.",
        f"Instability at {len(table)} angles, from {table['rate'].min():.0%} to {table['rate'].max():.0%}.",
        svg_text(figure, "angles"),
    )


def plot_within(study: Study, names: Mapping[str, str]) -> Plot | None:
    """Figure 3d: how often two photographs of one device contradict each other, against two devices' photographs."""
    table = study.frames["within"]
    if table.empty:
        return None
    devices = list(dict.fromkeys(table["device"]))[:MOST_ROWS]
    figure, axes = new_axes(rows=len(devices), legend=True)
    told = (("repeat", GREEN, "o", "two repeats", -0.14), ("angle", BLUE, "s", "two angles", 0.14))
    for over, colour, marker, label, shift in told:
        part = table[(table["over"] == over) & table["device"].isin(devices)]
        if len(part):
            places = np.array([devices.index(name) for name in part["device"]]) + shift
            share = ("pair_share", "pair_low", "pair_high")
            draw_dots(axes, part, *share, colour=colour, marker=marker, label=label, places=places)
    cross = study.summary["instability"]["of_random_pairs"]
    if cross is not None:
        axes.axvline(100 * cross, color=ORANGE, ls="--", lw=1.5, label=f"two {_noun(study)}s")
    name_rows(axes, devices)
    name_percent(axes, "pairs, one right and one wrong (%)")
    add_legend(axes, 3)
    return Plot(
        f"Within one {_noun(study)}",
        "As figure 3d of the paper, but counted in pairs, so that all values compare: two photographs by one "
        f"{_noun(study)} (a repeat, or another angle) against two {_noun(study)}s at the same moment (dashed).",
        f"Pairwise instability within each of {len(devices)} {_noun(study)}s over repeats and over angles.",
        svg_text(figure, "within"),
    )


def plot_scores(study: Study, names: Mapping[str, str]) -> Plot | None:
    """Figure 4: distributions of the first score, stable and unstable, right and wrong."""
    groups = study.scores
    if not sum(len(values) for values in groups.values()):
        return None
    figure, panels = new_axes(height_in=2.9, panels=2)
    bins = np.linspace(0, 1, 21)
    for axes, stability in zip(panels, ("stable", "unstable"), strict=True):
        for verdict, colour, dash in (("right", BLUE, "-"), ("wrong", ORANGE, "--")):
            values = groups[f"{stability} {verdict}"]
            if len(values):
                share = 100 * np.histogram(np.clip(values, 0, 1), bins)[0] / len(values)
                axes.stairs(share, bins, color=colour, ls=dash, lw=1.8, label=f"{verdict} ({len(values)})")
        axes.set_title(f"{stability} photographs", loc="left")
        axes.set_xticks([0, 0.5, 1])
        axes.set_xlabel("score of the first label")
        axes.set_xlim(0, 1)
        axes.grid(True)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=9.5, loc="upper left", labelcolor=INK, handlelength=1.6, frameon=False, borderpad=0.1)
    highest = 1.3 * max(axes.get_ylim()[1] for axes in panels)
    panels[0].set_ylim(0, highest)
    panels[1].set_ylim(0, highest)
    panels[0].set_ylabel("share of predictions (%)")
    return Plot(
        "How sure the model was",
        "As figure 4 of the paper: the first label's score where all agree in being right or wrong, and where "
        "they do not. In the paper, right and wrong answers to an unstable photograph are equally unsure.",
        "Distribution of scores of right and wrong predictions on stable and on unstable photographs.",
        svg_text(figure, "scores"),
    )


def plot_top_n(study: Study, names: Mapping[str, str]) -> Plot | None:
    """Figure 9: accuracy and instability when the right label may be among the first n."""
    table = study.frames["top_n"]
    if len(table) < 2 or table["accuracy"].isna().all():
        return None
    shown = [("accuracy", "accuracy_low", "accuracy_high"), ("rate", "low", "high")]
    shown = [columns for columns in shown if table[columns[0]].notna().any()]
    figure, panels = new_axes(height_in=2.7, panels=len(shown))
    for axes, columns in zip(np.atleast_1d(panels), shown, strict=True):
        colour, marker, title = (ORANGE, "s", "instability") if columns[0] == "rate" else (BLUE, "o", "accuracy")
        _points(axes, table["top_n"], table, *columns, colour=colour, marker=marker)
        axes.set_title(title, loc="left")
        axes.set_xlabel("labels shown (n)")
        axes.set_xticks(list(table["top_n"]))
        name_percent(axes, "of the photographs (%)" if title == "accuracy" else "", vertical=True)
    return Plot(
        "If more labels are shown",
        "As figure 9 of the paper: an answer is right when an accepted label is among the first n.",
        f"With 1 label {_both(table.iloc[0])}; with {int(table['top_n'].iloc[-1])} {_both(table.iloc[-1])}.",
        svg_text(figure, "top-n"),
    )


def plot_pairs(study: Study, names: Mapping[str, str]) -> Plot | None:
    """The instability of every two devices as a matrix."""
    table = study.frames["pairs"].dropna(subset=["rate"])
    if len(table) < 2:
        return None
    worst = table.iloc[int(table["rate"].to_numpy().argmax())]
    told = f"Pairwise instability of {table['a'].nunique() + 1} {_noun(study)}s"
    return Plot(
        f"Every two {_noun(study)}s",
        f"Photographs (in %) on which exactly one of the two {_noun(study)}s is right; darker is more.",
        f"{told}; most, {worst['rate']:.0%}, of {worst['a']} and {worst['b']}.",
        draw_matrix(table, "pairs"),
    )


def draw_matrix(table: pd.DataFrame, name: str) -> str:
    """Draw rows a, b, rate as the lower half of a matrix, in percent, as SVG; "" for fewer than three conditions."""
    devices = list(dict.fromkeys([*table["a"], *table["b"]]))[:MOST_ROWS]
    place = {name: number for number, name in enumerate(devices)}
    matrix = np.full((len(devices), len(devices)), np.nan)
    for a, b, rate in table[["a", "b", "rate"]].itertuples(index=False):
        if a in place and b in place:
            matrix[place[b], place[a]] = 100 * rate
    if len(devices) < 3:
        return ""
    figure, axes = new_axes(height_in=min(6.0, 1.7 + 0.42 * len(devices)))
    top, digits = max(1.0, float(np.nanmax(matrix))), 1 if len(devices) <= 7 else 0
    axes.pcolormesh(matrix[1:, :-1], cmap="Blues", vmin=0, vmax=top, edgecolors="white", linewidth=2)
    for row, column in np.argwhere(np.isfinite(matrix)) if len(devices) <= 12 else ():
        value = matrix[row, column]
        ink = CELL_LIGHT if value > 0.6 * top else CELL_DARK
        axes.text(column + 0.5, row - 0.5, f"{value:.{digits}f}", ha="center", va="center", color=ink)
    few = len(devices) <= 12
    turned: Any = {"rotation": 30, "ha": "right"} if few else {"rotation": 90, "fontsize": 7}
    axes.set_xticks(np.arange(len(devices) - 1) + 0.5, [short(n) for n in devices[:-1]], **turned)
    axes.set_yticks(np.arange(len(devices) - 1) + 0.5, [short(n) for n in devices[1:]], fontsize=None if few else 7)
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return svg_text(figure, name)


def _noun(study: Study) -> str:
    return noun(study.summary)


def draw_dots(
    axes: Any,
    table: pd.DataFrame,
    value: str,
    low: str,
    high: str,
    *,
    colour: str,
    marker: str,
    label: str = "",
    places: Any = None,
) -> None:
    """Values as points along a row, their intervals as lines; percent."""
    where = np.arange(len(table)) if places is None else places
    axes.hlines(where, 100 * table[low], 100 * table[high], color=colour, lw=2, alpha=0.55)
    (line,) = axes.plot(100 * table[value], where, marker, color=colour, ms=6.5, label=label or None)
    tell(axes.figure, line, _words(table, value, low, high, label))


def _points(
    axes: Any, x: Any, table: pd.DataFrame, value: str, low: str, high: str, *, colour: str, marker: str
) -> None:
    axes.vlines(x, 100 * table[low], 100 * table[high], color=colour, lw=2, alpha=0.55)
    (line,) = axes.plot(x, 100 * table[value], marker=marker, color=colour, ms=6.5, lw=1, ls=":")
    tell(axes.figure, line, _words(table, value, low, high, ""))


def _words(table: pd.DataFrame, value: str, low: str, high: str, label: str) -> list[str]:
    """What a point says of itself: its value and its interval; points without a value are not drawn."""
    drawn = table[np.isfinite(table[value].to_numpy(dtype=float))]
    ends = zip(drawn[value], drawn[low], drawn[high], strict=True)
    return [f"{label} {100 * at:.1f} % [{100 * down:.1f}, {100 * up:.1f}]".strip() for at, down, up in ends]


def name_percent(axes: Any, label: str, *, vertical: bool = False) -> None:
    """Name a percent axis, start it at 0, and leave room for the marks at its ends."""
    if vertical:
        axes.set_ylabel(label)
        axes.set_ylim(-2, min(102, max(12, 1.05 * axes.get_ylim()[1])))
        axes.grid(True, axis="y")
        axes.margins(x=0.12)
    else:
        axes.set_xlabel(label)
        high = axes.get_xlim()[1]
        axes.set_xlim(-2, 102 if high > 75 else max(12, 1.02 * high))
        axes.grid(True, axis="x")


def _both(row: Any) -> str:
    told = {"accuracy": row["accuracy"], "instability": row["rate"]}
    return ", ".join(f"{name} {value:.0%}" for name, value in told.items() if np.isfinite(value))


PLOTS: dict[str, Callable[[Study, Mapping[str, str]], Plot | None]] = {
    "accuracy": plot_accuracy,
    "classes": plot_classes,
    "angles": plot_angles,
    "within": plot_within,
    "pairs": plot_pairs,
    "scores": plot_scores,
    "top-n": plot_top_n,
}
