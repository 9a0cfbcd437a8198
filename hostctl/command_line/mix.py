"""The command of mix training: mix.

Only what parsing needs is imported here; the command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hostctl.command_line.command import Command, add_workers, comma_list, print_result


def _mix_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="a run's folder, or labelled photographs: a folder or a CSV")
    parser.add_argument("--out", type=Path, required=True, help="the study's folder; an unfinished one goes on")
    families = ["resizer", "decoder", "colour", "codec", "isp"]
    parser.add_argument("--family", choices=families, default="resizer", help="what is mixed (default: %(default)s)")
    chosen = "the variants (default: six resizers as in the paper, or those of the family that differ here)"
    parser.add_argument("--variants", type=comma_list, default=(), metavar="A,B,...", help=chosen)
    devices = "of a run: the devices whose photographs are trained on (default: all)"
    parser.add_argument("--device", action="append", default=[], help=devices)
    parser.add_argument("--seeds", type=int, default=3, help="trainings of every kind (default: %(default)s)")
    parser.add_argument("--folds", type=int, default=5, help="parts that the objects are put in (default: %(default)s)")
    parser.add_argument("--model", default="mobilenet-v2", help="a zoo model's name or a .keras file")
    trained = "head, last-block, all or from:LAYER (default: %(default)s)"
    parser.add_argument("--trainable", default="head", help=trained)
    parser.add_argument("--epochs", type=int, help="(default: 20 for a head, else 8)")
    parser.add_argument("--learning-rate", type=float, help="(default: 0.001 for a head, else 0.0001)")
    parser.add_argument("--batch", type=int, help="pictures a step (default: 16)")
    add_workers(parser)


def _run_mix(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.trainings import mix

    names = ("model", "trainable", "epochs", "learning_rate", "batch")
    settings = {name: value for name in names if (value := getattr(options, name)) is not None}
    with printing.progress(options) as progress:
        result = mix.mix(
            options.source,
            out=options.out,
            family=options.family,
            variants=options.variants,
            devices=options.device,
            seeds=options.seeds,
            folds=options.folds,
            settings=settings,
            workers=options.workers,
            progress=progress,
        )
    return print_result(options, result, mix.mix_text)


COMMANDS = (
    Command(
        "mix",
        "train with each variant of a family and with all, test with each",
        "mix photos/labels.csv --family resizer --out trainings/mix-resizer",
        _mix_options,
        _run_mix,
    ),
)
