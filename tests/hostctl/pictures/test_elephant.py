"""The elephant test with a detector of colours, whose answers are known, and with a trained one where it is at hand."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from capture.pasting import cut_box, slide_places
from device_agents.errors import BadInput
from device_agents.tasks.answers import Detections
from hostctl.command_line.elephant import COMMANDS
from hostctl.pictures.elephant import OBJECT, PATCH, UNCHANGED, elephant, elephant_text, slide
from hostctl.pictures.elephant_page import elephant_page, headline

RED, BLUE = (255, 0, 0), (0, 0, 255)


def ground() -> np.ndarray:
    picture = np.full((60, 80, 3), 200, dtype=np.uint8)
    picture[45:60, 65:80] = BLUE
    return picture


def detect(pictures: Iterable[np.ndarray], posts: Sequence[str]) -> Iterator[list[Detections | None]]:
    """Finds what is wholly red as a bus, not in the left quarter; and what is blue as a sea, unless red is above it."""
    for picture in pictures:
        rows = []
        for colour, label in ((RED, "bus"), (BLUE, "sea")):
            down, along = np.nonzero((picture == colour).all(axis=2))
            if len(down) and not (label == "bus" and along.min() < 20) and not (label == "sea" and rows):
                box = (along.min() / 80, down.min() / 60, (along.max() + 1) / 80, (down.max() + 1) / 60)
                rows.append((tuple(map(float, box)), label, 0.9))
        yield [Detections(*(tuple(row[at] for row in rows) for at in range(3)))] * len(posts)


def slid(step: int = 10):
    source = np.full((20, 20, 3), RED, dtype=np.uint8)
    cut = cut_box(source, (0.0, 0.0, 0.5, 0.5))
    places = slide_places((60, 80), cut.size, step_px=step, lines=1)
    return slide(ground(), cut, places, label="bus", detect=detect, posts=["", "nms-none"], score=0.4)


def test_the_object_the_patch_and_nothing_are_told_apart() -> None:
    found = slid()
    rows = {(row["pasted"], row["nms"]): row for row in found.rows}
    assert rows[OBJECT, "on"]["positions"] == 8
    assert rows[OBJECT, "on"]["found"] == 6 / 8  # not at 0 and 10
    assert rows[OBJECT, "on"]["flicker"] == 1 / 7
    assert rows[OBJECT, "on"]["vanish_rate"] == 6 / 8  # the sea goes wherever the bus is seen
    assert rows[PATCH, "on"]["vanish_rate"] == 0.0
    assert rows[UNCHANGED, "on"]["vanish_rate"] == 0.0
    assert rows[OBJECT, "off"]["found"] == rows[OBJECT, "on"]["found"]
    assert (found.shown(OBJECT, 2)[25:35, 20:30] == RED).all()
    assert (found.shown(PATCH, 2)[25:35, 20:30] == 128).all()


def test_the_page_tells_and_shows_it() -> None:
    found = slid()
    page = elephant_page(found, notes=["a note"], model="colours").decode()
    assert headline(found) in page
    assert "of the boxes that it does not touch, 75" in headline(found)
    assert page.count("data:image/jpeg") == 5  # as it is, found, missed, and the farthest effect with its patch
    assert "a note" in page


def test_a_detector_that_fails_on_the_picture_itself_is_an_error() -> None:
    def broken(pictures: Iterable[np.ndarray], posts: Sequence[str]) -> Iterator[list[Detections | None]]:
        for _ in pictures:
            yield [None] * len(posts)

    cut = cut_box(ground(), (0.0, 0.0, 0.1, 0.1))
    with pytest.raises(BadInput, match="nothing to compare with"):
        slide(ground(), cut, slide_places((60, 80), (6, 8), step_px=9), label="x", detect=broken, posts=[""], score=0.4)


def test_a_trained_detector_through_the_command(tmp_path: Path) -> None:
    pack = os.environ.get("INSTABILITY_DATA")
    if not pack:
        pytest.skip("INSTABILITY_DATA is not set")
    pytest.importorskip("onnxruntime", reason="the extra 'agent' is not installed")
    images, models = Path(pack) / "detection" / "images", Path(pack) / "models" / "detection"
    asked = {"pasted": images / "2007_000027.jpg", "model": str(models / "nanodet_m_416_float.onnx"), "step": 160}
    result = elephant(images / "2007_000529.jpg", **asked, label="bottle", out=tmp_path, lines=1)
    assert result["label"] == "bottle"
    assert [row["nms"] for row in result["rows"]] == ["on", "off"] * 3
    unchanged = result["rows"][4:]
    assert all(row["vanish_rate"] == row["score_change"] == row["appears"] == 0 for row in unchanged)
    assert json.loads((tmp_path / "elephant.json").read_text())["positions"] == result["positions"] > 1
    assert "boxes that it does not touch" in elephant_text(result)
    with pytest.raises(BadInput, match="a class of the model, got 'unicorn'"):
        elephant(images / "2007_000529.jpg", **asked, label="unicorn", box=(0, 0, 50, 50), out=tmp_path)
    with pytest.raises(BadInput, match="expected --label with an object"):
        elephant(images / "2007_000529.jpg", **asked, box=(0, 0, 50, 50), out=tmp_path)


def test_the_box_of_the_command_line_is_four_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    import argparse

    parser = argparse.ArgumentParser()
    COMMANDS[0].options(parser)
    told = parser.parse_args(["room.jpg", "--object", "zoo.jpg", "--model", "m.onnx", "--box", "1,2,3,4.5"])
    assert told.box == (1.0, 2.0, 3.0, 4.5)
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(["room.jpg", "--object", "zoo.jpg", "--model", "m.onnx", "--box", "1,2,x,4"])
    assert ended.value.code == 2
    assert "argument --box: expected left,top,right,bottom in pixels, got '1,2,x,4'" in capsys.readouterr().err
