"""Commands that say what a run found, and what a study needs: report, plan.

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
    from hostctl import findings, printing

    if options.table:
        from hostctl.tabling import tables_text

        return print_result(options, findings.table(options.run, options.table), tables_text)
    return print_result(
        options,
        findings.report(options.run, across=options.across, item=options.item, top_n=options.top),
        printing.run_text,
    )


def _plan_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--expect", type=float, required=True, metavar="RATE", help="the instability expected, 0 to 1")
    parser.add_argument("--width", type=float, required=True, help="the interval's width wanted, low to high, 0 to 1")
    parser.add_argument("--lab", type=Path, help="a lab file: its angles and devices")
    parser.add_argument(
        "--run", type=Path, help="an earlier run, to measure the time and how alike a scene's items are"
    )
    parser.add_argument(
        "--icc", type=float, help="how alike the items of a scene are, 0 to 1 (default: as measured, or 0.3)"
    )


def _run_plan(options: argparse.Namespace) -> int:
    from hostctl import findings
    from hostctl.study_plan import plan_text

    found = findings.plan(options.expect, options.width, lab=options.lab, run=options.run, icc=options.icc)
    return print_result(options, found, plan_text)


COMMANDS = (
    Command(
        "report",
        "write a run's report",
        "report runs/demo",
        _report_options,
        _run_report,
    ),
    Command(
        "plan",
        "say how many scenes and repeats a wanted interval needs, and how long that takes",
        "plan --expect 0.10 --width 0.02 --lab lab.toml",
        _plan_options,
        _run_plan,
    ),
)
