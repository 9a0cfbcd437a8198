"""What a virtual phone's command gets and gives: the session of one shell, and a result."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from hostctl.virtual.phone_state import PhoneState


class Result(NamedTuple):
    """What a command gave back; ``last``: it is known that no other follows on its line."""

    stdout: bytes = b""
    stderr: bytes = b""
    status: int = 0
    last: bool = False


@dataclass
class Shell:
    """One shell on a phone: its folder, its last exit status, its input, and how it runs a further line (sh -c)."""

    phone: PhoneState
    cwd: str = "/"
    status: int = 0
    stdin: bytes = b""
    ended: bool = False
    variables: dict[str, str] = field(default_factory=dict)

    def path(self, word: str) -> str:
        """Give the absolute path that a word means here."""
        return self.phone.files.absolute(word, cwd=self.cwd)


Command = Callable[[Shell, list[str]], Result | Awaitable[Result]]


def done(text: str = "") -> Result:
    """Give a good result that prints the text."""
    return Result(text.encode("utf-8", "surrogateescape"))


def failed(text: str, *, status: int = 1) -> Result:
    """Give a bad result that prints the text and a line end on standard error."""
    return Result(b"", (text + "\n").encode("utf-8", "surrogateescape"), status)


def refused(command: str, problem: OSError, word: str = "") -> Result:
    """Turn an OSError into toybox's words: "cat: /x: No such file or directory"."""
    reason = os.strerror(problem.errno) if problem.errno else str(problem)
    return failed(f"{command}: {word}: {reason}" if word else f"{command}: {reason}")


def split_flags(words: list[str], *, known: str) -> tuple[set[str], list[str]]:
    """Split a command's words into its one-letter flags and the rest; raises ValueError for a flag not known."""
    flags: set[str] = set()
    for place, word in enumerate(words):
        if word == "--":
            return flags, words[place + 1 :]
        if not word.startswith("-") or word == "-":
            return flags, words[place:]
        for letter in word[1:]:
            if letter not in known:
                raise ValueError(f"Unknown option '{letter}'")
            flags.add(letter)
    return flags, []
