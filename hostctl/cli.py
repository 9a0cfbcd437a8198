"""The command line: parse, call one function of hostctl.commands, print a table or JSON, turn an error into one line.

Nothing heavy is imported before a command is known, so that help and tab completion answer at once.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from device_agents.errors import BadInput, KitError
from hostctl.command_line import (
    batch,
    causes,
    decoding,
    devices,
    diagnose,
    differences,
    elephant,
    findings,
    flip_risk,
    freeze,
    judge,
    lab,
    language,
    mitigate,
    mix,
    models,
    mutants,
    ood,
    pictures,
    pool,
    rack,
    remedies,
    repeats,
    runs,
    search,
    suite,
    train,
    video,
)
from hostctl.plain_words import plain

INTERRUPTED = 130  # 128 + SIGINT, as shells report it
NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)
CUT_OFF = 141  # 128 + SIGPIPE
COMMANDS = (
    *rack.COMMANDS,
    *devices.COMMANDS,
    *lab.COMMANDS,
    *batch.COMMANDS,
    *pool.COMMANDS,
    *decoding.COMMANDS,
    *models.COMMANDS,
    *language.COMMANDS,
    *pictures.COMMANDS,
    *elephant.COMMANDS,
    *findings.COMMANDS,
    *differences.COMMANDS,
    *judge.COMMANDS,
    *causes.COMMANDS,
    *mutants.COMMANDS,
    *suite.COMMANDS,
    *freeze.COMMANDS,
    *video.COMMANDS,
    *repeats.COMMANDS,
    *flip_risk.COMMANDS,
    *ood.COMMANDS,
    *diagnose.COMMANDS,
    *train.COMMANDS,
    *search.COMMANDS,
    *mix.COMMANDS,
    *mitigate.COMMANDS,
    *remedies.COMMANDS,
    *runs.COMMANDS,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; give its exit code: 0 good, 1 findings, 2 bad input, 3 devices failed, 4 cannot say yet.

    Those of `batch` stand in docs/batch.md.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow and LiteRT greet on standard error
    parser = make_parser()
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(parser)
    options = parser.parse_args(arguments)
    if not hasattr(options, "command"):
        parser.print_help()
        return 0
    if options.offline:
        os.environ["INSTABILITY_OFFLINE"] = "1"  # for worker processes too; read by stability_train.wheels.offline
    try:
        code: int = options.command(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `instability report RUN | head`: the reader has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what Python flushes at its end has a place
        return CUT_OFF
    except KitError as problem:
        if options.verbose:
            raise
        print(f"instability: {plain(str(problem))}", file=sys.stderr)
        return problem.exit_code
    except OSError as problem:
        if options.verbose or problem.errno not in NOT_ALLOWED:
            raise
        where = f"{problem.filename}: {problem.strerror}"
        print(f"instability: not allowed: {where}; choose another place or allow it", file=sys.stderr)
        return BadInput.exit_code
    except KeyboardInterrupt:
        print("instability: stopped; run the same command again to go on where it stopped", file=sys.stderr)
        return INTERRUPTED


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong first, and then where the help is."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(2, f"instability: {message}\nsee {self.prog} --help\n")


def make_parser() -> argparse.ArgumentParser:
    """Describe every command, each with help and an example."""
    parser = Parser(
        prog="instability",
        description="Measure how differently one vision model answers on different devices.",
        epilog="Start with: instability demo --quick",
    )
    parser.set_defaults(verbose=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for one in COMMANDS:
        description, example = f"{one.text[0].upper()}{one.text[1:]}.", f"Example: instability {one.example}"
        command = commands.add_parser(one.name, help=one.text, description=description, epilog=example)
        command.add_argument("--json", action="store_true", help="print the result as JSON")
        command.add_argument("-v", "--verbose", action="store_true", help="say more, and show where an error came from")
        command.add_argument("--quiet", action="store_true", help="no progress, only the result")
        command.add_argument("--offline", action="store_true", help="fetch nothing from a package registry")
        command.set_defaults(command=one.run)
        one.options(command)
    return parser
