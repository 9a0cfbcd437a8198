"""A tiny random Llama as a GGUF file, and what such a file computes, worked out in plain numpy from its raw weights.

The forward pass shares nothing with the kit's graph: it reads the file's own rows (rotated pairs are neighbours), turns
them as complex numbers, and goes through heads and places one by one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

WORDS = ["<|end|>", "<|start|>"]
LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
MERGES = ["Ġ t", "h e", "Ġt he", "i n", "e r", "a n"]
PIECES = [*WORDS, "Ġ", *LETTERS, ".", *(merge.replace(" ", "") for merge in MERGES), "Ċ", "?", ":", "Q", "A", "T"]
LAYERS, WIDTH, HIDDEN, HEADS, GROUPS, CONTEXT, BASE, EPSILON = 2, 32, 64, 4, 2, 64, 10_000.0, 1e-5

LAMBADA = [{"text": text} for text in ("the thin tin", "the hen in the inn", "an inner tent", "than the ether")]
PIQA = [
    {"goal": "the tin", "sol1": "a thin hen", "sol2": "in", "label": 0},
    {"goal": "the hen", "sol1": "tent", "sol2": "the inn", "label": 1},
    {"goal": "an inn", "sol1": "ether", "sol2": "an inner tin", "label": 1},
]
TEXTS = {"first": "the thin tin. than the hen in the inn.", "second": "an inner tent than the ether. a tin."}


def write_folder(folder: Path) -> Path:
    """Write tiny.gguf, lambada.jsonl, piqa.jsonl, first.txt and second.txt, of words that the vocabulary has."""
    write_gguf(folder / "tiny.gguf", weights())
    for name, rows in (("lambada", LAMBADA), ("piqa", PIQA)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, text in TEXTS.items():
        (folder / f"{name}.txt").write_text(text)
    return folder


def weights(seed: int = 0) -> dict[str, Any]:
    """Random weights under llama.cpp's names, (out, in)."""
    rng = np.random.default_rng(seed)
    shared = GROUPS * (WIDTH // HEADS)
    shapes = {"attn_q": (WIDTH, WIDTH), "attn_k": (shared, WIDTH), "attn_v": (shared, WIDTH)}
    shapes |= {"attn_output": (WIDTH, WIDTH), "ffn_gate": (HIDDEN, WIDTH), "ffn_up": (HIDDEN, WIDTH)}
    shapes |= {"ffn_down": (WIDTH, HIDDEN)}
    made = {
        "token_embd.weight": rng.normal(size=(len(PIECES), WIDTH)) * 0.2,
        "output_norm.weight": rng.uniform(0.5, 2, WIDTH),
    }
    for layer in range(LAYERS):
        for name, shape in shapes.items():
            made[f"blk.{layer}.{name}.weight"] = rng.normal(size=shape) / np.sqrt(shape[1]) * 1.5
        for name in ("attn_norm", "ffn_norm"):
            made[f"blk.{layer}.{name}.weight"] = rng.uniform(0.5, 2, WIDTH)
    return {name: values.astype(np.float32) for name, values in made.items()}


def write_gguf(path: Path, tensors: dict[str, Any], *, quantise: str = "", **changed: Any) -> Path:
    """Write weights as a GGUF file; quantise: a gguf type of the matrices.

    changed: other values of architecture, pieces, merges, splitter, kind, heads or groups.
    """
    import gguf

    given = {"architecture": "llama", "pieces": PIECES, "merges": MERGES, "splitter": "gpt-2", "kind": "gpt2"}
    given |= {"heads": HEADS, "groups": GROUPS, **changed}
    writer = gguf.GGUFWriter(path, given["architecture"])
    writer.add_block_count(LAYERS)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(given["heads"])
    writer.add_head_count_kv(given["groups"])
    writer.add_rope_freq_base(BASE)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_tokenizer_model(given["kind"])
    writer.add_tokenizer_pre(given["splitter"])
    writer.add_token_list(given["pieces"])
    writer.add_token_types([3 if place < len(WORDS) else 1 for place in range(len(given["pieces"]))])
    writer.add_token_merges(given["merges"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(0)
    for name, values in tensors.items():
        if quantise and values.ndim == 2:
            kind = gguf.GGMLQuantizationType[quantise]
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def forward(tensors: dict[str, Any], tokens: list[int]) -> Any:
    """The logits (time, vocabulary) in float64, head by head and place by place."""
    wide = {name: values.astype(np.float64) for name, values in tensors.items()}
    hidden = wide["token_embd.weight"][tokens]
    for layer in range(LAYERS):
        own = {name.split(".")[2]: values for name, values in wide.items() if name.startswith(f"blk.{layer}.")}
        hidden = hidden + _attention(_norm(hidden, own["attn_norm"]), own) @ own["attn_output"].T
        norm = _norm(hidden, own["ffn_norm"])
        gate = norm @ own["ffn_gate"].T
        hidden = hidden + (gate / (1 + np.exp(-gate)) * (norm @ own["ffn_up"].T)) @ own["ffn_down"].T
    return _norm(hidden, wide["output_norm.weight"]) @ wide["token_embd.weight"].T


def _norm(hidden: Any, weight: Any) -> Any:
    return hidden / np.sqrt((hidden**2).mean(axis=-1, keepdims=True) + EPSILON) * weight


def _attention(norm: Any, own: dict[str, Any]) -> Any:
    size, per_group = WIDTH // HEADS, HEADS // GROUPS
    mixed = np.zeros_like(norm)
    for head in range(HEADS):
        rows, shared = slice(head * size, (head + 1) * size), head // per_group
        others = slice(shared * size, (shared + 1) * size)
        query, key = (_turned(norm @ own[name][part].T) for name, part in (("attn_q", rows), ("attn_k", others)))
        value = norm @ own["attn_v"][others].T
        for place in range(len(norm)):
            scores = key[: place + 1] @ query[place] / np.sqrt(size)
            shares = np.exp(scores - scores.max())
            mixed[place, rows] = shares @ value[: place + 1] / shares.sum()
    return mixed


def _turned(head: Any) -> Any:
    """Neighbours (2i, 2i + 1) as a complex number, turned by place x BASE^(-2i / size)."""
    size = head.shape[1]
    angles = np.outer(np.arange(len(head)), BASE ** (-2.0 * np.arange(size // 2) / size))
    turned = (head[:, 0::2] + 1j * head[:, 1::2]) * np.exp(1j * angles)
    return np.stack([turned.real, turned.imag], axis=2).reshape(head.shape)
