"""The command that reads a run as metrology does, the same shot again: repeats.

Only what parsing needs is imported here; the command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hostctl.command_line.command import Command, add_level, print_result


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="the run's folder: scenes photographed twice or more by each device")
    width = "the interval of P(top-1 changes) that you want, low to high, 0 to 1 (default: half of the present one)"
    parser.add_argument("--width", type=float, help=width)
    add_level(parser)


def _run(options: argparse.Namespace) -> int:
    from hostctl.repeats.measuring import measure_repeats
    from hostctl.repeats.page import write_page
    from hostctl.repeats.text import repeats_text

    measured = measure_repeats(options.run, width=options.width, level=options.level)
    result = measured.result | write_page(measured, options.run / "report")
    return print_result(options, result, repeats_text)


COMMANDS = (
    Command(
        "repeats",
        "say whether a device gives the same answer to the same scene again, at once or an hour later",
        "repeats runs/demo --width 0.05",
        _options,
        _run,
    ),
)
