"""The command that makes mutants of a model and asks which measures see them: mutants.

Only what parsing needs is imported here; the command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hostctl.command_line.command import Command, comma_list, print_result


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scenes", type=Path, required=True, help="labelled pictures: a folder or a CSV")
    parser.add_argument("--model", default="mobilenet-v2.onnx", help="an ONNX model (default: %(default)s)")
    parser.add_argument("--sidecar", type=Path, help="the model's sidecar (default: beside the model)")
    parser.add_argument("--out", type=Path, help="where the results go (default: mutants-MODEL)")
    parser.add_argument("--kinds", type=comma_list, default=(), help="kinds of mutants (default: all)")
    parser.add_argument("--count", type=int, default=3, help="mutants of each kind, at most (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of layers (default: %(default)s)")
    parser.add_argument("--pictures", type=int, default=8, help="pictures to run them on (default: %(default)s)")
    parser.add_argument("--keep-models", action="store_true", help="write the mutants' files to OUT/models too")


def _run(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.mutants.page import mutants_text, write_page
    from hostctl.mutants.study import study_mutants

    out = options.out or Path(f"mutants-{Path(options.model).stem}")
    with printing.progress(options) as progress:
        result = study_mutants(
            options.model,
            options.scenes,
            out,
            seed=options.seed,
            count=options.count,
            kinds=options.kinds,
            pictures=options.pictures,
            sidecar=options.sidecar,
            keep_models=options.keep_models,
            progress=progress,
        )
    result |= write_page(result, out)
    print_result(options, result, mutants_text)
    return 1 if result["summary"]["unseen"] or result["summary"]["missed"] else 0


COMMANDS = (
    Command(
        "mutants",
        "change a model in known ways: which measures notice, and is the layer found",
        "mutants --scenes photos/labels.csv --model mobilenet-v2.onnx",
        _options,
        _run,
    ),
)
