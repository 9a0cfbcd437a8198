"""The command of the elephant test: elephant.

Only what parsing needs is imported here; the command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hostctl.command_line.command import Command, print_result


def _elephant_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("picture", type=Path, help="the picture to paste into")
    parser.add_argument(
        "--object",
        dest="pasted",
        type=Path,
        required=True,
        metavar="FILE",
        help="an object cut out (RGBA), or a picture to cut the surest object from",
    )
    parser.add_argument("--box", type=_box, default=(), metavar="L,T,R,B", help="where it is in FILE, pixels")
    parser.add_argument("--label", default="", help="the object's class (default: what the model says of it)")
    parser.add_argument("--model", required=True, help="a detection model's file")
    parser.add_argument("--sidecar", type=Path, help="the model's sidecar (default: FILE.json beside it)")
    parser.add_argument("--height", type=int, default=0, metavar="PIXELS", help="of the object (default: its own)")
    parser.add_argument("--step", type=int, default=16, metavar="PIXELS", help="of its way (default: %(default)s)")
    parser.add_argument("--lines", type=int, default=3, help="from top to bottom (default: %(default)s)")
    parser.add_argument("--score", type=float, default=0.4, help="from which boxes are shown (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("elephant"), help="folder for the page (default: %(default)s)")


def _box(text: str) -> tuple[float, ...]:
    try:
        edges = tuple(float(part) for part in text.split(","))
    except ValueError:
        edges = ()
    if len(edges) != 4:
        raise argparse.ArgumentTypeError(f"expected left,top,right,bottom in pixels, got '{text}'")
    return edges


def _run_elephant(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.pictures.elephant import elephant, elephant_text

    with printing.progress(options) as progress:
        result = elephant(
            options.picture,
            pasted=options.pasted,
            model=options.model,
            out=options.out,
            box=options.box,
            label=options.label,
            sidecar=options.sidecar,
            height=options.height,
            step=options.step,
            lines=options.lines,
            score=options.score,
            progress=progress,
        )
    return print_result(options, result, elephant_text)


COMMANDS = (
    Command(
        "elephant",
        "slide a pasted object through a picture before a detector",
        "elephant room.jpg --object zoo.jpg --label elephant --model detector.onnx",
        _elephant_options,
        _run_elephant,
    ),
)
