"""SysNoise's table 5 from a run of questions: what FP16 and INT8 take from a language model's accuracy, by task."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from analysis.language.published import SOURCE, TASKS, language_rows
from analysis.measures.model_variants import Variants
from analysis.papers.noise_families import Subject, base_accuracy, family_row, subjects
from analysis.papers.printed_table import Bars, Column, Part, PrintedTable, records
from analysis.papers.sysnoise_printed import two_decimals
from analysis.statistics import rate_interval
from device_agents.errors import BadInput

FP16 = ("float16", "float16-compute", "float16-weights")  # the first that was compared is the column's
INT8 = ("int8", "int8-mixed", "int8-weights")
SMALLEST = "OPT-125M"  # the published model nearest in size
PRINTED_COLUMNS = (
    Column("architecture", "architecture"),
    Column("source", "source"),
    *(Column(task, name) for task, name in TASKS.items()),
)
NUMBER_COLUMNS = (
    Column("model", "model"),
    Column("task", "task"),
    Column("variant", "precision"),
    Column("accuracy", "FP32 (%)", "percent", ("accuracy_low", "accuracy_high")),
    Column("mean", "Δ", "points", ("low", "high")),
    Column("paper", f"{SMALLEST}: Δ", "points"),
    Column("instability", "instability (%)", "percent", ("instability_low", "instability_high")),
    Column("minutes", "minutes", "minutes", aside=True),
    Column("items", "n", "number"),
)
HOW = (
    "ΔACC is accuracy in FP32 minus accuracy in the other precision, in percentage points: more is worse. It is "
    "paired, question by question; its interval counts questions that share a text or a twin as one.",
    "Accuracy is the harness's acc: the choice with the largest log-likelihood, not divided by its length; for LAMBADA "
    "whether greedy decoding writes the last word.",
    "FP16 rounds weights and every result to float16. INT8 is ONNX Runtime's dynamic quantisation (one range for all "
    "activations of a layer), int8-mixed is LLM.int8() (a scale a token, large columns apart).",
)
REASONS = (
    "SysNoise's rows are OPT on the four data sets (1,267 to 10,042 questions); here it is the run's own questions. "
    "With n questions one flip is 100 / n points, so a table of twenty questions cannot show the paper's hundredths.",
    "SmolLM2 is another model (2024, 2 trillion tokens, a newer architecture), instruction-tuned, and its file holds "
    "4-bit weights: what is FP32 here is what those weights stand for.",
    "The paper does not say which INT8 it took; its small losses fit weights alone or LLM.int8(), not one range for "
    "all activations, which a few very large activations of such models spoil.",
)


def language_table(
    predictions: pd.DataFrame,
    *,
    bases: Collection[str] = (),
    variants: Variants | None = None,
    command: str = "instability language questions",
    level: float = 0.95,
) -> PrintedTable:
    """Make SysNoise's table 5 of every language model of a run, with the published rows below.

    predictions: the long table of a run of questions, whose category is the task. bases: the environments noted as
    bases. variants: which model files are which precision (analysis.measures.model_variants). Numbers are 0..1 but in
    the first part, which is text as printed. Raises BadInput where no task of the paper was asked, or in one precision
    only.
    """
    variants = variants or {}
    predictions = predictions.assign(model=_sources(predictions, variants))
    measured = {
        task: subjects(part.reset_index(drop=True), bases=bases, variants=variants)
        for task, part in predictions.groupby("category", observed=True, sort=False)
        if task in TASKS
    }
    rows = [row for task, found in measured.items() for one in found for row in _rows(one, str(task), level)]
    if not rows:
        raise BadInput(
            f"expected answers to questions of {', '.join(TASKS.values())} in FP32 and another precision, got none; "
            f"make them with `{command} --precision float16,int8`"
        )
    numbers = _with_published(pd.DataFrame(rows))
    printed = pd.concat([_printed(numbers), _published()], ignore_index=True)
    parts = (
        Part("sysnoise-nlp", "As SysNoise prints it", "FP32 (ACC, %) / FP16 (Δ) / INT8 (Δ).", printed, PRINTED_COLUMNS),
        Part("numbers", "With intervals", "Δ in percentage points; intervals hold 95 %.", numbers, NUMBER_COLUMNS),
    )
    return PrintedTable(
        name="sysnoise-nlp",
        title="SysNoise: language models",
        headline=_headline(numbers),
        parts=parts,
        notes=HOW,
        reasons=REASONS,
        figures=tuple(_bars(numbers, str(model)) for model in dict.fromkeys(numbers["model"])),
        source=(SOURCE,),
        csv="numbers",
    )


def _sources(predictions: pd.DataFrame, variants: Variants) -> pd.Series[Any]:
    """Each row's model, that of the source for a precision of it: their files bear names of their own."""
    files = predictions["model_sha256"].astype(str)
    names = dict(zip(files, predictions["model"].astype(str), strict=True))
    named = {sha256: names.get(told["of"], names.get(sha256, "")) for sha256, told in variants.items()}
    return files.map({**names, **named})


def _rows(subject: Subject, task: str, level: float) -> list[dict[str, Any]]:
    right, clusters = base_accuracy(subject)
    if not len(right):
        return []
    ends = rate_interval(right, clusters, level=level)
    own = {"accuracy": float(right.mean()), "accuracy_low": ends.low, "accuracy_high": ends.high}
    compared = dict.fromkeys(subject.fields["precision"].iloc[column] for column in subject.variants("precision"))
    return [
        {"model": subject.model, "task": task, "variant": variant, **own}
        | family_row(subject, "precision", only=variant, level=level)
        for variant in compared
    ]


def _with_published(numbers: pd.DataFrame) -> pd.DataFrame:
    """Add the smallest published model's loss as a fraction: paper."""
    printed = language_rows()
    smallest = printed[printed["architecture"] == SMALLEST].set_index("task")
    found = []
    for task, variant in zip(numbers["task"], numbers["variant"], strict=True):
        column = "fp16" if variant in FP16 else "int8" if variant in INT8 else ""
        found.append(float(smallest.loc[task, column]) / 100 if column else float("nan"))
    return numbers.assign(paper=found)


def _printed(numbers: pd.DataFrame) -> pd.DataFrame:
    """A row a model as the paper has them, and another for each further kind of INT8."""
    rows = []
    for model, part in numbers.groupby("model", sort=False):
        there = set(part["variant"])
        fp16 = next((name for name in FP16 if name in there), "")
        for place, int8 in enumerate([name for name in INT8 if name in there] or [""]):
            row = {"architecture": model if not place else f"{model}, {int8}", "source": "this run"}
            rows.append(row | {task: _cell(part[part["task"] == task], fp16, int8) for task in TASKS})
    return pd.DataFrame(rows)


def _cell(part: pd.DataFrame, fp16: str, int8: str) -> str:
    if part.empty:
        return "-"
    by_variant: dict[str, Mapping[str, Any]] = {str(row["variant"]): row for row in records(part)}
    lost = [two_decimals(100 * by_variant[name]["mean"]) if name in by_variant else "-" for name in (fp16, int8)]
    first = records(part)[0]
    return "/".join([two_decimals(100 * first["accuracy"]), *lost]) + f", n={int(first['items'])}"


def _published() -> pd.DataFrame:
    printed = language_rows()
    told = printed.assign(
        cell=[
            "/".join(map(two_decimals, values))
            for values in zip(printed["fp32"], printed["fp16"], printed["int8"], strict=True)
        ]
    )
    wide = told.pivot(index="architecture", columns="task", values="cell").loc[
        list(dict.fromkeys(told["architecture"]))
    ]
    return wide.reset_index().assign(source="paper")


def _headline(numbers: pd.DataFrame) -> str:
    worst = records(numbers)[int(numbers["mean"].fillna(-1).to_numpy().argmax())]
    unstable = records(numbers)[int(numbers["instability"].fillna(-1).to_numpy().argmax())]
    return (
        f"{worst['model']} loses up to {two_decimals(100 * worst['mean'])} points, to {worst['variant']} on "
        f"{TASKS[worst['task']]} ({int(worst['items'])} questions); {100 * unstable['instability']:.1f} % of "
        f"{TASKS[unstable['task']]} are right in one of FP32 and {unstable['variant']} and wrong in the other."
    )


def _bars(numbers: pd.DataFrame, model: str) -> Bars:
    rows = numbers[numbers["model"] == model].dropna(subset=["mean"])
    columns = {"value": "mean", "low": "low", "high": "high", "published": "paper"}
    frame = pd.DataFrame({name: 100 * rows[column] for name, column in columns.items()})
    frame = frame.assign(name=rows["task"].map(TASKS) + ": " + rows["variant"])
    caption = f"Lines are 95 % intervals. A diamond is the paper's {SMALLEST}."
    return Bars(f"Accuracy lost: {model}", "ΔACC (points)", caption, frame)
