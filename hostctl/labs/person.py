"""The person in front of a command: hears what is going on, and is asked where the input is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from hostctl.plain_words import plain


@dataclass(frozen=True)
class Person:
    """``say`` tells a line; ``ask`` gives the answer to a question, or None where nobody can be asked."""

    say: Callable[[str], None]
    ask: Callable[[str], str | None]


def person(*, quiet: bool = False) -> Person:
    """Whoever started this command: told on standard error, asked only if standard input is a terminal."""
    say = _silent if quiet else _say
    return Person(say, _asked if sys.stdin.isatty() else _nobody)


def _asked(question: str) -> str | None:
    """Ask on standard error, so that standard output holds only the result; None at the input's end."""
    print(plain(question), end=" ", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    return line.strip() if line else None


def _say(line: str) -> None:
    """Print a line, which may hold a device's words."""
    print(plain(line), file=sys.stderr, flush=True)


def _silent(_: str) -> None:
    """Say nothing."""


def _nobody(_: str) -> str | None:
    return None
