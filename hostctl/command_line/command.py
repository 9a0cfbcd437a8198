"""What a command of the command line is: its words, its options, and what it does."""

from __future__ import annotations

import argparse
import json
import os
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


def count(text: str) -> int:
    """Read a whole number from 1, as a type of argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got '{text}'")
    return int(text)


def share(text: str) -> float:
    """Read a number between 0 and 1, the ends apart, as a type of argparse."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"expected a number between 0 and 1 such as 0.95, got '{text}'")
    return number


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add --workers: into how many processes the work goes, by default one a core."""
    parser.add_argument("--workers", type=count, default=os.cpu_count() or 1, help="processes (default: %(default)s)")


def add_level(parser: argparse.ArgumentParser) -> None:
    """Add --level: how surely intervals hold what they are about, read before anything is worked out."""
    parser.add_argument("--level", type=share, default=0.95, help="of the intervals (default: 0.95)")
