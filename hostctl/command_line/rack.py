"""Commands of the rack and of the main job: demo, run, show.

Only what parsing needs is imported here; each command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hostctl.command_line.command import Command, print_result


def _demo_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="six scenes and one repeat, in well under a minute")
    parser.add_argument(
        "--study", action="store_true", help="all scenes of --scenes or of INSTABILITY_DATA (300 or more)"
    )
    trained = "fine-tune on what two devices saw, and see whether a third grows steadier (drawn objects)"
    parser.add_argument("--train", action="store_true", help=trained)
    parser.add_argument(
        "--scenes", type=Path, help="your own photographs: a folder or a CSV (default: twenty packaged ones)"
    )
    parser.add_argument("--out", type=Path, help="the run's folder (default: runs/demo, quick, study or train)")
    parser.add_argument("--model", default="mobilenet-v2", help="a zoo model's name or a file (default: %(default)s)")


def _run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", type=Path, help="the lab file (TOML): display, session, devices")
    parser.add_argument("--scenes", type=Path, required=True, help="what to show: a folder or a CSV")
    parser.add_argument("--out", type=Path, required=True, help="the run's folder; an unfinished run there goes on")
    parser.add_argument("--model", default="mobilenet-v2", help="a zoo model's name or a file (default: %(default)s)")
    narrow = "photograph random blocks of scenes until the instability's interval is this narrow (0 to 1)"
    parser.add_argument("--until-width", type=float, metavar="WIDTH", help=narrow)
    parser.add_argument("--no-predict", action="store_true", help="only take the photographs")
    wait = "how long to wait for devices that another command holds (default: not at all)"
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help=wait)


def _show_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scenes", type=Path, help="what to show: a folder or a CSV")
    parser.add_argument("--every", type=float, metavar="SECONDS", help="go on by itself (default: wait for Enter)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")


def _run_demo(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.demos import demo, demo_train_page

    with printing.progress(options) as progress:
        result = demo.demo(
            out=options.out,
            scenes=options.scenes,
            quick=options.quick,
            study=options.study,
            train=options.train,
            model=options.model,
            progress=progress,
        )
    return print_result(options, result, demo_train_page.train_text if options.train else printing.run_text)


def _run_run(options: argparse.Namespace) -> int:
    from hostctl import commands, printing

    with printing.progress(options) as progress:
        result = commands.run(
            options.lab,
            scenes=options.scenes,
            out=options.out,
            model=None if options.no_predict else options.model,
            until_width=options.until_width,
            wait_s=options.wait,
            progress=progress,
        )
    code = print_result(options, result, printing.run_text)
    return code or (3 if result["photographs_missing"] else 0)


def _run_show(options: argparse.Namespace) -> int:
    from hostctl import commands

    commands.show(options.scenes, every_s=options.every, host=options.host, port=options.port)
    return 0


COMMANDS = (
    Command(
        "demo",
        "photograph, predict and report on a virtual rack",
        "demo --quick",
        _demo_options,
        _run_demo,
    ),
    Command(
        "run",
        "photograph scenes with a lab's devices, and predict",
        "run lab.toml --scenes photos/labels.csv --out runs/monday",
        _run_options,
        _run_run,
    ),
    Command(
        "show",
        "show scenes on the screen, to set up a rack",
        "show photos/labels.csv --every 3",
        _show_options,
        _run_show,
    ),
)
