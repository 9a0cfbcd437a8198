"""A language model in a runtime: texts to tokens, tokens to scores, and the likelihoods of continuations and texts.

Sequences go through one at a time: a batch would change how sums are blocked, and with them the last digits; dynamic
quantisation takes its range over a whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from device_agents.errors import BadInput, pick
from device_agents.runtimes import NETWORKS
from device_agents.tasks.language import Array, Continuation, Window, continuation, windows
from stability_train.language.models import LanguageModel
from stability_train.language.tokens import read_tokenizer

MOST_CONTEXT = 2048  # tokens at once, whatever the model could: 400 MB of scores at a vocabulary of 49,152


class Tokens(NamedTuple):
    """Token ids of a context and of what continues it; the context is never empty."""

    context: tuple[int, ...]
    continuation: tuple[int, ...]


@dataclass(frozen=True)
class Predictor:
    """A model in a runtime. run: tokens int64 (1, time) -> logits (1, time, vocabulary); tokenizer: of tokenizers."""

    model: LanguageModel
    tokenizer: Any
    run: Callable[[Array], Array]

    @property
    def context(self) -> int:
        """The most tokens seen at once."""
        return min(self.model.context, MOST_CONTEXT)

    def encode(self, text: str) -> tuple[int, ...]:
        """Give a text's token ids, with nothing added in front or behind."""
        return tuple(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, tokens: Sequence[int]) -> str:
        """Give the text of token ids, special ones included."""
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=False))

    def pieces(self) -> list[str]:
        """How the vocabulary itself writes each token, by number; <N> for one that the tokenizer does not know."""
        return [self.tokenizer.id_to_token(token) or f"<{token}>" for token in range(self.model.vocabulary)]

    def logits(self, tokens: Sequence[int]) -> Array:
        """Give the scores (time, vocabulary) of what follows each token; raises BadInput for another shape."""
        found = self.run(np.asarray([tokens], dtype=np.int64))
        if found.shape != (1, len(tokens), self.model.vocabulary):
            wanted = (1, len(tokens), self.model.vocabulary)
            raise BadInput(f"{self.model.name}: expected scores of shape {wanted}, got {found.shape}")
        return np.asarray(found[0])

    def split(self, context: str, text: str) -> Tokens:
        """Cut a context and its continuation into tokens as lm-evaluation-harness does.

        Spaces at the context's end go to the continuation; both are encoded as one text and cut where the context alone
        ends. Without a context the model's prefix stands there. Raises BadInput for an empty continuation.
        """
        kept = context.rstrip()
        text = context[len(kept) :] + text
        whole = self.encode(kept + text)
        before = self.encode(kept) if kept else ()
        after = whole[len(before) :]
        if not after:
            raise BadInput(f"expected a continuation of at least one token, got {text!r}")
        return Tokens(before or (self.model.prefix,), after)

    def score(self, tokens: Tokens) -> Continuation:
        """Score a continuation after its context, of which the beginning is left out where it is too long."""
        if len(tokens.continuation) > self.context:
            raise BadInput(f"expected at most {self.context} tokens to score, got {len(tokens.continuation)}")
        seen = (*tokens.context, *tokens.continuation)[-(self.context + 1) :][:-1]
        return continuation(self.logits(seen)[-len(tokens.continuation) :], tokens.continuation)

    def positions(
        self, tokens: Sequence[int], *, length: int, stride: int, within: range
    ) -> Iterator[tuple[Window, Array]]:
        """Give the windows that score a place of ``within``, with the scores (scored tokens, vocabulary).

        The first window of a text begins with the prefix. Raises BadInput for a length past the context.
        """
        if not 1 <= length <= self.context:
            raise BadInput(f"expected a window of 1 to {self.context} tokens, got {length}")
        whole = (self.model.prefix, *tokens)
        for window in windows(len(tokens), length=length, stride=stride):
            if window.end <= within.start or window.scored >= within.stop:
                continue
            seen = whole[window.start : window.end]  # the token before each, since the prefix moves all by one
            yield window, self.logits(seen)[window.scored - window.start :]


def load_predictor(model: LanguageModel, file: Path, *, runtime: str, threads: int) -> Predictor:
    """Load a model's ONNX file into a runtime of NETWORKS; raises BadInput, and MissingExtra as the runtime does."""
    network = pick(NETWORKS, runtime, what="runtime")(file, threads)
    if network.outputs != 1:
        raise BadInput(f"{file}: expected a language model with one output, got {network.outputs}")
    return Predictor(model, read_tokenizer(model.tokenizer, rows=model.vocabulary), lambda tokens: network(tokens)[0])
