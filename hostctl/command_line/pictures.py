"""Commands that make pictures or look at them: develop, variants, noise, dataset.

Only what parsing needs is imported here; each command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from device_agents.errors import BadInput
from hostctl.command_line.command import Command, add_workers, comma_list, print_result


def _develop_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, nargs="?", help="a run with raw pictures (without --isp: with photographs)")
    parser.add_argument("--scenes", type=Path, help="pictures to make a run of instead: a folder or a CSV of raws")
    parser.add_argument("--out", type=Path, help="the run's folder for --scenes (default: runs/develop-SCENES)")
    isps = "names, globs or all, such as libraw-pinned,rawtherapee-* (default: none, photographs are coded again)"
    outside = "bring in what another program made of the raws; files named after the scene, picture or sha256"
    parser.add_argument("--isp", type=comma_list, default=(), metavar="NAME,...", help=isps)
    parser.add_argument("--codec", type=comma_list, default=(), metavar="NAME,...", help="names, globs or all")
    parser.add_argument("--import", dest="imported", type=Path, metavar="FOLDER", help=outside)
    add_workers(parser)


def _variants_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("family", nargs="*", help="decoder, resizer, codec, ... (default: all of them)")


def _noise_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "picture", nargs="+", help="one picture or raw file to vary, or two pictures to compare; names, with --run"
    )
    parser.add_argument("--run", type=Path, help="the run that the pictures are in")
    parser.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="FAMILY[=VARIANT,...]",
        help="only these: decoder, resizer, colour, codec, isp, with names or globs; may be repeated (default: all); "
        "with --model, precision=int8,ceil shows what a variant changes inside the model",
    )
    parser.add_argument("--model", default="", help="whose feature maps to show: a zoo model's name or a file")
    parser.add_argument("--sidecar", type=Path, help="the model's sidecar (default: FILE.json beside it)")
    parser.add_argument(
        "--layer", action="append", default=[], metavar="TENSOR", help="a tensor of the model, or a part of its name"
    )
    parser.add_argument("--fit", default="short-side-256-crop", help="which part is kept (default: %(default)s)")
    parser.add_argument("--resizer", default="pillow-bilinear", help="the base's resizer (default: %(default)s)")
    parser.add_argument("--size", type=int, default=224, metavar="PIXELS", help="of the input (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("noise"), help="folder for the page (default: %(default)s)")


def _dataset_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scenes", type=Path, help="a folder, a CSV, COCO annotations, or a list FILE CLASS (.txt)")
    parser.add_argument("--out", type=Path, required=True, help="the data set's folder; an unfinished one goes on")
    parser.add_argument("--decoder", default="pillow", help="the picture decoder (default: %(default)s)")
    parser.add_argument("--colour", default="rgb", help="the colour round trip (default: %(default)s)")
    parser.add_argument("--fit", help="which part is kept (default: short-side-256-crop)")
    parser.add_argument("--resizer", help="how pixels are interpolated (default: pillow-bilinear)")
    parser.add_argument(
        "--size", type=_size, default=224, metavar="PIXELS", help="of both sides, or full (default: %(default)s)"
    )
    chain = "what is then done to each, such as fog-3 or snow-2+stored-jpeg-85"
    parser.add_argument("--perturbation", default="", metavar="NAME", help=chain)
    parser.add_argument("--layout", choices=["imagenet", "coco"], default="imagenet", help="(default: %(default)s)")
    parser.add_argument("--labels", type=Path, help="the label list of a source that numbers its classes")
    add_workers(parser)


def _size(text: str) -> int | None:
    return None if text == "full" else int(text)


def _run_develop(options: argparse.Namespace) -> int:
    from hostctl import commands, printing

    with printing.progress(options) as progress:
        result = commands.develop(
            options.run,
            scenes=options.scenes,
            out=options.out,
            isp=options.isp,
            codec=options.codec,
            imported=options.imported,
            workers=options.workers,
            progress=progress,
        )
    return print_result(options, result, printing.develop_text)


def _run_variants(options: argparse.Namespace) -> int:
    from hostctl import commands, printing

    return print_result(options, commands.variants(*options.family).to_dict("records"), printing.variants_text)


def _run_noise(options: argparse.Namespace) -> int:
    from hostctl import commands, printing

    if options.model or any(word.split("=")[0] == "precision" for word in options.vary):
        return _run_feature_maps(options)
    with printing.progress(options) as progress:
        result = commands.noise(
            options.picture,
            run=options.run,
            vary=options.vary,
            fit=options.fit,
            resizer=options.resizer,
            size=options.size,
            out=options.out,
            progress=progress,
        )
    return print_result(options, result, printing.noise_text)


def _run_feature_maps(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.causes.feature_maps import feature_maps, feature_maps_text

    words = [word.partition("=") for word in options.vary]
    others = [family for family, _, _ in words if family != "precision"]
    if not options.model or others or not words or len(options.picture) != 1:
        raise BadInput(
            "feature maps: expected one picture, --model MODEL and --vary precision=VARIANT,... and no other family, "
            f"got {len(options.picture)} pictures, model '{options.model}', --vary {' '.join(options.vary) or '(none)'}"
        )
    with printing.progress(options) as progress:
        result = feature_maps(
            options.run or Path(options.picture[0]),
            picture=options.picture[0] if options.run else "",
            model=options.model,
            precision=",".join(names or "all" for _, _, names in words),
            sidecar=options.sidecar,
            layers=options.layer,
            out=options.out,
            progress=progress,
        )
    return print_result(options, result, feature_maps_text)


def _run_dataset(options: argparse.Namespace) -> int:
    from hostctl import commands, printing

    with printing.progress(options) as progress:
        result = commands.dataset(
            options.scenes,
            out=options.out,
            decoder=options.decoder,
            colour=options.colour,
            fit=options.fit,
            resizer=options.resizer,
            size=options.size,
            perturbation=options.perturbation,
            layout=options.layout,
            labels=options.labels,
            workers=options.workers,
            progress=progress,
        )
    code = print_result(options, result, printing.dataset_text)
    return code or (1 if result["failed"] else 0)


COMMANDS = (
    Command(
        "develop", "make pictures of raws", "develop runs/demo --isp all --codec png", _develop_options, _run_develop
    ),
    Command(
        "variants",
        "list the families and which variants are alike here",
        "variants decoder",
        _variants_options,
        _run_variants,
    ),
    Command(
        "noise",
        "show what variants do to a picture, or where two pictures differ",
        "noise photo.jpg --vary decoder --vary resizer=pillow-*",
        _noise_options,
        _run_noise,
    ),
    Command(
        "dataset",
        "write pictures decoded and resized by chosen variants as a data set",
        "dataset photos/labels.csv --decoder opencv --resizer opencv-linear --out sets/opencv",
        _dataset_options,
        _run_dataset,
    ),
)
