"""What a language model answers: to a question by the likelihoods of its choices, and at every place of a text."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from device_agents.preprocess import fingerprint
from device_agents.tasks.classification import classify
from device_agents.tasks.language import choice_probabilities, choose, log_likelihoods
from stability_train.language.predictor import Predictor
from stability_train.language.questions import Question

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Answered:
    """An answer for a run: labels and scores in falling order, detail (JSON), milliseconds, the sha256 of its tokens.

    The detail of a question holds log_likelihoods, lengths (of the choices in characters) and greedy, of a place in a
    text log_likelihood.
    """

    labels: tuple[str, ...]
    scores: tuple[float, ...]
    detail: str
    latency_ms: float
    tensor_sha256: str


def labels_of(question: Question) -> tuple[str, ...]:
    """The names of a question's choices: letters, or for LAMBADA's single choice its word."""
    if len(question.choices) == 1:
        return (question.choices[0].words,)
    return tuple(LETTERS[place] for place in range(len(question.choices)))


def answer(predictor: Predictor, question: Question, *, top_k: int) -> Answered:
    """Answer a question as the harness's acc counts it: by the largest likelihood, or by what the model would write."""
    began = time.perf_counter()
    tokens = [predictor.split(choice.context, choice.continuation) for choice in question.choices]
    scored = [predictor.score(one) for one in tokens]
    latency_ms = 1000 * (time.perf_counter() - began)
    values = [one.log_likelihood for one in scored]
    detail = {"log_likelihoods": values, "lengths": lengths(question), "greedy": [one.greedy for one in scored]}
    if len(scored) == 1:
        written = (
            labels_of(question)[0] if scored[0].greedy else predictor.decode(scored[0].chosen).strip() or "nothing"
        )
        labels = (written.replace("|", "/"),)
        # Of the word itself; that of another one would need a pass of its own.
        scores = (float(np.exp(values[0])),) if scored[0].greedy else (float("nan"),)
    else:
        chances = choice_probabilities(values)
        order = np.argsort(-np.asarray(values), kind="stable")[:top_k]
        labels = tuple(labels_of(question)[place] for place in order)
        scores = tuple(chances[place] for place in order)
    ids = [part for one in tokens for part in (*one.context, -1, *one.continuation)]
    return Answered(labels, scores, json.dumps(detail), latency_ms, fingerprint(np.asarray(ids, np.int64)))


def lengths(question: Question) -> list[int]:
    """The choices' lengths in characters, without the space in front, as acc_norm divides by them."""
    return [len(choice.continuation[1:]) for choice in question.choices]


def right_by(detail: str, right: int, *, normalised: bool = False) -> bool:
    """Whether the answer of a detail is right: by acc, or by acc_norm (of LAMBADA's kind both are "greedy")."""
    values = json.loads(detail)
    if len(values["log_likelihoods"]) == 1:
        return bool(values["greedy"][0])
    return choose(values["log_likelihoods"], lengths=values["lengths"] if normalised else None) == right


def places(
    predictor: Predictor,
    tokens: Sequence[int],
    *,
    pieces: Sequence[str],
    within: range,
    length: int,
    stride: int,
    top_k: int,
) -> Iterator[tuple[int, Answered]]:
    """Answer places of a text: each one's number from 0 and the tokens that the model expects there.

    Those of all windows that score a place of ``within``. pieces: the vocabulary's tokens by
    number, as Predictor.pieces gives them. length, stride: of the windows.
    """
    windows = predictor.positions(tokens, length=length, stride=stride, within=within)
    while True:
        began = time.perf_counter()
        found = next(windows, None)
        if found is None:
            return
        window, logits = found
        share_ms = 1000 * (time.perf_counter() - began) / (window.end - window.scored)
        wanted = tokens[window.scored : window.end]
        values = log_likelihoods(logits, wanted)
        for row, value in enumerate(values):
            place = window.scored + row
            labels, scores = classify(logits[row], outputs="logits", labels=pieces, top_k=top_k)
            seen = np.asarray([predictor.model.prefix, *tokens[:place]][window.start :], np.int64)
            detail = json.dumps({"log_likelihood": float(value)})
            yield place, Answered(labels, scores, detail, share_ms, fingerprint(seen))


def log_likelihood(detail: str) -> float:
    """The log-likelihood of the text's own token, of the detail of a place."""
    return float(json.loads(detail)["log_likelihood"])
