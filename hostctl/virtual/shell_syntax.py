"""The part of a phone's shell language that a virtual phone reads: words, quotes, $?, ; && || and redirections."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

TOKEN = re.compile(
    r"""(?P<blank>(?:[ \t\r]|\\\n)+)
    |(?P<operator>&&|\|\||;|\n|2>&1|1?>&2|[12]?>>|[12]?>|<)
    |(?P<single>'[^']*')
    |(?P<double>"(?:\\.|[^"\\])*")
    |(?P<escaped>\\.)
    |(?P<plain>[^\s'"\\;&|<>()`]+)""",
    re.VERBOSE | re.DOTALL,
)
VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+|\?))")
SEPARATORS = (";", "&&", "||", "\n")


class ShellSyntaxError(Exception):
    """The line holds something that this shell does not offer."""


@dataclass(frozen=True)
class Fragment:
    """A piece of a word; an expanding one has its $variables replaced, a globbing one also its * and ?."""

    text: str
    expands: bool
    globs: bool


Word = tuple[Fragment, ...]


@dataclass(frozen=True)
class Redirection:
    """One of < > >> 2> 2>> 2>&1 >&2, with its file (an empty word for the last two)."""

    operator: str
    target: Word


@dataclass(frozen=True)
class Simple:
    """One command: how it hangs on the one before it (";", "&&" or "||"), its words and its redirections."""

    connector: str
    words: tuple[Word, ...]
    redirections: tuple[Redirection, ...]


def parse(line: str) -> list[Simple]:
    """Read a command line; raises ShellSyntaxError naming what is not offered (pipes, $( ), background, blocks)."""
    commands: list[Simple] = []
    connector = ";"
    words: list[Word] = []
    redirections: list[Redirection] = []
    tokens = _tokens(line)
    while tokens:
        token = tokens.pop(0)
        if isinstance(token, tuple):
            words.append(token)
        elif token in SEPARATORS:
            if token in ("&&", "||") and not words and not redirections:
                raise ShellSyntaxError(f"'{token}' without a command")
            _add(commands, connector, words, redirections)
            connector = ";" if token == "\n" else token
            words, redirections = [], []
        elif "&" in token:
            redirections.append(Redirection(token, ()))
        else:
            if not tokens or not isinstance(tokens[0], tuple):
                raise ShellSyntaxError(f"'{token}' without a file")
            target = tokens.pop(0)
            assert isinstance(target, tuple)
            redirections.append(Redirection(token, target))
    _add(commands, connector, words, redirections)
    return commands


def _add(commands: list[Simple], connector: str, words: list[Word], redirections: list[Redirection]) -> None:
    if words or redirections:
        commands.append(Simple(connector, tuple(words), tuple(redirections)))
    elif connector != ";":
        raise ShellSyntaxError(f"'{connector}' without a command")


def _tokens(line: str) -> list[str | Word]:
    """Split a line into operators (str) and words (tuples of fragments)."""
    tokens: list[str | Word] = []
    word: list[Fragment] = []
    place = 0
    while place < len(line):
        match = TOKEN.match(line, place)
        if match is None or ("$(" in match[0] and match.lastgroup != "single"):
            raise ShellSyntaxError(f"'{line[place : place + 12]}' is not offered by a virtual phone")
        place = match.end()
        kind = str(match.lastgroup)
        if kind in ("blank", "operator"):
            if word:
                tokens.append(tuple(word))
                word = []
            if kind == "operator":
                tokens.append(match[0])
        else:
            word.extend(_fragments(kind, match[0]))
    return [*tokens, tuple(word)] if word else tokens


def _fragments(kind: str, text: str) -> list[Fragment]:
    if kind == "single":
        return [Fragment(text[1:-1], expands=False, globs=False)]
    if kind == "escaped":
        return [Fragment(text[1:], expands=False, globs=False)]
    if kind == "plain":
        return [Fragment(text, expands=True, globs=True)]
    pieces = re.split(r'\\(["\\`$])', text[1:-1])  # the odd ones stood behind a backslash
    return [Fragment(piece, expands=place % 2 == 0, globs=False) for place, piece in enumerate(pieces)]


def expand(word: Word, variables: Mapping[str, str]) -> str:
    """Give a word's text with its variables replaced; an unknown variable is empty."""
    return "".join(
        VARIABLE.sub(lambda match: variables.get(match[1] or match[2], ""), part.text) if part.expands else part.text
        for part in word
    )


def has_glob(word: Word) -> bool:
    """Whether an unquoted part of the word holds * or ? outside of "$?"."""
    return any(part.globs and re.search(r"[*]|(?<!\$)[?]", part.text) for part in word)
