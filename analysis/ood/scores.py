"""SCORES: how unknown one picture looks, from the stored answers to it, to its tries and to its quarter turns."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.flip_risk.baselines import TEMPERATURE, scaled_first
from analysis.flip_risk.rows import read_answers
from device_agents.flip_risk import FLOOR, changed, entropy, margin
from device_agents.records import Prediction

UPRIGHT = {"": "0", "quarter-turn-1": "90", "quarter-turn-2": "180", "quarter-turn-3": "270"}
COLUMNS = ("picture", "scene", "cluster")


@dataclass(frozen=True)
class Answers:
    """What was answered of one picture: to it, to each try, and how sure the right turn was (four shares, or none).

    classes: how many the model has; None where nobody knows.
    """

    base: Prediction
    tries: tuple[Prediction, ...]
    right_turns: tuple[float, ...] = ()
    classes: int | None = None


Score = Callable[[Answers], float]


def instability(answers: Answers) -> float:
    """The share of the tries with another first label, 0 to 1."""
    return changed(answers.base, answers.tries)


def wobble(answers: Answers) -> float:
    """The mean absolute change of the first label's probability over the tries, 0 to 1.

    Where a try's stored scores do not hold the label it is taken as half of the last one stored, as flip risk does.
    """
    label, score = answers.base.labels[0], answers.base.scores[0]
    return sum(abs(score - _score_of(one, label)) for one in answers.tries) / len(answers.tries)


def max_probability(answers: Answers) -> float:
    """Minus the first score (Hendrycks and Gimpel, ICLR 2017), -1 to 0."""
    return -answers.base.scores[0]


def entropy_of(answers: Answers) -> float:
    """Shannon's entropy of the scores in nats, what the stored ones leave of 1 spread evenly over the other classes.

    Where nobody knows how many those are, the rest is one class more, as for flip risk.
    """
    scores = answers.base.scores
    rest, others = max(0.0, 1 - sum(scores)), (answers.classes or 0) - len(scores)
    spread = rest * math.log(others) if rest and others > 0 else 0.0
    return entropy(answers.base, ()) + spread


def margin_of(answers: Answers) -> float:
    """Minus the first score less the second, -1 to 0."""
    return -margin(answers.base, ())


def temperature(answers: Answers) -> float:
    """Minus the first score at ODIN's temperature (Liang, Li and Srikant, ICLR 2018), from the stored scores."""
    return float("nan") if answers.classes is None else -scaled_first(answers.base.scores, classes=answers.classes)


def rotation(answers: Answers) -> float:
    """The mean over the four turns of -log p(the right turn), in nats (Hendrycks et al., NeurIPS 2019, section 4)."""
    if not answers.right_turns:
        return float("nan")
    return -sum(math.log(max(one, FLOOR)) for one in answers.right_turns) / len(answers.right_turns)


def rotation_kl(answers: Answers) -> float:
    """The rotation's loss less KL(uniform || scores), in nats: the sum that Hendrycks et al. (2019) rank by."""
    return rotation(answers) - uniform_kl(answers)


def uniform_kl(answers: Answers) -> float:
    """KL(uniform || scores) in nats, 0 or more: -log K - mean over the K classes of log p; NaN where K is not known.

    What the stored scores leave of 1 is spread evenly over the other classes, none having more than the last stored.
    """
    scores, classes = answers.base.scores, answers.classes
    if classes is None:
        return float("nan")
    logs = sum(math.log(max(one, FLOOR)) for one in scores)
    others = classes - len(scores)
    if others:
        rest = max(min(max(1 - sum(scores), 0.0) / others, *scores), FLOOR)
        logs += others * math.log(rest)
    return -math.log(classes) - logs / classes


def score_rows(
    table: pd.DataFrame,
    perturbations: Sequence[str],
    *,
    classes: int | None,
    turned: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Give one row a picture: picture, scene, cluster, label, problem, and a column for each of SCORES that is asked.

    table: predictions of one setup, as they are and in each perturbation. turned: a rotation classifier's, as they are
    and in each quarter turn; without it there are no rotation scores, and without ``classes`` (of the model) none that
    need their number. A row where any answer is lacking has its reason as problem and NaN for every score alike.
    """
    answers = read_answers(table)
    turns = {} if turned is None else read_answers(turned)
    asked = asked_scores(classes=classes, rotation=turned is not None)
    rows = []
    for picture in table.loc[table["perturbation"] == "", "picture"].astype(str):
        needed = [answers.get((picture, name)) for name in ("", *perturbations)]
        seen = [] if turned is None else [turns.get((picture, name)) for name in UPRIGHT]
        problem = next((_problem(one) for one in (*needed, *seen) if _problem(one)), "")
        told = dict.fromkeys(asked, float("nan"))
        label = "" if needed[0] is None or not needed[0].labels else needed[0].labels[0]
        if not problem:
            base, *tries = (one for one in needed if one is not None)
            right = (_score_of(one, turn) for one, turn in zip(seen, UPRIGHT.values(), strict=False) if one)
            found = Answers(base, tuple(tries), tuple(right), classes)
            told = {name: score(found) for name, score in asked.items()}
        rows.append({"label": label, "problem": problem, **told})
    first = table.loc[table["perturbation"] == "", list(COLUMNS)].reset_index(drop=True)
    return pd.concat([first, pd.DataFrame(rows, columns=["label", "problem", *asked])], axis=1)


def asked_scores(*, classes: int | None, rotation: bool) -> Mapping[str, Score]:
    """Give those of SCORES that can be told: temperature and rotation+kl need the classes, the turns a classifier."""
    without = set() if rotation else {"rotation", "rotation+kl"}
    without |= {"temperature", "rotation+kl"} if classes is None else set()
    return {name: score for name, score in SCORES.items() if name not in without}


def _problem(one: Prediction | None) -> str:
    if one is None:
        return "not predicted"
    return one.error or ("" if one.labels else "no answer")


def _score_of(one: Prediction, label: str) -> float:
    known = dict(zip(one.labels, one.scores, strict=True))
    return float(known.get(label, 0.5 * min(one.scores)))


SCORES: dict[str, Score] = {
    "instability": instability,
    "wobble": wobble,
    "max-probability": max_probability,
    "entropy": entropy_of,
    "margin": margin_of,
    "temperature": temperature,
    "rotation": rotation,
    "rotation+kl": rotation_kl,
}
OURS = ("instability", "wobble")
WORDS = {
    "instability": "share of tries with another first label",
    "wobble": "mean change of the first label's probability over the tries",
    "max-probability": "first score (Hendrycks and Gimpel, ICLR 2017)",
    "entropy": "entropy of the scores, those not stored taken as equal",
    "margin": "first score less the second",
    "temperature": f"first score at temperature {TEMPERATURE:g} (ODIN's, without its input step)",
    "rotation": "loss of a classifier of quarter turns (Hendrycks et al., NeurIPS 2019)",
    "rotation+kl": "the same, less KL(uniform || scores), as they rank",
}
