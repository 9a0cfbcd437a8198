"""The elephant test in numbers: what a detector makes of an object pasted into a picture, and of everything else there.

After Rosenfeld, Zemel and Tsotsos, "The Elephant in the Room" (2018): the object flickers and changes its class along
its way, and boxes that it does not touch vanish, appear, switch class or change score (non-local effects).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.detection.changes import MOVED, changes
from analysis.detection.objects import NOTHING, SHOWN, Seen, judge_objects
from device_agents.tasks.answers import Box, Detections

SCORE_CHANGED = 0.1  # of a box that stays: a change of its score that a reader would see
SUMMARY = (
    *("positions", "found", "switched", "missed", "misplaced", "failed", "flicker", "score_low", "score_high"),
    *("far", "vanish_rate", "class_rate", "score_rate", "moved_rate", "appears", "score_change", "touched_positions"),
)


@dataclass(frozen=True)
class Position:
    """One place of the object: its line, its box in fractions, and what the detector answered, None where it failed."""

    line: int
    box: Box
    found: Detections | None


def object_seen(found: Detections, box: Box, label: str, *, score: float = SHOWN) -> Seen:
    """Say what stands in the pasted object's place, by the rules for labelled objects."""
    return judge_objects(Detections((box,), (label,), (1.0,)), found, score=score)[0]


def far_changes(base: Detections, found: Detections, box: Box, *, score: float = SHOWN) -> dict[str, Any]:
    """Compare the boxes that the pasted object does not touch with those of the picture as it was.

    base: the answer to the unchanged picture. Boxes of either that share any area with the object's box are left out,
    so that what it hides counts as no effect. far: boxes of base that count; vanishes, class, appears: how many;
    score, moved: of those that stay, how many change their score by SCORE_CHANGED or move to an overlap below MOVED;
    score_change: the largest change of a score.
    """
    before, after = _far(base, box), _far(found, box)
    one, two, all_ = changes(before, after, score=score)
    kinds = {kind: sum(change.kind == kind for change in all_) for kind in ("vanishes", "class", "appears")}
    stay = [change for change in all_ if change.kind == "stays"]
    moved_score = [abs(one.scores[change.a] - two.scores[change.b]) for change in stay]
    return {
        "far": len(one.boxes),
        **kinds,
        "score": sum(change >= SCORE_CHANGED for change in moved_score),
        "moved": sum(change.overlap < MOVED for change in stay),
        "score_change": max(moved_score, default=0.0),
    }


def position_table(
    positions: Sequence[Position], *, base: Detections, label: str, score: float = SHOWN
) -> pd.DataFrame:
    """Give a row a position: line, left, top, verdict, seen (the label there), score_1, and the numbers of far_changes.

    label: the object's class; "" for a control that shows no object, whose verdict is then "". A position that failed
    has the verdict missing and no numbers.
    """
    rows = []
    for one in positions:
        row: dict[str, Any] = {"line": one.line, "left": one.box[0], "top": one.box[1]}
        if one.found is None:
            rows.append({**row, "verdict": "missing", "seen": "", "score_1": np.nan})
            continue
        seen = object_seen(one.found, one.box, label, score=score) if label else Seen("", "", np.nan)
        told = {"verdict": seen.verdict, "seen": seen.label, "score_1": seen.score}
        rows.append({**row, **told, **far_changes(base, one.found, one.box, score=score)})
    names = ["line", "left", "top", "verdict", "seen", "score_1"]
    numbers = ["far", "vanishes", "class", "appears", "score", "moved", "score_change"]
    return pd.DataFrame(rows, columns=[*names, *numbers])


def summarise(table: pd.DataFrame) -> dict[str, Any]:
    """Sum a position_table up, by the names of SUMMARY.

    found, switched, missed, misplaced: shares of the positions that were answered; flicker: of every two neighbours on
    a line, the share where the object is found in one only; score_low, score_high: of the positions where it is found.
    far: boxes x positions; the rates are of these, but score and moved rates of all far boxes that might have changed.
    touched_positions: the share of positions at which any far box vanishes, appears or switches its class.
    """
    answered = table[table["verdict"] != "missing"]
    right = answered["verdict"] == "right"
    named = bool((answered["verdict"] != "").any())
    far = float(answered["far"].sum())
    scores = answered.loc[right, "score_1"]
    touched = answered[["vanishes", "class", "appears"]].sum(axis=1) > 0
    wrong = answered["verdict"] == "wrong"
    shares = {
        "found": right,
        "switched": wrong & (answered["seen"] != NOTHING),
        "missed": wrong & (answered["seen"] == NOTHING),
        "misplaced": answered["verdict"] == "ambiguous",
    }
    return {
        "positions": len(table),
        **{name: _mean(marks) if named else float("nan") for name, marks in shares.items()},
        "failed": len(table) - len(answered),
        "flicker": flicker(table) if named else float("nan"),
        "score_low": float(scores.min()) if len(scores) else float("nan"),
        "score_high": float(scores.max()) if len(scores) else float("nan"),
        "far": int(far),
        **{
            f"{name}_rate": float(answered[column].sum()) / far if far else float("nan")
            for name, column in (("vanish", "vanishes"), ("class", "class"), ("score", "score"), ("moved", "moved"))
        },
        "appears": int(answered["appears"].sum()),
        "score_change": float(answered["score_change"].max()) if len(answered) else float("nan"),
        "touched_positions": _mean(touched),
    }


def flicker(table: pd.DataFrame) -> float:
    """Of every two neighbouring positions on a line that were answered, the share where only one finds the object."""
    pairs, changed = 0, 0
    for _, line in table.groupby("line", sort=False):
        found = line.sort_values("left", kind="stable")["verdict"].to_numpy()
        both = (found[1:] != "missing") & (found[:-1] != "missing")
        pairs += int(both.sum())
        changed += int(((found[1:] == "right") != (found[:-1] == "right"))[both].sum())
    return changed / pairs if pairs else float("nan")


def _far(found: Detections, box: Box) -> Detections:
    """The boxes that share no area with a box."""
    left, top, right, bottom = box
    kept = [
        at
        for at, (x0, y0, x1, y1) in enumerate(found.boxes)
        if min(x1, right) <= max(x0, left) or min(y1, bottom) <= max(y0, top)
    ]
    return Detections(
        tuple(found.boxes[at] for at in kept),
        tuple(found.labels[at] for at in kept),
        tuple(found.scores[at] for at in kept),
    )


def _mean(marks: Any) -> float:
    return float(marks.mean()) if len(marks) else float("nan")
