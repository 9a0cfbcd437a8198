"""The command that says which pictures another device would answer otherwise: flip-risk.

Only what parsing needs is imported here; the command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hostctl.command_line.command import Command, add_workers, comma_list, print_result


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="the run's folder: the same scenes by three devices or more")
    parser.add_argument(
        "--hold-out",
        type=comma_list,
        default=(),
        metavar="DEVICE,...",
        help="test on these devices, unseen by the fit (default: each device in turn; the file learns from all)",
    )
    parser.add_argument("--model", default="", help="a zoo model's name or a file (default: the run's)")
    parser.add_argument(
        "--perturbations",
        type=comma_list,
        default=None,
        metavar="NAME,...",
        help="to try on each picture (default: shifts, JPEG and light, six)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="for the agent (default: RUN/report/flip-risk.json)")
    add_workers(parser)


def _run(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.flip_risks.page import write_page
    from hostctl.flip_risks.risk import PERTURBATIONS, measure_flip_risk
    from hostctl.flip_risks.text import flip_risk_text

    with printing.progress(options) as progress:
        measured = measure_flip_risk(
            options.run,
            held_out=options.hold_out,
            model=options.model,
            perturbations=PERTURBATIONS if options.perturbations is None else options.perturbations,
            out=options.out,
            workers=options.workers,
            progress=progress,
        )
    result = measured.result | write_page(measured, options.run / "report")
    return print_result(options, result, flip_risk_text)


COMMANDS = (
    Command(
        "flip-risk",
        "say which pictures another device would answer otherwise, without labels, and how surely",
        "flip-risk runs/study --hold-out midrange",
        _options,
        _run,
    ),
)
