"""Changes of boxes against hand examples; symmetry, and a condition against itself."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.detection.changes import change_table, changes
from analysis.detection.objects import SHOWN
from device_agents.errors import BadInput
from device_agents.tasks.answers import Detections, detections_text

LEFT, RIGHT, MIDDLE = (0.0, 0.0, 0.4, 0.4), (0.6, 0.6, 1.0, 1.0), (0.4, 0.4, 0.6, 0.6)


def draw(rng: np.random.Generator, count: int) -> Detections:
    """Boxes on a coarse grid with few scores, so that many are equal."""
    corner = rng.integers(0, 4, (count, 2)) / 10
    boxes = np.hstack([corner, corner + 0.4]).tolist()
    scores = np.sort(rng.integers(3, 8, count) / 10)[::-1].tolist()
    return Detections(tuple(map(tuple, boxes)), tuple(map(str, rng.choice(["cat", "dog"], count))), tuple(scores))


def counts(a: Detections, b: Detections) -> Counter[str]:
    return Counter(one.kind for one in changes(a, b)[2])


def test_kinds_by_hand() -> None:
    a = Detections((LEFT, RIGHT, MIDDLE), ("cat", "dog", "bird"), (0.9, 0.8, 0.7))
    b = Detections((LEFT, (0.6, 0.6, 1.0, 0.92), (0.0, 0.6, 0.2, 0.8)), ("fox", "dog", "cat"), (0.9, 0.8, 0.7))
    one, two, found = changes(a, b)
    told = {(change.kind, one.labels[change.a] if change.a >= 0 else "", two.labels[change.b] if change.b >= 0 else "")
            for change in found}  # fmt: skip
    assert told == {("stays", "dog", "dog"), ("class", "cat", "fox"), ("vanishes", "bird", ""), ("appears", "", "cat")}
    assert next(change.overlap for change in found if change.kind == "stays") == pytest.approx(0.8)


def test_a_box_that_fell_below_the_score_is_faded() -> None:
    a, b = Detections((LEFT,), ("cat",), (0.41,)), Detections((LEFT,), ("cat",), (0.39,))
    assert [(one.kind, one.faded) for one in changes(a, b)[2]] == [("vanishes", True)]
    assert [(one.kind, one.faded) for one in changes(b, a)[2]] == [("appears", True)]
    assert [one.faded for one in changes(a, Detections((LEFT,), ("dog",), (0.39,)))[2]] == [False]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 100_000))
def test_turned_round_only_appear_and_vanish_change_places(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = draw(rng, 6), draw(rng, 5)
    there, back = counts(a, b), counts(b, a)
    assert (there["stays"], there["class"]) == (back["stays"], back["class"])
    assert (there["vanishes"], there["appears"]) == (back["appears"], back["vanishes"])
    boxes = tuple(sum(score >= SHOWN for score in one.scores) for one in (a, b))
    assert boxes == (
        there["stays"] + there["class"] + there["vanishes"],
        there["stays"] + there["class"] + there["appears"],
    )


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 100_000))
def test_nothing_changes_against_itself_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = draw(rng, 7)
    order = sorted(range(7), key=lambda at: (-a.scores[at], rng.random()))
    again = Detections(*(tuple(part[at] for at in order) for part in (a.boxes, a.labels, a.scores)))
    assert set(counts(a, again)) <= {"stays"}


def table() -> pd.DataFrame:
    one = Detections((LEFT, RIGHT), ("cat", "dog"), (0.9, 0.8))
    lost = Detections((LEFT,), ("cat",), (0.9,))
    rows = [
        ("s1", "a", one),
        ("s1", "b", lost),
        ("s1", "c", one),
        ("s2", "a", one),
        ("s2", "b", one),
        ("s2", "c", None),
    ]
    return pd.DataFrame(
        {
            **{"scene": scene, "angle": 0, "repeat": 0, "device": device, "cluster": scene},
            **{"detail": detections_text(found) if found else "", "error": "" if found else "broken"},
        }
        for scene, device, found in rows
    )


def test_rates_are_of_the_objects_that_either_shows() -> None:
    found = change_table(table()).set_index(["a", "b"])
    assert found.loc[("a", "b"), ["objects", "vanishes", "appears", "pictures"]].tolist() == [4, 1, 0, 2]
    assert found.loc[("a", "b"), "rate"] == 0.25
    assert found.loc[("b", "c"), ["objects", "appears", "pictures", "pictures_changed"]].tolist() == [2, 1, 1, 1]
    assert found.loc[("a", "c"), ["rate", "overlap"]].tolist() == [0.0, 1.0]
    assert 0 <= found.loc[("a", "b"), "low"] < 0.25 < found.loc[("a", "b"), "high"] <= 1
    assert change_table(table(), only_first=True)["a"].tolist() == ["a", "a"]
    with pytest.raises(BadInput, match="got some twice"):
        change_table(pd.concat([table(), table()]))
