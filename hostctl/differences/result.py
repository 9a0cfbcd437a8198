"""From what a differential test kept to its result: variants, pairs, groups, means by axis, and the sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.differences import grid, label_differences, score_differences
from analysis.differential.outputs import identical_groups
from analysis.differential.times import time_ratios, variant_times
from analysis.differential.variants import axis_means, far_variants, within_models
from analysis.measures.alignment import class_offsets, without_background
from analysis.measures.degenerate import degenerate
from analysis.statistics import rate_interval
from analysis.store import Run
from hostctl.differences.asked import Variant

if TYPE_CHECKING:
    import pandas as pd

ITEM = ("picture",)  # a run may hold several pictures of one shot, developed otherwise
OUTPUTS = ("compared", "same_bits", "max_abs", "relative")


@dataclass(frozen=True)
class Tables:
    """The numbers of a test as tables.

    variants: a row each with model, framework, level, device, file, runtime, version, times, failed, unsteady and
    degenerate (the reason, "" for good ones). pairs: a row for every two variants of one model with labels, rank
    measures, score distances, outputs and the ratio of times. means: by axis, without degenerate variants. groups: of
    equal bits. flips: of each pair with another first label, a picture where it is. offsets: shifted class numbers.
    errors: the first of each variant that has any.
    """

    variants: pd.DataFrame
    pairs: pd.DataFrame
    means: pd.DataFrame
    degenerate: pd.DataFrame
    groups: list[tuple[str, ...]]
    flips: dict[tuple[str, str], str]
    offsets: pd.DataFrame
    errors: dict[str, str]
    pictures: int


def make_tables(
    run: Run, variants: Sequence[Variant], times: pd.DataFrame, marks: pd.DataFrame, outputs: pd.DataFrame
) -> Tables:
    """Compute everything from the run's predictions and the test's own parts."""
    import pandas as pd

    table = _predictions(run, variants)
    about = _about(variants)
    order = {one.variant: number for number, one in enumerate(variants)}
    times = times.sort_values("variant", key=lambda column: column.map(order), kind="stable")
    named = without_background(table)
    found = grid(named, across="variant", item=ITEM)
    pairs = _exact(within_models(label_differences(found), about), named)
    bad = degenerate(named, across="variant")
    bad = pd.concat([bad, _not_numbers(marks, bad), far_variants(pairs, about)], ignore_index=True)
    ratios = within_models(time_ratios(times), about)
    scores = within_models(score_differences(found), about).drop(columns="items")
    pairs = pairs.merge(scores, on=["a", "b"]).merge(_of_outputs(outputs), on=["a", "b"], how="left")
    pairs = pairs.merge(ratios.rename(columns={"low": "ratio_low", "high": "ratio_high"}), on=["a", "b"], how="left")
    about = _with_numbers(about, table, times, marks, bad)
    means = axis_means(pairs, ratios, about, without=set(bad["variant"]))
    offsets = within_models(class_offsets(named, across="variant", item=ITEM), about)
    shifted = offsets[(offsets["offset"] != 0) & (offsets["alike"] > offsets["unshifted"])]
    groups = identical_groups(marks.rename(columns={"picture": "item"})) if len(marks) else []
    failed = table[table["error"] != ""].drop_duplicates("variant")
    errors = dict(zip(failed["variant"], failed["error"], strict=True))
    pictures = table["picture"].nunique()
    return Tables(about, pairs, means, bad, groups, _flips(named, pairs), shifted, errors, pictures)


def sentence(found: Tables) -> str:
    """Say the result in one or two sentences."""
    good = found.variants[found.variants["degenerate"] == ""]
    inside = found.pairs[found.pairs["a"].isin(good["variant"]) & found.pairs["b"].isin(good["variant"])]
    models = found.variants["model"].nunique()
    begin = (
        f"{len(found.variants)} variants of {models} model{'s' if models > 1 else ''} on {found.pictures:,} pictures: "
    )
    if not len(inside):
        return begin + "no two variants of one model can be compared."
    worst: dict[Any, Any] = inside.iloc[int(inside["rate"].fillna(-1).to_numpy().argmax())].to_dict()
    if not worst["differ"] > 0:
        text = f"every first label is the same in all {len(inside)} pairs"
    else:
        text = (
            f"first labels differ on up to {100 * worst['rate']:.1f} % ({worst['differ']:.0f} of {worst['items']:.0f}: "
            f"{worst['a']} against {worst['b']}), in {int((inside['differ'] > 0).sum())} of {len(inside)} pairs"
        )
    left = len(found.variants) - len(good)
    return begin + text + (f"; {left} degenerate, left out of this" if left else "") + "."


def _predictions(run: Run, variants: Sequence[Variant]) -> pd.DataFrame:
    table = run.predictions()
    names = {one.environment.environment: one.variant for one in variants}
    order = {one.variant: number for number, one in enumerate(variants)}
    table = table[table["environment"].isin(names)]
    table = table.assign(variant=table["environment"].map(names))
    return table.sort_values("variant", key=lambda column: column.map(order), kind="stable").reset_index(drop=True)


def _about(variants: Sequence[Variant]) -> pd.DataFrame:
    import pandas as pd

    rows = [
        {
            **{name: getattr(one, name) for name in ("variant", "model", "framework", "level", "device")},
            "file": one.path.name,
            "runtime": one.environment.runtime,
            "version": one.environment.runtime_version,
            "threads": one.environment.threads,
            "task": one.sidecar.task,
        }
        for one in variants
    ]
    return pd.DataFrame(rows)


def _exact(pairs: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Put Clopper and Pearson's interval in the place of the default one; a photograph of its own is one item."""
    clusters = table.drop_duplicates(list(ITEM))["cluster"].nunique()
    if clusters < len(table.drop_duplicates(list(ITEM))):
        return pairs  # several photographs show one object: the default interval counts objects
    bounds = []
    for items, differ in pairs[["items", "differ"]].to_numpy(np.int64):
        marks = np.arange(items) < differ
        exact = rate_interval(marks, method="clopper-pearson")
        bounds.append((exact.low, exact.high))
    low, high = zip(*bounds, strict=True) if bounds else ((), ())
    return pairs.assign(low=list(low), high=list(high))


def _of_outputs(outputs: pd.DataFrame) -> pd.DataFrame:
    """Sum the raw outputs' differences up by pair: pictures compared, share with equal bits, the largest of each."""
    import pandas as pd

    rows = []
    for (a, b), part in outputs.groupby(["a", "b"], sort=False, observed=True):
        some = part[part["comparable"]]
        told = (len(some), float(some["same_bits"].mean()), float(some["max_abs"].max()), float(some["relative"].max()))
        rows.append({"a": a, "b": b, **dict(zip(OUTPUTS, told if len(some) else (0, *3 * [np.nan]), strict=True))})
    return pd.DataFrame(rows, columns=["a", "b", *OUTPUTS])


def _with_numbers(
    about: pd.DataFrame, table: pd.DataFrame, times: pd.DataFrame, marks: pd.DataFrame, bad: pd.DataFrame
) -> pd.DataFrame:
    judged = table[table["verdict"].isin(["right", "wrong"])]
    right = (judged["verdict"] == "right").groupby(judged["variant"]).mean().to_dict()
    failed = table[table["error"] != ""].groupby("variant").size().to_dict()
    unsteady = marks.groupby("variant")["unsteady"].sum().to_dict()
    reasons = bad.groupby("variant")["reason"].agg("; ".join).to_dict() if len(bad) else {}
    about = about.merge(variant_times(times), on="variant", how="left")
    names = list(about["variant"])
    return about.assign(
        failed=[int(failed.get(name, 0)) for name in names],
        unsteady=[int(unsteady.get(name, 0)) for name in names],
        accuracy=[float(right.get(name, np.nan)) for name in names],
        degenerate=[str(reasons.get(name, "")) for name in names],
    )


def _not_numbers(marks: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Variants whose raw outputs hold infinities or NaN on some picture, unless their answers said so already."""
    there = known.loc[known["reason"] == "not a number", "variant"]
    broken = marks[(marks["output"] != "") & ~marks["finite"] & ~marks["variant"].isin(there)]
    counts = broken.groupby("variant", sort=False).size().rename("rows").reset_index()
    detail = [f"raw outputs of {rows} pictures" for rows in counts["rows"]]
    return counts.assign(reason="not a number", detail=detail)[["variant", "reason", "rows", "detail"]]


def _flips(table: pd.DataFrame, pairs: pd.DataFrame) -> dict[tuple[str, str], str]:
    """For each pair that has one, the first picture whose first labels differ."""
    wide = table[table["error"] == ""].pivot_table(
        index="picture", columns="variant", values="label_1", aggfunc="first", sort=False
    )
    found = {}
    some = pairs[pairs["differ"] > 0]
    for a, b in zip(some["a"].astype(str), some["b"].astype(str), strict=True):
        both = wide[[a, b]].dropna()
        other = both.index[(both[a] != both[b]).to_numpy()]
        if len(other):
            found[a, b] = str(other[0])
    return found
