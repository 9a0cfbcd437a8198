"""The command line: parse, call one function of hostctl.commands, print a table or JSON, turn an error into one line.

Nothing heavy is imported before a command is known, so that help and tab completion answer at once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from device_agents.errors import BadInput, KitError

INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; give its exit code: 0 good, 1 findings past a threshold, 2 bad input, 3 devices failed."""
    parser = make_parser()
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(parser)
    options = parser.parse_args(arguments)
    if not hasattr(options, "command"):
        parser.print_help()
        return 0
    try:
        code: int = options.command(options)
        return code
    except KitError as problem:
        if options.verbose:
            raise
        print(f"instability: {problem}", file=sys.stderr)
        return problem.exit_code
    except KeyboardInterrupt:
        print("instability: stopped; run the same command again to go on where it stopped", file=sys.stderr)
        return INTERRUPTED


def make_parser() -> argparse.ArgumentParser:
    """Describe every command, each with help and an example."""
    parser = argparse.ArgumentParser(
        prog="instability",
        description="Measure how differently one vision model answers on different devices.",
        epilog="Start with: instability demo --quick",
    )
    parser.set_defaults(verbose=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _demo(_command(commands, "demo", _run_demo, "photograph, predict and report on a virtual rack", "demo --quick"))
    _run(
        _command(
            commands,
            "run",
            _run_run,
            "photograph scenes with a lab's devices, and predict",
            "run lab.toml --scenes photos/labels.csv --out runs/monday",
        )
    )
    _show(
        _command(
            commands,
            "show",
            _run_show,
            "show scenes on the screen, to set up a rack",
            "show photos/labels.csv --every 3",
        )
    )
    _devices(_command(commands, "devices", _run_devices, "check every device of a lab", "devices lab.toml"))
    _models(
        _command(commands, "models", _run_models, "list the models at hand, or make one", "models get mobilenet-v2")
    )
    _predict(
        _command(
            commands,
            "predict",
            _run_predict,
            "run a model on a folder, a CSV or a run",
            "predict --scenes photos/labels.csv --model mobilenet-v2",
        )
    )
    _report(_command(commands, "report", _run_report, "write a run's report", "report runs/demo"))
    _variants(
        _command(
            commands,
            "variants",
            _run_variants,
            "list the families and which variants are alike here",
            "variants decoder",
        )
    )
    return parser


def _command(
    commands: Any, name: str, function: Callable[[argparse.Namespace], int], text: str, example: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + ".", epilog=f"Example: instability {example}"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("-v", "--verbose", action="store_true", help="say more, and show where an error came from")
    parser.add_argument("--quiet", action="store_true", help="no progress, only the result")
    parser.set_defaults(command=function)
    return parser


def _demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="six scenes and one repeat, in well under a minute")
    parser.add_argument(
        "--study", action="store_true", help="all scenes of --scenes or of INSTABILITY_DATA (300 or more)"
    )
    parser.add_argument(
        "--scenes", type=Path, help="your own photographs: a folder or a CSV (default: twenty packaged ones)"
    )
    parser.add_argument("--out", type=Path, help="the run's folder (default: runs/demo, runs/quick or runs/study)")
    parser.add_argument("--model", default="mobilenet-v2", help="a zoo model's name or a file (default: %(default)s)")


def _run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", type=Path, help="the lab file (TOML): display, session, devices")
    parser.add_argument("--scenes", type=Path, required=True, help="what to show: a folder or a CSV")
    parser.add_argument("--out", type=Path, required=True, help="the run's folder; an unfinished run there goes on")
    parser.add_argument("--model", default="mobilenet-v2", help="a zoo model's name or a file (default: %(default)s)")
    parser.add_argument("--no-predict", action="store_true", help="only take the photographs")


def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scenes", type=Path, help="what to show: a folder or a CSV")
    parser.add_argument("--every", type=float, metavar="SECONDS", help="go on by itself (default: wait for Enter)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")


def _devices(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", type=Path, help="the lab file (TOML)")


def _models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["list", "get"], help="list what there is, or make one")
    parser.add_argument("name", nargs="?", help="the model to get, for example mobilenet-v2")


def _predict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, nargs="?", help="a run whose pictures to predict")
    parser.add_argument("--scenes", type=Path, help="pictures to predict instead: a folder or a CSV")
    parser.add_argument("--out", type=Path, help="the run's folder for --scenes (default: runs/predict-SCENES)")
    parser.add_argument("--model", required=True, help="a zoo model's name or a file")
    parser.add_argument("--sidecar", type=Path, help="the model's sidecar (default: FILE.json beside it)")
    parser.add_argument("--runtime", help="the runtime (default: by the file's suffix)")
    parser.add_argument("--decoder", default="pillow", help="the picture decoder (default: %(default)s)")
    parser.add_argument("--view", help="what the model sees (default: the rectified scene of a run, a whole file)")
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
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: %(default)s)")
    parser.add_argument(
        "--cluster",
        default="",
        metavar="ADDRESS",
        help="a Dask scheduler to work on, tcp://HOST:PORT; its workers must see the run's folder",
    )


def _report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument(
        "--across", type=_columns, default=(), metavar="COLUMN,...", help="add the instability between these conditions"
    )
    parser.add_argument(
        "--item",
        type=_columns,
        default=("scene", "angle", "repeat"),
        metavar="COLUMN,...",
        help="what is held fixed in it (default: scene,angle,repeat, and device unless that is compared)",
    )
    parser.add_argument("--top", type=int, default=1, metavar="N", help="right if among the first N (default: 1)")


def _columns(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _run_demo(options: argparse.Namespace) -> int:
    from hostctl import demo, printing

    with printing.progress(options) as progress:
        result = demo.demo(
            out=options.out,
            scenes=options.scenes,
            quick=options.quick,
            study=options.study,
            model=options.model,
            progress=progress,
        )
    return _print(options, result, printing.run_text)


def _run_run(options: argparse.Namespace) -> int:
    from hostctl import commands, printing

    with printing.progress(options) as progress:
        result = commands.run(
            options.lab,
            scenes=options.scenes,
            out=options.out,
            model=None if options.no_predict else options.model,
            progress=progress,
        )
    code = _print(options, result, printing.run_text)
    return code or (3 if result["photographs_missing"] else 0)


def _run_show(options: argparse.Namespace) -> int:
    from hostctl import commands

    commands.show(options.scenes, every_s=options.every, host=options.host, port=options.port)
    return 0


def _run_devices(options: argparse.Namespace) -> int:
    from hostctl import commands, printing

    table = commands.devices(options.lab)
    _print(options, table.to_dict("records"), printing.devices_text)
    return 0 if bool(table["ok"].all()) else 3


def _run_models(options: argparse.Namespace) -> int:
    from hostctl import commands, printing

    if options.action == "list":
        return _print(options, commands.models().to_dict("records"), printing.table_text)
    if not options.name:
        raise BadInput("expected the name of a model to get, got none; `instability models list` shows them")
    with printing.progress(options) as progress:
        return _print(options, commands.get_model(options.name, progress=progress), printing.model_text)


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
            vary=options.vary,
            design=options.design,
            cluster=options.cluster,
            workers=options.workers,
            progress=progress,
        )
    return _print(options, result, printing.predict_text)


def _variants(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("family", nargs="*", help="decoder, resizer, codec, ... (default: all of them)")


def _run_variants(options: argparse.Namespace) -> int:
    from hostctl import commands, printing

    return _print(options, commands.variants(*options.family).to_dict("records"), printing.variants_text)


def _run_report(options: argparse.Namespace) -> int:
    from hostctl import commands, printing

    return _print(
        options,
        commands.report(options.run, across=options.across, item=options.item, top_n=options.top),
        printing.run_text,
    )


def _print(options: argparse.Namespace, result: Any, text: Callable[[Any], str]) -> int:
    if options.json:
        print(json.dumps(result, indent=2, default=str))
    else:
        print(text(result))
    return 0
