"""Commands about the laboratory itself: qualify (is the rack fit to measure), drift (did it change during a run).

Only what parsing needs is imported here; each command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hostctl.command_line.command import Command, print_result


def _qualify_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", type=Path, help="the lab file (TOML): display, session, devices")
    parser.add_argument("--shots", type=int, default=4, metavar="N", help="of each chart (default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="RUN", help="the run's folder (default: runs/qualify-LAB-TIME)")
    wait = "how long to wait for devices that another command holds (default: not at all)"
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help=wait)


def _run_qualify(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.quality.page import qualified_text
    from hostctl.quality.qualifying import qualify

    with printing.progress(options) as progress:
        result = qualify(options.lab, shots=options.shots, out=options.out, wait_s=options.wait, progress=progress)
    print_result(options, result, qualified_text)
    return 1 if result["failed"] else 0


def _drift_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="a run whose lab file has [session] golden_every")
    first = "limits from the first K photographs of each device (default: from all)"
    parser.add_argument("--baseline", type=int, default=0, metavar="K", help=first)


def _run_drift(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.quality.drifting import drift, drift_text

    with printing.progress(options) as progress:
        result = drift(options.run, baseline=options.baseline, progress=progress)
    print_result(options, result, drift_text)
    return 1 if result["drifts"] else 0


COMMANDS = (
    Command(
        "qualify",
        "photograph built-in charts and say whether each device is fit to measure",
        "qualify lab.toml --shots 4",
        _qualify_options,
        _run_qualify,
    ),
    Command(
        "drift",
        "say whether screen or cameras changed during a run, by its golden scene",
        "drift runs/monday",
        _drift_options,
        _run_drift,
    ),
)
