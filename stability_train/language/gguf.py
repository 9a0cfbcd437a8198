"""Reads a GGUF file of a Llama-like language model: its sizes, its weights in float32, and its vocabulary.

GGUF is llama.cpp's format (ggml/docs/gguf.md); quantised weights are widened with gguf's own code. Its converter
stores the rows of queries and keys so that a head's rotated pairs are neighbours (2i, 2i + 1); they are brought back
to the halves (i, i + d/2) of the original checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from device_agents.errors import BadInput, MissingExtra

Array = np.ndarray[Any, np.dtype[Any]]

ARCHITECTURE = "llama"
LAYER = {
    "attention-norm": "attn_norm",
    "query": "attn_q",
    "key": "attn_k",
    "value": "attn_v",
    "output": "attn_output",
    "mlp-norm": "ffn_norm",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}


@dataclass(frozen=True)
class Sizes:
    """What a Llama is made of: layers, width of the residual, heads (of which keys and values share ``groups``)."""

    layers: int
    width: int
    hidden: int
    heads: int
    groups: int
    vocabulary: int
    context: int
    rotary_base: float
    epsilon: float

    @property
    def head_width(self) -> int:
        """Numbers of one head."""
        return self.width // self.heads


@dataclass(frozen=True)
class Vocabulary:
    """A file's own tokenizer: its kind and splitter by llama.cpp's names, pieces by token, merges, special tokens.

    ``prefix`` is the token that a text begins with where nothing stands before it, ``end`` the one that ends a text.
    """

    kind: str
    splitter: str
    pieces: tuple[str, ...]
    merges: tuple[str, ...]
    special: tuple[int, ...]
    prefix: int
    end: int


@dataclass(frozen=True)
class Checkpoint:
    """A file read: ``weight`` gives one weight in float32, shape (out, in) or (size,), by the names below.

    "embedding", "norm", "head" (the embedding where the file has no own), and "LAYER/NAME" with the names of LAYER.
    """

    name: str
    sizes: Sizes
    vocabulary: Vocabulary
    weight: Callable[[str], Array]


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a GGUF file; weights are read when they are asked for.

    Raises BadInput for another or a broken file, another architecture, absent or misshapen weights, or a vocabulary
    of another size than the embedding; MissingExtra without gguf.
    """
    reader = _reader(path)
    fields = {name: field for name, field in reader.fields.items()}
    tensors = {one.name: one for one in reader.tensors}
    kind = _value(path, fields, "general.architecture", str)
    if kind != ARCHITECTURE:
        raise BadInput(f"{path}: expected a language model of the architecture {ARCHITECTURE}, got {kind}")
    sizes = _sizes(path, fields, tensors)
    _check_shapes(path, sizes, tensors)
    name = str(fields["general.basename"].contents() if "general.basename" in fields else path.stem)

    def weight(asked: str) -> Array:
        return _weight(tensors, sizes, asked)

    return Checkpoint(name, sizes, _vocabulary(path, fields, sizes), weight)


def _reader(path: Path) -> Any:
    try:
        from gguf import GGUFReader
    except ImportError as problem:
        raise MissingExtra(
            "a language model needs gguf, not installed here; install instability-kit[language]"
        ) from problem
    try:
        return GGUFReader(path)
    except (OSError, ValueError, KeyError, IndexError, OverflowError, UnicodeDecodeError) as problem:
        raise BadInput(f"{path}: expected a whole GGUF file, got: {problem}") from problem


def _value(path: Path, fields: Mapping[str, Any], name: str, kind: type) -> Any:
    if name not in fields:
        raise BadInput(f"{path}: expected the field {name} in the GGUF file, got none")
    value = fields[name].contents()
    if kind is float and isinstance(value, int):
        value = float(value)
    if not isinstance(value, kind):
        raise BadInput(f"{path}: expected {name} to be of {kind.__name__}, got {str(value)[:60]!r}")
    return value


def _sizes(path: Path, fields: Mapping[str, Any], tensors: Mapping[str, Any]) -> Sizes:
    def number(name: str, kind: type = int) -> Any:
        return _value(path, fields, f"{ARCHITECTURE}.{name}", kind)

    embedding = tensors.get("token_embd.weight")
    if embedding is None:
        raise BadInput(f"{path}: expected the weight token_embd.weight, got none")
    heads = number("attention.head_count")
    found = Sizes(
        layers=number("block_count"),
        width=number("embedding_length"),
        hidden=number("feed_forward_length"),
        heads=heads,
        groups=number("attention.head_count_kv") if f"{ARCHITECTURE}.attention.head_count_kv" in fields else heads,
        vocabulary=int(embedding.shape[1]),
        context=number("context_length"),
        rotary_base=number("rope.freq_base", float) if f"{ARCHITECTURE}.rope.freq_base" in fields else 10_000.0,
        epsilon=number("attention.layer_norm_rms_epsilon", float),
    )
    if min(found.layers, found.width, found.heads, found.groups, found.context) < 1 or found.width % found.heads:
        raise BadInput(f"{path}: expected heads that share the width out evenly, got {found}")
    if found.heads % found.groups or found.head_width % 2:
        raise BadInput(f"{path}: expected heads in even groups and of an even width, got {found}")
    rotated = f"{ARCHITECTURE}.rope.dimension_count"
    if rotated in fields and number("rope.dimension_count") != found.head_width:
        raise BadInput(f"{path}: expected all {found.head_width} numbers of a head to be rotated, got another count")
    if any(name.startswith(f"{ARCHITECTURE}.rope.scaling") for name in fields) or "rope_freqs.weight" in tensors:
        raise BadInput(f"{path}: expected plain rotary positions, got scaled ones, which this kit does not compute")
    return found


def _shapes(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """The shape (out, in) of every weight of one layer."""
    width, hidden, shared = sizes.width, sizes.hidden, sizes.groups * sizes.head_width
    squares: dict[str, tuple[int, ...]] = {"query": (width, width), "output": (width, width)}
    narrow: dict[str, tuple[int, ...]] = {"key": (shared, width), "value": (shared, width)}
    wide: dict[str, tuple[int, ...]] = {"gate": (hidden, width), "up": (hidden, width), "down": (width, hidden)}
    return {**squares, **narrow, **wide, "attention-norm": (width,), "mlp-norm": (width,)}


def _check_shapes(path: Path, sizes: Sizes, tensors: Mapping[str, Any]) -> None:
    wanted: dict[str, tuple[int, ...]] = {"output_norm.weight": (sizes.width,)}
    wanted["token_embd.weight"] = (sizes.vocabulary, sizes.width)
    if "output.weight" in tensors:
        wanted["output.weight"] = wanted["token_embd.weight"]
    for layer in range(sizes.layers):
        wanted |= {f"blk.{layer}.{LAYER[name]}.weight": shape for name, shape in _shapes(sizes).items()}
    for name, shape in wanted.items():
        got = tuple(int(size) for size in reversed(tensors[name].shape)) if name in tensors else None
        if got != shape:
            raise BadInput(f"{path}: expected the weight {name} of shape {shape}, got {got or 'none'}")
    if strange := sorted(name for name in tensors if name not in wanted and name != "output.weight"):
        raise BadInput(f"{path}: expected the weights of a plain Llama, got others too: {', '.join(strange[:3])}")


def _weight(tensors: Mapping[str, Any], sizes: Sizes, asked: str) -> Array:
    from gguf.quants import dequantize

    names = {"embedding": "token_embd.weight", "norm": "output_norm.weight"}
    names["head"] = "output.weight" if "output.weight" in tensors else "token_embd.weight"
    layer, _, name = asked.partition("/")
    tensor = tensors[f"blk.{layer}.{LAYER[name]}.weight" if name else names[asked]]
    values = np.asarray(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
    heads = {"query": sizes.heads, "key": sizes.groups}.get(name)
    return values if heads is None else _halves(values, heads)


def _halves(weights: Array, heads: int) -> Array:
    """Undo llama.cpp's order of rows (out, in): each head's neighbours (2i, 2i + 1) become the halves (i, i + d/2)."""
    rows = weights.reshape(heads, weights.shape[0] // heads // 2, 2, weights.shape[1])
    return np.ascontiguousarray(rows.swapaxes(1, 2).reshape(weights.shape))


def _vocabulary(path: Path, fields: Mapping[str, Any], sizes: Sizes) -> Vocabulary:
    def several(name: str) -> list[Any]:
        return list(fields[name].contents()) if name in fields else []

    def token(name: str, default: int) -> int:
        found = int(fields[f"tokenizer.ggml.{name}"].contents()) if f"tokenizer.ggml.{name}" in fields else default
        if not 0 <= found < sizes.vocabulary:
            raise BadInput(f"{path}: expected {name} within a vocabulary of {sizes.vocabulary}, got {found}")
        return found

    pieces = several("tokenizer.ggml.tokens")
    if len(pieces) != sizes.vocabulary:
        raise BadInput(
            f"{path}: the tokenizer lacks the model's vocabulary: expected {sizes.vocabulary} tokens as the embedding "
            f"has rows, got {len(pieces)}"
        )
    end = token("eos_token_id", 0)
    return Vocabulary(
        kind=str(fields["tokenizer.ggml.model"].contents() if "tokenizer.ggml.model" in fields else ""),
        splitter=str(fields["tokenizer.ggml.pre"].contents() if "tokenizer.ggml.pre" in fields else "default"),
        pieces=tuple(pieces),
        merges=tuple(several("tokenizer.ggml.merges")),
        special=tuple(place for place, kind in enumerate(several("tokenizer.ggml.token_type")) if kind == 3),
        prefix=token("bos_token_id", end),
        end=end,
    )
