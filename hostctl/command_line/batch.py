"""The command of batches: batch.

Only what parsing needs is imported here; the command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hostctl.command_line.command import Command, print_result
from hostctl.command_line.pool import tls_files, tls_options


def _batch_options(parser: argparse.ArgumentParser) -> None:
    models = "a zoo model's name or a file; may be repeated"
    parser.add_argument("--model", action="append", required=True, metavar="MODEL", help=models)
    parser.add_argument("--scenes", type=Path, required=True, help="pictures to predict: a folder or a CSV")
    parser.add_argument("--lab", type=Path, help="the lab file (TOML); devices with an agent take part")
    parser.add_argument("--pool", default="", metavar="ADDRESS", help="a pool of other hosts' devices instead")
    tls_options(parser)
    who = "any:N share the work, each:N do all of it each, a name does all of it, a+b share it; several with commas"
    parser.add_argument("--devices", required=True, metavar="any:N|NAME,...", help=who)
    parser.add_argument("--out", type=Path, help="the run's folder; an unfinished run there goes on")
    names = "variants of the models too, names, globs or all: int8,float16"
    parser.add_argument("--precision", default="", metavar="VARIANT,...", help=names)
    pictures = "for --precision: pictures to calibrate with, none of them in the run (default: packaged ones)"
    parser.add_argument("--calibration", type=Path, metavar="SCENES", help=pictures)
    parser.add_argument("--sidecar", type=Path, help="the model's sidecar (default: FILE.json beside it)")
    parser.add_argument("--runtime", help="the runtime (default: by the file's suffix)")
    parser.add_argument("--decoder", default="pillow", help="the picture decoder (default: %(default)s)")
    retries = "how often pictures are tried again after an infrastructure failure (default: %(default)s)"
    parser.add_argument("--retries", type=int, default=2, metavar="N", help=retries)
    limit = "the longest that a shard may take on a device that still answers (default: no limit of its own)"
    parser.add_argument("--shard-timeout", type=float, default=0.0, metavar="SECONDS", help=limit)
    patience = "how long a silent device has to come back, as after a reboot (default: %(default)g)"
    parser.add_argument("--patience", type=float, default=90.0, metavar="SECONDS", help=patience)
    wait = "how long to wait for devices that another command holds (default: not at all)"
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help=wait)
    parser.add_argument("--junit", type=Path, metavar="FILE", help="JUnit XML (default: OUT/report/junit.xml)")


def _run_batch(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.batch import Request, batch
    from hostctl.batches.text import batch_text

    request = Request(
        models=tuple(options.model),
        scenes=options.scenes,
        lab=options.lab,
        pool=options.pool,
        security=tls_files(options, "client"),
        devices=options.devices,
        out=options.out,
        precision=options.precision,
        calibration=options.calibration,
        sidecar=options.sidecar,
        runtime=options.runtime,
        decoder=options.decoder,
        retries=options.retries,
        shard_timeout_s=options.shard_timeout,
        patience_s=options.patience,
        wait_s=options.wait,
        junit=options.junit,
    )
    with printing.progress(options) as progress:
        result = batch(request, progress=progress)
    return print_result(options, result, batch_text) or int(result["exit_code"])


COMMANDS = (
    Command(
        "batch",
        "predict pictures on many devices of a lab at once",
        "batch --model mobilenet-v2 --scenes photos/labels.csv --lab lab.toml --devices any:4",
        _batch_options,
        _run_batch,
    ),
)
