"""A language model's tokenizer: made of what its GGUF file holds, or read from a tokenizer.json and held against it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from device_agents.errors import BadInput, MissingExtra, pick
from stability_train.language.gguf import Vocabulary

BYTE_PAIRS = "gpt2"  # llama.cpp's name of byte-level byte-pair encoding


def make_tokenizer(vocabulary: Vocabulary, *, where: str) -> Any:
    """Make the tokenizer (of the library tokenizers) that a GGUF file describes; where: the file, for messages.

    Raises BadInput for a kind or splitter that this kit does not know (give a tokenizer.json instead) and for merges
    of pieces that are not in the vocabulary; MissingExtra without tokenizers.
    """
    library = _library()
    if vocabulary.kind != BYTE_PAIRS:
        raise BadInput(
            f"{where}: expected a tokenizer of byte pairs ({BYTE_PAIRS}), got '{vocabulary.kind}'; give the model's "
            "tokenizer.json with --tokenizer"
        )
    splitter = pick(SPLITTERS, vocabulary.splitter, what="splitter of a tokenizer (give --tokenizer tokenizer.json)")
    places = {piece: place for place, piece in enumerate(vocabulary.pieces)}
    merges = [tuple(merge.split(" ", 1)) for merge in vocabulary.merges]
    strange = [merge for merge in merges if len(merge) != 2 or "".join(merge) not in places]
    if strange or len(places) != len(vocabulary.pieces):
        raise BadInput(
            f"{where}: the tokenizer lacks the model's vocabulary: {len(strange)} merges give no piece of it"
        )
    tokenizer = library.Tokenizer(library.models.BPE(vocab=places, merges=merges, fuse_unk=False))
    tokenizer.pre_tokenizer = splitter(library.pre_tokenizers)
    tokenizer.decoder = library.decoders.ByteLevel()
    tokenizer.add_special_tokens([vocabulary.pieces[place] for place in vocabulary.special])
    return tokenizer


def read_tokenizer(path: Path, *, rows: int, pieces: Sequence[str] = ()) -> Any:
    """Read a tokenizer.json for a model of ``rows`` tokens whose own file names them ``pieces`` (empty: unknown).

    Raises BadInput for another file, tokens past the model's, or pieces that differ from the model's own.
    """
    library = _library()
    try:
        tokenizer = library.Tokenizer.from_file(str(path))
    except Exception as problem:  # the library raises no class of its own
        raise BadInput(f"{path}: expected a tokenizer.json, got: {str(problem)[:120]}") from problem
    found = {place: piece for piece, place in tokenizer.get_vocab(with_added_tokens=True).items()}
    if not found or max(found) >= rows:
        raise BadInput(
            f"{path}: the tokenizer lacks the model's vocabulary: expected tokens below {rows}, got "
            f"{max(found) if found else 'none'}"
        )
    differ = [place for place, piece in sorted(found.items()) if pieces and pieces[place] != piece]
    if differ:
        first = differ[0]
        raise BadInput(
            f"{path}: the tokenizer lacks the model's vocabulary: {len(differ)} of {len(found)} tokens differ, first "
            f"{first}, '{found[first]}' and not '{pieces[first]}'"
        )
    return tokenizer


def _library() -> Any:
    try:
        import tokenizers
    except ImportError as problem:
        raise MissingExtra(
            "a language model needs tokenizers, not installed here; install instability-kit[language]"
        ) from problem
    return tokenizers


def _words(library: Any) -> Any:
    return library.ByteLevel(add_prefix_space=False, use_regex=True)


def _digits_and_words(library: Any) -> Any:
    """Each digit on its own, then words: what llama.cpp calls smollm."""
    return library.Sequence([library.Digits(individual_digits=True), _words(library)])


# llama.cpp's names of how a text is cut into words before byte pairs are joined.
SPLITTERS: dict[str, Callable[[Any], Any]] = {
    "default": _words,
    "gpt-2": _words,
    "smollm": _digits_and_words,
}
