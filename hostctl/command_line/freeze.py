"""The command that freezes a repeatability set and checks that it is still the same: freeze.

Only what parsing needs is imported here; the command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from device_agents.errors import BadInput
from hostctl.command_line.command import Command, comma_list, print_result


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scenes", type=Path, help="labelled pictures: a folder or a CSV; with --check a frozen set")
    parser.add_argument("--suite", type=comma_list, default=(), help="suites whose perturbations to fix, with commas")
    parser.add_argument(
        "--perturbation", action="append", default=[], metavar="NAME", help="one more, such as rotate-5; repeatable"
    )
    parser.add_argument("--out", type=Path, help="the new folder of the set")
    parser.add_argument("--check", action="store_true", help="compare with all made anew: exit code 1 if it differs")


def _run(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.suites.freezing import check_frozen, checked_text, freeze_suites, frozen_text

    if options.check and (options.suite or options.perturbation or options.out):
        raise BadInput("--check: expected a frozen set alone, got --suite, --perturbation or --out with it")
    with printing.progress(options) as progress:
        said = partial(progress, "pictures")
        if options.check:
            result = check_frozen(options.scenes, progress=said)
            print_result(options, result, checked_text)
            return 0 if result["same"] else 1
        if options.out is None or not (options.suite or options.perturbation):
            raise BadInput("expected --out with the set's folder, and --suite or --perturbation with what to fix")
        given = {"suites": options.suite, "perturbations": options.perturbation}
        result = freeze_suites(options.scenes, out=options.out, progress=said, **given)
    return print_result(options, result, frozen_text)


COMMANDS = (
    Command(
        "freeze",
        "fix pictures, perturbations and their pixels as a set that every later model is scored on",
        "freeze photos/labels.csv --suite natural --out sets/line-1",
        _options,
        _run,
    ),
)
