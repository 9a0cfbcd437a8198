"""The command that runs a suite of the repeatability literature: suite.

Only what parsing needs is imported here; the command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from device_agents.errors import BadInput
from hostctl.command_line.command import Command, add_level, add_workers, comma_list, count, print_result


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("suite", help="which: shift, corruptions, sequences, natural, ...; list tells all")
    parser.add_argument("models", nargs="*", metavar="model", help="zoo models' names or files, compared side by side")
    parser.add_argument("--scenes", type=Path, help="pictures: a folder or a CSV")
    parser.add_argument("--run", type=Path, help="a run instead: its photographs, each device apart")
    parser.add_argument("--out", type=Path, help="the run's folder for --scenes (default: runs/suite-SCENES)")
    sample = "of the pictures of --scenes only so many, a sample by their hashes"
    parser.add_argument("--limit", type=count, metavar="N", help=sample)
    parser.add_argument(
        "--families", type=comma_list, default=(), metavar="FAMILY,...", help="of the suite's (default: all)"
    )
    parser.add_argument("--decoder", default="pillow", help="the picture decoder (default: %(default)s)")
    add_level(parser)
    parser.add_argument(
        "--baseline", default="", metavar="MODEL", help="what other models are told relative to (default: the first)"
    )
    add_workers(parser)


def _run(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.suites import text

    if options.suite == "list":
        return print_result(options, text.suites(), printing.table_text)
    if not options.models:
        raise BadInput(f"expected a model, such as: instability suite {options.suite} mobilenet-v2 --scenes photos")
    from hostctl.suites.page import write_page
    from hostctl.suites.running import measure_suite

    with printing.progress(options) as progress:
        found = measure_suite(
            options.suite,
            options.models,
            scenes=options.scenes,
            run=options.run,
            out=options.out,
            most=options.limit,
            families=options.families,
            decoder=options.decoder,
            level=options.level,
            baseline=options.baseline,
            workers=options.workers,
            progress=progress,
        )
    result = found.result | write_page(found, Path(found.result["run"]) / "report")
    return print_result(options, result, text.suite_text)


COMMANDS = (
    Command(
        "suite",
        "say how often a model changes its answer when its pictures are shifted, corrupted or otherwise changed",
        "suite shift mobilenet-v2 efficientnet-lite0 --scenes photos/labels.csv",
        _options,
        _run,
    ),
)
