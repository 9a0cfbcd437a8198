"""Questions to a language model: PIQA, HellaSwag, WinoGrande and LAMBADA files in their published forms, and texts.

Prompts are those of lm-evaluation-harness 0.4 (its tasks of the same names), so that figures can be compared. A small
set of each kind, written for this kit and none of it from those data sets, lies in language_own/.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_agents.errors import BadInput

MOST_SHOWN = 10
OWN = Path(__file__).parent / "own"


@dataclass(frozen=True)
class Choice:
    """One answer to choose: how the model is asked (a context and its continuation), and its words for people."""

    context: str
    continuation: str
    words: str


@dataclass(frozen=True)
class Question:
    """One question: its choices, the place of the right one, and the cluster that it shares with its like.

    A single choice is LAMBADA's: right where its continuation is what the model itself would write. ``words`` is the
    question for people.
    """

    name: str
    choices: tuple[Choice, ...]
    right: int
    cluster: str
    words: str


@dataclass(frozen=True)
class Document:
    """A text and what it is called; its tokens share their fate."""

    name: str
    text: str


Row = Mapping[str, Any]


def read_questions(kind: str, path: Path, *, limit: int | None = None) -> list[Question]:
    """Read a JSONL file of one of READERS, its first ``limit`` questions.

    Raises BadInput listing the lines that are no JSON or lack a field, each with what it lacks, and for an empty file.
    """
    rows = _rows(path)[:limit]
    if kind == "piqa":
        rows = _with_labels(rows, path)
    questions, mistakes = [], []
    for line, row in rows:
        try:
            found = READERS[kind](row)
        except (_Wrong, KeyError, ValueError, TypeError) as problem:
            told = f"no field {problem}" if isinstance(problem, KeyError) else str(problem)
            mistakes.append(f"line {line}: {told}")
            continue
        questions.append(Question(f"{kind}/{line}", *found))
    _refuse(path, mistakes, f"questions in the form of {kind} ({FIELDS[kind]})")
    if not questions:
        raise BadInput(f"{path}: expected at least one question in the form of {kind}, got an empty file")
    return questions


def read_documents(paths: Sequence[Path]) -> list[Document]:
    """Read texts: .txt files, each a document, and .jsonl files with a field text (and document, its name) a line.

    Raises BadInput for a file that cannot be read, two documents of one name, and texts without any word.
    """
    found: list[Document] = []
    for path in paths:
        if path.suffix == ".jsonl":
            rows = _rows(path)
            wrong = [f"line {line}: expected a text in the field text" for line, row in rows if not _is_text(row)]
            _refuse(path, wrong, "texts (text, document)")
            found += [Document(_plain(row.get("document") or f"{path.stem}-{line}"), row["text"]) for line, row in rows]
        else:
            found.append(Document(_plain(path.stem), _text(path)))
    if empty := [one.name for one in found if not one.text.strip()]:
        raise BadInput(f"expected texts with words, got empty ones: {', '.join(empty[:5])}")
    names = [one.name for one in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadInput(f"expected a name of its own for every text, got {', '.join(twice[:5])} twice")
    if not found:
        raise BadInput("expected at least one text, got none")
    return found


def own_file(kind: str) -> Path:
    """The packaged set of a kind: piqa, hellaswag, winogrande, lambada or text."""
    return OWN / f"{kind}.jsonl"


class _Wrong(Exception):
    """What is wrong with one line."""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise BadInput(f"{path}: expected a text file in UTF-8, got: {problem}") from problem


def _rows(path: Path) -> list[tuple[int, Row]]:
    rows: list[tuple[int, Row]] = []
    mistakes = []
    for line, text in enumerate(_text(path).splitlines(), start=1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except json.JSONDecodeError as problem:
            mistakes.append(f"line {line}: no JSON ({problem.msg})")
            continue
        if isinstance(row, dict):
            rows.append((line, row))
        else:
            mistakes.append(f"line {line}: expected an object, got {text[:40]}")
    _refuse(path, mistakes, "a JSON object a line")
    return rows


def _with_labels(rows: list[tuple[int, Row]], path: Path) -> list[tuple[int, Row]]:
    """PIQA is published with its labels in a file of their own, valid-labels.lst beside valid.jsonl."""
    beside = path.with_name(f"{path.stem}-labels.lst")
    if not beside.is_file() or any("label" in row for _, row in rows):
        return rows
    labels = _text(beside).split()
    if len(labels) < len(rows):
        raise BadInput(f"{beside}: expected a label for each of {len(rows)} questions, got {len(labels)}")
    return [(line, {**row, "label": label}) for (line, row), label in zip(rows, labels, strict=False)]


def _refuse(path: Path, mistakes: list[str], wanted: str) -> None:
    if mistakes:
        shown = [f"  {one}" for one in mistakes[:MOST_SHOWN]]
        more = [f"  and {len(mistakes) - MOST_SHOWN} more"] if len(mistakes) > MOST_SHOWN else []
        first = f"{path}: expected {wanted}, got {len(mistakes)} line{'s' * (len(mistakes) != 1)} that are not"
        raise BadInput("\n".join([first, *shown, *more]))


def _is_text(row: Row) -> bool:
    return isinstance(row.get("text"), str)


def _plain(name: Any) -> str:
    return str(name).replace("|", "-").replace("/", "-")


def _words(row: Row, name: str) -> str:
    value = row[name]
    if not isinstance(value, str) or not value.strip():
        raise _Wrong(f"expected words in {name}, got {str(value)[:40]!r}")
    return value


def _place(row: Row, name: str, count: int, *, first: int = 0) -> int:
    value = str(row[name]).strip()
    if value not in map(str, range(first, first + count)):
        raise _Wrong(f"expected {first} to {first + count - 1} in {name}, got {value[:40]!r}")
    return int(value) - first


def _piqa(row: Row) -> tuple[Any, ...]:
    goal, answers = _words(row, "goal"), [_words(row, name) for name in ("sol1", "sol2")]
    context = f"Question: {goal}\nAnswer:"
    choices = tuple(Choice(context, f" {answer}", answer) for answer in answers)
    return choices, _place(row, "label", 2), "", goal


def _hellaswag(row: Row) -> tuple[Any, ...]:
    endings = row["endings"]
    if not isinstance(endings, list) or len(endings) < 2 or not all(isinstance(one, str) and one for one in endings):
        raise _Wrong(f"expected two endings or more, got {str(endings)[:40]!r}")
    context = _words(row, "ctx")
    if {"activity_label", "ctx_a", "ctx_b"} <= set(row):
        context = f"{row['activity_label']}: {row['ctx_a']} {str(row['ctx_b']).capitalize()}"
    context = _without_marks(context)
    choices = tuple(Choice(context, f" {_without_marks(one)}", _without_marks(one)) for one in endings)
    return choices, _place(row, "label", len(endings)), str(row.get("source_id", "")), context


def _without_marks(text: str) -> str:
    """Take out what WikiHow's layout left in HellaSwag, as the harness does: [title], [step], double spaces."""
    text = text.strip().replace(" [title]", ". ")
    return re.sub(r"\[.*?\]", "", text).replace("  ", " ")


def _winogrande(row: Row) -> tuple[Any, ...]:
    sentence = _words(row, "sentence")
    if sentence.count("_") != 1:
        raise _Wrong(f"expected one _ in sentence, got {sentence.count('_')}")
    before, after = sentence.split("_")
    options = [_words(row, name) for name in ("option1", "option2")]
    # The options stand in the context, and what follows both is scored ("partial evaluation", Trinh and Le 2018).
    choices = tuple(Choice(before + option, f" {after.strip()}", option) for option in options)
    if not after.strip():
        raise _Wrong("expected words after the _ in sentence, got none")
    twin = re.sub(r"-[12]$", "", str(row.get("qID", "")))
    return choices, _place(row, "answer", 2, first=1), twin, sentence


def _lambada(row: Row) -> tuple[Any, ...]:
    text = _words(row, "text")
    context, _, last = text.rpartition(" ")
    if not context.strip() or not last:
        raise _Wrong(f"expected a text of several words that ends with a word, got {text[-40:]!r}")
    return (Choice(context, f" {last}", last),), 0, "", text


READERS: dict[str, Callable[[Row], tuple[Any, ...]]] = {
    "hellaswag": _hellaswag,
    "lambada": _lambada,
    "piqa": _piqa,
    "winogrande": _winogrande,
}
FIELDS = {
    "hellaswag": "ctx, endings, label",
    "lambada": "text",
    "piqa": "goal, sol1, sol2, label",
    "winogrande": "sentence, option1, option2, answer",
}
