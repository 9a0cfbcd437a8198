from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from analysis.language.published import TASKS, language_rows
from analysis.language.table import language_table
from device_agents.errors import BadInput

SHA = {"float32": "a" * 64, "float16": "b" * 64, "int8": "c" * 64, "int8-mixed": "d" * 64}
NOTED = {
    sha: {"of": SHA["float32"], "noise": "precision", "variant": name, "runtime": "ort", "base_runtime": "ort"}
    for name, sha in SHA.items()
    if name != "float32"
}


def table(wrong, tasks=("piqa", "lambada"), count=10):
    """Questions of each task; wrong: (task, precision) -> the places of questions answered wrongly."""
    rows = []
    for task, (precision, sha), place in itertools.product(tasks, SHA.items(), range(count)):
        bad = place in wrong.get((task, precision), ())
        name = f"{task}/{place}"
        rows.append(
            {
                **{"scene": name, "picture": name, "cluster": name, "category": task, "angle": 0, "repeat": 0},
                **dict.fromkeys(("decoder", "view", "colour", "fit", "resizer", "scaling"), "none"),
                **{"device": "", "model": "net" if precision == "float32" else f"net {precision}", "post": ""},
                **{"model_sha256": sha, "runtime": "ort", "threads": 1, "environment": precision},
                **{"labels": ("A",), "ambiguous": (), "verdict": "wrong" if bad else "right"},
                **{
                    "label_1": "B" if bad else "A",
                    "score_1": 0.9,
                    "latency_ms": 30_000.0,
                    "tensor_fingerprint": place + 1,
                },
            }
        )
    return pd.DataFrame(rows)


def test_the_table_in_the_papers_form_by_hand():
    wrong = {
        ("piqa", "float32"): {0, 1},
        ("piqa", "float16"): {0, 1},
        ("piqa", "int8"): {0, 2, 3, 4},
        ("lambada", "int8-mixed"): {5},
    }
    found = language_table(table(wrong), bases=["float32"], variants=NOTED)
    printed = found.parts[0].frame.set_index("architecture")
    assert printed.loc["net", "piqa"] == "80.00/0.00/20.00, n=10"
    assert printed.loc["net", "lambada"] == "100.00/0.00/0.00, n=10"
    assert printed.loc["net", "hellaswag"] == "-"
    assert printed.loc["net, int8-mixed", "piqa"] == "80.00/0.00/-20.00, n=10"
    assert printed.loc["net, int8-mixed", "lambada"] == "100.00/0.00/10.00, n=10"
    assert printed.loc["OPT-125M", "winogrande"] == "50.28/0.00/-0.31"
    assert printed.loc["OPT-30B", "piqa"] == "77.69/0.11/0.16"
    numbers = found.parts[1].frame.set_index(["task", "variant"])
    row = numbers.loc[("piqa", "int8")]
    assert row["mean"] == pytest.approx(0.2)
    assert row["low"] < 0.2 < row["high"]
    assert row["instability"] == pytest.approx(0.4)  # questions 1, 2, 3 and 4
    assert row["paper"] == pytest.approx(-0.0006)
    assert row["minutes"] == pytest.approx(20.0)  # ten questions in four precisions at half a minute each
    assert numbers.loc[("lambada", "float16"), "instability"] == 0
    assert "20.00 points, to int8 on PIQA (10 questions)" in found.headline


def test_a_model_in_one_precision_or_other_questions_are_told_what_to_run():
    one = table({})
    with pytest.raises(BadInput, match="FP32 and another precision, got none; make them with `instability language"):
        language_table(one[one["environment"] == "float32"], bases=["float32"], variants={})
    with pytest.raises(BadInput, match="questions of PIQA, LAMBADA"):
        language_table(table({}, tasks=("trivia",)), bases=["float32"], variants=NOTED)


def test_the_published_rows_are_whole():
    rows = language_rows()
    assert len(rows) == 7 * len(TASKS)
    assert set(rows["task"]) == set(TASKS)
    # Larger models are better on every task, and no printed loss is above half a point.
    for _, part in rows.groupby("task"):
        assert part["fp32"].iloc[-1] > part["fp32"].iloc[0]
    assert float(np.abs(rows[["fp16", "int8"]].to_numpy()).max()) == 0.48
