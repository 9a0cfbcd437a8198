"""From a language model's scores of next tokens to log-likelihoods, perplexity, and the choice of an answer.

What a model expects at one place of a text is a classification over its vocabulary (classification.classify).
Scores are logits: row t of an array (tokens, vocabulary) says what follows token t. acc and acc_norm are defined as in
lm-evaluation-harness 0.4 (its api/task.py), whose figures these are to be compared with. Pure numpy.
"""

from __future__ import annotations

import math
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import numpy.typing as npt

from device_agents.errors import BadInput
from device_agents.tasks.classification import softmax

Array = npt.NDArray[Any]
_ROWS = 64  # rows in float64 at a time: 25 MB of a vocabulary of 49,152


class Window(NamedTuple):
    """A part of a text that the model sees at once: tokens start to end, of which those from ``scored`` on count."""

    start: int
    scored: int
    end: int


class Continuation(NamedTuple):
    """How likely a continuation is: the sum of its tokens' log-probabilities (natural), and the model's own tokens.

    ``greedy``: each of its tokens is the model's first choice where all before it stand. ``chosen`` are those choices.
    """

    log_likelihood: float
    greedy: bool
    chosen: Tuple[int, ...]


def windows(count: int, *, length: int, stride: int) -> List[Window]:
    """Cut a text of ``count`` tokens into windows of at most ``length``, so that each token is scored exactly once.

    Each window after the first ends ``stride`` tokens later (the last at the end) and is full, so that every scored
    token has at least length - stride tokens before it (but in the first). stride == length gives disjoint windows.
    Raises BadInput unless 1 <= stride <= length.
    """
    if not 1 <= stride <= length:
        raise BadInput(f"expected a stride of 1 to the window's {length} tokens, got {stride}")
    found: List[Window] = []
    scored = 0
    while scored < count:
        end = min(count, scored + (stride if scored else length))
        found.append(Window(max(0, end - length), scored, end))
        scored = end
    return found


def log_likelihoods(logits: Array, tokens: Sequence[int]) -> npt.NDArray[np.float64]:
    """Give log p of each token, float64 (n,), by the logits (n, vocabulary) of its place: x_t - log(sum(exp(x))).

    Raises BadInput for other counts, a token outside the vocabulary, or a score that is not finite.
    """
    wanted = np.asarray(tokens, dtype=np.int64)
    if logits.ndim != 2 or wanted.shape != logits.shape[:1]:
        raise BadInput(f"expected scores of {len(wanted)} tokens, got an output of shape {logits.shape}")
    if len(wanted) and not (wanted.min() >= 0 and wanted.max() < logits.shape[1]):
        raise BadInput(f"expected tokens of a vocabulary of {logits.shape[1]}, got {int(wanted.max())}")
    found = np.empty(len(wanted), dtype=np.float64)
    for start in range(0, len(wanted), _ROWS):
        wide = logits[start : start + _ROWS].astype(np.float64)
        if not np.isfinite(wide).all():
            raise BadInput("expected finite scores of tokens, got some that are infinite or no number")
        top = wide.max(axis=1)
        total = np.log(np.exp(wide - top[:, None]).sum(axis=1)) + top
        found[start : start + _ROWS] = wide[np.arange(len(wide)), wanted[start : start + _ROWS]] - total
    return found


def continuation(logits: Array, tokens: Sequence[int]) -> Continuation:
    """Score a continuation by the logits (n, vocabulary) of its n places; ties go to the lower token.

    Raises BadInput for an empty continuation, and as log_likelihoods does.
    """
    if not len(tokens):
        raise BadInput("expected a continuation of at least one token, got none")
    total = math.fsum(log_likelihoods(logits, tokens))
    chosen = tuple(int(one) for one in logits.argmax(axis=1))
    return Continuation(total, chosen == tuple(tokens), chosen)


def perplexity(values: Sequence[float]) -> float:
    """Give exp of the mean negative log-likelihood of a text's tokens; raises BadInput for a text without any."""
    if not len(values):
        raise BadInput("expected a text of at least one token to score, got none")
    return math.exp(-math.fsum(values) / len(values))


def choose(values: Sequence[float], *, lengths: Optional[Sequence[int]] = None) -> int:
    """Give the place of the choice with the largest log-likelihood (acc), or per character of it (acc_norm).

    lengths: of the choices' texts in characters, without the space before them; None: not divided. The first of equals.
    Raises BadInput for fewer than two choices, or a length below 1.
    """
    if len(values) < 2:
        raise BadInput(f"expected at least two choices, got {len(values)}")
    if lengths is None:
        return int(np.argmax(np.asarray(values)))
    if len(lengths) != len(values) or min(lengths) < 1:
        raise BadInput(f"expected lengths of {len(values)} choices, each at least 1, got {list(lengths)}")
    return int(np.argmax(np.asarray(values) / np.asarray(lengths, dtype=np.float64)))


def choice_probabilities(values: Sequence[float], *, lengths: Optional[Sequence[int]] = None) -> Tuple[float, ...]:
    """Give each choice's share of the likelihood, exp(l) over its sum; with lengths of exp(l / length)."""
    scores = np.asarray(values, dtype=np.float64)
    return tuple(float(one) for one in softmax(scores if lengths is None else scores / np.asarray(lengths)))
