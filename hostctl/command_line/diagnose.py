"""The command that names faults blind: diagnose."""

from __future__ import annotations

import argparse
from pathlib import Path

from hostctl.command_line.command import Command, print_result


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        help="a model that a device may be running, beside the run's own: a file or a zoo name; may be repeated",
    )
    parser.add_argument(
        "--pictures",
        type=int,
        default=400,
        metavar="N",
        help="at most so many a device, 0 = all (default: %(default)s)",
    )


def _run(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.causes.diagnosed import diagnosis_text
    from hostctl.causes.diagnosing import diagnose

    with printing.progress(options) as progress:
        result = diagnose(options.run, models=options.model, pictures=options.pictures, progress=progress)
    print_result(options, result, diagnosis_text)
    return int(result["exit_code"])


COMMANDS = (
    Command(
        "diagnose",
        "say which stage of which device is not as it claims, or not as on the others",
        "diagnose runs/demo",
        _options,
        _run,
    ),
)
