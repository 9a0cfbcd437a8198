"""A language model for lm-evaluation-harness (EleutherAI's lm-eval, an extra): its LM interface, answered by ours.

The harness brings tasks, prompts and metrics; the log-likelihoods are the kit's, so that a precision's effect can be
measured with tasks that the kit has no reader for. Written against lm-eval 0.4.13 (api/model.py).
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from device_agents.errors import BadInput, MissingExtra
from device_agents.tasks.language import log_likelihoods
from stability_train.language.predictor import Predictor

MOST_WRITTEN = 256  # tokens that a task gets where it names no number


def harness_model(predictor: Predictor) -> Any:
    """Give an lm_eval.api.model.LM that answers with a predictor; raises MissingExtra without lm-eval.

    loglikelihood: (context, continuation) -> (log-likelihood, whether greedy decoding would write it).
    loglikelihood_rolling: (text,) -> log-likelihood of the whole text after the prefix, windows as long as the context.
    generate_until: (context, settings) -> the greedy continuation, ended by one of settings["until"], the end token or
    max_gen_toks; sampling is refused. Each token is a whole pass, without a cache: slow for long answers.
    """
    try:
        interface: Any = importlib.import_module("lm_eval.api.model").LM
    except ImportError as problem:
        raise MissingExtra(
            f"the harness needs lm-eval, not installed here ({problem}); install instability-kit[lm-eval]"
        ) from problem

    class Harnessed(interface):  # type: ignore[misc]  # whatever class the library gives
        """The harness's three questions."""

        def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
            found = [predictor.score(predictor.split(*one.args)) for one in requests]
            return [(one.log_likelihood, one.greedy) for one in found]

        def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
            return [text_log_likelihood(predictor, one.args[0]) for one in requests]

        def generate_until(self, requests: Sequence[Any]) -> list[str]:
            return [write(predictor, *one.args) for one in requests]

    return Harnessed()


def text_log_likelihood(predictor: Predictor, text: str) -> float:
    """Give the log-likelihood of a text, each token scored once in disjoint windows that are filled to the left."""
    tokens, length = predictor.encode(text), predictor.context
    parts = predictor.positions(tokens, length=length, stride=length, within=range(len(tokens)))
    return math.fsum(
        value for window, logits in parts for value in log_likelihoods(logits, tokens[window.scored : window.end])
    )


def write(predictor: Predictor, context: str, settings: Mapping[str, Any]) -> str:
    """Write greedily after a context, up to one of settings["until"], the end token or settings["max_gen_toks"]."""
    if settings.get("do_sample") or settings.get("temperature", 0) not in (0, 0.0):
        raise BadInput("expected a task that decodes greedily, got one that samples")
    until = settings.get("until") or []
    stops = [until] if isinstance(until, str) else list(until)
    most = int(settings.get("max_gen_toks", MOST_WRITTEN))
    tokens = list(predictor.encode(context) or (predictor.model.prefix,))[-(predictor.context - most) :]
    written: list[int] = []
    while len(written) < most:
        token = int(predictor.logits([*tokens, *written])[-1].argmax())
        if token == predictor.model.end:
            break
        written.append(token)
        text = predictor.decode(written)
        ends = [text.index(stop) for stop in stops if stop and stop in text]
        if ends:
            return text[: min(ends)]
    return predictor.decode(written)
