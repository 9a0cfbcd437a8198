"""The command that tries many trainings and tells honestly which is best: search.

Only what parsing needs is imported here; the command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from device_agents.errors import BadInput
from hostctl.command_line.command import Command, comma_list, print_result

ENGINES = ("grid", "random", "optuna")


def _search_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="the run's folder; its photographs are trained, chosen and tested on")
    parser.add_argument("--device", required=True, help="whose photographs are trained on, the clean side")
    parser.add_argument("--partner", required=True, help="the device that answers shall agree with")
    unseen = "devices that nothing is trained or chosen on; looked at once, in the table"
    parser.add_argument("--unseen", type=comma_list, default=(), metavar="DEVICE,...", help=unseen)
    noises = "what stands beside the clean photograph (default: %(default)s)"
    parser.add_argument("--noise", default="two-images,subsample,distortion,gaussian", metavar="NAME,...", help=noises)
    losses = "the stability losses (default: %(default)s)"
    parser.add_argument("--loss", default="relative-entropy,embedding", metavar="NAME,...", help=losses)
    alphas = "weights of the loss; random and optuna draw between the lowest and the highest (default: %(default)s)"
    parser.add_argument("--alpha", default="0.001,0.01,0.1,1,10", metavar="NUMBER,...", help=alphas)
    strengths = "strengths of a noise; of subsample pictures a class; may be repeated (default: the noise's own)"
    parser.add_argument("--strength", action="append", default=[], metavar="NOISE=NUMBER,...", help=strengths)
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings of each kind (default: 3)")
    parser.add_argument("--folds", type=int, default=5, metavar="N", help="outer folds, by object (default: 5)")
    parser.add_argument("--engine", choices=ENGINES, default="grid", help="what proposes attempts (default: grid)")
    parser.add_argument("--trials", type=int, default=0, metavar="N", help="random, optuna: proposals a noise and loss")
    drop = "accuracy that a scheme may lose on validation and still be chosen, 0 to 1 (default: %(default)s)"
    parser.add_argument("--accuracy-drop", type=float, default=0.02, metavar="SHARE", help=drop)
    parser.add_argument("--model", default="mobilenet-v2", help="a zoo model or a .keras file (default: %(default)s)")
    parser.add_argument("--trainable", default="head", help="head, last-block or from:LAYER (default: %(default)s)")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="of all attempts (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=20, help="of all attempts (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=16, help="of all attempts (default: %(default)s)")
    parser.add_argument("--draws", type=int, default=8, help="noises of a photograph (default: %(default)s)")
    closed = "leave the test objects sealed: only make attempts and tell what was validated"
    parser.add_argument("--closed", action="store_true", help=closed)
    parser.add_argument("--out", type=Path, required=True, help="the study's folder; the same command goes on there")
    features = "a folder in which studies share the frozen part's features (default: OUT/features)"
    parser.add_argument("--features", type=Path, metavar="DIR", help=features)
    parser.add_argument("--workers", type=int, default=0, help="processes (default: one a core)")
    cluster = "a Dask scheduler to work on, tcp://HOST:PORT; its workers must see the folders"
    parser.add_argument("--cluster", default="", metavar="ADDRESS", help=cluster)


def _run_search(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.trainings import searching

    common = ("trainable", "learning_rate", "epochs", "batch", "draws")
    with printing.progress(options) as progress:
        result = searching.search(
            options.run,
            device=options.device,
            partner=options.partner,
            unseen=options.unseen,
            noises=comma_list(options.noise),
            losses=comma_list(options.loss),
            alphas=_numbers(options.alpha, "alpha"),
            strengths=_strengths(options.strength),
            seeds=options.seeds,
            folds=options.folds,
            trials=options.trials,
            engine=options.engine,
            closed=options.closed,
            drop=options.accuracy_drop,
            model=options.model,
            settings={name: getattr(options, name) for name in common},
            out=options.out,
            features=options.features,
            workers=options.workers,
            cluster=options.cluster,
            progress=progress,
        )
    return print_result(options, result, searching.search_text)


def _strengths(given: Sequence[str]) -> dict[str, tuple[float, ...]]:
    found = {}
    for text in given:
        noise, equals, numbers = text.partition("=")
        if not equals:
            raise BadInput(f"--strength: expected NOISE=NUMBER,... such as gaussian=0.04,0.2, got '{text}'")
        found[noise.strip()] = _numbers(numbers, "strength")
    return found


def _numbers(text: str, name: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in comma_list(text))
    except ValueError:
        raise BadInput(f"--{name}: expected numbers such as 0.01,0.1,1, got '{text}'") from None


COMMANDS = (
    Command(
        "search",
        "try noises, losses and weights by nested cross-validation, and make the paper's table 6",
        "search runs/study --device flagship --partner midrange --unseen old --out trainings/table6",
        _search_options,
        _run_search,
    ),
)
