"""A study of mutants from end to end: every change is seen, its layer named, and what is done is not done again."""

import csv
import json
import os
from pathlib import Path

import pytest

from analysis.measures.mutant_measures import MEASURES
from device_agents.errors import BadInput
from hostctl.mutants.page import mutants_text, write_page
from hostctl.mutants.study import _plain, study_mutants, summary
from stability_train.mutants.mutants import KINDS
from stability_train.zoo import list_models
from tests.fakes.mutant_network import write_study

NEEDED = 0.95  # of the mutants of one layer, those whose layer bisection must name


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    model, scenes = write_study(folder)
    return folder, model, scenes, study_mutants(str(model), scenes, folder / "out", count=3)


def check(result):
    """What the issue asks for."""
    found = result["summary"]
    assert found["unseen"] == []
    assert found["one_layer"]["rate"] >= NEEDED
    assert found["changing"] + len(found["equivalent"]) == found["ran"]
    assert result["floor"]["outputs"] == 0


def test_every_mutant_that_changes_an_output_is_seen_and_its_layer_named(study):
    result = study[3]
    check(result)
    found = result["summary"]
    assert found["missed"] == []
    assert found["made"] > 50
    assert [row["mutants"] > 0 for row in found["kinds"]] == [True] * len(KINDS)
    for row in result["rows"]:
        if row["problem"]:
            assert row["problem"].startswith(("is no valid model", "does not run", "cannot be made"))
        elif row["changes_output"]:
            assert row["seen"]["outputs"]
        else:
            assert not any(yes for name, yes in row["seen"].items() if name != "layer-largest")


def test_a_relu_and_a_max_pool_in_the_other_order_are_equivalent(study):
    rows = {(row["kind"], row["layer"]): row for row in study[3]["rows"]}
    assert rows["order-swapped", "relu"]["name"] in study[3]["summary"]["equivalent"]


def test_a_study_goes_on_where_it_was(study):
    folder, model, scenes, result = study
    kept = folder / "out" / "mutants" / "bias-dropped-1.json"
    marked = json.loads(kept.read_text()) | {"change": "kept"}
    kept.write_text(json.dumps(marked))
    (folder / "out" / "mutants" / "bias-dropped-2.json").unlink()  # as after a kill
    told = []

    def progress(stage, done, total, note):
        told.append((done, total))

    again = study_mutants(str(model), scenes, folder / "out", count=3, progress=progress)
    before, after = ({row["name"]: row for row in one["rows"]} for one in (result, again))
    assert after["bias-dropped-1"]["change"] == "kept"
    assert after["bias-dropped-2"] == before["bias-dropped-2"]
    assert {name for name in before if before[name] != after[name]} == {"bias-dropped-1"}
    assert told[-1] == (len(before), len(before))
    more = study_mutants(str(model), scenes, folder / "out", count=1, kinds=["bias-dropped"])
    assert [row["name"] for row in more["rows"]] == ["bias-dropped-1"]


@pytest.mark.parametrize(
    ("settings", "words"), [({"seed": 1}, "another model, seed or pictures"), ({"pictures": 0}, "one")]
)
def test_another_study_in_the_same_folder_is_refused(study, settings, words):
    folder, model, scenes, _ = study
    with pytest.raises(BadInput, match=words):
        study_mutants(str(model), scenes, folder / "out", **settings)


def test_what_is_no_onnx_model_is_one_message(study, tmp_path):
    _, _, scenes, _ = study
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"\xff\xffno model")
    card = study[1].with_name("tiny.onnx.json")
    with pytest.raises(BadInput, match="is no ONNX model"):
        study_mutants(str(broken), scenes, tmp_path / "out", sidecar=card)


def test_the_page_the_table_and_the_text_say_the_same(study, tmp_path):
    result = {**study[3], "model": "tiny <network>"}
    paths = write_page(result, tmp_path)
    page = (tmp_path / "mutants.html").read_text(encoding="utf-8")
    assert "tiny &lt;network&gt;" in page
    assert "<script" not in page
    with Path(paths["csv"]).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["mutant"] for row in rows] == [row["name"] for row in result["rows"]]
    assert set(MEASURES) < set(rows[0])
    named = sum(row["named_right"] == "True" for row in rows)
    text = mutants_text({**result, **paths})
    one, two = result["summary"]["one_layer"], result["summary"]["two_layers"]
    assert named == one["seen"] + two["seen"]
    assert f"layer named by bisection: {one['seen']} of {one['of']}, 100.0 %" in text
    assert "stride-1: is no valid model" in text or "stride-2: is no valid model" in text
    for row in result["rows"]:
        assert f">{row['name']}<" in page


def test_models_of_mutants_are_kept_where_that_is_asked_for(study, tmp_path):
    _, model, scenes, _ = study
    study_mutants(str(model), scenes, tmp_path / "out", count=1, kinds=["epsilon"], keep_models=True)
    assert [one.name for one in (tmp_path / "out" / "models").iterdir()] == ["epsilon-1.onnx"]


def test_messages_of_the_runtime_are_made_plain():
    text = (
        "onnxruntime: [ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Reshape node. "
        "Name:'Reshape_13' Status Message: /onnxruntime_src/core/reshape_helper.h:91 onnxruntime::Helper(const X&, "
        "bool) size == wanted was false. The input tensor cannot be reshaped to the requested shape."
    )
    assert _plain(text) == (
        "running Reshape node. Name:'Reshape_13' The input tensor cannot be reshaped to the requested shape."
    )


def test_a_study_without_mutants_has_no_shares():
    found = summary([])
    assert found["made"] == 0
    assert found["one_layer"]["of"] == 0


def _real_models():
    data = os.environ.get("INSTABILITY_DATA", "")
    files = ("classification/mobilenet_v2_1.0_224_float.onnx", "classification/squeezenet1_0_float_ceil.onnx")
    return {Path(name).stem: (Path(data) / "models" / name, Path(data) / "imagenet" / "labels.csv") for name in files}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(_real_models()))
def test_real_networks(tmp_path, name):
    if "INSTABILITY_DATA" not in os.environ:
        pytest.skip("INSTABILITY_DATA is not set")
    model, scenes = _real_models()[name]
    result = study_mutants(str(model), scenes, tmp_path / "out", count=1, pictures=2, seed=2)
    check(result)
    assert result["summary"]["changing"] >= 15


@pytest.mark.slow
def test_the_zoos_mobilenet_where_it_is_cached(tmp_path):
    if not next(row for row in list_models() if row.name == "mobilenet-v2").made:
        pytest.skip("the zoo's mobilenet-v2 is not made here")
    from stability_train.photographs import photographs

    scenes = photographs().csv
    result = study_mutants("mobilenet-v2.onnx", scenes, tmp_path / "out", count=1, pictures=2)
    check(result)
    assert result["summary"]["changing"] >= 12
