"""Commands that run a model: models, predict.

Only what parsing needs is imported here; each command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from device_agents.errors import BadInput
from hostctl.command_line.command import Command, add_workers, print_result


def _models_options(parser: argparse.ArgumentParser) -> None:
    actions = "list what there is, make one, make variants of one, or probe files that give back a model's input"
    parser.add_argument("action", choices=["list", "get", "vary", "probe"], help=actions)
    parser.add_argument("name", nargs="?", help="the model, for example mobilenet-v2; vary and probe take files too")
    parser.add_argument("--out", type=Path, help="probe, vary: the folder for files (default: MODEL-probe, the cache)")
    names = "vary: variants of the model, names, globs or all: int8,float16,ceil (default: %(default)s)"
    parser.add_argument("--precision", default="all", metavar="VARIANT,...", help=names)
    pictures = "vary: pictures to calibrate with, a folder or a CSV (default: the packaged photographs, which are few)"
    parser.add_argument("--calibration", type=Path, metavar="SCENES", help=pictures)
    parser.add_argument("--sidecar", type=Path, help="vary: the model's sidecar (default: FILE.json beside it)")
    kinds = "probe: outputs are the whole input, or slices of it in the model's own output shapes (default: identity)"
    parser.add_argument("--kind", choices=["identity", "slices"], default="identity", help=kinds)


def _predict_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, nargs="?", help="a run whose pictures to predict")
    parser.add_argument("--scenes", type=Path, help="pictures to predict instead: a folder or a CSV")
    parser.add_argument("--out", type=Path, help="the run's folder for --scenes (default: runs/predict-SCENES)")
    parser.add_argument("--model", required=True, help="a zoo model's name or a file")
    parser.add_argument("--sidecar", type=Path, help="the model's sidecar (default: FILE.json beside it)")
    parser.add_argument("--runtime", help="the runtime (default: by the file's suffix)")
    parser.add_argument("--decoder", default="pillow", help="the picture decoder (default: %(default)s)")
    parser.add_argument("--view", help="what the model sees (default: the rectified scene of a run, a whole file)")
    parser.add_argument("--isp", help="start from the raw pictures by this ISP (default: libraw-pinned, if need be)")
    parser.add_argument("--codec", help="code the pictures first (default: png after an ISP, else as they were shot)")
    parser.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="FAMILY=VARIANT,...",
        help="compare these variants too: names, globs or all, such as resizer=pillow-*,opencv-area; may be repeated",
    )
    parser.add_argument(
        "--design",
        choices=["one-at-a-time", "factorial", "stacked"],
        default="one-at-a-time",
        help="one change each, all combinations, or the most harmful upon the most harmful (default: %(default)s)",
    )
    pictures = "for --vary precision: pictures to calibrate with, none of them in the run (default: packaged ones)"
    parser.add_argument("--calibration", type=Path, metavar="SCENES", help=pictures)
    add_workers(parser)
    parser.add_argument("--lab", type=Path, help="a lab file, for --on")
    parser.add_argument("--on", default="", metavar="DEVICE", help="predict on this device of the lab, by its agent")
    parser.add_argument(
        "--cluster",
        default="",
        metavar="ADDRESS",
        help="a Dask scheduler to work on, tcp://HOST:PORT; its workers must see the run's folder",
    )


def _run_models(options: argparse.Namespace) -> int:
    from hostctl import commands, printing

    if options.action == "list":
        return print_result(options, commands.models().to_dict("records"), printing.table_text)
    if not options.name:
        raise BadInput("expected the name of a model, got none; `instability models list` shows them")
    if options.action == "probe":
        return print_result(
            options, commands.probe_model(options.name, out=options.out, kind=options.kind), printing.model_text
        )
    if options.action == "vary":
        from hostctl.predictions.model_variants import vary_text

        given = {name: getattr(options, name) for name in ("precision", "calibration", "sidecar", "out")}
        with printing.progress(options) as progress:
            result = commands.vary_model(options.name, progress=progress, **given)
        return print_result(options, result, vary_text)
    with printing.progress(options) as progress:
        return print_result(options, commands.get_model(options.name, progress=progress), printing.model_text)


def _run_predict(options: argparse.Namespace) -> int:
    from hostctl import commands, printing

    with printing.progress(options) as progress:
        result = commands.predict(
            options.run,
            scenes=options.scenes,
            out=options.out,
            model=options.model,
            sidecar=options.sidecar,
            runtime=options.runtime,
            decoder=options.decoder,
            view=options.view,
            isp=options.isp,
            codec=options.codec,
            vary=options.vary,
            design=options.design,
            cluster=options.cluster,
            workers=options.workers,
            lab=options.lab,
            on=options.on,
            calibration=options.calibration,
            progress=progress,
        )
    code = print_result(options, result, printing.predict_text)
    if result["pictures"] and not result["predicted"]:
        raise BadInput(
            f"expected predictions, got none: all failed; once mended: instability runs retry {result['run']}"
        )
    return code


COMMANDS = (
    Command(
        "models",
        "list the models at hand, or make one",
        "models get mobilenet-v2",
        _models_options,
        _run_models,
    ),
    Command(
        "predict",
        "run a model on a folder, a CSV or a run",
        "predict --scenes photos/labels.csv --model mobilenet-v2",
        _predict_options,
        _run_predict,
    ),
)
