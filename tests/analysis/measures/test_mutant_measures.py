"""What the measures say of a model and its mutant: nothing of equal ones, and by hand what of different ones."""

import math

import numpy as np
import pandas as pd
import pytest

from analysis.differential.outputs import output_difference
from analysis.measures.mutant_measures import MEASURES, measure, seen, seen_counts, share
from device_agents.errors import BadInput

LABELS = [f"label_{rank}" for rank in range(1, 6)]
SCORES = [f"score_{rank}" for rank in range(1, 6)]
MARKS = (0.5, 0.2, 0.1, 0.05, 0.02)


def row(scene, device, labels="abcde", scores=MARKS, *, accepted=("a",), error=""):
    cells = dict(zip(LABELS, labels or [""] * 5, strict=True)) | dict(zip(SCORES, scores, strict=True))
    fixed = {"angle": "", "repeat": 0, "cluster": scene, "category": "", "ambiguous": (), "truth": ""}
    return {"scene": scene, "device": device, "labels": accepted, "error": error, **fixed, **cells}


def outputs(*pairs):
    return [output_difference([np.array(a, np.float32)], [np.array(b, np.float32)]) for a, b in pairs]


def test_equal_answers_are_at_0_by_every_measure():
    table = pd.DataFrame([row(scene, device) for device in ("original", "again") for scene in "xyz"])
    values = measure(table, outputs=outputs(*[([1, 2], [1, 2])] * 3), layer=0.0)
    assert list(values) == list(MEASURES)
    assert values == dict.fromkeys(MEASURES, 0.0)
    assert not any(seen(values, values).values())


def test_one_flip_in_two_pictures_by_hand():
    """Picture y goes from a right to b: half the labels, half the items; the five labels are the same set."""
    table = pd.DataFrame([row("x", "original"), row("y", "original"), row("x", "mutant"), row("y", "mutant", "bacde")])
    values = measure(table, outputs=outputs(([1, 2], [1, 2]), ([1, 2], [1.5, 2])), layer=0.25)
    assert (values["labels"], values["instability"], values["outputs"]) == (0.5, 0.5, 0.5)
    assert values["jaccard"] == 0
    assert values["kendall"] == pytest.approx(0.1)  # one of ten pairs the other way: tau 0.8, half of 1 - 0.8
    assert values["max"] == pytest.approx(0.15)  # |0.5 - 0.2| in one of two pictures
    assert values["l1"] == pytest.approx(0.3)
    assert (values["output-largest"], values["layer-largest"], values["failed"]) == (0.5, 0.25, 0.0)
    noticed = seen(values, dict.fromkeys(MEASURES, 0.0))
    assert [name for name, yes in noticed.items() if not yes] == ["jaccard", "failed"]


def test_a_value_at_the_floor_is_not_seen_and_one_above_it_is():
    values = dict.fromkeys(MEASURES, 0.1) | {"labels": None, "l1": 0.2}
    floor = dict.fromkeys(MEASURES, 0.1) | {"outputs": None}
    assert {name for name, yes in seen(values, floor).items() if yes} == {"l1", "outputs"}


def test_what_has_no_answer_or_no_labels_or_another_size_is_no_number():
    table = pd.DataFrame(
        [row("x", "original", accepted=()), row("x", "mutant", "", (math.nan,) * 5, accepted=(), error="not finite")]
    )
    values = measure(table, outputs=outputs(([1, 2], [1, 2, 3])), layer=math.inf)
    absent = ("labels", "instability", "jaccard", "l1", "output-largest", "layer-largest")
    assert [values[name] for name in absent] == [None] * len(absent)
    assert (values["failed"], values["outputs"]) == (1.0, 1.0)
    with pytest.raises(BadInput, match="predictions of two conditions"):
        measure(table[:1], outputs=outputs(([1], [1])), layer=0.0)


def test_shares_have_the_interval_of_clopper_and_pearson():
    """All of 30: the lower end is 0.025 ** (1 / 30)."""
    found = share(30, 30)
    assert (found["rate"], found["high"]) == (1.0, 1.0)
    assert found["low"] == pytest.approx(0.025 ** (1 / 30))
    assert share(0, 0) == {"seen": 0, "of": 0, "rate": None, "low": None, "high": None}
    rows = [dict.fromkeys(MEASURES, False) | {"l1": True}, dict.fromkeys(MEASURES, False)]
    counts = {one["measure"]: (one["seen"], one["of"]) for one in seen_counts(rows)}
    assert counts == dict.fromkeys(MEASURES, (0, 2)) | {"l1": (1, 2)}
