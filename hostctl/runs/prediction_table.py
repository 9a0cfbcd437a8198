"""Reads answers made elsewhere: a CSV file with a row an answer, every mistake in it told at once with its row."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from analysis.run_folder.parts import TOP_K
from device_agents.errors import BadInput
from device_agents.records import Scene

ALIASES = {"scene": "item", "name": "item", "label_1": "label", "score_1": "score"}  # the kit's own tables say these
OF_SCENES = ("labels", "ambiguous", "cluster", "category")
OF_ANSWERS = ("item", "angle", "repeat", "device", "condition", "model", "label", "score", "error")
HELP = (
    "a CSV file with the columns item, condition (or device) and label, and optionally score, label_2 to label_5 with "
    "score_2 to score_5, angle, repeat, model, error; the right answers in a column labels (several joined by |), "
    "with ambiguous, cluster and category, or in a second file: --truth FILE with item and labels"
)
SURPLUS = "|"  # the key of fields beyond the header's; no column is called so
MOST_SHOWN = 20


@dataclass(frozen=True)
class Answer:
    """One row: what a model answered to an item on a device (or in the condition that stands for one)."""

    line: int
    item: str
    angle: int
    repeat: int
    device: str
    model: str
    labels: tuple[str, ...]
    scores: tuple[float, ...]
    error: str

    @property
    def key(self) -> tuple[str, int, int, str, str]:
        """What may stand once in a table."""
        return self.item, self.angle, self.repeat, self.device, self.model


class Table(NamedTuple):
    """A table as read: its answers in their order, a scene an item, columns that nobody knows, and what it compares."""

    answers: list[Answer]
    scenes: list[Scene]
    ignored: list[str]
    compared: str


@dataclass
class _Read:
    """What one pass over a file finds."""

    columns: list[str]
    lines: list[tuple[int, dict[str, str]]]
    mistakes: list[str] = field(default_factory=list)


def read_answers(table: Path, *, truth: Path | None = None) -> Table:
    """Read a table of answers; it compares the devices if it has a column device, else the conditions.

    A row without a label is a missing answer, its reason in ``error``; a score is a probability 0..1 or empty (NaN).
    Raises BadInput that lists every mistake of both files with its row.
    """
    read = _lines(table)
    device = "device" in read.columns
    needed = ["item", "label", "device" if device or "condition" not in read.columns else "condition"]
    absent = [name for name in needed if name not in read.columns]
    if truth is None and "labels" not in read.columns:
        absent.append("labels")
    if absent:
        got = ", ".join(read.columns) or "none"
        raise BadInput(f"{table}: no column {', '.join(absent)}; expected {HELP}; got the columns {got}")
    told = read if truth is None else _truth(truth)
    mistakes = [f"{table.name} {one}" for one in read.mistakes]
    mistakes += [] if truth is None else [f"{truth.name} {one}" for one in told.mistakes]
    scenes, wrong = _scenes(told)
    mistakes += [f"{(truth or table).name} {one}" for one in wrong]
    answers, wrong = _answers(read, device=device, scenes=scenes, apart=truth is not None)
    mistakes += [f"{table.name} {one}" for one in wrong]
    if mistakes:
        raise BadInput(listed(f"{table}: nothing was imported", mistakes))
    if not answers:
        raise BadInput(f"{table}: expected at least one answer, got none")
    known = {
        *OF_ANSWERS,
        *OF_SCENES,
        *(f"{kind}_{rank}" for kind in ("label", "score") for rank in range(2, TOP_K + 1)),
    }
    used = {one.item for one in answers}
    ignored = [name for name in read.columns if name not in known]
    kept = [one for name, one in scenes.items() if name in used]
    return Table(answers, kept, ignored, "device" if device else "condition")


def read_truth(truth: Path) -> dict[str, Scene]:
    """Read a file of right answers (item, labels; optionally ambiguous, cluster, category): a scene an item."""
    read = _truth(truth)
    scenes, wrong = _scenes(read)
    if read.mistakes or wrong:
        raise BadInput(listed(f"{truth}: nothing was imported", [*read.mistakes, *wrong]))
    return scenes


def listed(first: str, mistakes: Sequence[str]) -> str:
    """One message: what it is about, how many mistakes there are, and the first MOST_SHOWN of them."""
    shown = [f"  {one}" for one in mistakes[:MOST_SHOWN]]
    more = [f"  and {len(mistakes) - MOST_SHOWN} more"] if len(mistakes) > MOST_SHOWN else []
    return "\n".join([f"{first}: {len(mistakes)} mistake{'s' * (len(mistakes) != 1)}", *shown, *more])


def _truth(path: Path) -> _Read:
    read = _lines(path)
    absent = [name for name in ("item", "labels") if name not in read.columns]
    if absent:
        raise BadInput(
            f"{path}: no column {', '.join(absent)}; expected a CSV file with the columns item and labels (several "
            f"joined by |), and optionally ambiguous, cluster, category; got the columns {', '.join(read.columns)}"
        )
    return read


def _lines(path: Path) -> _Read:
    """Read a CSV file's rows, each with the number of its line in the file; columns by their usual names."""
    if not path.is_file():
        raise BadInput(f"expected {HELP}; there is no file {path}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey=SURPLUS, restval="")
            columns = [name.strip() for name in reader.fieldnames or ()]
            columns = [ALIASES[name] if ALIASES.get(name, name) not in columns else name for name in columns]
            reader.fieldnames = columns
            lines = [(reader.line_num, values) for values in reader]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise BadInput(f"{path}: expected a CSV file in UTF-8, got: {problem}") from problem
    read = _Read(columns, lines)
    twice = sorted({name for name in columns if columns.count(name) > 1})
    read.mistakes += [f"row 1: expected each column once, got '{name}' more than once" for name in twice]
    for line, values in lines:
        if SURPLUS in values:
            read.mistakes.append(f"row {line}: expected {len(columns)} fields, got more")
    return read


def _scenes(read: _Read) -> tuple[dict[str, Scene], list[str]]:
    """A scene an item; all rows of an item must say the same of it."""
    told: dict[str, tuple[int, tuple[str, ...]]] = {}
    scenes, mistakes = {}, []
    for line, values in read.lines:
        item = values["item"].strip()
        if not item:
            continue
        said = tuple(values.get(name, "").strip() for name in OF_SCENES)
        first, before = told.setdefault(item, (line, said))
        if said != before:
            differ = [name for name, a, b in zip(OF_SCENES, before, said, strict=True) if a != b]
            mistakes.append(f"row {line} ({item}): expected the {', '.join(differ)} of row {first}, got another")
        if line != first:
            continue
        labels, ambiguous = split(said[0]), split(said[1])
        if both := sorted(set(labels) & set(ambiguous)):
            mistakes.append(f"row {line} ({item}): accepted and ambiguous at once: {', '.join(both)}")
        if not labels:
            mistakes.append(f"row {line} ({item}): expected at least one right answer in labels, got none")
        else:
            scenes[item] = Scene(item, "", "", labels, ambiguous, said[2], said[3])
    return scenes, mistakes


def _answers(read: _Read, *, device: bool, scenes: Mapping[str, Scene], apart: bool) -> tuple[list[Answer], list[str]]:
    answers, mistakes, lines = [], [], dict[tuple[str, int, int, str, str], int]()
    unjudged = (
        {values["item"].strip() for _, values in read.lines} - set(scenes) if "labels" not in read.columns else set()
    )
    for line, values in read.lines:
        answer, wrong = _answer(line, values, device=device)
        if answer.item in unjudged:
            wrong.append("expected right answers of this item in the second file, got none")
        first = lines.setdefault(answer.key, line)
        if first != line and not wrong:
            wrong.append(f"the same item and condition stand in row {first}; tell repeats apart in a column repeat")
        mistakes += [f"row {line} ({answer.item or 'no item'}): {one}" for one in wrong]
        answers.append(answer)
    return answers, mistakes


def _answer(line: int, values: Mapping[str, str], *, device: bool) -> tuple[Answer, list[str]]:
    """One row's answer and what is wrong with it."""
    wrong: list[str] = []
    item, where = values["item"].strip(), values["device" if device else "condition"].strip()
    for name, text in (("item", item), ("device" if device else "condition", where)):
        if not text or "|" in text:
            wrong.append(f"expected a name without | in {name}, got {text!r}")
    # Beside a device, a condition is a way of predicting: it is told as the model.
    told = [values.get("model", "").strip(), values.get("condition", "").strip() if device else ""]
    model = " ".join(filter(None, told))
    labels, scores = list[str](), list[float]()
    for rank in range(1, TOP_K + 1):
        end = "" if rank == 1 else f"_{rank}"
        if (label := values.get(f"label{end}", "").strip()) and len(labels) == rank - 1:
            labels.append(label)
            scores.append(_score(values.get(f"score{end}", "").strip(), f"score{end}", wrong))
        elif label:
            wrong.append(f"expected no label{end} after an empty one, got {label}")
    error = values.get("error", "").strip() or ("" if labels else "no label in the table")
    angle, repeat = (_whole(values.get(name, "").strip(), name, wrong) for name in ("angle", "repeat"))
    return Answer(line, item, angle, repeat, where, model, tuple(labels), tuple(scores), error), wrong


def _score(text: str, column: str, wrong: list[str]) -> float:
    try:
        score = float(text) if text else float("nan")
    except ValueError:
        score = -1.0
    if score < 0 or score > 1 or text.lower() == "nan":
        wrong.append(f"expected a probability of 0 to 1 in {column}, or nothing, got {text!r}")
    return score


def _whole(text: str, column: str, wrong: list[str]) -> int:
    try:
        return int(text or "0")
    except ValueError:
        wrong.append(f"expected a whole number in {column}, got {text!r}")
        return 0


def split(joined: str) -> tuple[str, ...]:
    """Split "wine bottle|red wine" into its labels, each once."""
    return tuple(dict.fromkeys(part.strip() for part in joined.split("|") if part.strip()))
