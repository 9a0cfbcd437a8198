"""The command that asks whether a model wobbles more on pictures that it does not know: ood.

Only what parsing needs is imported here; the command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hostctl.command_line.command import Command, add_level, add_workers, comma_list, count, print_result


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a zoo model's name or a file: a classifier")
    parser.add_argument(
        "--known", required=True, metavar="PICTURES", help="of the kind that the model was made for: a folder or a CSV"
    )
    parser.add_argument(
        "--unknown",
        action="append",
        default=[],
        metavar="PICTURES",
        help="of another kind: a folder or a CSV, or NAME=FOLDER, or uniform-noise, gaussian-noise, textures; may be "
        "given several times (default: the generated three)",
    )
    parser.add_argument(
        "--learn", default="", metavar="PICTURES", help="to learn quarter turns from: adds the rotation scores"
    )
    parser.add_argument("--out", type=Path, metavar="RUN", help="the run's folder (default: runs/ood-KNOWN)")
    parser.add_argument("--limit", type=count, metavar="N", help="of each set only so many, a sample by their hashes")
    parser.add_argument(
        "--perturbations",
        type=comma_list,
        default=None,
        metavar="NAME,...",
        help="to try on each picture (default: flip-risk's six)",
    )
    add_level(parser)
    add_workers(parser)


def _run(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.flip_risks.risk import PERTURBATIONS
    from hostctl.ood.measuring import measure_ood
    from hostctl.ood.page import write_page
    from hostctl.ood.text import ood_text

    with printing.progress(options) as progress:
        measured = measure_ood(
            options.model,
            options.known,
            options.unknown,
            learn=options.learn,
            out=options.out,
            most=options.limit,
            perturbations=PERTURBATIONS if options.perturbations is None else options.perturbations,
            level=options.level,
            workers=options.workers,
            progress=progress,
        )
    result = measured.result | write_page(measured, Path(measured.result["run"]) / "report")
    return print_result(options, result, ood_text)


COMMANDS = (
    Command(
        "ood",
        "say whether a model wobbles more on pictures that it does not know, enough to tell them from known ones",
        "ood mobilenet-v2 --known photos/labels.csv --unknown street=photos/street",
        _options,
        _run,
    ),
)
