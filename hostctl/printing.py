"""What a person reads in the terminal: progress with the time left on standard error, tables and answers as text."""

from __future__ import annotations

import argparse
import contextlib
import io
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from hostctl.plain_words import plain

Progress = Callable[[str, int, int, str], None]
MOST_FAILURES = 5
PIPED_WIDTH = 140  # of tables where no terminal says how wide it is
GAP = 2  # between two columns
QUIET_EVERY_S = 5.0  # without a terminal, a line of progress at most so often


def silent(stage: str, done: int, total: int, note: str) -> None:
    """Take progress and say nothing."""


@contextlib.contextmanager
def progress(options: argparse.Namespace) -> Iterator[Progress]:
    """Give the function that a long command reports to: (stage, done, total, note); a bar, lines, or silence."""
    if options.quiet:
        yield silent
    elif sys.stderr.isatty():
        with _bars() as report:
            yield report
    else:
        yield _lines()


@contextlib.contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    tasks: dict[str, Any] = {}
    columns = (
        TextColumn("{task.description:<18}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True)) as bars:

        def report(stage: str, done: int, total: int, note: str) -> None:
            note = plain(note)
            if not total and stage not in tasks:  # a word by the way, such as the live page's address
                if note:
                    bars.console.print(f"{stage}: {note}", markup=False, highlight=False)
                return
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total or None)
            bars.update(tasks[stage], completed=done, total=total or None)
            if note:
                bars.console.print(f"{stage}: {note}", markup=False, highlight=False)

        yield report


def _lines() -> Progress:
    last: dict[str, float] = {}
    first: dict[str, tuple[float, int]] = {}

    def report(stage: str, done: int, total: int, note: str) -> None:
        now = time.monotonic()
        first.setdefault(stage, (now, done))
        if note or done == total or now - last.get(stage, 0.0) >= QUIET_EVERY_S:
            last[stage] = now
            count = f" {done}/{total}" if total else ""
            told = f"{stage}:{count}{_left(first[stage], now, done, total)} {note}".rstrip()
            print(plain(told), file=sys.stderr)

    return report


def _left(first: tuple[float, int], now: float, done: int, total: int) -> str:
    since, start = first
    if done <= start or done >= total:
        return ""
    return f", {(now - since) / (done - start) * (total - done):.0f} s left"


def table_text(rows: Sequence[Mapping[str, Any]], *, width: int | None = None) -> str:
    """Lay out rows as a table, columns in the order of the first row's keys; numbers to the right.

    width: in characters, by default the terminal's; where the cells need more they are folded.
    """
    from rich.console import Console
    from rich.table import Table

    if not rows:
        return "(nothing)"
    table = Table(box=None, pad_edge=False, header_style="bold")
    for key, value in rows[0].items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        table.add_column(str(key).replace("_", " "), justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*[_cell(value) for value in row.values()])
    out = io.StringIO()
    console = Console(file=out, width=width or (None if sys.stdout.isatty() else PIPED_WIDTH), force_terminal=False)
    console.print(table, markup=False)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def wide_table_text(rows: Sequence[Mapping[str, Any]], *, width: int | None = None) -> str:
    """Lay out rows of many columns: as many tables below each other as the width wants, each with the first column.

    Headings are broken into lines before any cell is. width as in table_text.
    """
    room = width or (shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPED_WIDTH)
    if not rows:
        return table_text(rows)
    headings = {key: str(key).replace("_", " ") for key in rows[0]}
    widths = {
        key: max(len(part) for part in (*heading.split(), *(_cell(row[key]) for row in rows)))
        for key, heading in headings.items()
    }
    first, *others = widths
    blocks: list[list[str]] = [[first]]
    for key in others:
        if len(blocks[-1]) > 1 and sum(widths[one] + GAP for one in blocks[-1]) + widths[key] > room:
            blocks.append([first])
        blocks[-1].append(key)
    broken = {key: textwrap.fill(heading, widths[key]) for key, heading in headings.items()}
    parts = [[{broken[key]: row[key] for key in block} for row in rows] for block in blocks]
    return "\n\n".join(table_text(part, width=room) for part in parts)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "-" if value != value else f"{value:.4g}"
    return "-" if value is None else str(value)


def percent(rate: float | None, interval: Sequence[float] | None = None) -> str:
    """Write a rate as a percentage with its interval: "14.0 % [9.1, 20.3]"; "-" where there is none."""
    if rate is None or rate != rate:
        return "-"
    text = f"{100 * rate:.1f} %"
    return text if interval is None else f"{text} [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"


def predict_text(result: Mapping[str, Any]) -> str:
    """Lay out what `instability predict` found: accuracy and how it was made, or a table of environments."""
    if "rows" in result:
        return _grid_text(result)
    lines = [f"{result['model']} on {result['pictures']} pictures"]
    if "objects" in result:
        found = result["objects"]
        lines.append(f"  objects right  {percent(found['accuracy'], found['interval'])} of {found['count']}")
        lines += [f"  mIoU           {percent(result['miou'])}"] if "miou" in result else []
    else:
        for name, key in (("top-1", "top_1"), ("top-5", "top_5")):
            lines.append(f"  {name} accuracy  {percent(result[key]['accuracy'], result[key]['interval'])}")
    lines += [f"  {key:<14} {result[key]}" for key in ("preprocessing", "decoder", "view", "runtime", "run")]
    for key in ("failed", "not_available"):
        if result[key]:
            lines.append(f"  {key.replace('_', ' '):<14} {result[key]}")
    lines += [f"    {line}" for line in result["failures"][:5]]
    lines += _again(result)
    if result["not_made"]:
        lines += [f"  not made       {len(result['not_made'])}", *(f"    {line}" for line in result["not_made"][:5])]
    return "\n".join([*lines, *_against_host(result), *(f"  note: {line}" for line in result.get("label_gaps", ()))])


def _again(result: Mapping[str, Any]) -> list[str]:
    """How to have failed predictions made again, which the same command alone does not do."""
    failed = result["failed"] or result["not_available"]
    return [f"  once mended    instability runs retry {result['run']}, then this command"] if failed else []


def _against_host(result: Mapping[str, Any]) -> list[str]:
    """How a device's predictions differ from this host's of the same run, in one line; none for the host itself."""
    found = result.get("against_host")
    if not found:
        return []
    if not found["both"]:
        return ["  against host   nothing to compare: the same command without --on predicts here"]
    stages = ", ".join(f"{name} {count}" for name, count in found["first_stage"].items())
    told = f"  against host   {found['differing']} of {found['both']} cells differ"
    return [told + (stages and f": first in {stages}")]


def _grid_text(result: Mapping[str, Any]) -> str:
    of_objects = partial(_compared_row, objects=result.get("unit") == "object")
    cells = _stacked_row if result["design"] == "stacked" else of_objects
    lines = [f"{result['model']} on {result['pictures']} pictures in {result['environments']} conditions", ""]
    rows = [cells(row) for row in result["rows"]]
    if not result["not_available"]:
        rows = [{name: cell for name, cell in row.items() if name != "not available"} for row in rows]
    lines += [table_text(rows), ""]
    if result["design"] == "stacked":
        lines.append(
            f"half of the scenes (seed {result['seed']}) choose, the other half score; all: {result['stacked']}"
        )
    else:
        what = "objects" if result.get("unit") == "object" else "pictures"
        lines.append(f"against the base: the change of accuracy, {what} with another label, right in exactly one")
    lines += [f"  {key:<14} {result[key]}" for key in ("preprocessing", "run")]
    keys = ("isp", "codec", "precision", "decoder", "view", "colour", "fit", "resizer", "scaling", "runtime", "threads")
    base = " ".join(f"{key}={result['base'][key]}" for key in keys if result["base"].get(key))
    lines.append(f"  base           {base}")
    if result["not_available"]:
        lines.append(f"  not available  {result['not_available']} predictions that this machine cannot make")
    if broken := result["failed"] - result["not_available"]:
        lines.append(f"  failed         {broken} predictions; the run's table has their reasons")
    lines += [*_again(result), *_against_host(result)]
    if result["not_made"]:
        lines.append(f"  not made       {len(result['not_made'])} pictures, such as {result['not_made'][0]}")
    return "\n".join([*lines, *(f"  note: {line}" for line in result.get("label_gaps", ()))])


def _compared_row(row: Mapping[str, Any], *, objects: bool = False) -> dict[str, str]:
    return {
        "changed": " ".join(f"{family}={variant}" for family, variant in row["changed"].items()) or "(base)",
        **({"mIoU": percent(row["miou"])} if "miou" in row else {}),
        ("objects right" if objects else "top-1 accuracy"): percent(row["accuracy"], row["interval"]),
        "difference": percent(row["difference"], row["difference_interval"]),
        "other label": percent(row["flips"]),
        "instability": percent(row["instability"], row["instability_interval"]),
        "failed": str(row["failed"] - row["not_available"]),
        "not available": str(row["not_available"]),
    }


def _stacked_row(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "round": str(row["round"]),
        "added": f"{row['family']}={row['variant']}" if row["family"] else "(base)",
        "accuracy, choosing half": percent(row["choosing_accuracy"]),
        "accuracy, scoring half": percent(row["accuracy"], row["interval"]),
        "difference to base": percent(row["difference"], row["difference_interval"]),
    }


def develop_text(result: Mapping[str, Any]) -> str:
    """Lay out what `instability develop` made: a row for each ISP and codec, then the first failures."""
    rows = [{**row, "isp": row["isp"] or "(as shot)"} for row in result["rows"]]
    lines = [table_text([{key.replace("mb_", "MB "): value for key, value in row.items()} for row in rows])]
    if failures := result["failures"]:
        more = f"; the first {MOST_FAILURES}" if len(failures) > MOST_FAILURES else ""
        lines += ["", f"{len(failures)} failed, the same command tries them again{more}:"]
        lines += [f"  {line}" for line in failures[:MOST_FAILURES]]
    return "\n".join([*lines, f"run     {result['run']}"])


def noise_text(result: Mapping[str, Any]) -> str:
    """Lay out what `instability noise` measured: a line a family, or the share of pixels of a map."""
    if "summary" not in result:
        share = f"{percent(result['share'])} of the pixels differ by more than {percent(result['threshold'])}"
        return f"{share}: {result['first']}, {result['second']}\npage  {result['page']}"
    left_out = [f"  left out: {line}" for line in result["left_out"]]
    return "\n".join([table_text(result["summary"]), *left_out, f"page  {result['page']}", f"csv   {result['csv']}"])


def dataset_text(result: Mapping[str, Any]) -> str:
    """Lay out what `instability dataset` wrote."""
    size = f"{result['bytes'] / 1e6:.1f} MB"
    lines = [f"{result['dataset']}: {result['pictures']} pictures, {result['made_now']} made now, {size}"]
    lines += [f"  {key:<8} {value}" for key, value in result["variant"].items() if value]
    lines += [f"  {result['preprocessing']['how']}"]
    if result["failed"]:
        lines += [f"  failed   {result['failed']}", *(f"    {line}" for line in result["failures"][:5])]
    return "\n".join(lines)


def devices_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Lay out the check of a lab's devices: a table, and under it what is wrong, a line a device."""
    table = table_text([{key: value for key, value in row.items() if key != "problem"} for row in rows])
    wrong = [f"{row['device']}: {row['problem'].removeprefix(row['device'] + ': ')}" for row in rows if row["problem"]]
    return "\n".join([table, *([""] if wrong else []), *wrong])


def model_text(result: Mapping[str, str]) -> str:
    """Lay out a model's files and its preprocessing."""
    return "\n".join(f"{key:<14} {value}" for key, value in result.items())


def run_text(result: Mapping[str, Any]) -> str:
    """Lay out a run's summary: the answer, then accuracy by device, then what is missing and where the report is."""
    lines = [*_answer_lines(result), *_cut_lines(result)]
    if result["retaken"]:
        lines.append(f"{result['retaken']} photographs were refused and taken again; the report says why")
    if result["photographs_missing"]:
        lines.append(
            f"{result['photographs_missing']} photographs are missing; run the same command again to retry them:"
        )
        lines += [f"  {step}" for step in result["missing_steps"][:5]]
    lines += [f"  {failure}" for failure in result["failures"][:5]]
    if "drift" in result:
        told = result["drift"]
        lines += [f"{told['sentence']}; see `instability drift {result['run']}`", f"  {told['remark']}"]
    lines.append(f"run     {result['run']}")
    if "report" in result:
        lines.append(f"report  {result['report']}")
    lines += [f"{form:<7} {path}" for form, path in result.get("files", {}).items()]
    return "\n".join(lines)


def _answer_lines(result: Mapping[str, Any]) -> list[str]:
    if not result["predictions"]:
        return [f"{result['pictures']} pictures, no predictions yet"]
    from analysis.pages.answer import headline, noun, remarks

    rows = [
        {noun(result): name, "accuracy": percent(one["accuracy"], (one["low"], one["high"]))}
        for name, one in result["accuracy"].items()
    ]
    told = [headline(result), *remarks(result, virtual=result["virtual"])]
    return ["", *told, "", table_text(rows), ""]


def _cut_lines(result: Mapping[str, Any]) -> list[str]:
    if "cut" not in result:
        return []
    cut = result["cut"]
    what = f"across {', '.join(cut['across'])}, {' x '.join(cut['item'])} fixed, top-{cut['top_n']}"
    return [f"instability {what}: {percent(cut['rate'], cut['interval'])} of {cut['items']} items", ""]


def variants_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Lay out the families, one table each; variants with one group number give identical pixels on this machine."""
    parts = []
    for family in dict.fromkeys(row["family"] for row in rows):
        shown = [
            {**{key: row[key] for key in ("variant", "available")}, "group": row["group"] or None}
            | {key: row[key] for key in ("library", "help")}
            for row in rows
            if row["family"] == family
        ]
        parts.append(f"{family}\n{table_text(shown)}")
    return "\n\n".join([*parts, "One group number in a family: identical pixels on this machine, measured just now."])
