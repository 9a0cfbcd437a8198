"""Scores of one picture against hand calculations, and rows where an answer is lacking."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from analysis.ood.scores import SCORES, WORDS, Answers, asked_scores, score_rows, uniform_kl
from device_agents.records import Prediction


def answer(**scores: float) -> Prediction:
    return Prediction("p", "e", tuple(scores), tuple(scores.values()))


BASE = answer(cat=0.6, dog=0.3, cow=0.1)
TRIES = (answer(cat=0.5, dog=0.4, cow=0.1), answer(dog=0.7, cat=0.2, cow=0.1), answer(dog=0.9, cow=0.1))
TURNS = (0.9, 0.5, 0.5, 0.1)
FULL = Answers(BASE, TRIES, TURNS, classes=3)


def test_by_hand():
    found = {name: score(FULL) for name, score in SCORES.items()}
    assert found["instability"] == pytest.approx(2 / 3)
    assert found["wobble"] == pytest.approx((0.1 + 0.4 + abs(0.6 - 0.05)) / 3)
    assert found["max-probability"] == -0.6
    assert found["margin"] == pytest.approx(-0.3)
    entropy = -(0.6 * math.log(0.6) + 0.3 * math.log(0.3) + 0.1 * math.log(0.1))
    assert found["entropy"] == pytest.approx(entropy)
    scaled = np.array([0.6, 0.3, 0.1]) ** (1 / 1000)
    assert found["temperature"] == pytest.approx(-scaled[0] / scaled.sum(), rel=1e-12)
    rotation = -(math.log(0.9) + 2 * math.log(0.5) + math.log(0.1)) / 4
    assert found["rotation"] == pytest.approx(rotation)
    kl = sum(math.log((1 / 3) / p) / 3 for p in (0.6, 0.3, 0.1))
    assert uniform_kl(FULL) == pytest.approx(kl)
    assert found["rotation+kl"] == pytest.approx(rotation - kl)
    assert set(WORDS) == set(SCORES)


def test_the_kl_from_uniform_and_the_entropy_are_scipys_where_the_rest_is_even():
    from scipy.stats import entropy

    shares = np.array([0.4, 0.3, 0.1, 0.05, 0.05, 0.02, 0.02, 0.02, 0.02, 0.02])
    five = answer(**{f"c{place}": float(share) for place, share in enumerate(shares[:5])})
    got = uniform_kl(Answers(five, (five,), classes=10))
    assert got == pytest.approx(float(entropy(np.full(10, 0.1), shares)))
    assert SCORES["entropy"](Answers(five, (five,), classes=10)) == pytest.approx(float(entropy(shares)))
    flat = answer(**{f"c{place}": 0.1 for place in range(5)})
    assert uniform_kl(Answers(flat, (flat,), classes=10)) == pytest.approx(0, abs=1e-12)


def test_a_score_of_nothing_has_a_floor():
    sure = answer(cat=1.0, dog=0.0, cow=0.0)
    found = Answers(sure, (sure,), (0.0, 0.0, 0.0, 0.0), classes=3)
    assert all(math.isfinite(score(found)) for score in SCORES.values())
    assert SCORES["rotation"](found) == pytest.approx(-math.log(1e-6))


def test_more_unknown_is_higher():
    blank = answer(cat=0.34, dog=0.33, cow=0.33)
    unsure = Answers(blank, (answer(dog=0.9, cat=0.1),) * 3, (0.25,) * 4, classes=3)
    sure = Answers(answer(cat=0.98, dog=0.01, cow=0.01), (answer(cat=0.98, dog=0.02),) * 3, (0.99,) * 4, classes=3)
    assert all(score(unsure) > score(sure) for score in SCORES.values())


def test_without_classes_or_a_rotation_classifier_some_are_not_asked():
    assert list(asked_scores(classes=3, rotation=True)) == list(SCORES)
    assert set(SCORES) - set(asked_scores(classes=3, rotation=False)) == {"rotation", "rotation+kl"}
    assert set(SCORES) - set(asked_scores(classes=None, rotation=True)) == {"temperature", "rotation+kl"}
    rest = 1 - 0.6 - 0.3
    alone = Answers(answer(cat=0.6, dog=0.3), TRIES)
    one_more = -sum(share * math.log(share) for share in (0.6, 0.3, rest))
    assert SCORES["entropy"](alone) == pytest.approx(one_more)
    nothing = dataclasses.replace(FULL, classes=None, right_turns=())
    assert all(math.isnan(SCORES[name](nothing)) for name in ("temperature", "rotation", "rotation+kl"))


def table(answers: dict[tuple[str, str], Prediction]) -> pd.DataFrame:
    rows = []
    for (picture, perturbation), one in answers.items():
        names = {f"label_{place}": label for place, label in enumerate(one.labels, 1)}
        numbers = {f"score_{place}": score for place, score in enumerate(one.scores, 1)}
        keys = {"picture": picture, "scene": f"s/{picture}", "cluster": picture, "perturbation": perturbation}
        rows.append({**keys, **names, **numbers, "error": one.error})
    return pd.DataFrame(rows)


def turns(*right: float) -> dict[str, Prediction]:
    labels, names = ("0", "90", "180", "270"), ("", "quarter-turn-1", "quarter-turn-2", "quarter-turn-3")
    told = {}
    for place, share in enumerate(right):
        others = [label for label in labels if label != labels[place]]
        shares = {labels[place]: share} | dict.fromkeys(others, (1 - share) / 3)
        told[names[place]] = Prediction("p", "t", tuple(shares), tuple(shares.values()))
    return told


def test_rows_of_a_table_and_a_failure_leaves_every_score_out():
    failed = Prediction("b", "e", error="cannot decode")
    whole = {("a", name): one for name, one in zip(("", "x", "y", "z"), (BASE, *TRIES), strict=True)}
    lacking = {("b", ""): BASE, ("b", "x"): BASE, ("b", "y"): failed, ("b", "z"): BASE, ("c", ""): BASE}
    spun = {(picture, name): one for picture in "abc" for name, one in turns(*TURNS).items()}
    rows = score_rows(table(whole | lacking), ("x", "y", "z"), classes=3, turned=table(spun)).set_index("picture")
    assert rows.loc["a", "problem"] == ""
    for name, score in SCORES.items():
        assert rows.loc["a", name] == pytest.approx(score(FULL))
    assert (rows.loc["b", "problem"], rows.loc["c", "problem"]) == ("cannot decode", "not predicted")
    assert rows.loc[["b", "c"], list(SCORES)].isna().all(axis=None)


def test_a_failed_turn_leaves_every_score_out_too():
    whole = {("a", name): one for name, one in zip(("", "x", "y", "z"), (BASE, *TRIES), strict=True)}
    spun = {("a", name): one for name, one in turns(*TURNS).items()}
    spun["a", "quarter-turn-2"] = Prediction("a", "t", error="no square")
    rows = score_rows(table(whole), ("x", "y", "z"), classes=3, turned=table(spun))
    assert rows.loc[0, "problem"] == "no square"
    assert rows[list(SCORES)].isna().all(axis=None)
