"""The elephant test's numbers by hand examples."""

from __future__ import annotations

import math

import pytest

from analysis.detection.elephant import Position, far_changes, flicker, object_seen, position_table, summarise
from device_agents.tasks.answers import Detections

CAT, DOG, ELK = (0.0, 0.0, 0.2, 0.2), (0.4, 0.4, 0.6, 0.6), (0.8, 0.8, 1.0, 1.0)
HERE = (0.8, 0.0, 1.0, 0.2)
BASE = Detections((CAT, DOG, ELK), ("cat", "dog", "elk"), (0.9, 0.8, 0.7))


def found(*rows: tuple[tuple[float, ...], str, float]) -> Detections:
    ordered = sorted(rows, key=lambda row: -row[2])
    return Detections(*(tuple(row[at] for row in ordered) for at in range(3)))


def test_the_picture_itself_has_no_effect() -> None:
    assert far_changes(BASE, BASE, HERE) == {
        **{"far": 3, "vanishes": 0, "class": 0, "appears": 0, "score": 0, "moved": 0},
        "score_change": 0.0,
    }


def test_effects_on_boxes_that_the_object_does_not_touch() -> None:
    changed = found((CAT, "fox", 0.9), ((0.41, 0.4, 0.59, 0.6), "dog", 0.6), ((0.0, 0.8, 0.2, 1.0), "owl", 0.6))
    told = far_changes(BASE, changed, HERE)
    assert (told["far"], told["vanishes"], told["class"], told["appears"]) == (3, 1, 1, 1)
    assert (told["score"], told["score_change"]) == (1, pytest.approx(0.2))
    assert told["moved"] == 0  # 0.18 of 0.2: an overlap of exactly 0.9, as far as floats go
    touching = far_changes(BASE, changed, (0.0, 0.0, 0.7, 0.7))  # hides cat and dog: they are no effect
    assert (touching["far"], touching["vanishes"], touching["class"], touching["appears"]) == (1, 1, 0, 1)


def test_the_object_is_judged_as_labelled_objects_are() -> None:
    assert object_seen(found((HERE, "elephant", 0.8)), HERE, "elephant") == ("right", "elephant", 0.8)
    assert object_seen(found((HERE, "chair", 0.8)), HERE, "elephant") == ("wrong", "chair", 0.8)
    assert object_seen(BASE, HERE, "elephant") == ("wrong", "nothing", 0.0)


def test_a_slide_is_summed_up() -> None:
    there = found((HERE, "elephant", 0.8), *zip(BASE.boxes, BASE.labels, BASE.scores, strict=True))
    other = found((HERE, "chair", 0.8), *zip(BASE.boxes[:2], BASE.labels, BASE.scores, strict=False))
    spots = [(0, there), (0, BASE), (0, there), (0, None), (1, other), (1, there)]
    positions = [
        Position(line, (HERE[0], HERE[1], HERE[2], HERE[3] + at / 1000), answer)
        for at, (line, answer) in enumerate(spots)
    ]
    table = position_table(positions, base=BASE, label="elephant").assign(left=range(6))
    told = summarise(table)
    assert table["verdict"].tolist() == ["right", "wrong", "right", "missing", "wrong", "right"]
    assert (told["positions"], told["failed"], told["far"]) == (6, 1, 15)
    assert (told["found"], told["missed"], told["switched"]) == (0.6, 0.2, 0.2)
    assert told["flicker"] == 1.0  # three neighbours that were answered, all of which disagree
    assert (told["vanish_rate"], told["touched_positions"]) == (1 / 15, 0.2)
    assert (told["score_low"], told["score_high"]) == (0.8, 0.8)


def test_a_control_has_no_object_to_find() -> None:
    table = position_table([Position(0, HERE, BASE), Position(0, HERE, BASE)], base=BASE, label="")
    told = summarise(table)
    assert math.isnan(told["found"])
    assert math.isnan(told["flicker"])
    assert (told["far"], told["vanish_rate"]) == (6, 0.0)
    assert math.isnan(flicker(table.head(1)))
