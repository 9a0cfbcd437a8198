"""Commands about what counts as right: scenes (words to labels by a map), judge (a person says so).

Only what parsing needs is imported here; each command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path

from hostctl.command_line.command import Command, print_result


def _judge_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="a run with predictions")
    parser.add_argument("--by", default="", metavar="NAME", help="who judges (default: this user)")
    top = "judge the first N labels of each answer (default: %(default)s)"
    parser.add_argument("--top", type=int, default=1, metavar="N", help=top)
    everything = "ask about accepted labels too, to check the labels themselves"
    parser.add_argument("--all", action="store_true", dest="everything", help=everything)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")


def _run_judge(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.runs.judging import judge, judged_text

    def opened(url: str) -> None:
        print(f"open {url}; each verdict is kept as it is given, Ctrl-C ends", file=sys.stderr, flush=True)

    with printing.progress(options) as progress:
        result = judge(
            options.run,
            by=options.by or getpass.getuser(),
            top_n=options.top,
            everything=options.everything,
            host=options.host,
            port=options.port,
            opened=opened,
            progress=progress,
        )
    return print_result(options, result, judged_text)


def _scenes_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="labelled pictures: a folder LABEL/PICTURE.jpg or a CSV")
    words = "what the words stand for: paper-five (the MLSys paper's classes), or a CSV with label,labels,ambiguous"
    parser.add_argument("--map", dest="label_map", default="paper-five", metavar="MAP", help=words)
    parser.add_argument("--out", type=Path, required=True, help="the scenes file to write (CSV)")


def _run_scenes(options: argparse.Namespace) -> int:
    from hostctl.runs.scene_lists import list_scenes, listed_text

    result = list_scenes(options.source, label_map=options.label_map, out=options.out)
    return print_result(options, result, listed_text)


COMMANDS = (
    Command(
        "scenes",
        "make a scenes file of labelled pictures, by a map of words to labels",
        "scenes bottles/ --map paper-five --out bottles/scenes.csv",
        _scenes_options,
        _run_scenes,
    ),
    Command(
        "judge",
        "let a person say which answers are right, clearly wrong or neither",
        "judge runs/monday --by anna",
        _judge_options,
        _run_judge,
    ),
)
