from __future__ import annotations

import math

import pytest

from analysis.store import Run
from device_agents.errors import BadInput
from hostctl.languages.asked import Asked, ways
from hostctl.languages.texts import Windows, read_texts
from hostctl.languages.told import texts_text
from hostctl.printing import silent
from hostctl.runs.reporting import report_run
from stability_train.language.predictor import load_predictor
from tests.fakes import tiny_llama
from tests.fakes.tiny_llama import TEXTS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_llama.write_folder(tmp_path_factory.mktemp("language"))


@pytest.fixture(autouse=True)
def own_cache(folder, monkeypatch):
    monkeypatch.setenv("INSTABILITY_CACHE", str(folder / "cache"))


def test_texts_give_perplexity_and_flips_by_document(folder, tmp_path):
    files = [folder / f"{name}.txt" for name in TEXTS]
    precise = Asked(model=str(folder / "tiny.gguf"), precisions=("float16", "int8-weights"))
    given = {"asked": precise, "windows": Windows(16, 8), "progress": silent}
    found = read_texts(files, out=tmp_path / "run", **given)
    base, half, whole = found["rows"]
    assert [row["condition"] for row in found["rows"]] == ["float32", "float16", "int8-weights"]
    model, conditions = ways(precise, progress=silent)
    predictor = load_predictor(model, conditions[0].file, runtime="onnxruntime", threads=1)
    assert base["tokens"] == sum(len(predictor.encode(text)) for text in TEXTS.values())
    assert base["documents"] == 2
    assert base["perplexity_interval"][0] < base["perplexity"] < base["perplexity_interval"][1]
    assert half["ratio"] == pytest.approx(half["perplexity"] / base["perplexity"])
    assert abs(math.log(half["ratio"])) < abs(math.log(whole["ratio"]))
    assert half["flips"] <= whole["flips"]
    with Run.open(tmp_path / "run", write=False) as run:
        told = run.predictions()
        assert set(told["cluster"]) == set(TEXTS)
        share = float(
            (told["label_1"] == [labels[0] for labels in told["labels"]]).groupby(told["model"]).mean()["tiny"]
        )
        assert base["right"] == pytest.approx(share)
    assert f"{base['tokens']:,} tokens of 2 texts, windows of 16 by 8" in texts_text(found)
    assert report_run(tmp_path / "run")["compared"] == "environment"
    assert read_texts(files, out=tmp_path / "run", **given)["rows"] == found["rows"]
    for windows in (Windows(8, 9), Windows(4096, 8), Windows(8, 0)):
        with pytest.raises(BadInput, match="a stride of 1 to the window's length"):
            read_texts(files, out=tmp_path / "run", **{**given, "windows": windows})
    (tmp_path / "nothing.txt").write_text("")
    with pytest.raises(BadInput, match="got empty ones"):
        read_texts([tmp_path / "nothing.txt"], out=tmp_path / "run", **given)
