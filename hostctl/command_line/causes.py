"""Commands that say where an instability comes from: attribute, explain, identify.

Only what parsing needs is imported here; each command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from device_agents.errors import BadInput
from hostctl.command_line.command import Command, add_workers, comma_list, print_result

LIMIT = 100_000  # predictions that an attribution makes without being told


def _explain_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("item", nargs="?", default="", help="scene or scene|angle|repeat: an item that flips")
    parser.add_argument("--all-flips", action="store_true", help="explain every flip of the run, and count the stages")
    parser.add_argument(
        "--between",
        nargs=2,
        default=(),
        metavar=("A", "B"),
        help="two devices, or two conditions by what they change of the base: base resizer=opencv-area",
    )
    parser.add_argument("--model", action="append", default=[], help="a model file of the run; may be repeated")
    parser.add_argument("--out", type=Path, help="where the pages go (default: RUN/explain)")
    parser.add_argument("--draws", type=int, default=39, help="random changes to test a swap by (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the random changes (default: %(default)s)")


def _run_explain(options: argparse.Namespace) -> int:
    from hostctl import findings, printing
    from hostctl.causes.explained import explain_text

    if bool(options.item) == options.all_flips:
        raise BadInput("expected either an item or --all-flips, got " + ("both" if options.item else "neither"))
    with printing.progress(options) as progress:
        result = findings.explain(
            options.run,
            item=options.item,
            between=options.between,
            models=options.model,
            out=options.out,
            draws=options.draws,
            seed=options.seed,
            progress=progress,
        )
    return print_result(options, result, explain_text)


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
    from hostctl import findings
    from hostctl.causes.pixel_files import identified_text

    found = findings.identify(
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


def _attribute_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, nargs="?", help="a run; without --condition its devices are compared")
    parser.add_argument("--scenes", type=Path, help="pictures instead of a run: a folder or a CSV")
    parser.add_argument("--out", type=Path, help="the run's folder for --scenes (default: runs/attribution-SCENES)")
    parser.add_argument("--model", default="mobilenet-v2", help="a zoo model's name or a file (default: %(default)s)")
    parser.add_argument("--sidecar", type=Path, help="the model's sidecar (default: beside the model)")
    parser.add_argument(
        "--condition",
        action="append",
        default=[],
        metavar='"FAMILY=VARIANT ..."',
        help="one way of the same pictures, as 'isp=crisp codec=jpeg-75 decoder=opencv', or 'device=NAME ...' to start "
        "from that device's pictures; give two or more",
    )
    parser.add_argument("--decoder", default="pillow", help="where a condition names none (default: %(default)s)")
    parser.add_argument("--view", help="which part of a photograph is seen (default: the rectified scene in a run)")
    parser.add_argument("--runtime", help="where a condition names none (default: by the model's file)")
    parser.add_argument("--dry-run", action="store_true", help="only say what it would cost")
    parser.add_argument(
        "--limit", type=int, default=LIMIT, metavar="N", help="refuse to make more predictions (default: %(default)s)"
    )
    add_workers(parser)


def _run_attribute(options: argparse.Namespace) -> int:
    from hostctl import findings, printing
    from hostctl.causes.attributing_text import attribution_text

    with printing.progress(options) as progress:
        result = findings.attribute(
            options.run,
            scenes=options.scenes,
            out=options.out,
            model=options.model,
            sidecar=options.sidecar,
            runtime=options.runtime,
            decoder=options.decoder,
            view=options.view,
            conditions=options.condition,
            dry_run=options.dry_run,
            limit=options.limit,
            workers=options.workers,
            progress=progress,
        )
    return print_result(options, result, attribution_text)


COMMANDS = (
    Command(
        "attribute",
        "share an instability out among the stages of the way",
        "attribute --scenes photos/labels.csv --condition codec=jpeg-90 --condition resizer=opencv-area",
        _attribute_options,
        _run_attribute,
    ),
    Command(
        "explain",
        "name the stage that turned an answer over",
        "explain runs/demo --all-flips",
        _explain_options,
        _run_explain,
    ),
    Command(
        "identify",
        "say which decoder, resizer, ... turned a picture into pixels",
        "identify photo.jpg tensor.npy",
        _identify_options,
        _run_identify,
    ),
)
