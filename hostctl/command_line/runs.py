"""Commands about what is on the disk: import, runs (list, size, prune, retry, ...), licences.

Only what parsing needs is imported here; each command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from device_agents.errors import BadInput
from hostctl.command_line.command import Command, print_result


def _import_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="a CSV file of answers, or a folder DEVICE/ITEM.jpg of photographs")
    parser.add_argument("--truth", type=Path, metavar="FILE", help="the right answers: a CSV file with item and labels")
    parser.add_argument(
        "--names", type=Path, metavar="FILE", help="words for the labels: a CSV file with label and name"
    )
    parser.add_argument("--out", type=Path, help="the run's folder (default: runs/import-SOURCE)")
    parser.add_argument("--keep-place", action="store_true", help="leave GPS coordinates in the photographs")


def _run_import(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.runs.importing_photographs import import_photographs
    from hostctl.runs.importing_predictions import import_predictions, imported_text

    given = {"out": options.out, "truth": options.truth, "names": options.names}
    with printing.progress(options) as progress:
        said = partial(progress, "import")
        if options.source.is_dir():
            found = import_photographs(options.source, keep_place=options.keep_place, progress=said, **given)
        else:
            found = import_predictions(options.source, progress=said, **given)
    return print_result(options, found, imported_text)


def _runs_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("list", "size", "prune", "retry", "export", "migrate"), help="what to do")
    parser.add_argument(
        "run", type=Path, nargs="?", help="the run's folder; for list the folder of runs (default: runs)"
    )
    parser.add_argument("--delete", action="store_true", help="prune: remove the files, do not only list them")
    parser.add_argument("--reason", default="", metavar="TEXT", help="retry: only failures whose reason contains this")
    parser.add_argument("--out", type=Path, help="export: a folder or a file .zip to make; migrate: a folder")
    parser.add_argument(
        "--anonymise",
        action="store_true",
        help="export: without GPS, serial numbers, owners, keys, addresses and embedded thumbnails",
    )


def _run_runs(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.runs import folders as run_folders
    from hostctl.runs.export import export_run

    if options.action == "list":
        return print_result(options, run_folders.list_runs(options.run or Path("runs")), run_folders.list_text)
    if options.run is None:
        raise BadInput(f"runs {options.action}: expected a run's folder, got none")
    if options.action == "size":
        return print_result(options, run_folders.run_size(options.run), run_folders.size_text)
    if options.action == "prune":
        return print_result(options, run_folders.prune_run(options.run, delete=options.delete), run_folders.prune_text)
    if options.action == "retry":
        return print_result(options, run_folders.retry_run(options.run, reason=options.reason), run_folders.retry_text)
    if options.out is None:
        raise BadInput(f"runs {options.action}: expected --out with the copy's name, got none")
    if options.action == "migrate":
        return print_result(options, run_folders.migrate_run(options.run, options.out), run_folders.migrate_text)
    with printing.progress(options) as progress:
        said = partial(progress, "export")
        found = export_run(options.run, options.out, anonymise=options.anonymise, progress=said)
    return print_result(options, found, run_folders.export_text)


def _licences_options(parser: argparse.ArgumentParser) -> None:
    texts = "write the packages' licence files to this folder too; a copy that is handed on must carry them"
    parser.add_argument("--texts", type=Path, metavar="FOLDER", help=texts)


def _run_licences(options: argparse.Namespace) -> int:
    from hostctl.licences import licences, licences_text

    return print_result(options, licences(texts=options.texts), licences_text)


COMMANDS = (
    Command(
        "import",
        "make a run of answers or photographs that are there already",
        "import predictions.csv --truth labels.csv",
        _import_options,
        _run_import,
    ),
    Command(
        "runs",
        "list runs, say their size, prune, export and migrate them, let failed predictions be made again",
        "runs export runs/demo --out demo.zip --anonymise",
        _runs_options,
        _run_runs,
    ),
    Command(
        "licences",
        "list what the kit is made of, and under which licences",
        "licences --texts licences",
        _licences_options,
        _run_licences,
    ),
)
