"""Small predictions tables written by hand: a letter an answer (R right, W wrong, A ambiguous, - missing)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

VERDICTS = {"R": "right", "W": "wrong", "A": "ambiguous", "-": "missing"}
BASE = {
    "model": "tiny",
    "model_sha256": "0" * 64,
    "decoder": "pillow",
    "view": "whole",
    "colour": "rgb",
    "fit": "squash",
    "resizer": "pillow-bilinear",
    "scaling": "imagenet",
    "runtime": "litert",
    "threads": 1,
    "machine": "host",
}
# Condition -> (isp, codec, what it changes of BASE)
Key = tuple[str, str, str]


def predictions(answers: Mapping[Key, str], *, changes: Mapping[str, Mapping[str, Any]] | None = None) -> pd.DataFrame:
    """A long table: answers has one letter a scene, by (environment, isp, codec); changes: environment -> fields.

    A right answer scores 0.9, a wrong one 0.6; each environment has its own tensors; an inference takes 60 ms.
    """
    rows = []
    for number, ((environment, isp, codec), letters) in enumerate(answers.items()):
        fields = BASE | dict((changes or {}).get(environment, {}))
        for scene, letter in enumerate(letters):
            right, missing = letter == "R", letter == "-"
            name = f"s{scene}"
            rows.append(
                {
                    "picture": f"{name}|{isp}|{codec}" if codec else name,
                    "scene": name,
                    "angle": 0,
                    "repeat": 0,
                    "device": "cam",
                    "isp": isp,
                    "codec": codec,
                    "cluster": name,
                    "category": "cup",
                    "labels": ("cup",),
                    "ambiguous": ("mug",),
                    "environment": environment,
                    **fields,
                    "label_1": None if missing else "cup" if right else "mug" if letter == "A" else "hat",
                    "score_1": float("nan") if missing else 0.9 if right else 0.6,
                    "label_2": None if missing else "hat" if right else "cup",
                    "score_2": float("nan") if missing else 0.05 if right else 0.3,
                    "latency_ms": 0.0 if missing else 60.0,
                    "tensor_fingerprint": 0 if missing else 1 + scene + 100 * number,
                    "error": "decode: OSError: cut" if missing else "",
                    "verdict": VERDICTS[letter],
                }
            )
    return pd.DataFrame(rows)


def pictures(table: pd.DataFrame, sizes: Mapping[str, int]) -> pd.DataFrame:
    """The pictures of a table, of the size that sizes gives for their codec or ISP."""
    rows = table.drop_duplicates("picture")[["picture", "isp", "codec"]]
    return rows.assign(size=[sizes.get(codec, sizes.get(isp, 0)) for isp, codec in rows[["isp", "codec"]].to_numpy()])
