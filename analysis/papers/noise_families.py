"""SysNoise's unit: one model, its base environment, and what each family of noise does to its accuracy.

A family's variants are the environments that differ from the base in that family alone. Two variants with the same
tensors (for runtimes and threads: the same answers) on every picture are one noise under two names and count once; one
that is the base under another name is no noise. A delta is base minus variant, so that more is worse, on the pictures
that both answered (right or wrong).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.instability import group_codes, instability
from analysis.measures.model_variants import MODEL_FAMILIES, Variants, with_variants
from analysis.papers.printed_table import records
from analysis.run_folder.homes import POST, SETUP, with_later
from analysis.statistics import difference_interval
from device_agents.errors import BadInput

ITEM = ("scene", "angle", "repeat", "device")
FAMILIES = (*(name for name in SETUP if name not in ("model", "model_sha256")), *MODEL_FAMILIES)
AFTER_TENSOR = (
    "runtime",
    "threads",
    POST,
    *MODEL_FAMILIES,
)  # their variants have equal tensors and may still answer differently
NEEDED = (*ITEM, *SETUP, "environment", "cluster", "verdict", "label_1", "score_1", "latency_ms", "tensor_fingerprint")
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Subject:
    """One model's predictions, one environment a column.

    environments: names, the base first. fields: index environment, columns FAMILIES. right: float64 (items,
    environments), 1 right, 0 wrong, NaN not counted. tensors and answers: int64 of the same shape, equal where the
    tensor or the first label with its score (and the detail, in a table that has it) are; 0 where there is none.
    clusters: object (items,). table: all rows.
    """

    model: str
    environments: tuple[str, ...]
    fields: pd.DataFrame
    right: Numbers
    tensors: NDArray[np.int64]
    answers: NDArray[np.int64]
    clusters: NDArray[np.object_]
    table: pd.DataFrame
    items: NDArray[np.int64]

    @property
    def base(self) -> str:
        """The environment that the others are compared with."""
        return self.environments[0]

    def base_text(self) -> str:
        """The base in words: its model and its variant of every family."""
        told = " ".join(f"{name}={value}" for name, value in self.fields.iloc[0].items() if value != "")
        return f"Base of {self.model}: {told}."

    def variants(self, family: str) -> list[int]:
        """Columns of the environments that differ from the base in this family alone."""
        other = (self.fields != self.fields.iloc[0]).to_numpy()
        place = FAMILIES.index(family)
        return [int(at) for at in np.flatnonzero(other[:, place] & (other.sum(axis=1) == 1))]


def subjects(
    predictions: pd.DataFrame, *, bases: Collection[str] = (), variants: Variants | None = None
) -> list[Subject]:
    """Split a long table, each item once an environment, into its models, in order of appearance.

    bases: the environments noted as bases; of models that have none of them, the one from which most others differ
    in exactly one family, the first of equals. variants: which model files are variants of another, as with_variants
    takes them. Raises BadInput for absent columns.
    """
    predictions = with_later(predictions)
    absent = [name for name in NEEDED if name not in predictions.columns]
    if absent:
        raise BadInput(f"expected a predictions table with the columns {absent}, got {list(predictions.columns)}")
    predictions = with_variants(predictions, variants)
    files = predictions[["model", "model_sha256"]].drop_duplicates()
    twice = files["model"].duplicated(keep=False)
    found = []
    for model, sha256, several in zip(files["model"], files["model_sha256"], twice, strict=True):
        part = predictions[(predictions["model"] == model) & (predictions["model_sha256"] == sha256)]
        found.append(_subject(f"{model} {sha256[:8]}" if several else str(model), part.reset_index(drop=True), bases))
    return found


def measured_subjects(
    predictions: pd.DataFrame, *, bases: Collection[str], command: str, variants: Variants | None = None
) -> list[Subject]:
    """Give the models of a run in which a family was varied; raises BadInput naming what to run where there is none."""
    every = subjects(predictions, bases=bases, variants=variants)
    found = [one for one in every if any(map(one.variants, FAMILIES))]
    if not found:
        raise BadInput(
            "expected predictions of a model in environments that differ from a base in one family, got none; make "
            f"them with `{command} --vary decoder=all --vary resizer=pillow-*,opencv-* --vary colour=all`"
        )
    return found


def choose_base(fields: pd.DataFrame, noted: Collection[str] = ()) -> str:
    """Name the base of environments (index) by their fields: the first noted one, or as subjects says."""
    if found := [str(name) for name in fields.index if name in noted]:
        return found[0]
    values = fields.to_numpy(dtype=object)
    apart = (values[:, None, :] != values[None, :, :]).sum(axis=2)
    return str(fields.index[int((apart == 1).sum(axis=1).argmax())])


def _subject(name: str, table: pd.DataFrame, noted: Collection[str]) -> Subject:
    fields = table.drop_duplicates("environment").set_index("environment")[list(FAMILIES)]
    base = choose_base(fields, noted)
    fields = fields.loc[[base, *[one for one in fields.index if one != base]]]
    instability(table, across="environment", item=ITEM)  # refuses two predictions of one item in one environment
    items = group_codes(table, ITEM)
    columns = fields.index.get_indexer(pd.Index(table["environment"]))
    shape = (int(items.max(initial=-1)) + 1, len(fields))
    verdict = table["verdict"].to_numpy(dtype=object)
    # Boxes may move where the best label and its score stay.
    answers = group_codes(table, ("label_1", "score_1", *(name for name in ("detail",) if name in table.columns))) + 1
    return Subject(
        model=name,
        environments=tuple(map(str, fields.index)),
        fields=fields,
        right=_matrix(shape, items, columns, np.select([verdict == "right", verdict == "wrong"], [1.0, 0.0], np.nan)),
        tensors=_matrix(shape, items, columns, table["tensor_fingerprint"].to_numpy(dtype=np.int64)),
        answers=_matrix(shape, items, columns, np.where(verdict == "missing", 0, answers)),
        clusters=table["cluster"].to_numpy(dtype=object)[np.unique(items, return_index=True)[1]],
        table=table,
        items=items,
    )


def _matrix(shape: tuple[int, int], rows: Any, columns: Any, values: NDArray[Any]) -> NDArray[Any]:
    matrix = np.full(shape, np.nan if values.dtype.kind == "f" else 0, dtype=values.dtype)
    matrix[rows, columns] = values
    return matrix


def distinct(subject: Subject, family: str) -> list[int]:
    """Columns of the family's variants that are a noise of their own: other than the base, and each once.

    Compared where both have a value; a variant that answered no picture is none. Another model file is a noise of its
    own even where it changed no answer (ceil mode at some sizes): its effect is then nothing, and not unknown.
    """
    marks = subject.answers if family in AFTER_TENSOR else subject.tensors
    answered = np.atleast_1d(np.isfinite(subject.right).any(axis=0))
    found: list[int] = []
    for column in subject.variants(family):
        seen = [0, *found]
        one, others = marks[:, [column]], marks[:, seen]
        both = (one > 0) & (others > 0)
        alike = [
            bool(both[:, at].any() and (one[both[:, at], 0] == others[both[:, at], at]).all())
            for at in range(len(seen))
        ]
        if answered[column] and (family in MODEL_FAMILIES or not any(alike)):
            found.append(column)
    return found


def variant_rows(subject: Subject, family: str, *, level: float = 0.95) -> pd.DataFrame:
    """One row a variant of the family: what it does to accuracy.

    Columns: variant, environment, distinct (see the head of this file), accuracy, delta, low, high (paired by
    cluster), items (pictures that both answered); NaN without any.
    """
    own = distinct(subject, family)
    rows = []
    for column in subject.variants(family):
        row = {
            "variant": subject.fields[family].iloc[column],
            "environment": subject.environments[column],
            "distinct": column in own,
        }
        right = subject.right[:, column]
        accuracy = float(np.nanmean(right)) if np.isfinite(right).any() else float("nan")
        rows.append(row | {"accuracy": accuracy} | _delta(subject, [column], level))
    columns = ["variant", "environment", "distinct", "accuracy", "delta", "low", "high", "items"]
    return pd.DataFrame(rows, columns=columns)


def family_row(subject: Subject, family: str, *, only: str | None = None, level: float = 0.95) -> dict[str, Any]:
    """What one family, or only one variant of it, does to one model: rates and deltas 0..1, NaN where not measured.

    variants (names measured), distinct; mean with low and high; max with max_low, max_high and the variant as worst;
    std (sample, n - 1, NaN below two variants); items; instability with its interval, across the base and the distinct
    variants, and of two random ones of them; minutes: inference time of its distinct tensors, the base's included.
    """
    rows = variant_rows(subject, family, level=level)
    own = distinct(subject, family)
    if only is not None:
        rows = rows[rows["variant"] == only]
        own = [column for column in own if subject.fields[family].iloc[column] == only]
    deltas = rows[rows["distinct"].astype(bool)].dropna(subset=["delta"])
    mean = _delta(subject, own, level)
    worst = records(deltas)[int(deltas["delta"].to_numpy().argmax())] if len(deltas) else None
    ends = ("delta", "low", "high")
    found = {"variants": len(rows), "distinct": len(own), "items": mean["items"]}
    found |= dict(zip(("mean", "low", "high"), (mean[name] for name in ends), strict=True))
    found |= {
        told: float("nan") if worst is None else float(worst[name])
        for told, name in zip(("max", "max_low", "max_high"), ends, strict=True)
    }
    found["worst"] = None if worst is None else str(worst["variant"])
    found["std"] = float(deltas["delta"].std(ddof=1))
    return found | _unstable(subject, own, level) | {"minutes": inference_minutes(subject, family)}


def base_accuracy(subject: Subject) -> tuple[Numbers, NDArray[np.object_]]:
    """The base's verdicts that count, float64 (items,), with the items' clusters."""
    counted = np.isfinite(subject.right[:, 0])
    return subject.right[counted, 0], subject.clusters[counted]


def inference_minutes(subject: Subject, family: str) -> float:
    """Minutes of inference that the base and the family took: each distinct tensor once a runtime, threads, machine."""
    columns = [0, *subject.variants(family)]
    names = [subject.environments[column] for column in columns]
    rows = subject.table[subject.table["environment"].isin(names) & (subject.table["tensor_fingerprint"] != 0)]
    keys = [name for name in ("tensor_fingerprint", *AFTER_TENSOR, "machine") if name in rows.columns]
    once = rows.drop_duplicates(keys)["latency_ms"]
    return float(once.sum()) / 60_000 if len(once) and len(columns) > 1 else float("nan")


def _delta(subject: Subject, columns: Sequence[int], level: float) -> dict[str, Any]:
    """Base minus variants with its interval; each pair of a picture and a variant that both answered counts once."""
    base = np.repeat(subject.right[:, [0]], len(columns), axis=1)
    noisy = subject.right[:, list(columns)]
    both = np.isfinite(base) & np.isfinite(noisy)
    if not both.any():
        return {"delta": float("nan"), "low": float("nan"), "high": float("nan"), "items": 0}
    clusters = np.repeat(subject.clusters[:, None], len(columns), axis=1)[both]
    interval = difference_interval(base[both], clusters, noisy[both], clusters, level=level)
    delta = float(base[both].mean() - noisy[both].mean())
    return {"delta": delta, "low": interval.low, "high": interval.high, "items": int(both.any(axis=1).sum())}


def _unstable(subject: Subject, columns: Sequence[int], level: float) -> dict[str, float]:
    names = [subject.environments[column] for column in (0, *columns)]
    nothing = dict.fromkeys(("instability", "instability_low", "instability_high", "two"), float("nan"))
    if len(names) < 2:
        return nothing
    result = instability(subject.table[subject.table["environment"].isin(names)], across="environment", item=ITEM)
    if not result.items:
        return nothing
    ends = result.interval(level=level)
    two = result.rarefied(2) if len(names) > 2 else float("nan")
    return {"instability": result.rate, "instability_low": ends.low, "instability_high": ends.high, "two": two}
