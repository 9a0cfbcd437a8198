from __future__ import annotations

import json

import numpy as np
import pytest

from analysis.store import Run
from device_agents.errors import BadInput, MissingExtra
from hostctl.languages.asked import Asked, ways
from hostctl.languages.questions import ask_questions
from hostctl.languages.told import questions_text
from hostctl.printing import silent
from hostctl.runs.reporting import report_run
from hostctl.runs.tabling import table, tables_text
from stability_train.language.predictor import load_predictor
from stability_train.language.questions import read_questions
from tests.fakes import tiny_llama


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The tiny model with its files, made once for all tests."""
    return tiny_llama.write_folder(tmp_path_factory.mktemp("language"))


@pytest.fixture(autouse=True)
def own_cache(folder, monkeypatch):
    monkeypatch.setenv("INSTABILITY_CACHE", str(folder / "cache"))


def asked(folder, **changed) -> Asked:
    return Asked(**{"model": str(folder / "tiny.gguf"), "precisions": ("float16", "int8-weights"), **changed})


def questions(folder, out, **changed):
    files = {"lambada": folder / "lambada.jsonl", "piqa": folder / "piqa.jsonl"}
    return ask_questions(files, asked=asked(folder, **changed), out=out, limit=None, progress=silent)


def test_every_answer_stands_in_the_run_and_the_accuracies_are_those_of_the_model(folder, tmp_path):
    found = questions(folder, tmp_path / "run")
    assert [(row["kind"], row["condition"]) for row in found["rows"]] == [
        (kind, condition) for kind in ("lambada", "piqa") for condition in ("float32", "float16", "int8-weights")
    ]
    model, conditions = ways(asked(folder), progress=silent)
    predictor = load_predictor(model, conditions[0].file, runtime="onnxruntime", threads=1)
    hits, norms = [], []
    for one in read_questions("piqa", folder / "piqa.jsonl"):
        values = [predictor.score(predictor.split(c.context, c.continuation)).log_likelihood for c in one.choices]
        hits.append(int(np.argmax(values)) == one.right)
        norms.append(int(np.argmax([v / len(c.words) for v, c in zip(values, one.choices, strict=True)])) == one.right)
    row = next(row for row in found["rows"] if row["kind"] == "piqa")
    assert (row["acc"], row["acc_norm"], row["questions"]) == (np.mean(hits), np.mean(norms), 3)
    with Run.open(tmp_path / "run", write=False) as run:
        told = run.predictions()
        assert len(told) == 7 * 3
        assert not told["error"].any()
        assert set(told["model"]) == {"tiny", "tiny float16", "tiny int8-weights"}
        assert [scene.labels for scene in run.scenes()][-3:] == [("A",), ("B",), ("B",)]
        assert (told.groupby("picture")["tensor_fingerprint"].nunique() == 1).all()
        assert next(iter(run.picture_records())).suffix == ".png"
    text = questions_text(found)
    assert "piqa (3)" in text
    assert f"next: instability report {tmp_path / 'run'}" in text


def test_the_report_and_the_table_take_the_run_as_any_other(folder, tmp_path):
    questions(folder, tmp_path / "run")
    summary = report_run(tmp_path / "run")
    assert summary["compared"] == "environment"
    assert summary["devices"] == 3
    page = (tmp_path / "run" / "report" / "index.html").read_text()
    assert "model=tiny int8-weights" in page
    found = table(tmp_path / "run", "sysnoise-nlp")
    printed = found["parts"]["sysnoise-nlp"]["rows"]
    assert printed[0]["piqa"].endswith(", n=3")
    assert printed[0]["hellaswag"] == "-"
    assert "OPT-125M" in tables_text(found)


def test_a_killed_command_goes_on_where_it_was(folder, tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    def dies(stage, done, total, note):
        if stage == "float16" and done == 2:
            raise Killed

    files = {"lambada": folder / "lambada.jsonl"}
    with pytest.raises(Killed):
        ask_questions(files, asked=asked(folder), out=tmp_path / "run", limit=None, progress=dies)
    ran = []
    again = ask_questions(
        files, asked=asked(folder), out=tmp_path / "run", limit=None, progress=lambda *told: ran.append(told)
    )
    assert {stage for stage, *_ in ran} == {"float16", "int8-weights"}  # float32 was whole
    whole = ask_questions(files, asked=asked(folder), out=tmp_path / "other", limit=None, progress=silent)
    assert again["rows"] == whole["rows"]
    with pytest.raises(BadInput, match="made with other settings"):
        ask_questions(files, asked=asked(folder), out=tmp_path / "run", limit=2, progress=silent)


def test_runtimes_and_threads_are_conditions_one_at_a_time(folder, tmp_path):
    found = questions(
        folder, tmp_path / "run", precisions=("bfloat16",), runtimes=("onnxruntime", "onnxruntime-none"), threads=(1, 2)
    )
    told = [row["condition"] for row in found["rows"] if row["kind"] == "piqa"]
    assert told == ["float32", "bfloat16", "onnxruntime-none", "2 threads"]


def test_a_question_that_is_too_long_fails_alone(folder, tmp_path):
    rows = [*tiny_llama.PIQA, {"goal": "the", "sol1": "q x z " * 40, "sol2": "in", "label": 0}]
    (tmp_path / "long.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = ask_questions(
        {"piqa": tmp_path / "long.jsonl"}, asked=asked(folder), out=tmp_path / "run", limit=None, progress=silent
    )
    assert [(row["questions"], row["failed"]) for row in found["rows"]] == [(3, 1)] * 3
    assert "3 answers failed" in questions_text(found)


def test_mistakes_are_told_before_any_work(folder, tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"goal": "g"}\n')
    for changed, files, kind, said in (
        ({"precisions": ("int3",)}, {}, BadInput, "unknown precision of a language model 'int3'"),
        ({"runtimes": ("litert",)}, {}, BadInput, "expected a runtime of ONNX files"),
        ({"runtimes": ("onnxruntime-qnn",)}, {}, MissingExtra, "QNNExecutionProvider"),
        ({"threads": (0,)}, {}, BadInput, "at least one thread"),
        ({}, {"piqa": tmp_path / "bad.jsonl"}, BadInput, "no field 'sol1'"),
    ):
        with pytest.raises(kind, match=said):
            ask_questions(files, asked=asked(folder, **changed), out=tmp_path / "run", limit=None, progress=silent)
    assert not (tmp_path / "run").exists()
