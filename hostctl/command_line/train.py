"""Commands that change a model: train.

Only what parsing needs is imported here; each command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hostctl.command_line.command import Command, print_result

# A line for each field of stability_train.settings.Settings, which has its type and its limits (and is slow to load).
SETTINGS = {
    "model": "the base: a zoo model's name or a .keras file (default: mobilenet-v2)",
    "noise": "none, two-images, subsample, environments or one of the kit's noises (default: gaussian)",
    "strength": "of the noise (default: the noise's own)",
    "draws": "different noises a picture has in all, 0: a fresh one every epoch (default: 0)",
    "loss": "relative-entropy, embedding or jensen-shannon (default: relative-entropy)",
    "alpha": "weight of the stability loss (default: its paper's)",
    "gradient": "the branches that the stability loss flows through: both, noisy, clean (default: both)",
    "subsample": "pictures a class of the partner that noise subsample draws from (default: 10)",
    "device": "whose pictures are the clean ones (default: all devices')",
    "partner": "whose pictures are the noise, for two-images and subsample",
    "mix": "families that the clean view too draws from: decoder,resizer,colour,codec,isp,sensor (default: none)",
    "decoders": "to draw from (default: pillow,jpeg-fast-dct,jpeg-plain-upsampling)",
    "resizers": "to draw from (default: pillow-bilinear,pillow-bicubic,opencv-linear,opencv-area)",
    "colours": "to draw from (default: rgb,bt601-full-nv12-bilinear)",
    "codecs": "to draw from, none for no coding (default: none,jpeg-85,webp-80)",
    "isps": "to draw from where a photograph has a raw beside it, none for the photograph itself (default: none)",
    "sensors": "whose noise is put into the raws, none for the raw as it is (default: none)",
    "trainable": "head, last-block, all or from:LAYER (default: head)",
    "batch_norm": "frozen, or apart: trained, each view in its own pass (default: frozen)",
    "head": "new: a class a label; keep: the model's own (default: new)",
    "embedding_units": "width of the extra dense layer, 0 for none (default: 128 where the loss needs it)",
    "augment": "geometry that all views share: none, flip, flip-crop (default: none)",
    "mixing": "of a batch's pictures: none, mixup, cutmix (default: none)",
    "mixing_alpha": "of the Beta distribution of mixing (default: 0.2)",
    "optimiser": "adam or sgd (default: adam)",
    "learning_rate": "of the optimiser (default: 0.001)",
    "batch": "clean pictures a step (default: 16)",
    "epochs": "times that all pictures are seen (default: 10)",
    "patience": "epochs without a better monitor before the end, 0: no early stop (default: 0)",
    "monitor": "val_loss, val_accuracy or val_instability (default: val_loss)",
    "keep": "the weights that are the result: last, or best by the monitor (default: last)",
    "validation_share": "of each class's objects, never learnt from (default: 0.2)",
    "seed": "of the division, the order, the noise and the new layers (default: 0)",
    "threads": "of TensorFlow, 0: its own choice; 1: the same to the last bit every time (default: 0)",
    "workers": "threads that make pictures ahead of the compute (default: 2)",
    "tensorboard": "write a log for TensorBoard too",
}
FLAGS = ("tensorboard",)
INT8 = 100  # pictures to calibrate with


def _train_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="a run, or a labelled folder or CSV of pictures")
    parser.add_argument("--out", type=Path, required=True, help="the training's folder; the same command goes on in it")
    ours = parser.add_argument_group("the training")
    for name, text in SETTINGS.items():
        option = f"--{name.replace('_', '-')}"
        if name in FLAGS:
            ours.add_argument(option, action="store_true", default=None, help=text)
        else:
            ours.add_argument(option, default=None, metavar="X", help=text)
    after = parser.add_argument_group("what is made of it")
    after.add_argument(
        "--int8",
        type=int,
        nargs="?",
        const=INT8,
        default=0,
        metavar="N",
        help=f"an int8 file too, by N training pictures ({INT8})",
    )
    after.add_argument("--report", action="store_true", help="train baselines, predict all devices' pictures, compare")
    aside = "share of each class's objects that only the report sees"
    after.add_argument("--test-share", type=float, default=0, metavar="X", help=aside)
    after.add_argument("--seeds", type=int, default=1, metavar="N", help="trainings of each scheme (default: 1)")
    curve = "instability against 0 to 20 photographs a class of this device, for the report"
    after.add_argument("--calibration-cost", default="", metavar="DEVICE", help=curve)
    cores = os.cpu_count() or 1
    after.add_argument("--processes", type=int, default=cores, help="that predict (default: %(default)s)")


def settings_of(options: argparse.Namespace) -> dict[str, Any]:
    """Give what was asked for of the training's settings, as their types; what has no such form stays as written."""
    import dataclasses

    from stability_train.settings import Settings

    kinds = {field.name: str(field.type) for field in dataclasses.fields(Settings)}
    given = {name: getattr(options, name) for name in SETTINGS if getattr(options, name) is not None}
    return {name: _read(value, kinds[name]) for name, value in given.items()}


def _read(value: Any, kind: str) -> Any:
    if not isinstance(value, str):
        return value
    if kind.startswith("tuple"):
        words = [word.strip() for word in value.split(",")]
        return tuple("" if word == "none" else word for word in words if word)
    for start, read in _NUMBERS.items():
        if kind.startswith(start):
            try:
                return read(value)
            except ValueError:
                return value
    return value


_NUMBERS: Mapping[str, Any] = {"int": int, "float": float}


def _run_train(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.trainings.closing import train
    from hostctl.trainings.training_text import training_text

    with printing.progress(options) as progress:
        result = train(
            options.source,
            out=options.out,
            settings=settings_of(options),
            report=options.report,
            test_share=options.test_share,
            int8=options.int8,
            seeds=options.seeds,
            calibration_device=options.calibration_cost,
            workers=options.processes,
            progress=progress,
        )
    return print_result(options, result, training_text)


COMMANDS = (
    Command(
        "train",
        "fine-tune a model so that devices agree",
        "train runs/demo --noise two-images --loss embedding --device a --partner b --out trainings/first --report",
        _train_options,
        _run_train,
    ),
)
