"""The elephant test's page: the object's score along its way, and the pictures that tell most, with boxes drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analysis.detection.drawing import draw_boxes, marked
from analysis.detection.matching import shown
from analysis.pages.answer import percent
from analysis.pages.drawing import BLUE, GREEN, GREY, ORANGE, Plot, add_legend, new_axes, svg_text
from analysis.pages.gallery import Thumbnail, thumbnail
from device_agents.decode import RGB
from device_agents.tasks.answers import Detections
from hostctl.pictures.elephant import OBJECT, PATCH, Slide
from hostctl.pictures.noise_page import fill_page

PICTURE_PX = 400
STATES = {"found": (GREEN, "o"), "switched": (ORANGE, "X"), "missed": (GREY, "v"), "misplaced": (BLUE, "s")}
MOST_LINES = 4


def elephant_page(slid: Slide, *, notes: Sequence[str], model: str) -> bytes:
    """Fill the page of an elephant test."""
    return fill_page(
        "elephant.html",
        title="The elephant test",
        slid=slid,
        headline=headline(slid),
        model=model,
        notes=notes,
        rows=slid.rows,
        plots={"way": plot_way(slid)},
        pictures=pictures(slid),
    )


def headline(slid: Slide) -> str:
    """The sentence that answers."""
    row = next(row for row in slid.rows if row["pasted"] == OBJECT and row["nms"] == "on")
    gone = (
        f"{percent(row['vanish_rate'] + row['class_rate'])} vanish or switch class" if row["far"] else "there are none"
    )
    return (
        f"A pasted {slid.label} is found at {percent(row['found'])} of {row['positions']} places; of the boxes that it "
        f"does not touch, {gone}."
    )


def pictures(slid: Slide) -> list[tuple[str, Thumbnail]]:
    """The picture as it was, the object found, missed and switched, and the farthest-reaching place, with its patch."""
    table = slid.tables[OBJECT, ""].reset_index(drop=True)
    base = shown(slid.base[""], score=slid.score)
    chosen = [("the picture as it is", _drawn(slid.picture, base, base))]
    states = [_state(row) for row in table.to_dict("records")]
    for state in STATES:
        at = next((place for place, one in enumerate(states) if one == state), None)
        if at is not None:
            seen = table["seen"].iloc[at]
            told = f"{state}: {seen} {table['score_1'].iloc[at]:.2f}" if state != "missed" else "missed"
            chosen.append((told, _answer(slid, OBJECT, at, base)))
    effect = table[["vanishes", "class", "appears"]].fillna(0).sum(axis=1).to_numpy()
    if effect.max(initial=0) > 0:
        at = int(effect.argmax())
        for what in (OBJECT, PATCH):
            row = slid.tables[what, ""].iloc[at]
            elsewhere = f"{row['vanishes']:.0f} vanish, {row['class']:.0f} switch and {row['appears']:.0f} appear"
            told = f"{what}: elsewhere {elsewhere}"
            chosen.append((told, _answer(slid, what, at, base)))
    return [(told, thumbnail(picture, longest_px=PICTURE_PX)) for told, picture in chosen]


def plot_way(slid: Slide) -> Plot:
    """The score of the object's box along each line, marked by what was found in its place."""
    table = slid.tables[OBJECT, ""]
    lines = list(dict.fromkeys(table["line"]))[:MOST_LINES]
    figure, panels = new_axes(height_in=1.9, panels=len(lines), legend=True)
    for line, axes in zip(lines, np.atleast_1d(panels), strict=True):
        rows = table[table["line"] == line]
        left = 100 * rows["left"]
        axes.plot(left, rows["score_1"], color=GREY, lw=1)
        states = np.array([_state(row) for row in rows.to_dict("records")])
        for state, (colour, mark) in STATES.items():
            some = states == state
            label = state if line == lines[0] else None
            axes.plot(left[some], rows["score_1"][some], mark, color=colour, ms=4.5, ls="none", label=label)
        axes.axhline(slid.score, color=GREY, lw=0.8, ls=":")
        axes.set_ylim(-0.05, 1.02)
        axes.set_xlabel(f"line {line + 1}: left edge (%)" if len(lines) < 3 else f"line {line + 1} (%)")
    np.atleast_1d(panels)[0].set_ylabel("score")
    add_legend(np.atleast_1d(panels)[0], len(STATES))
    row = next(row for row in slid.rows if row["pasted"] == OBJECT and row["nms"] == "on")
    alt = f"Found at {row['found']:.0%}, switched at {row['switched']:.0%}, missed at {row['missed']:.0%}."
    caption = "Score of what stands in the object's place, from left to right; 0 where nothing does."
    return Plot("Along its way", caption, alt, svg_text(figure, "way"))


def _state(row: Mapping[Any, Any]) -> str:
    if row["verdict"] == "right":
        return "found"
    if row["verdict"] == "ambiguous":
        return "misplaced"
    return "missed" if row["seen"] in ("nothing", "") else "switched"


def _answer(slid: Slide, what: str, at: int, base: Detections) -> RGB:
    """A place's picture with its boxes: those of the picture as it was are the truth, and so is the object."""
    found = slid.found[what, ""][at]
    box = slid.box(at)
    told = base if what == PATCH else Detections((box, *base.boxes), (slid.label, *base.labels), (1.0, *base.scores))
    picture = slid.shown(what, at)
    return picture if found is None else _drawn(picture, shown(found, score=slid.score), told)


def _drawn(picture: RGB, found: Detections, truth: Detections) -> RGB:
    from PIL import Image

    ratio = PICTURE_PX / max(picture.shape[:2])
    size = round(picture.shape[1] * ratio), round(picture.shape[0] * ratio)
    small = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))
    return draw_boxes(small, marked(found, truth))
