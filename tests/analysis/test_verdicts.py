import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.verdicts import (
    VERDICTS,
    first_verdicts,
    table_verdict_codes,
    table_verdict_curve,
    table_verdicts,
    verdicts,
)
from device_agents.errors import BadInput

RED_WINE = ("wine bottle", "red wine")


def judged(rows, *, top_n=1, accepted=RED_WINE, ambiguous=("goblet",), failed=None):
    labels = np.array(rows, dtype=object)
    return list(verdicts(labels, [accepted] * len(rows), [ambiguous] * len(rows), top_n=top_n, failed=failed))


def test_first_label_by_hand():
    rows = [["red wine"], ["wine bottle"], ["goblet"], ["purse"], [""], [None], [float("nan")]]
    assert judged(rows) == ["right", "right", "ambiguous", "wrong", "missing", "missing", "missing"]


def test_more_labels_move_a_verdict_from_wrong_to_ambiguous_to_right():
    row = [["purse", "goblet", "red wine"]]
    assert [judged(row, top_n=n)[0] for n in (1, 2, 3, 9)] == ["wrong", "ambiguous", "right", "right"]


def test_a_failure_is_missing_whatever_its_labels():
    assert judged([["red wine"], ["purse"]], failed=[True, False]) == ["missing", "wrong"]


def test_each_row_has_its_own_accepted_labels():
    found = verdicts(np.array(["a", "a"], object), [("a",), ("b",)], [(), ("a",)])
    assert list(found) == ["right", "ambiguous"]


def test_nothing_is_right_or_wrong_where_nobody_knows_the_answer():
    unlabelled = [("unlabelled",)] * 3
    labels = np.array(["a", "unlabelled", ""], object)
    assert list(verdicts(labels, unlabelled, [()] * 3)) == ["ambiguous", "ambiguous", "missing"]
    codes = first_verdicts(
        np.array([0, 1, -1]),
        ["a", "unlabelled"],
        which=np.zeros(3, dtype=int),
        accepted=unlabelled[:1],
        ambiguous=[()],
        failed=np.zeros(3, dtype=bool),
    )
    assert [VERDICTS[code] for code in codes] == ["ambiguous", "ambiguous", "missing"]
    assert judged([["a"], ["b"]], accepted=("unlabelled", "a")) == ["right", "wrong"]  # judged by a person since


def test_lists_and_series_do_as_well():
    found = verdicts(pd.Series(["a", "b"], dtype="str"), pd.Series([["a"], ["a"]]), pd.Series([[], []]))
    assert list(found) == ["right", "wrong"]


def test_a_table_is_judged_by_its_columns():
    table = pd.DataFrame(
        {
            "label_1": ["a", "b", None, "c"],
            "label_2": ["b", "a", None, "a"],
            "labels": [("a",)] * 4,
            "ambiguous": [()] * 4,
            "error": ["", None, "TimedOut: no file", "Broken"],
        }
    )
    assert list(table_verdicts(table)) == ["right", "wrong", "missing", "missing"]
    assert list(table_verdicts(table, top_n=2)) == ["right", "right", "missing", "missing"]
    assert table_verdict_curve(table).shape == (2, 4)


def test_no_rows_give_no_verdicts():
    assert len(verdicts(np.empty((0, 5), object), [], [])) == 0


def test_bad_input_is_explained():
    one = np.array(["a"], dtype=object)
    with pytest.raises(BadInput, match="bare string 'cat'"):
        verdicts(one, ["cat"], [()])
    with pytest.raises(BadInput, match="accepted labels for 1 predictions, got 2"):
        verdicts(one, [("a",), ("a",)], [()])
    with pytest.raises(BadInput, match="top_n of 1"):
        verdicts(one, [("a",)], [()], top_n=0)
    with pytest.raises(BadInput, match="ambiguous"):
        table_verdicts(pd.DataFrame({"label_1": ["a"], "labels": [("a",)]}))


LABELS = st.sampled_from(["a", "b", "c", "d", ""])
ORDER = {"missing": -1, "wrong": 0, "ambiguous": 1, "right": 2}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(LABELS, min_size=3, max_size=3), st.frozensets(LABELS), st.frozensets(LABELS)), max_size=8
    )
)
def test_against_the_rule_spelled_out_and_never_worse_with_more_labels(rows):
    labels = np.array([row[0] for row in rows], dtype=object).reshape(len(rows), 3)
    accepted, ambiguous = [tuple(row[1]) for row in rows], [tuple(row[2]) for row in rows]
    curve = [verdicts(labels, accepted, ambiguous, top_n=n) for n in (1, 2, 3)]
    for at, (given_labels, right, unclear) in enumerate(rows):
        for n, found in enumerate(curve, start=1):
            first = {label for label in given_labels[:n] if label}
            if not given_labels[0]:
                expected = "missing"
            elif first & right:
                expected = "right"
            else:
                expected = "ambiguous" if first & unclear else "wrong"
            assert found[at] == expected
        assert ORDER[curve[0][at]] <= ORDER[curve[1][at]] <= ORDER[curve[2][at]]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_numbered_labels_are_judged_like_written_ones(data):
    names = ["a", "", "b", "c", "never accepted"]
    labels = st.lists(st.sampled_from(["a", "b", "c", "absent"]), max_size=3).map(tuple)
    accepted, ambiguous = (data.draw(st.lists(labels, min_size=3, max_size=3)) for _ in range(2))
    rows = data.draw(st.lists(st.tuples(st.integers(-1, 4), st.integers(0, 2), st.booleans()), max_size=20))
    codes, which, failed = np.array(rows, dtype=np.int32).reshape(-1, 3).T
    found = first_verdicts(
        codes, names, which=which, accepted=accepted, ambiguous=ambiguous, failed=failed.astype(bool)
    )
    written = np.array([names[code] if code >= 0 else None for code in codes], dtype=object)
    sets = [accepted[n] for n in which], [ambiguous[n] for n in which]
    assert [VERDICTS[code] for code in found] == list(verdicts(written, *sets, failed=failed.astype(bool)))


def test_codes_are_places_among_the_verdicts():
    table = pd.DataFrame({"label_1": ["a", "b"], "labels": [("a",), ["a"]], "ambiguous": [(), ()]})
    assert table_verdict_codes(table).tolist() == [VERDICTS.index("right"), VERDICTS.index("wrong")]
    with pytest.raises(BadInput, match="expected top_n of 1 or more"):
        table_verdict_codes(table, top_n=0)
