"""The cause of what flips between executors, worked out by rules, and the sentence that names it.

The control is PNG: it holds the host's decode of the very JPEG, so whoever reads it gets the host's pixels. An executor
that changes its answer between the two was given other pixels by its own JPEG decoder and nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from analysis.decoding.groups import JPEG, PNG, STAGES, Comparison, Groups, groups_overall
from analysis.pages.answer import NUMBERS

DECODER, RESIZE, SCALING, RUNTIME = "decoder", "resize", "scaling", "runtime"
NOTHING, SEVERAL, UNDECIDED = "nothing", "several", "undecided"
OF_STAGE = {"pixels": DECODER, "resized": RESIZE, "tensor": SCALING, "scores": RUNTIME}
NAMED = {
    DECODER: "the JPEG decoder",
    RESIZE: "the resizing",
    SCALING: "the scaling to the model's input",
    RUNTIME: "the runtime",
}


@dataclass(frozen=True)
class Verdict:
    """``cause``: decoder, resize, scaling, runtime, several, nothing or undecided; ``counts``: flips of each cause."""

    cause: str
    sentence: str
    counts: Mapping[str, int]


def causes(table: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """Say for each item that is unstable in a format why: columns scene, jpeg, png (unstable), stage, cause, why.

    table: as decoding_groups.complete gives it; items: as compare_formats gives them. ``stage`` is the first of pixels,
    resized, tensor, scores at which no right answer shares its value with a wrong one ("" if there is none), on PNG
    where the item is unstable there, else on JPEG.
    """
    wanted = items[items[JPEG] | items[PNG]]
    by_scene = {str(scene): part for scene, part in table[table["scene"].isin(wanted["scene"])].groupby("scene")}
    rows = []
    for item in wanted.itertuples(index=False):
        part = by_scene[str(item.scene)]
        stage, cause, why = _cause(part, jpeg=bool(item.jpeg), png=bool(item.png))
        rows.append({"scene": item.scene, JPEG: item.jpeg, PNG: item.png, "stage": stage, "cause": cause, "why": why})
    return pd.DataFrame(rows, columns=["scene", JPEG, PNG, "stage", "cause", "why"])


def _cause(part: pd.DataFrame, *, jpeg: bool, png: bool) -> tuple[str, str, str]:
    """The stage, the cause and why it is that, of one item that is unstable on JPEG, on PNG, or on both."""
    in_png = part[part["format"] == PNG]
    same_pixels = in_png["pixels"].nunique() == 1
    if png:
        stage = _separating(in_png)
        if stage == "pixels":
            return stage, UNDECIDED, "PNG itself is decoded to different pixels"
        return stage, OF_STAGE.get(stage, UNDECIDED), "it flips on PNG too, from the same pixels"
    stage = _separating(part[part["format"] == JPEG])
    if stage != "pixels":
        return stage, OF_STAGE.get(stage, UNDECIDED), "right and wrong answers came from the same JPEG pixels"
    if not same_pixels:
        return stage, UNDECIDED, "PNG itself is decoded to different pixels, so it is no control"
    return stage, DECODER, "it is stable on PNG, and right and wrong answers came from different JPEG pixels"


def _separating(rows: pd.DataFrame) -> str:
    """The first stage whose values are never shared by a right and a wrong answer; "" if there is none."""
    right, wrong = (rows[rows["verdict"] == one] for one in ("right", "wrong"))
    for stage in STAGES:
        if set(right[stage]).isdisjoint(wrong[stage]):
            return stage
    pairs = [set(zip(some["label_1"], some["score_1"], strict=True)) for some in (right, wrong)]
    return "scores" if pairs[0].isdisjoint(pairs[1]) else ""


def verdict(table: pd.DataFrame, comparison: Comparison, found: pd.DataFrame) -> Verdict:
    """Name the cause from what causes() found. ``table`` as complete gives it; it may be empty."""
    executors = list(dict.fromkeys(table["executor"]))
    counts = dict(Counter(found["cause"]))
    if len(executors) < 2:
        return Verdict(UNDECIDED, "Cannot tell: fewer than two executors have answers to compare.", counts)
    if not comparison.jpeg.items:
        return Verdict(UNDECIDED, "Cannot tell: no picture has answers of all executors that count.", counts)
    pixels = groups_overall(table, format=JPEG, stage="pixels")
    if found.empty:
        return Verdict(NOTHING, _nothing(len(executors), pixels, comparison), counts)
    if set(counts) == {DECODER}:
        return Verdict(DECODER, _decoder(pixels, comparison), counts)
    known = [cause for cause in counts if cause != UNDECIDED]
    if len(known) == 1 and len(counts) == 1:
        return Verdict(known[0], _other(known[0], comparison), counts)
    if not known:
        why = "; ".join(dict.fromkeys(f"{text}" for text in found["why"]))
        told = f"Cannot tell what turns over the {_items(len(found))} that {_are(len(found))} unstable: {why}."
        return Verdict(UNDECIDED, told, counts)
    return Verdict(SEVERAL, _several(found, counts), counts)


def _nothing(executors: int, pixels: Groups, comparison: Comparison) -> str:
    rate, items = comparison.jpeg, f"0 of {comparison.jpeg.items} items are unstable, on JPEG and on PNG"
    bound = f"at most {100 * rate.high:.2f} % with 95 % confidence"
    if len(pixels) == 1:
        who = "both" if executors == 2 else f"all {_number(executors)}"
        return f"Nothing flips: {who} executors decode every JPEG to the same pixels, and {items} ({bound})."
    return (
        f"No answer flips: the {_number(len(pixels))} groups of decoders give different pixels, but {items} ({bound}); "
        "these pictures cannot tell what would turn an answer over."
    )


def _decoder(pixels: Groups, comparison: Comparison) -> str:
    number = comparison.jpeg.unstable
    what = (
        f"All {number} items that are unstable on JPEG are stable on PNG"
        if number > 1
        else "The one item that is unstable on JPEG is stable on PNG"
    )
    flips = "every flip is" if number > 1 else "its flip is"
    return f"{what}, and {flips} between {_between(pixels)}: the JPEG decoder is the cause."


def _between(pixels: Groups) -> str:
    return f"the {_number(len(pixels))} groups of decoders" if len(pixels) > 2 else "the two groups of decoders"


def _other(cause: str, comparison: Comparison) -> str:
    jpeg, png = comparison.jpeg.unstable, comparison.png.unstable
    before = {RESIZE: "decoded pixels", SCALING: "resized pixels", RUNTIME: "input tensors"}[cause]
    return (
        f"{_items(jpeg).capitalize()} {_are(jpeg)} unstable on JPEG and {png} on PNG, and on each of them a right and "
        f"a wrong answer came from the same {before}: {NAMED[cause]} is the cause, not the JPEG decoder."
    )


def _several(found: pd.DataFrame, counts: Mapping[str, int]) -> str:
    order = [one for one in (*NAMED, UNDECIDED) if one in counts]
    told = [f"{counts[one]} by {NAMED[one]}" if one in NAMED else f"{counts[one]} undecided" for one in order]
    main = max((one for one in order if one in NAMED), key=lambda one: counts[one])
    end = f"{NAMED[main]} is the main cause, not the only one" if counts[main] * 2 > len(found) else "no cause prevails"
    return f"There is more than one cause for the {_items(len(found))} that flip: {', '.join(told)}; {end}."


def _items(number: int) -> str:
    return f"{_number(number)} item" if number == 1 else f"{number} items"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _number(number: int) -> str:
    return NUMBERS[number] if number < len(NUMBERS) else str(number)
