from __future__ import annotations

import importlib.metadata
import sys
import types

import pytest

from device_agents.errors import BadInput, MissingExtra
from hostctl.languages.asked import Asked
from hostctl.languages.harness import run_harness
from hostctl.languages.told import harness_text
from hostctl.printing import silent
from tests.fakes import lm_eval_contract, tiny_llama


@pytest.fixture
def asked(tmp_path, monkeypatch) -> Asked:
    monkeypatch.setenv("INSTABILITY_CACHE", str(tmp_path / "cache"))
    tiny_llama.write_gguf(tmp_path / "tiny.gguf", tiny_llama.weights())
    return Asked(model=str(tmp_path / "tiny.gguf"), precisions=("float16", "int8-weights"))


@pytest.fixture
def harness(monkeypatch):
    """A stand-in that takes just the arguments it must get, asks the model once, and answers in lm_eval's form."""
    lm_eval_contract.install(monkeypatch)
    asked = []

    def simple_evaluate(*, model, tasks, task_manager, limit, bootstrap_iters, log_samples):
        assert (tasks, limit, bootstrap_iters, log_samples) == (["tin"], 3, 0, False)
        assert isinstance(model, lm_eval_contract.LM)
        ((value, greedy),) = model.loglikelihood([lm_eval_contract.Instance(("the thin", " tin"))])
        asked.append(value)
        row = {"alias": "tin", "acc,none": float(greedy), "acc_stderr,none": "N/A", "likely,none": value}
        return {"results": {"tin": row}, "n-samples": {"tin": {"original": 4, "effective": 3}}}

    class TaskManager:
        def __init__(self, *, include_path):
            assert include_path in (None, "my-tasks")
            self.all_tasks = ["tin"]

    sys.modules["lm_eval"].simple_evaluate = simple_evaluate
    tasks = types.ModuleType("lm_eval.tasks")
    tasks.TaskManager = TaskManager
    monkeypatch.setitem(sys.modules, "lm_eval.tasks", tasks)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: {"lm-eval": "0.4.13"}.get(name, "1.31"))
    return asked


def test_every_condition_is_asked_and_compared_with_the_base(asked, harness, tmp_path, monkeypatch):
    from pathlib import Path

    found = run_harness(asked=asked, tasks=["tin"], folder=Path("my-tasks"), limit=3, progress=silent)
    likely = [row for row in found["rows"] if row["metric"] == "likely"]
    assert [row["condition"] for row in likely] == ["float32", "float16", "int8-weights"]
    assert [row["value"] for row in likely] == harness
    assert len(set(harness)) == 3
    assert [row["delta"] for row in likely] == [None, harness[0] - harness[1], harness[0] - harness[2]]
    assert all((row["n"], row["stderr"]) == (3, None) for row in found["rows"])
    assert "lm-evaluation-harness 0.4.13" in harness_text(found)


def test_unknown_tasks_and_an_absent_library_are_told_before_any_work(asked, harness, monkeypatch):
    for tasks, said in ((["tan"], "got tan"), ([], "got none")):
        with pytest.raises(BadInput, match=said):
            run_harness(asked=asked, tasks=tasks, folder=None, limit=3, progress=silent)
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(MissingExtra, match=r"instability-kit\[lm-eval\]"):
        run_harness(asked=asked, tasks=["tin"], folder=None, limit=3, progress=silent)
    assert harness == []
