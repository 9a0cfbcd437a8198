"""The command that compares remedies against unsteady answers: remedies.

Only what parsing needs is imported here; the command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hostctl.command_line.command import Command, add_workers, comma_list, print_result


def _whole_numbers(text: str) -> tuple[int, ...]:
    """Read "2,4"."""
    try:
        return tuple(int(part) for part in comma_list(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected whole numbers with commas between, got '{text}'") from None


def _remedies_options(parser: argparse.ArgumentParser) -> None:
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--scenes", type=Path, help="labelled photographs: a folder or a CSV")
    data.add_argument("--data", type=Path, metavar="RUN", help="a run's folder, whose photographs are trained on")
    parser.add_argument("--out", type=Path, required=True, help="the comparison's folder; an unfinished one goes on")
    parser.add_argument("--remedies", type=comma_list, default=(), metavar="A,B,...", help="which (default: all)")
    parser.add_argument("--device", action="append", default=[], help="of a run: whose photographs (default: all)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each remedy (default: %(default)s)")
    parser.add_argument("--model", default="mobilenet-v2", help="a zoo model's name or a .keras file")
    parser.add_argument("--side", type=int, help="pixels of the model's input, 0 for its own (default: 128)")
    parser.add_argument("--trainable", help="head, last-block, all or from:LAYER (default: last-block)")
    parser.add_argument("--epochs", type=int, help="(default: 16)")
    parser.add_argument("--draws", type=int, help="different crops of a photograph while training (default: 4)")
    parser.add_argument("--learning-rate", type=float, help="(default: 0.0002)")
    parser.add_argument("--batch", type=int, help="pictures a step (default: 16)")
    tested = "what is tested: decoder, resizer, colour, codec, corruptions, sequences, shift, natural (default: all)"
    parser.add_argument("--families", type=comma_list, metavar="A,B,...", help=tested)
    severities = "of each corruption, 1 to 5 (default: 2,4)"
    parser.add_argument("--severities", type=_whole_numbers, default=(2, 4), metavar="1,2,...", help=severities)
    parser.add_argument("--frames", type=int, default=4, help="of each sequence (default: %(default)s)")
    add_workers(parser)


def _run_remedies(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.remedies import running
    from stability_train.remedies.conditions import Extent

    names = (*("seeds", "model", "side", "trainable", "epochs", "draws"), *("learning_rate", "batch", "families"))
    settings = {name: value for name in names if (value := getattr(options, name)) is not None}
    settings["extent"] = Extent(severities=options.severities, frames=options.frames)
    with printing.progress(options) as progress:
        result = running.compare(
            options.scenes or options.data,
            out=options.out,
            remedies=options.remedies,
            devices=options.device,
            settings=settings,
            workers=options.workers,
            progress=progress,
        )
    return print_result(options, result, running.remedies_text)


COMMANDS = (
    Command(
        "remedies",
        "train remedies against unsteady answers on the same data, and test them under every noise",
        "remedies --scenes photos/labels.csv --remedies standard,mixup,augmix,tent --out trainings/remedies",
        _remedies_options,
        _run_remedies,
    ),
)
