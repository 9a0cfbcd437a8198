from __future__ import annotations

import importlib.util
import json
import sys

import pytest

from device_agents.errors import MissingExtra
from stability_train.language.harness import harness_model, text_log_likelihood, write
from stability_train.language.models import get_language_model, precision_file
from stability_train.language.predictor import load_predictor
from tests.fakes import lm_eval_contract, tiny_llama
from tests.fakes.lm_eval_contract import Instance


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    model = get_language_model(str(tiny_llama.write_gguf(cache / "tiny.gguf", tiny_llama.weights())), cache=cache)
    return load_predictor(model, precision_file(model, "float32", cache=cache), runtime="onnxruntime", threads=1)


def test_the_contract_is_met(predictor, monkeypatch):
    lm_eval_contract.install(monkeypatch)
    model = harness_model(predictor)
    assert isinstance(model, lm_eval_contract.LM)
    pairs = [("the thin", " tin"), ("", "the hen")]
    found = model.loglikelihood([Instance(pair) for pair in pairs])
    for pair, (value, greedy) in zip(pairs, found, strict=True):
        scored = predictor.score(predictor.split(*pair))
        assert (value, greedy) == (scored.log_likelihood, scored.greedy)
        assert (type(value), type(greedy)) == (float, bool)
    assert model.loglikelihood_rolling([Instance(("the thin tin.",))]) == [
        text_log_likelihood(predictor, "the thin tin.")
    ]
    asked = {"until": ["."], "max_gen_toks": 4}
    assert model.generate_until([Instance(("the", asked))]) == [write(predictor, "the", asked)]
    assert model.loglikelihood([]) == []


def test_without_the_library_the_extra_is_named(predictor, monkeypatch):
    for name in ("lm_eval", "lm_eval.api", "lm_eval.api.model"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=r"install instability-kit\[lm-eval\]"):
        harness_model(predictor)


@pytest.mark.skipif(importlib.util.find_spec("lm_eval") is None, reason="the extra lm-eval is not installed")
def test_the_real_harness_runs_a_local_task(predictor, tmp_path):
    import lm_eval
    from lm_eval.tasks import TaskManager

    rows = [{"q": "the thin", "a": "tin", "b": "hen", "y": place % 2} for place in range(4)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "tiny_choice.yaml").write_text(
        "task: tiny_choice\ndataset_path: json\noutput_type: multiple_choice\ntest_split: test\n"
        f"dataset_kwargs:\n  data_files:\n    test: {tmp_path / 'rows.jsonl'}\n"
        'doc_to_text: "{{q}}"\ndoc_to_target: y\ndoc_to_choice: "{{[a, b]}}"\n'
        "metric_list:\n  - metric: acc\n  - metric: acc_norm\n"
    )
    manager = TaskManager(include_path=str(tmp_path))
    model = harness_model(predictor)
    found = lm_eval.simple_evaluate(model=model, tasks=["tiny_choice"], task_manager=manager, bootstrap_iters=0)
    assert found["results"]["tiny_choice"]["acc,none"] == 0.5  # the same question, each answer right half of the time
