"""The command that compares frameworks, levels of optimisation and devices on the same models: diff.

Only what parsing needs is imported here; the command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hostctl.command_line.command import Command, comma_list, print_result


def _diff_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="zoo names (all their files) or files (.onnx, .tflite, .keras, .pt2, .pt); files of one name but for the "
        "suffix are one model",
    )
    parser.add_argument("pictures", type=Path, metavar="PICTURES", help="a folder or CSV of pictures, or a run")
    parser.add_argument(
        "--variants",
        type=comma_list,
        default=(),
        metavar="NAME,...",
        help="runtimes, such as usual,litert-reference,openvino.tflite, or all (default: usual, each file's fast ones)",
    )
    parser.add_argument("--out", type=Path, help="the run's folder (default: runs/diff-PICTURES)")
    parser.add_argument("--lab", type=Path, help="a lab file, for --on")
    parser.add_argument("--on", default="", metavar="DEVICE", help="also the variants that this device of the lab has")
    parser.add_argument("--repeats", type=int, default=3, help="inferences of each picture (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of each variant (default: %(default)s)")
    parser.add_argument("--decoder", default="pillow", help="shared by all variants (default: %(default)s)")
    parser.add_argument("--view", help="which part of a photograph is seen (default: the rectified scene in a run)")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=1e-4,
        help="relative distance from which a layer differs (default: %(default)g)",
    )
    parser.add_argument("--no-layers", action="store_true", help="do not look for the layers at which variants part")
    parser.add_argument(
        "--limit", type=float, metavar="SHARE", help="exit code 1 where a pair's share of changed labels is above this"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the order of the rounds (default: %(default)s)")
    parser.add_argument("--junit", type=Path, help="write a test case a pair as JUnit XML here")


def _run_diff(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.differences.differing import Asked, differ
    from hostctl.differences.text import differences_text

    asked = Asked(
        models=tuple(options.models),
        pictures=options.pictures,
        variants=tuple(options.variants),
        out=options.out,
        lab=options.lab,
        on=options.on,
        repeats=options.repeats,
        threads=options.threads,
        decoder=options.decoder,
        view=options.view,
        tolerance=options.tolerance,
        layers=not options.no_layers,
        limit=options.limit,
        seed=options.seed,
        junit=options.junit,
    )
    with printing.progress(options) as progress:
        result = differ(asked, progress=progress)
    print_result(options, result, differences_text)
    return int(result["exit_code"])


COMMANDS = (
    Command(
        "diff",
        "compare frameworks, optimisation levels and devices on the same models: labels, ranks, times, first layer",
        "diff mobilenet-v2 photos/ --repeats 3",
        _diff_options,
        _run_diff,
    ),
)
