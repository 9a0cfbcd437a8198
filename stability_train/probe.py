"""Probe models: files with a model's signature that give back their input, to see what a closed app feeds its model.

The app's own model file is swapped for the probe; picture, preprocessing and app stay as they are. Two kinds:
"identity", one file whose output is the input tensor itself, for apps and runtimes that let raw outputs be read; and
"slices", a family of files that keep every output's name, shape and type, and hand out the input in pieces as long as
the outputs are (151 files for 224 x 224 x 3 and 1000 scores), for apps that show or log scores. An app that shows only
a label gives away too little; log its scores. probe.json beside the files says which piece is in which.

TFLite files are written with the schema that ai-edge-litert ships (no converter, so that nothing is changed on the
way), and keep signatures, metadata and packed label files; ONNX files keep their metadata.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from device_agents.errors import BadInput
from stability_train.probe_onnx import onnx_entry, onnx_probe
from stability_train.probe_tflite import tflite_entry, tflite_probe

KINDS = ("identity", "slices")
MOST_FILES = 2000
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Entry:
    """A model's input and the sizes of its outputs: what a probe must keep.

    ``scale`` and ``zero_point`` are the input's quantisation, 0.0 and 0 for none. A free batch counts as 1.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Probe:
    """What probe.json says: the model, the kind, the input, and which of its values each file gives.

    ``pieces`` has (file, output's number, first value, end) rows; the input's values are counted in C order.
    """

    model: str
    kind: str
    input: Entry
    pieces: tuple[tuple[str, int, int, int], ...]


def write_probe(model: Path, folder: Path, *, kind: str = "identity") -> Probe:
    """Write a model's probe files and probe.json into the folder, and give what probe.json says.

    Raises BadInput for another file than .tflite or .onnx, for an unreadable one, for more than one input, and for
    "slices" where the outputs cannot carry the input's values unchanged; MissingExtra where the writer is absent.
    """
    if kind not in KINDS:
        raise BadInput(f"expected a probe of kind {' or '.join(KINDS)}, got '{kind}'")
    if model.suffix not in _FORMATS:
        raise BadInput(f"expected a .tflite or .onnx model, got {model.name}; a probe is written for these two")
    read, make = _FORMATS[model.suffix]
    try:
        data = model.read_bytes()
    except OSError as problem:
        raise BadInput(f"cannot read the model {model}: {problem}") from problem
    entry = Entry(**read(data, str(model)))
    total = int(np.prod(entry.shape))
    room = total if kind == "identity" else sum(entry.outputs)
    starts = range(0, total, room)
    if len(starts) > MOST_FILES:
        raise BadInput(
            f"the outputs of {model.name} hold {room} values: {len(starts)} files for an input of {total}, more than "
            f"{MOST_FILES}; use the kind 'identity'"
        )
    folder.mkdir(parents=True, exist_ok=True)
    pieces: list[tuple[str, int, int, int]] = []
    for number, start in enumerate(starts):
        name = f"{model.stem}.probe{'' if kind == 'identity' else f'-{number:04d}'}{model.suffix}"
        here = [(0, start, total)] if kind == "identity" else _pieces(entry.outputs, start, total)
        made = make(data, None if kind == "identity" else here)
        (folder / name).write_bytes(_with_packed_files(made, data))
        pieces += [(name, *piece) for piece in here]
    probe = Probe(model.name, kind, entry, tuple(pieces))
    (folder / "probe.json").write_text(json.dumps(asdict(probe), indent=1) + "\n", encoding="utf-8")
    return probe


def read_probe(path: Path) -> Probe:
    """Read a probe.json; BadInput where it is none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        entry = values["input"] | {key: tuple(values["input"][key]) for key in ("shape", "outputs")}
        pieces = tuple((str(file), int(out), int(start), int(end)) for file, out, start, end in values["pieces"])
        return Probe(values["model"], values["kind"], Entry(**entry), pieces)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, ValueError) as problem:
        raise BadInput(f"expected a probe.json at {path}, got {type(problem).__name__}: {problem}") from problem


def join_pieces(probe: Probe, outputs: Mapping[str, Sequence[Array]]) -> Array:
    """Put the input tensor together from what each probe file's outputs gave, in the input's shape and type.

    ``outputs`` has, for each file's name, its outputs' values in order. Raises BadInput naming the files that are
    missing.
    """
    missing = sorted({file for file, *_ in probe.pieces if file not in outputs})
    if missing:
        raise BadInput(f"expected the outputs of {len(missing)} more probe files: {', '.join(missing[:5])}")
    values = np.zeros(int(np.prod(probe.input.shape)), np.float64)
    for file, number, start, end in probe.pieces:
        given = np.asarray(outputs[file][number], np.float64).ravel()
        if given.size < end - start:
            raise BadInput(f"{file}: expected at least {end - start} values of output {number}, got {given.size}")
        values[start:end] = given[: end - start]
    return values.astype(probe.input.dtype).reshape(probe.input.shape)


def _pieces(outputs: Sequence[int], start: int, total: int) -> list[tuple[int, int, int]]:
    pieces = []
    for number, size in enumerate(outputs):
        pieces.append((number, min(start, total), min(start + size, total)))
        start += size
    return pieces


def _with_packed_files(made: bytes, model: bytes) -> bytes:
    # TFLite's metadata packs the label files as a ZIP behind the model.
    if not zipfile.is_zipfile(io.BytesIO(model)):
        return made
    file = io.BytesIO(made)
    with zipfile.ZipFile(io.BytesIO(model)) as packed, zipfile.ZipFile(file, "a") as copy:
        for one in packed.infolist():
            copy.writestr(one.filename, packed.read(one))
    return file.getvalue()


_FORMATS: Mapping[str, tuple[Callable[[bytes, str], dict[str, Any]], Callable[..., bytes]]] = {
    ".onnx": (onnx_entry, onnx_probe),
    ".tflite": (tflite_entry, tflite_probe),
}
