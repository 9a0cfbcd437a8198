"""What a command of the command line is: its words, its options, and what it does."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hostctl.plain_words import plain


@dataclass(frozen=True)
class Command:
    """One command: name, one line of help, an example, a function that adds its options, and one that runs it.

    The latter takes the parsed options, calls one function of hostctl.commands, and gives the exit code.
    """

    name: str
    text: str
    example: str
    options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def print_result(options: argparse.Namespace, result: Any, text: Callable[[Any], str]) -> int:
    """Print a result as JSON where that was asked for, else as the text that a person reads; gives exit code 0."""
    if options.json:
        print(json.dumps(result, indent=2, default=str))
    else:
        print(plain(text(result)))
    return 0


def comma_list(text: str) -> tuple[str, ...]:
    """Read "a, b" as ("a", "b"); empty parts are left out."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
