"""Which of a run's model files are variants of another (INT8, ceil mode, ...), so that tables hold them as noises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from device_agents.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

# SysNoise's noises of model inference (table 1); a run's note says of a file which of them it is.
MODEL_FAMILIES = ("precision", "ceil", "upsample")
KEYS = ("of", "noise", "variant", "runtime", "base_runtime")

Variants = Mapping[str, Mapping[str, str]]


def with_variants(predictions: pd.DataFrame, variants: Variants | None = None) -> pd.DataFrame:
    """Add a column for each of MODEL_FAMILIES, "" for a model as it was given, and file variants under their source.

    variants: sha256 of a model file -> of (its source's sha256), noise (one of MODEL_FAMILIES), variant, runtime (what
    runs it where its source ran in base_runtime). A variant's predictions get the source's model_sha256; a runtime
    that comes with the file's format is no change of its own and becomes the source's. Raises BadInput for a note
    without these keys or of another noise.
    """
    variants = variants or {}
    for sha256, told in variants.items():
        if set(KEYS) - set(told) or told["noise"] not in MODEL_FAMILIES:
            raise BadInput(f"variant {sha256[:12]}: expected {', '.join(KEYS)} and a known noise, got {dict(told)}")
    table = predictions.assign(**dict.fromkeys(MODEL_FAMILIES, ""))
    files = predictions["model_sha256"].astype(str)
    if not files.isin(list(variants)).any():
        return table
    runtimes = predictions["runtime"].astype(str)
    of_model = files.astype(object)
    of_runtime = runtimes.astype(object)
    for sha256, told in variants.items():
        rows = (files == sha256).to_numpy()
        table.loc[rows, told["noise"]] = told["variant"]
        of_model[rows] = told["of"]
        of_runtime[rows & (runtimes == told["runtime"]).to_numpy()] = told["base_runtime"]
    return table.assign(model_sha256=of_model, runtime=of_runtime)
