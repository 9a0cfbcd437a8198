"""Commands that say what a run found: report.

Only what parsing needs is imported here; each command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hostctl.cli_command import Command, comma_list, print_result

TABLES = ("paper-2", "paper-3", "paper-4", "sysnoise-cls", "sysnoise-1")  # of hostctl.tabling


def _report_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument(
        "--across",
        type=comma_list,
        default=(),
        metavar="COLUMN,...",
        help="add the instability between these conditions",
    )
    parser.add_argument(
        "--item",
        type=comma_list,
        default=("scene", "angle", "repeat"),
        metavar="COLUMN,...",
        help="what is held fixed in it (default: scene,angle,repeat, and device unless that is compared)",
    )
    parser.add_argument("--table", choices=TABLES, help="one of the papers' tables instead: text, a page and CSV")
    parser.add_argument("--top", type=int, default=1, metavar="N", help="right if among the first N (default: 1)")


def _run_report(options: argparse.Namespace) -> int:
    from hostctl import commands, printing

    if options.table:
        from hostctl.tabling import tables_text

        return print_result(options, commands.table(options.run, options.table), tables_text)
    return print_result(
        options,
        commands.report(options.run, across=options.across, item=options.item, top_n=options.top),
        printing.run_text,
    )


COMMANDS = (
    Command(
        "report",
        "write a run's report",
        "report runs/demo",
        _report_options,
        _run_report,
    ),
)
