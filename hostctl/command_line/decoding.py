"""The command of the paper's section 7: decoding.

Only what parsing needs is imported here; the command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hostctl.command_line.command import Command, comma_list, print_result


def _decoding_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scenes", type=Path, required=True, help="pictures: a folder of CLASS/PICTURE files, or a CSV"
    )
    parser.add_argument("--model", required=True, help="a zoo model's name or a file")
    parser.add_argument("--out", type=Path, help="the run's folder; an unfinished run there goes on")
    who = (
        "NAME[:DECODER[/RESIZER[/RUNTIME]]],... of host, chromium, legacy-tflite, arm "
        "(default: these four, or none with --devices)"
    )
    parser.add_argument("--executors", default="", metavar="NAME,...", help=who)
    parser.add_argument("--lab", type=Path, help="the lab file (TOML) with the devices")
    parser.add_argument("--devices", type=comma_list, default=(), metavar="NAME,...", help="devices of the lab")
    quality = "of the JPEGs that the host encodes (default: %(default)s)"
    parser.add_argument("--quality", type=int, default=85, metavar="1..100", help=quality)
    sampling = (
        "chroma sampling of the JPEGs; pictures that are JPEG in it already stay as they are (default: %(default)s)"
    )
    parser.add_argument("--sampling", default="4:2:0", metavar="4:2:0|4:2:2|4:4:4", help=sampling)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--as-is", action="store_true", help="give the files' own bytes, whatever they are")
    which.add_argument("--encode-all", action="store_true", help="encode every picture, also those in that sampling")
    tolerance = "scores that differ by no more are called alike (default: %(default)g)"
    parser.add_argument("--tolerance", type=float, default=1e-5, metavar="SCORE", help=tolerance)
    parser.add_argument("--sidecar", type=Path, help="the model's sidecar (default: FILE.json beside it)")
    wait = "how long to wait for devices that another command holds (default: not at all)"
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help=wait)


def _run_decoding(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.decodings.decoding import Request, decoding
    from hostctl.decodings.pictures import ALL, AS_IS, NEEDED, Coding
    from hostctl.decodings.text import decoding_text

    encode = AS_IS if options.as_is else ALL if options.encode_all else NEEDED
    request = Request(
        scenes=options.scenes,
        model=options.model,
        out=options.out,
        executors=options.executors,
        lab=options.lab,
        devices=tuple(options.devices),
        coding=Coding(options.quality, options.sampling, encode),
        sidecar=options.sidecar,
        tolerance=options.tolerance,
        wait_s=options.wait,
    )
    with printing.progress(options) as progress:
        result = decoding(request, progress=progress)
    return print_result(options, result, decoding_text)


COMMANDS = (
    Command(
        "decoding",
        "say whether JPEG decoders turn answers over: JPEG against PNG",
        "decoding --scenes photos --model mobilenet-v2 --out runs/decoding",
        _decoding_options,
        _run_decoding,
    ),
)
