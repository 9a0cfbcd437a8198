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


def _identify_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("picture", type=Path, help="the picture file that the app was given")
    parser.add_argument("pixels", type=Path, help=".npy, .png, .json, or a folder of a probe's outputs")
    parser.add_argument("--probe", type=Path, help="the probe.json of the files that gave the pixels")
    parser.add_argument("--shape", type=_shape, default=(), help="of a flat list of values, such as 1,224,224,3")
    parser.add_argument(
        "--among", action="append", default=[], metavar="FAMILY=VARIANT,...", help="search only these; may be repeated"
    )
    parser.add_argument("--contract", type=Path, metavar="DIR", help="write the preprocessing contract and code here")
    parser.add_argument("--model", help="whose sidecar the contract follows (default: what was found)")


def _shape(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in comma_list(text))


def _run_identify(options: argparse.Namespace) -> int:
    from hostctl import commands
    from hostctl.pixel_files import identified_text

    found = commands.identify(
        options.picture,
        options.pixels,
        probe=options.probe,
        shape=options.shape,
        among=options.among,
        contract=options.contract,
        model=options.model,
    )
    print_result(options, found, identified_text)
    return 1 if found["answer"] == "unknown" else 0


COMMANDS = (
    Command(
        "report",
        "write a run's report",
        "report runs/demo",
        _report_options,
        _run_report,
    ),
    Command(
        "identify",
        "say which decoder, resizer, ... turned a picture into pixels",
        "identify photo.jpg tensor.npy",
        _identify_options,
        _run_identify,
    ),
)
