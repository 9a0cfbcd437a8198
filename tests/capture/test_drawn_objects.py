"""Drawn garments: the same ones every time, no two alike, and scenes that can be shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from capture.drawn_objects import GARMENTS, SIZE, draw_garment, draw_objects
from capture.scenes import read_scenes


@pytest.mark.parametrize("kind", list(GARMENTS))
def test_a_garment_comes_again_and_the_next_one_is_another(kind: str) -> None:
    one, again, other = (draw_garment(kind, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (one.dtype, one.shape) == (np.uint8, (SIZE, SIZE, 3))
    assert np.array_equal(one, again)
    assert np.abs(one.astype(int) - other).mean() > 3


def test_objects_are_scenes_of_their_own(tmp_path: Path) -> None:
    scenes = read_scenes(draw_objects(tmp_path / "one", each=2, seed=5))
    again = read_scenes(draw_objects(tmp_path / "two", each=2, seed=5))
    assert [one.sha256 for one in scenes] == [one.sha256 for one in again]
    assert len({one.sha256 for one in scenes}) == len({one.cluster for one in scenes}) == 12
    assert {one.labels for one in scenes} == {(kind,) for kind in GARMENTS}
    first = read_scenes(draw_objects(tmp_path / "three", each=1, seed=5))
    assert {one.sha256 for one in first} < {one.sha256 for one in scenes}, (
        "more objects leave the first ones as they are"
    )
