"""What boxes and masks look like: a task's answers drawn on their pictures, and the most unstable scenes as cards.

Shared by the tasks that answer more than labels. A task draws with its entry of DRAWERS, found by how its texts begin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.detection import drawing as detection_drawing
from analysis.detection.objects import SHOWN
from analysis.instability import OBJECT, instability
from analysis.pages.gallery import Loader, Thumbnail, load_or_none, thumbnail
from analysis.segmentation import drawing as segmentation_drawing
from analysis.tables import Study
from analysis.verdicts import VERDICTS

RGB = NDArray[np.uint8]
PICTURE_PX = 400
MOST_GROUPS = 6  # pictures of one scene: answers that judge its objects alike share one
BUDGET_BYTES = 4_000_000


@dataclass(frozen=True)
class Drawer:
    """How a task's texts are drawn: answer(picture, detail, truth) and truth(picture, truth).

    The answer's truth is "" where there is none. legend: what the lines or colours mean, a sentence.
    """

    answer: Callable[[RGB, str, str], RGB]
    truth: Callable[[RGB, str], RGB]
    legend: str


DRAWERS: dict[str, Drawer] = {
    "detection": Drawer(
        detection_drawing.draw_answer,
        detection_drawing.draw_truth,
        f"Boxes with a score of {SHOWN} or more. Green: an object found; orange with +: a box where "
        "no such object is; yellow with ~: its object, badly placed; white and broken with -: an object "
        "missed.",
    ),
    "segmentation": Drawer(
        segmentation_drawing.draw_answer,
        segmentation_drawing.draw_truth,
        "Classes are coloured and named; striped in black and white: pixels of another class than the truth says.",
    ),
}


@dataclass(frozen=True)
class Answers:
    """A run's whole answers: details by (picture, environment), truths by scene, and the task that drew them up."""

    task: str
    details: Mapping[tuple[str, str], str]
    truths: Mapping[str, str]


@dataclass(frozen=True)
class Group:
    """Conditions that judge all objects of a picture alike: their names, how many objects are what, and the picture."""

    devices: tuple[str, ...]
    verdicts: Mapping[str, int]
    differ: str
    thumbnail: Thumbnail | None


@dataclass(frozen=True)
class AnswerCard:
    """One scene with boxes or masks drawn: its truth, and the conditions' answers when they are most divided."""

    scene: str
    angle: Any
    repeat: Any
    objects: int
    unstable: int
    shown: Thumbnail | None
    groups: tuple[Group, ...]
    more: int

    @property
    def size(self) -> int:
        """Bytes that the card's pictures take in the page."""
        return sum(len(one.uri) for one in (self.shown, *(group.thumbnail for group in self.groups)) if one)


def answers_of(table: pd.DataFrame, *, task: str) -> Answers:
    """Collect the whole answers of a predictions table with picture, environment, scene, detail and truth."""
    keys = zip(table["picture"].astype(str), table["environment"].astype(str), strict=True)
    details = dict(zip(keys, table["detail"].fillna(""), strict=True))
    truths = dict(zip(table["scene"].astype(str), table["truth"].fillna(""), strict=True))
    return Answers(task, details, truths)


def answer_cards(
    study: Study, answers: Answers, *, load_picture: Loader, load_scene: Loader, limit: int = 12
) -> list[AnswerCard]:
    """Make the cards of the scenes with the most unstable objects, at most limit and BUDGET_BYTES of pictures.

    study: of the task's rows (objects). load_picture, load_scene: as gallery.cards has them.
    """
    items = instability(study.table).table
    order = items.groupby("scene", sort=False)["unstable"].sum().sort_values(ascending=False, kind="stable")
    made: list[AnswerCard] = []
    for scene in [name for name, unstable in order.items() if unstable][:limit]:
        here = items[items["scene"] == scene].groupby(["angle", "repeat"], sort=False, as_index=False)["unstable"].sum()
        moment = here.iloc[int(here["unstable"].to_numpy().argmax())]
        table, angle, repeat = study.table, moment["angle"], moment["repeat"]
        rows = table[(table["scene"] == scene) & (table["angle"] == angle) & (table["repeat"] == repeat)]
        card = _card(rows, items, answers, load_picture, load_scene)
        if sum(one.size for one in made) + card.size > BUDGET_BYTES:
            break
        made.append(card)
    return made


def _card(
    rows: pd.DataFrame, items: pd.DataFrame, answers: Answers, load_picture: Loader, load_scene: Loader
) -> AnswerCard:
    first = rows.iloc[0]
    scene, drawer = str(first["scene"]), DRAWERS[answers.task]
    truth = answers.truths.get(scene, "")
    marks = (items["scene"] == scene) & (items["angle"] == first["angle"]) & (items["repeat"] == first["repeat"])
    patterns: dict[tuple[Any, ...], list[str]] = {}
    parts = {str(name): part for name, part in rows.groupby("device", sort=False, observed=True)}
    for name, part in parts.items():
        patterns.setdefault(tuple(zip(part[OBJECT], part["label_1"].fillna(""), strict=True)), []).append(name)
    ordered = sorted(patterns.values(), key=len, reverse=True)
    usual = parts[ordered[0][0]]
    groups = []
    for names in ordered[:MOST_GROUPS]:
        part = parts[names[0]]
        key = str(part["picture"].iloc[0]), str(part["environment"].iloc[0])
        detail, picture = answers.details.get(key, ""), load_or_none(load_picture, key[0])
        picture = load_or_none(load_scene, scene) if picture is None else picture
        drawn = None if picture is None or not detail else drawer.answer(_reduced(picture), detail, truth)
        counts = {name: int((part["verdict"] == name).sum()) for name in VERDICTS}
        verdicts = {name: count for name, count in counts.items() if count}
        groups.append(Group(tuple(names), verdicts, "" if part is usual else _differs(part, usual), _small(drawn)))
    picture = load_or_none(load_scene, scene)
    return AnswerCard(
        scene=scene,
        angle=first["angle"],
        repeat=first["repeat"],
        objects=int(marks.sum()),
        unstable=int(items.loc[marks, "unstable"].sum()),
        shown=_small(None if picture is None else drawer.truth(_reduced(picture), truth) if truth else picture),
        groups=tuple(groups),
        more=sum(len(names) for names in ordered[MOST_GROUPS:]),
    )


def _differs(part: pd.DataFrame, usual: pd.DataFrame) -> str:
    """What stands in the objects' places otherwise than in most conditions."""
    both = part[[OBJECT, "label_1", "verdict"]].merge(usual[[OBJECT, "label_1"]], on=OBJECT, suffixes=("", "_usual"))
    changed = both[both["label_1"].fillna("") != both["label_1_usual"].fillna("")]
    words = {"right": "found", "missing": "no answer"}
    told = [
        f"{row[OBJECT]}: {words.get(row['verdict'], row['label_1'])}" for row in changed.fillna("").to_dict("records")
    ]
    return "; ".join(told[:4]) + (f" and {len(told) - 4} more" if len(told) > 4 else "")


def _reduced(picture: RGB, longest_px: int = PICTURE_PX) -> RGB:
    """Make a picture as large as the page shows it before anything is drawn on it: lines then stay sharp."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture))
    ratio = longest_px / max(image.size)
    size = max(1, round(image.width * ratio)), max(1, round(image.height * ratio))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS))


def _small(picture: RGB | None) -> Thumbnail | None:
    return None if picture is None else thumbnail(picture, longest_px=PICTURE_PX)
