"""`instability language questions`: multiple-choice questions in each condition, as a run; accuracies and changes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.hashing import hash_file
from device_agents.records import Picture, Scene
from hostctl.languages.asked import Asked, check, note, ways
from hostctl.languages.cards import question_card
from hostctl.languages.filling import fill
from hostctl.languages.rows import COLUMNS, question_rows
from hostctl.printing import Progress
from stability_train.language.answers import Answered, answer, labels_of
from stability_train.language.predictor import Predictor
from stability_train.language.questions import READERS, Question, own_file, read_questions

TOP_K = 5
WHERE = "questions"


def ask_questions(
    files: Mapping[str, Path], *, asked: Asked, out: Path | None, limit: int | None, progress: Progress
) -> dict[str, Any]:
    """Answer the questions of files (kind -> JSONL file; none: the packaged sets) in every condition asked for.

    The run (default runs/language) has a scene a question, its accepted label the right choice. Gives run, model, own
    (whether the packaged sets were used) and rows: kind, condition, questions, acc, acc_norm (None where the kind has
    none), delta (acc of the base minus this), flips (another answer than the base's), instability (right in one and
    wrong in the other), each with its interval. Raises BadInput for every mistake in the files, before any work.
    """
    check(asked)
    own = not files
    files = files or {kind: own_file(kind) for kind in sorted(READERS)}
    questions = {one.name: one for kind, path in files.items() for one in read_questions(kind, path, limit=limit)}
    model, found = ways(asked, progress=progress)
    settings = {kind: {"file": path.name, "sha256": hash_file(path)} for kind, path in files.items()}
    told = {"kind": "questions", "model": model.name, "sha256": model.source_sha256, "limit": limit or 0}
    with Run.open_or_create(
        out or Path("runs") / "language",
        settings={"pictures": WHERE, "language": told, "questions": settings},
        scenes=[_scene(one) for one in questions.values()],
    ) as run:
        _add_cards(run, list(questions.values()))
        note(run, model, found)

        def answers(predictor: Predictor, pictures: Sequence[Picture]) -> Iterator[tuple[Picture, Answered | BadInput]]:
            for picture in pictures:
                try:
                    yield picture, answer(predictor, questions[picture.scene], top_k=TOP_K)
                except BadInput as problem:
                    yield picture, problem

        fill(run, model, found, answers, progress=progress)
        table = run.predictions(COLUMNS)
        rows = question_rows(table, found, {name: one.right for name, one in questions.items()})
    return {"run": str(run.folder), "model": model.name, "own": own, "rows": rows}


def _scene(question: Question) -> Scene:
    labels = labels_of(question)
    kind = question.name.split("/")[0]
    cluster = f"{kind} {question.cluster}" if question.cluster else question.name
    return Scene(question.name, "", "", (labels[question.right],), (), cluster, kind)


def _add_cards(run: Run, questions: Sequence[Question]) -> None:
    """Commit a card for each question that has none yet."""
    there = {one.scene for one in run.picture_records()}
    for question in questions:
        if question.name not in there:
            card, width, height = question_card(question)
            sha256 = hashlib.sha256(card).hexdigest()
            record = Picture(question.name, sha256, ".png", len(card), width, height, question.name)
            run.add_picture(record, {sha256: card})
