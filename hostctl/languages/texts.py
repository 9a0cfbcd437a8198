"""`instability language text`: every place of texts in each condition, as a run; perplexity and next-token flips."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.records import Picture, Scene
from hostctl.languages.asked import Asked, check, note, ways
from hostctl.languages.filling import fill
from hostctl.languages.rows import COLUMNS, text_rows
from hostctl.printing import Progress
from stability_train.language.answers import Answered, places
from stability_train.language.models import LanguageModel
from stability_train.language.predictor import MOST_CONTEXT, Predictor
from stability_train.language.questions import Document, own_file, read_documents
from stability_train.language.tokens import read_tokenizer

TOP_K = 5
BLOCK = 4096  # places that are committed at once
WHERE = "texts"


@dataclass(frozen=True)
class Windows:
    """How texts are read: windows of ``length`` tokens, of which each but the first scores ``stride`` new ones."""

    length: int = 512
    stride: int = 256


def read_texts(
    files: Sequence[Path], *, asked: Asked, windows: Windows, out: Path | None, progress: Progress
) -> dict[str, Any]:
    """Ask for the next token at every place of texts (none: the packaged ones) in every condition asked for.

    The run (default runs/language-text) has a scene a place, its accepted label the token that the text has there; the
    text is the cluster. Gives run, model, own, windows and rows: condition, tokens, documents, perplexity, ratio (to
    the base's), right (share of places at which the first guess is the text's token), delta, flips and instability as
    questions.ask_questions, each with its interval by documents. Raises BadInput before any work.
    """
    check(asked)
    if not 1 <= windows.stride <= windows.length <= MOST_CONTEXT:
        raise BadInput(
            f"expected a stride of 1 to the window's length, and that at most {MOST_CONTEXT}, got "
            f"--stride {windows.stride} --window {windows.length}"
        )
    documents = read_documents(files or [own_file("text")])
    model, found = ways(asked, progress=progress)
    tokens = _tokens(model, documents)
    scenes = [_scene(model, name, ids) for name, ids in tokens.items()]
    hashes = {one.name: hashlib.sha256(one.text.encode()).hexdigest() for one in documents}
    told = {"kind": "text", "model": model.name, "sha256": model.source_sha256, **asdict(windows)}
    with Run.open_or_create(
        out or Path("runs") / "language-text",
        settings={"pictures": WHERE, "language": told, "texts": hashes},
        scenes=[scene for some in scenes for scene in some],
    ) as run:
        there = {one.scene for one in run.picture_records()}
        run.add_pictures([_unseen(one) for some in scenes for one in some if one.scene not in there], {})
        note(run, model, found)

        def answers(predictor: Predictor, pictures: Sequence[Picture]) -> Iterator[tuple[Picture, Answered | BadInput]]:
            yield from _answers(predictor, pictures, tokens, windows)

        fill(run, model, found, answers, block=BLOCK, progress=progress)
        rows = text_rows(run.predictions(COLUMNS), found)
    return {"run": str(run.folder), "model": model.name, "own": not files, "windows": asdict(windows), "rows": rows}


def _tokens(model: LanguageModel, documents: Sequence[Document]) -> dict[str, list[int]]:
    tokenizer = read_tokenizer(model.tokenizer, rows=model.vocabulary)
    return {one.name: list(tokenizer.encode(one.text, add_special_tokens=False).ids) for one in documents}


def _scene(model: LanguageModel, name: str, ids: Sequence[int]) -> list[Scene]:
    """A scene for each place of a text; the label is the token as the vocabulary writes it."""
    tokenizer = read_tokenizer(model.tokenizer, rows=model.vocabulary)
    pieces = [str(tokenizer.id_to_token(token)) for token in ids]
    return [Scene(f"{name}/{place:05d}", "", "", (piece,), (), name, name) for place, piece in enumerate(pieces)]


def _unseen(scene: Scene) -> Picture:
    """The picture that a place of a text is: there is no file of it."""
    return Picture(scene.scene, "", "", 0, 0, 0, scene.scene)


def _answers(
    predictor: Predictor, pictures: Sequence[Picture], tokens: Mapping[str, Sequence[int]], windows: Windows
) -> Iterator[tuple[Picture, Answered | BadInput]]:
    """Answer some places, text by text: a window is computed as a whole, and what is not asked of it left out."""
    pieces = predictor.pieces()
    wanted: dict[str, dict[int, Picture]] = {}
    for one in pictures:
        name, _, place = one.scene.rpartition("/")
        wanted.setdefault(name, {})[int(place)] = one
    for name, due in wanted.items():
        within = range(min(due), max(due) + 1)
        given = {"length": windows.length, "stride": windows.stride, "top_k": TOP_K}
        try:
            for number, answered in places(predictor, tokens[name], pieces=pieces, within=within, **given):
                if number in due:
                    yield due.pop(number), answered
        except BadInput as problem:
            yield from [(picture, problem) for picture in due.values()]
