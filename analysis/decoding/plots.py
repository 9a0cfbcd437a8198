"""The figure of the decoding experiment: who is in which group, stage by stage, on JPEG and on PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.decoding.groups import FORMATS, Groups, by_member
from analysis.pages.drawing import BLUE, GREEN, GREY, INK, ORANGE, Plot, name_rows, new_axes, svg_text

COLOURS = (BLUE, ORANGE, GREEN, GREY, INK)
STAGE_WORDS = {
    "pixels": "decoded",
    "resized": "resized",
    "tensor": "tensor",
    "tolerance": "scores ≈",
    "scores": "scores =",
}


def plot_groups(groups: Mapping[str, Mapping[str, Groups]], executors: Sequence[str]) -> Plot:
    """Draw one row an executor and one column a stage of STAGE_WORDS, for each format; a letter and a colour a group.

    groups: format -> stage -> groups, the largest first (group A).
    """
    figure, panels = new_axes(height_in=1.15 + 0.34 * len(executors), panels=len(FORMATS))
    for axes, name in zip(panels, FORMATS, strict=True):
        for column, stage in enumerate(STAGE_WORDS):
            member = by_member(groups[name][stage])
            for row, executor in enumerate(executors):
                number = member[executor]
                colour = COLOURS[number % len(COLOURS)]
                axes.plot(column, row, "s", color=colour, ms=13, mec="white")
                letter = chr(ord("A") + number) if number < 26 else str(number + 1)
                axes.text(column, row, letter, ha="center", va="center", fontsize=9, color="#fdfdfd", weight="bold")
        axes.set_xticks(range(len(STAGE_WORDS)), list(STAGE_WORDS.values()), rotation=35, ha="right", fontsize=9)
        axes.set_xlim(-0.6, len(STAGE_WORDS) - 0.4)
        axes.set_title(name.upper())
        name_rows(axes, executors if axes is panels[0] else [""] * len(executors))
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)
    told = [
        f"{name.upper()} {words}: {' | '.join(', '.join(group) for group in groups[name][stage])}"
        for name in FORMATS
        for stage, words in STAGE_WORDS.items()
    ]
    caption = (
        "Executors with the same letter in a column are equal on every picture. “scores ≈”: equal first labels, scores "
        "within the tolerance; “scores =”: equal to the last bit."
    )
    return Plot("Who is equal to whom", caption, "; ".join(told) + ".", svg_text(figure, "groups"))
