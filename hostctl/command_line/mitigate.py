"""The command that puts mitigations side by side: mitigate.

Only what parsing needs is imported here; the command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from device_agents.errors import BadInput
from hostctl.command_line.command import Command, comma_list, print_result


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="a run with photographs of three devices or more")
    parser.add_argument("--device", required=True, help="the phone whose photographs a head is trained on")
    parser.add_argument("--partner", required=True, help="the phone that may stand beside it in training")
    parser.add_argument("--unseen", required=True, metavar="DEVICE", help="the phone held out, never trained on")
    parser.add_argument("--raws", type=Path, help="a run of the same scenes whose raws are developed (default: RUN)")
    parser.add_argument("--isp", default="libraw-pinned", help="the one ISP of all raws (default: %(default)s)")
    parser.add_argument("--codec", default="png", help="how its pictures are stored (default: %(default)s)")
    parser.add_argument("--model", default="mobilenet-v2", help="a zoo model or a .keras file (default: %(default)s)")
    parser.add_argument(
        "--ways", type=comma_list, default=(), metavar="NAME,...", help="only these ways to train (default: all)"
    )
    parser.add_argument("--folds", type=int, default=5, help="by object (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=20, help="of a head (default: %(default)s)")
    parser.add_argument(
        "--alphas",
        type=comma_list,
        default=("0.1", "1", "10"),
        metavar="NUMBER,...",
        help="weights of the stability loss to choose from on validation objects (default: 0.1,1,10)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("trainings") / "mitigations", help="its folder (default: %(default)s)"
    )


def _run(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.trainings.mitigation_table import mitigate, mitigate_text
    from hostctl.trainings.mitigations import TRAININGS, Asked

    ways = tuple(dict.fromkeys(("plain", *options.ways))) if options.ways else tuple(TRAININGS)
    asked = Asked(
        options.device,
        options.partner,
        options.unseen,
        model=options.model,
        folds=options.folds,
        seeds=options.seeds,
        epochs=options.epochs,
        alphas=tuple(_number(one) for one in options.alphas),
        isp=options.isp,
        codec=options.codec,
        trainings=ways,
    )
    with printing.progress(options) as progress:
        result = mitigate(options.run, asked, out=options.out, raws=options.raws, progress=progress)
    return print_result(options, result, mitigate_text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadInput(f"--alphas: expected numbers such as 0.1,1,10, got '{text}'") from None


COMMANDS = (
    Command(
        "mitigate",
        "put ways to make answers steadier side by side, for a device held out",
        "mitigate runs/rack --device galaxy --partner pixel --unseen old",
        _options,
        _run,
    ),
)
