import numpy as np
import pandas as pd
import pytest

from analysis.repeatability.curves import COLUMNS, curves, picture_curve, step_of
from analysis.repeatability.numbers import suite_numbers
from analysis.repeatability.suites import FRAMES_BEFORE, PAIRS, SUITES, Family, Suite
from device_agents.errors import BadInput
from tests.analysis.perturbed_sample import rows, sample


@pytest.mark.parametrize("name", ["shift-curves", "corruptions-extra", "sequences-quick"])
def test_the_mean_of_a_curve_is_the_suite_s_number(name):
    table = sample(SUITES[name].perturbations, pictures=15, spread=0.4)
    found = curves(table, SUITES[name])
    assert tuple(found.columns) == COLUMNS
    whole = suite_numbers(table, SUITES[name]).set_index(["family", "measure"])["value"]
    for (family, measure), part in found.groupby(["family", "measure"]):
        assert part["value"].mean() == pytest.approx(whole[family, measure])
    assert "clean" not in set(found["family"])


def test_frames_by_hand():
    frames = tuple(f"tilt-frame-{n:02d}" for n in range(3))
    family = Family("tilt", FRAMES_BEFORE, frames)
    table = rows({"p": dict(zip(frames, ("ab", "ba", "ba"), strict=True)), "q": {frames[0]: "ab"}})
    found = curves(table, Suite("made", (family,), ("classification",), "made"))
    assert found[["step", "value", "pictures", "missing"]].to_numpy().tolist() == [[1, 1, 1, 1], [2, 0, 1, 1]]


def test_one_picture_s_class_is_followed_even_where_it_fell_out():
    family = Family("shift-crop", PAIRS, ("shift-crop-0", "shift-crop-1", "shift-crop-2"))
    suite = Suite("made", (family,), ("classification",), "made")
    given = {"p": {"shift-crop-0": "abcde", "shift-crop-1": "bacde", "shift-crop-2": "bcdef"}}
    found = picture_curve(rows(given), suite, picture="p")
    assert found["class"].tolist() == ["a"] * 3
    assert found["label"].tolist() == ["a", "b", "b"]
    assert found["least"].tolist() == pytest.approx([0.5, 0.2, 0])
    assert found["most"].tolist() == pytest.approx([0.5, 0.2, 0.05])
    with pytest.raises(BadInput, match="got 'q' without"):
        picture_curve(rows(given), suite, picture="q")


def test_steps_are_the_numbers_in_the_names():
    names = ["", "rotate--5", "rotate-5", "fog-3+stored-jpeg-85", "tilt-frame-07", "scale-black-101"]
    assert [step_of(name) for name in names] == [0, -5, 5, 3, 7, 101]


def test_unlabelled_pictures_have_no_error():
    table = sample(SUITES["corruptions-extra"].perturbations, pictures=4)
    unlabelled = table.assign(labels=pd.Series([()] * len(table)))
    assert np.isnan(curves(unlabelled, SUITES["corruptions-extra"])["value"]).all()
