"""The elephant test: an object pasted into a picture slides through it, with controls, before a detector."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.detection.elephant import Position, position_table, summarise
from analysis.detection.objects import SHOWN
from analysis.run_folder.files import make_folder
from capture.encode import encode_png
from capture.pasting import Cut, Place, cut_box, grey_patch, paste, place_box, read_cut, resize_cut, slide_places
from device_agents.decode import DECODERS, RGB, open_image
from device_agents.errors import BadInput
from device_agents.predict import Job, JobPicture, default_environment, predict
from device_agents.sidecar import Sidecar, read_labels
from device_agents.tasks.answers import Box, Detections, read_detections
from device_agents.tasks.families import check_post
from hostctl.printing import Progress, silent

OBJECT, PATCH, UNCHANGED = "the object", "a grey patch", "nothing"
NO_NMS = "nms-none"
LARGEST_SHARE = 0.5  # of the picture's height, unless asked otherwise
MOST_PLACES = 2_000
NOWHERE: Box = (0.0, 0.0, 0.0, 0.0)
CHUNK = 64  # pictures that lie on the disk at a time

Detect = Callable[[Iterable[RGB], Sequence[str]], Iterator[list[Detections | None]]]
"""Pictures and posts -> for each picture an answer a post, None where it failed."""


@dataclass(frozen=True)
class Slide:
    """What was shown and what came of it.

    base: by post the answer to the picture as it was. found: by (what was pasted, post) one answer a place, of
    UNCHANGED one only. tables, rows: position_table and its summary of the same.
    """

    picture: RGB
    cut: Cut
    places: tuple[Place, ...]
    label: str
    score: float
    base: Mapping[str, Detections]
    found: Mapping[tuple[str, str], list[Detections | None]]
    tables: Mapping[tuple[str, str], pd.DataFrame]
    rows: tuple[dict[str, Any], ...]

    def shown(self, what: str, at: int) -> RGB:
        """Make the picture of a place again."""
        place, cut = self.places[at], self.cut if what == OBJECT else grey_patch(self.cut)
        return self.picture if what == UNCHANGED else paste(self.picture, cut, left=place.left, top=place.top)

    def box(self, at: int) -> Box:
        """Where the object lies at a place."""
        return place_box(self.places[at], self.cut, self.picture)


def elephant(
    picture: Path,
    *,
    pasted: Path,
    model: str,
    out: Path,
    box: Sequence[float] = (),
    label: str = "",
    sidecar: Path | None = None,
    height: int = 0,
    step: int = 16,
    lines: int = 3,
    score: float = SHOWN,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Slide an object through a picture before a detector, and write index.html and elephant.json into ``out``.

    pasted: an RGBA file, or a picture of which ``box`` (left, top, right, bottom, pixels) is cut; without a box that of
    the surest object that the model finds there (of the class ``label``, if given). height: the object's,
    pixels (0: its own, at most half the picture's). step: pixels. score: from which boxes are shown.
    Keys: page, data, label, positions, rows (a summary for each thing pasted, with and without suppression), notes.
    Raises BadInput for a model of another task, a class that it does not have, and an object that does not fit.
    """
    from hostctl.pictures.elephant_page import elephant_page
    from stability_train.zoo import resolve_model

    path, card = resolve_model(model, sidecar=sidecar)
    if card.task != "detection":
        raise BadInput(f"expected a detection model, got {card.name}, a model of the task {card.task}")
    detect, ground = _detector(path, card), _read(picture)
    cut, label = _cut_out(pasted, box, label, detect, score)
    known = read_labels(Path(card.labels)) if card.labels else ()
    if known and label not in known:
        raise BadInput(f"expected a class of the model, got '{label}'; known: {', '.join(known)}")
    cut = resize_cut(cut, height=height or min(cut.size[0], int(LARGEST_SHARE * ground.shape[0])))
    places = slide_places((ground.shape[0], ground.shape[1]), cut.size, step_px=step, lines=lines)
    if len(places) > MOST_PLACES:
        raise BadInput(f"expected at most {MOST_PLACES} places, got {len(places)}; take a larger --step")
    posts, notes = _posts(card)
    slid = slide(ground, cut, places, label=label, detect=detect, posts=posts, score=score, progress=progress)
    told = {"label": label, "positions": len(places), "rows": list(slid.rows), "notes": notes}
    tables = {f"{what}, NMS {'off' if post else 'on'}": one for (what, post), one in slid.tables.items()}
    make_folder(out)
    (out / "index.html").write_bytes(elephant_page(slid, notes=notes, model=card.name))
    listed = {name: one.to_dict("records") for name, one in tables.items()}
    (out / "elephant.json").write_text(json.dumps({**told, "tables": listed}, indent=1, default=float))
    return {"page": str(out / "index.html"), "data": str(out / "elephant.json"), **told}


def slide(
    ground: RGB,
    cut: Cut,
    places: Sequence[Place],
    *,
    label: str,
    detect: Detect,
    posts: Sequence[str],
    score: float,
    progress: Progress = silent,
) -> Slide:
    """Detect with the object, with a grey patch in its shape, and on the picture as it is again, for each post."""
    boxes = [place_box(place, cut, ground) for place in places]
    things: dict[str, Cut | None] = {OBJECT: cut, PATCH: grey_patch(cut), UNCHANGED: None}
    first = next(iter(detect([ground], posts)))
    base = {post: one for post, one in zip(posts, first, strict=True) if one is not None}
    if len(base) < len(posts):
        raise BadInput("expected boxes of the picture as it is, got a failure: there is nothing to compare with")
    found: dict[tuple[str, str], list[Detections | None]] = {}
    total, done = 2 * len(places) + 1, 0
    for what, thing in things.items():
        pictures = [ground] if thing is None else (paste(ground, thing, left=one.left, top=one.top) for one in places)
        for answer in detect(pictures, posts):
            for post, one in zip(posts, answer, strict=True):
                found.setdefault((what, post), []).append(one)
            done += 1
            progress("pictures", done, total, what)
    tables, rows = {}, []
    for (what, post), answers in found.items():
        spots = [(0, NOWHERE)] if what == UNCHANGED else list(zip((one.line for one in places), boxes, strict=True))
        positions = [Position(*spot, one) for spot, one in zip(spots, answers, strict=True)]
        named = label if what == OBJECT else ""
        tables[what, post] = position_table(positions, base=base[post], label=named, score=score)
        rows.append({"pasted": what, "nms": "off" if post else "on", **summarise(tables[what, post])})
    return Slide(ground, cut, tuple(places), label, score, base, found, tables, tuple(rows))


def elephant_text(result: Mapping[str, Any]) -> str:
    """Say what became of the object and of the boxes that it does not touch."""
    one = result["rows"][0]
    lines = [
        f"a {result['label']} at {result['positions']} places: found at {one['found']:.0%}, taken for something else "
        f"at {one['switched']:.0%}, missed at {one['missed']:.0%}; {one['flicker']:.0%} of neighbours disagree",
        "boxes that it does not touch:",
    ]
    for row in result["rows"]:
        gone = f"{row['vanish_rate']:.1%} vanish and {row['class_rate']:.1%} switch class" if row["far"] else "none go"
        lines.append(
            f"  {row['pasted']}, NMS {row['nms']}: of {row['far']} boxes {gone}, {row['appears']} appear; largest "
            f"change of a score {row['score_change']:.2f}"
        )
    return "\n".join([*lines, *result["notes"], f"page  {result['page']}"])


def _detector(path: Path, card: Sidecar) -> Detect:
    """Predict pictures with a model, in the environment of its sidecar; chunks of them lie on the disk for a while."""
    base = default_environment(card, path)
    labels = read_labels(Path(card.labels)) if card.labels else None

    def detect(pictures: Iterable[RGB], posts: Sequence[str]) -> Iterator[list[Detections | None]]:
        environments = tuple(replace(base, post=post) for post in posts)
        waiting = iter(pictures)
        while some := list(islice(waiting, CHUNK)):
            with tempfile.TemporaryDirectory() as folder:
                files = [Path(folder) / f"{number}.png" for number in range(len(some))]
                for file, picture in zip(files, some, strict=True):
                    file.write_bytes(encode_png(picture, level=1))
                listed = tuple(JobPicture(file.stem, str(file), ()) for file in files)
                yield from _by_picture(Job(str(path), card, listed, environments, labels, 1), len(posts))

    return detect


def _by_picture(job: Job, posts: int) -> Iterator[list[Detections | None]]:
    answers: list[Detections | None] = []
    for one in predict(job):
        answers.append(None if one.error else read_detections(one.detail))
        if len(answers) == posts:
            yield answers
            answers = []


def _posts(card: Sidecar) -> tuple[list[str], list[str]]:
    """The model as it is, and without suppression where its post-processing can do without; else why not."""
    try:
        check_post(NO_NMS, sidecar=card)
    except BadInput as problem:
        return [""], [f"no control without non-maximum suppression: {problem}"]
    if card.head == "tflite-post":
        return [""], ["no control without non-maximum suppression: the model's file does it itself"]
    return ["", NO_NMS], []


def _cut_out(pasted: Path, box: Sequence[float], label: str, detect: Detect, score: float) -> tuple[Cut, str]:
    """Cut the object, and say of which class it is."""
    if (box or _is_cut_out(pasted)) and not label:
        raise BadInput("expected --label with an object that is cut out: which class shall it be found as?")
    if not box and label and _is_cut_out(pasted):
        return read_cut(pasted), label
    picture = _read(pasted)
    if box:
        height, width = picture.shape[:2]
        left, top, right, bottom = box
        return cut_box(picture, (left / width, top / height, right / width, bottom / height)), label
    (found,) = next(iter(detect([picture], [""])))
    if found is None:
        raise BadInput(f"{pasted}: the model failed on it; give the object's --box and --label")
    wanted = [at for at, name in enumerate(found.labels) if label in ("", name) and found.scores[at] >= score]
    if not wanted:
        raise BadInput(f"{pasted}: the model finds no {label or 'object'} there; give its --box and --label")
    return cut_box(picture, found.boxes[wanted[0]]), found.labels[wanted[0]]


def _is_cut_out(file: Path) -> bool:
    """Whether a picture has transparent parts."""
    image = open_image(_bytes(file))
    return "A" in image.getbands() or "transparency" in image.info


def _read(file: Path) -> RGB:
    return DECODERS["pillow"](_bytes(file))


def _bytes(file: Path) -> bytes:
    if not file.is_file():
        raise BadInput(f"expected a picture, there is no file {file}")
    return file.read_bytes()
