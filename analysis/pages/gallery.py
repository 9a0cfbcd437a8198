"""The most unstable scenes as cards: what was shown, each device's photograph, and where two of them differ."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.differences import difference_picture, gain_for, share_visible
from analysis.instability import instability
from analysis.tables import Study
from device_agents.errors import KitError

RGB = NDArray[np.uint8]
Loader = Callable[[str], RGB | None]

THUMBNAIL_PX = 240
JPEG_QUALITY = 80
MOST_DEVICES = 12


@dataclass(frozen=True)
class Thumbnail:
    """A small JPEG as a data: address, with its size in pixels."""

    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class Answer:
    """One device's photograph and what the model said of it; thumbnail is None where there is no picture."""

    device: str
    verdict: str
    label: str
    score: float | None
    error: str
    thumbnail: Thumbnail | None


@dataclass(frozen=True)
class Contrast:
    """How two devices' photographs differ: the picture of |a - b| times gain, and the share of pixels over 5 %."""

    right: str
    wrong: str
    gain: int
    share: float
    thumbnail: Thumbnail


@dataclass(frozen=True)
class Card:
    """One scene, with the moment (angle, repeat) at which the devices are most divided.

    one_file: all answers are to the same picture file, which is shown once: nothing differs before the software does.
    """

    scene: str
    accepted: tuple[str, ...]
    angle: Any
    repeat: Any
    items: int
    unstable: int
    pair_share: float
    shown: Thumbnail | None
    answers: tuple[Answer, ...]
    more_devices: int
    contrast: Contrast | None
    one_file: bool = False

    @property
    def groups(self) -> list[tuple[str, str, list[Answer]]]:
        """The answers by verdict and label, the most frequent first: (verdict, label, answers)."""
        found: dict[tuple[str, str], list[Answer]] = {}
        for one in self.answers:
            found.setdefault((one.verdict, one.label), []).append(one)
        ordered = sorted(found.items(), key=lambda group: -len(group[1]))
        return [(verdict, label, answers) for (verdict, label), answers in ordered]

    @property
    def size(self) -> int:
        """Bytes that the card's pictures take in the page."""
        thumbnails = [self.shown, *[answer.thumbnail for answer in self.answers]]
        thumbnails.append(self.contrast.thumbnail if self.contrast else None)
        return sum(len(one.uri) for one in thumbnails if one)


def cards(
    study: Study,
    *,
    load_picture: Loader,
    load_scene: Loader,
    names: Mapping[str, str],
    limit: int = 12,
    budget_bytes: int = 3_000_000,
) -> list[Card]:
    """Make the cards of the most unstable scenes, at most limit of them and at most budget_bytes of pictures.

    load_picture: picture name -> its scene rectified, uint8 (height, width, 3) sRGB, or None; load_scene: scene name ->
    what was shown. A loader that raises a KitError leaves that picture out. names: label -> words for people.
    """
    items = instability(study.table).table
    unstable = study.frames["scenes"].query("unstable > 0").head(limit)
    made: list[Card] = []
    for row in unstable.to_dict("records"):
        moment = _most_divided(items[items["scene"] == row["scene"]])
        same = study.table["scene"] == row["scene"]
        same &= (study.table["angle"] == moment["angle"]) & (study.table["repeat"] == moment["repeat"])
        card = _card(row, study.table[same], load_picture, load_scene, names)
        if sum(one.size for one in made) + card.size > budget_bytes:
            break
        made.append(card)
    return made


def thumbnail(picture: RGB, *, longest_px: int = THUMBNAIL_PX) -> Thumbnail:
    """Reduce a picture, uint8 (height, width, 3), to at most longest_px on its longer side, as a JPEG data: address."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture))
    image.thumbnail((longest_px, longest_px), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, format="JPEG", quality=JPEG_QUALITY, optimize=True)
    uri = "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
    return Thumbnail(uri, image.width, image.height)


def _most_divided(items: pd.DataFrame) -> dict[Any, Any]:
    """The scene's item with the most even vote; the first of equals."""
    minority = items[["right", "wrong"]].min(axis=1)
    chosen: dict[Any, Any] = items.iloc[int(minority.to_numpy().argmax())].to_dict()
    return chosen


def _card(
    row: Mapping[Any, Any], rows: pd.DataFrame, load_picture: Loader, load_scene: Loader, names: Mapping[str, str]
) -> Card:
    surest = rows.sort_values("score_1", ascending=False, kind="stable")
    best = {verdict: surest[surest["verdict"] == verdict].head(1) for verdict in ("right", "wrong")}
    first = rows.iloc[0]
    one_file = len(rows) > 1 and rows["picture"].nunique(dropna=False) == 1
    keep = rows if one_file else pd.concat([rows.head(MOST_DEVICES), *best.values()])
    keep = keep[~keep.index.duplicated()]
    pictures = {} if one_file else {name: load_or_none(load_picture, name) for name in keep["picture"]}
    shown = load_or_none(load_scene, str(row["scene"]))
    if one_file and shown is None:
        shown = load_or_none(load_picture, first["picture"])
    if shown is None and all(one is None for one in pictures.values()):
        one_file, keep = True, rows  # no picture at all, as of an imported table: the answers alone
    return Card(
        scene=str(row["scene"]),
        accepted=tuple(names.get(label, label) for label in first["labels"]),
        angle=first["angle"],
        repeat=first["repeat"],
        items=int(row["items"]),
        unstable=int(row["unstable"]),
        pair_share=float(row["pair_share"]),
        shown=_small(shown),
        answers=tuple(_answer(one, pictures.get(one["picture"]), names) for one in keep.to_dict("records")),
        more_devices=len(rows) - len(keep),
        contrast=None if one_file else _contrast(best["right"], best["wrong"], pictures),
        one_file=one_file,
    )


def _answer(row: Mapping[Any, Any], picture: RGB | None, names: Mapping[str, str]) -> Answer:
    missing = row["verdict"] == "missing"
    label = "" if missing else names.get(row["label_1"], str(row["label_1"]))
    score = float(row["score_1"]) if not missing and np.isfinite(row["score_1"]) else None
    error = str(row.get("error") or "")
    return Answer(str(row["device"]), str(row["verdict"]), label, score, error, _small(picture))


def _contrast(right: pd.DataFrame, wrong: pd.DataFrame, pictures: Mapping[str, RGB | None]) -> Contrast | None:
    if right.empty or wrong.empty:
        return None
    a, b = pictures[right["picture"].iloc[0]], pictures[wrong["picture"].iloc[0]]
    if a is None or b is None:
        return None
    gain = gain_for(a, b)
    shown = thumbnail(difference_picture(a, b, gain=gain))
    return Contrast(str(right["device"].iloc[0]), str(wrong["device"].iloc[0]), gain, share_visible(a, b), shown)


def load_or_none(load: Loader, name: str) -> RGB | None:
    """Load a picture by its name; None where it has none or a loader fails with a KitError."""
    try:
        return load(name) if isinstance(name, str) and name else None
    except KitError:  # the card then says that there is no picture; the rest of the report does not depend on it
        return None


def _small(picture: RGB | None) -> Thumbnail | None:
    return None if picture is None else thumbnail(picture)
