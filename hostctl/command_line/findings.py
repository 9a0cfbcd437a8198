"""Commands that say what a run found, and what a study needs: report, plan, check, compare.

Only what parsing needs is imported here; each command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from device_agents.errors import BadInput
from hostctl.command_line.command import Command, add_level, comma_list, print_result
from hostctl.plain_words import plain

TABLES = (  # of hostctl.runs.tabling
    *("paper-2", "paper-3", "paper-4"),
    *("sysnoise-1", "sysnoise-cls", "sysnoise-det", "sysnoise-nlp", "sysnoise-seg"),
)


def _report_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument(
        "--across",
        type=comma_list,
        default=(),
        metavar="COLUMN,...",
        help="add the instability between these conditions",
    )
    parser.add_argument(
        "--item",
        type=comma_list,
        default=("scene", "angle", "repeat"),
        metavar="COLUMN,...",
        help="what is held fixed in it (default: scene,angle,repeat, and device unless that is compared)",
    )
    parser.add_argument("--table", choices=TABLES, help="one of the papers' tables instead: text, a page and CSV")
    form = "write this beside the page too"
    parser.add_argument("--format", choices=("html", "md", "json", "junit"), default="html", help=form)
    parser.add_argument("--stdout", action="store_true", help="print that format and write nothing")
    parser.add_argument("--top", type=int, default=1, metavar="N", help="right if among the first N (default: 1)")


def _run_report(options: argparse.Namespace) -> int:
    from hostctl import findings, printing

    if options.table:
        from hostctl.runs.tabling import tables_text

        return print_result(options, findings.table(options.run, options.table), tables_text)
    if options.stdout:
        if options.format == "html":
            raise BadInput("--stdout: expected --format md, json or junit, got html")
        from hostctl.runs.reporting import report_text

        print(plain(report_text(options.run, options.format)), end="")
        return 0
    formats = () if options.format == "html" else (options.format,)
    found = findings.report(options.run, across=options.across, item=options.item, top_n=options.top, formats=formats)
    return print_result(options, found, printing.run_text)


def _plan_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--expect", type=float, required=True, metavar="RATE", help="the instability expected, 0 to 1")
    parser.add_argument("--width", type=float, required=True, help="the interval's width wanted, low to high, 0 to 1")
    parser.add_argument("--lab", type=Path, help="a lab file: its angles and devices")
    parser.add_argument(
        "--run", type=Path, help="an earlier run, to measure the time and how alike a scene's items are"
    )
    parser.add_argument(
        "--icc", type=float, help="how alike the items of a scene are, 0 to 1 (default: as measured, or 0.3)"
    )


def _run_plan(options: argparse.Namespace) -> int:
    from hostctl import findings
    from hostctl.runs.study_plan import plan_text

    found = findings.plan(options.expect, options.width, lab=options.lab, run=options.run, icc=options.icc)
    return print_result(options, found, plan_text)


def _check_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--max-instability", type=float, metavar="SHARE", help="such as 0.05, across all devices")
    parser.add_argument("--max-pair-instability", type=float, metavar="SHARE", help="the same for every two devices")
    parser.add_argument("--max-accuracy-drop", type=float, metavar="SHARE", help="from the base to every other device")
    parser.add_argument("--base", default="", metavar="DEVICE", help="whose accuracy is the base (default: the first)")
    parser.add_argument("--suite", default="", metavar="NAME", help="whose flips --max-flip limits, such as shift")
    parser.add_argument("--max-flip", type=float, metavar="SHARE", help="such as 0.05, in each family of the suite")
    families = "only these of the suite (default: all)"
    parser.add_argument("--families", type=comma_list, default=(), metavar="FAMILY,...", help=families)
    add_level(parser)
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write the gates as JUnit XML too")


def _run_check(options: argparse.Namespace) -> int:
    from hostctl import findings
    from hostctl.runs.checking import check_text

    result = findings.check(
        options.run,
        max_instability=options.max_instability,
        max_pair_instability=options.max_pair_instability,
        max_accuracy_drop=options.max_accuracy_drop,
        base=options.base,
        level=options.level,
        suite=options.suite,
        families=options.families,
        max_flip=options.max_flip,
        junit=options.junit,
    )
    print_result(options, result, check_text)
    return int(result["exit_code"])


def _compare_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_a", type=Path, help="the run before the update")
    parser.add_argument("run_b", type=Path, help="the run after it")
    parser.add_argument("--margin", type=float, help="equivalent within this share (default: 0.02); sets the exit code")
    add_level(parser)
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write every broken and mended answer here")


def _run_compare(options: argparse.Namespace) -> int:
    from hostctl import findings
    from hostctl.runs.comparing_runs import MARGIN, compared_text

    margin = MARGIN if options.margin is None else options.margin
    result = findings.compare(options.run_a, options.run_b, margin=margin, level=options.level, csv=options.csv)
    print_result(options, result, compared_text)
    return 0 if options.margin is None else int(result["exit_code"])


def _determinism_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scenes", type=Path, required=True, help="pictures: a folder or a CSV")
    parser.add_argument("--model", required=True, help="a zoo model's name or a file")
    parser.add_argument("--sidecar", type=Path, help="the model's sidecar (default: FILE.json beside it)")
    parser.add_argument("--runtime", help="the runtime (default: by the file's suffix)")
    parser.add_argument("--threads", type=int, default=1, help="of the runtime (default: %(default)s)")
    parser.add_argument("--times", type=int, default=10, help="how often (default: %(default)s)")
    parser.add_argument("--pictures", type=int, default=20, help="how many of the pictures (default: %(default)s)")
    parser.add_argument("--lab", type=Path, help="a lab file, for --on")
    parser.add_argument("--on", default="", metavar="DEVICE", help="on this device of the lab, by its agent")


def _run_determinism(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.predictions.repeating import determinism_text, measure_determinism

    names = ("model", "sidecar", "runtime", "threads", "times", "pictures", "lab", "on")
    given = {name: getattr(options, name) for name in names}
    with printing.progress(options) as progress:
        result = measure_determinism(options.scenes, progress=progress, **given)
    print_result(options, result, determinism_text)
    return 0 if result["steady"] else 1


COMMANDS = (
    Command(
        "determinism",
        "say whether a device gives the same answer to the same input again",
        "determinism --scenes photos/labels.csv --model mobilenet-v2 --on pi --lab lab.toml",
        _determinism_options,
        _run_determinism,
    ),
    Command(
        "report",
        "write a run's report",
        "report runs/demo",
        _report_options,
        _run_report,
    ),
    Command(
        "plan",
        "say how many scenes and repeats a wanted interval needs, and how long that takes",
        "plan --expect 0.10 --width 0.02 --lab lab.toml",
        _plan_options,
        _run_plan,
    ),
    Command(
        "check",
        "hold a run against limits for a build pipeline: exit code 0 pass, 1 fail, 4 cannot say yet",
        "check runs/demo --max-instability 0.05",
        _check_options,
        _run_check,
    ),
    Command(
        "compare",
        "say what an update broke and mended, from a run before and a run after it",
        "compare runs/before runs/after --margin 0.02",
        _compare_options,
        _run_compare,
    ),
)
