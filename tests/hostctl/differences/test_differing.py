"""The whole test on small models: what is measured, kept, resumed, named degenerate, and said."""

import argparse
import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.predict import Job, JobPicture, predict
from device_agents.runtimes import NETWORKS
from hostctl.command_line.differences import COMMANDS
from hostctl.differences import differing, measuring
from hostctl.differences.differing import Asked, differ
from hostctl.differences.text import differences_text, junit_text
from hostctl.printing import silent
from tests.device_agents.tiny_models import write_onnx, write_tflite
from tests.fakes.differing import with_sidecar, write_branched, write_pictures

PICTURES = 12
VARIANTS = ("onnxruntime", "onnxruntime-none", "litert", "litert-builtin")


@pytest.fixture
def asked(tmp_path):
    models = [
        with_sidecar(write_onnx(tmp_path / "tiny.onnx")),
        with_sidecar(write_tflite(tmp_path / "tiny.tflite")),
        write_branched(tmp_path / "other.onnx"),
    ]
    pictures = write_pictures(tmp_path / "pictures", PICTURES)
    return Asked(tuple(map(str, models)), pictures, VARIANTS, tmp_path / "run", repeats=2)


def changed(asked, **changes):
    return Asked(**{**vars(asked), **changes})


@pytest.fixture
def broken_runtime(monkeypatch):
    """Make a runtime's outputs something else."""

    def make(runtime, change):
        plain = NETWORKS[runtime]

        def load(path, threads):
            network = plain(path, threads)
            return type(network)(lambda tensor: tuple(change(one) for one in network(tensor)), network.outputs)

        monkeypatch.setitem(NETWORKS, runtime, load)

    return make


def test_equal_networks_are_one_group_and_differ_nowhere(asked):
    found = differ(asked, progress=silent)
    assert found["sentence"] == ("6 variants of 2 models on 12 pictures: every first label is the same in all 7 pairs.")
    assert found["groups"] == [
        ["tiny onnxruntime", "tiny onnxruntime-none", "tiny litert", "tiny litert-builtin"],
        ["other onnxruntime", "other onnxruntime-none"],
    ]
    assert {pair["rate"] for pair in found["pairs"]} == {0.0}
    assert {pair["max_abs"] for pair in found["pairs"]} == {0.0}
    assert {pair["overlap"] for pair in found["pairs"]} == {1.0}
    # Clopper and Pearson for 0 of 12: 1 - 0.025^(1/12).
    assert {round(pair["high"], 6) for pair in found["pairs"]} == {round(1 - 0.025 ** (1 / 12), 6)}
    assert (found["located"], found["degenerate"], found["exit_code"]) == ([], [], 0)
    assert [(one["axis"], one["pairs"]) for one in found["means"]] == [("framework", 4), ("level", 3), ("all", 7)]


def test_predictions_are_those_that_predict_makes_and_times_leave_the_first_out(asked, monkeypatch):
    monkeypatch.setattr(measuring, "BLOCK", 5)
    found = differ(asked, progress=silent)
    with Run.open(asked.out, write=False) as run:
        table = run.predictions()
        pictures = [JobPicture(one.picture, str(run.file(one.sha256))) for one in run.picture_records()]
        one = next(each for each in run.environments() if each.runtime == "litert")
    assert len(table) == 6 * PICTURES
    from stability_train.zoo import resolve_model

    path, card = resolve_model(asked.models[1])
    made = {each.picture: each for each in predict(Job(str(path), card, tuple(pictures), (one,)))}
    rows = table[table["environment"] == one.environment].set_index("picture")
    assert {name: (row["label_1"], row["score_1"]) for name, row in rows.iterrows()} == {
        name: (each.labels[0], each.scores[0]) for name, each in made.items()
    }
    # Blocks of 5, 5 and 2 in two repeats: the first of a round counts only where a round has few.
    assert {row["rounds"] for row in found["variants"]} == {6}
    assert {row["calls"] for row in found["variants"]} == {2 * (4 + 4 + 2)}


def test_a_test_that_was_killed_goes_on_where_it_was(asked, monkeypatch):
    monkeypatch.setattr(measuring, "BLOCK", 4)
    calls, plain = [], measuring.prepare

    def dying(data, corners, variants):
        calls.append(1)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return plain(data, corners, variants)

    monkeypatch.setattr(measuring, "prepare", dying)
    with pytest.raises(KeyboardInterrupt):
        differ(asked, progress=silent)
    calls[:] = [1] * 10
    found = differ(asked, progress=silent)
    assert len(calls) == 10 + 1 + 8  # one to warm up; the first block is not done again, the rest is two of four
    assert found["pictures"] == PICTURES
    again = differ(asked, progress=silent)
    assert {key: again[key] for key in ("sentence", "pairs", "variants")} == {
        key: found[key] for key in ("sentence", "pairs", "variants")
    }


def test_a_flip_is_counted_located_and_held_against_the_limit(asked, broken_runtime, tmp_path):
    broken_runtime("onnxruntime", lambda scores: scores[:, ::-1] * 1.0)
    found = differ(changed(asked, models=asked.models[2:], limit=0.5, junit=tmp_path / "junit.xml"), progress=silent)
    (pair,) = found["pairs"]
    assert pair["differ"] == PICTURES
    assert pair["rate"] == 1.0
    assert found["exceeded"] == ["other onnxruntime / other onnxruntime-none"]
    assert found["exit_code"] == 1
    (located,) = found["located"]
    assert (located["cause"], located["layer"]) == ("kernels", "flat")
    (case,) = ET.parse(tmp_path / "junit.xml").iter("testcase")
    assert case.find("failure").get("message").startswith("100.0 % [73.5, 100.0]")


def test_degenerate_variants_are_named_and_left_out_of_means_and_limits(asked, broken_runtime):
    broken_runtime("litert-builtin", lambda scores: np.full_like(scores, 1 / 12))
    broken_runtime("onnxruntime-none", lambda scores: np.full_like(scores, np.nan))
    found = differ(changed(asked, limit=0.0), progress=silent)
    reasons = {(one["variant"], one["reason"]) for one in found["degenerate"]}
    assert ("tiny litert-builtin", "constant output") in reasons
    assert ("tiny onnxruntime-none", "not a number") in reasons
    assert ("other onnxruntime-none", "not a number") in reasons
    assert [(one["axis"], one["pairs"]) for one in found["means"]] == [("framework", 1), ("all", 1)]
    assert found["exit_code"] == 0
    assert "3 degenerate, left out of this" in found["sentence"]
    assert any("12 predictions failed, such as classify: BadInput" in one for one in found["failures"])
    assert junit_text(found).count("<skipped") == 6


def test_a_variant_that_does_not_load_is_one_line_and_one_that_fails_has_records(asked, monkeypatch, tmp_path):
    (tmp_path / "tiny.tflite").write_bytes(b"TFL3 is not here")
    found = differ(asked, progress=silent)
    assert [one.split(":")[0] for one in found["left_out"]] == ["tiny litert", "tiny litert-builtin"]
    with_sidecar(tmp_path / "tiny.onnx", input_height=3)
    found = differ(changed(asked, models=asked.models[:1], out=tmp_path / "other"), progress=silent)
    assert found["failures"][0].startswith(
        "tiny onnxruntime: 12 predictions failed, such as infer: BadInput: the model takes an input of shape"
    )
    assert {one["reason"] for one in found["degenerate"]} == {"no answer"}
    (tmp_path / "tiny.onnx").write_bytes(b"no model")
    with pytest.raises(BadInput, match="expected a variant that runs, got none"):
        differ(changed(asked, models=asked.models[:2], out=tmp_path / "third"), progress=silent)


def test_outputs_of_another_length_are_compared_by_label_alone(asked, broken_runtime):
    broken_runtime("litert", lambda scores: np.concatenate([0 * scores[:, :1], scores], axis=1))
    found = differ(changed(asked, models=asked.models[:2]), progress=silent)
    pair = next(one for one in found["pairs"] if one["b"] == "tiny litert")
    assert (pair["compared"], pair["max_abs"], pair["rate"]) == (0, None, 1.0)
    assert {(one["a"], one["b"], one["offset"]) for one in found["offsets"]} >= {("tiny onnxruntime", "tiny litert", 1)}


def test_a_network_that_is_not_steady_is_told(asked, broken_runtime):
    rng = np.random.default_rng(0)
    broken_runtime("litert", lambda scores: scores + rng.normal(scale=1e-9, size=scores.shape))
    found = differ(changed(asked, models=asked.models[:2]), progress=silent)
    assert {one["variant"]: one["unsteady"] for one in found["variants"] if one["unsteady"]} == {
        "tiny litert": PICTURES
    }


def test_the_page_and_the_text_say_it(asked, broken_runtime):
    broken_runtime("onnxruntime", lambda scores: scores + np.float32(1e-3))
    found = differ(asked, progress=silent)
    page = (asked.out / "differences").glob("*/index.html")
    text = next(page).read_text(encoding="utf-8")
    assert "Largest difference of a raw output" in text
    assert "<script" not in text
    told = differences_text(found)
    assert "tiny: labels changed (right of the diagonal), relative difference of outputs (left)" in told
    assert "tiny onnxruntime / tiny onnxruntime-none: kernels" in told


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"repeats": 0}, "--repeats: expected 1 or more"),
        ({"threads": 0}, "--threads: expected 1 or more"),
        ({"tolerance": 2.0}, "--tolerance: expected a relative distance"),
        ({"limit": 3.0}, "--limit: expected a share"),
        ({"on": "phone"}, "--lab and --on go together"),
        ({"variants": ("magic",)}, "unknown variant 'magic'"),
    ],
)
def test_what_is_asked_wrong_is_one_message(asked, changes, text):
    with pytest.raises(BadInput, match=text):
        differ(changed(asked, **changes), progress=silent)
    assert not asked.out.exists() or "variants" in changes


def test_a_run_is_taken_as_it_is_and_its_results_stay_in_it(asked):
    differ(asked, progress=silent)
    found = differ(changed(asked, pictures=asked.out, out=None), progress=silent)
    assert found["run"] == str(asked.out)
    with pytest.raises(BadInput, match="is a run and keeps its own results"):
        differ(changed(asked, pictures=asked.out), progress=silent)


def test_the_command_gives_json_and_its_exit_code(asked, broken_runtime, capsys):
    broken_runtime("onnxruntime", lambda scores: scores[:, ::-1] * 1.0)
    parser = argparse.ArgumentParser()
    for flag in ("--json", "--quiet"):
        parser.add_argument(flag, action="store_true")
    (command,) = COMMANDS
    command.options(parser)
    words = [
        asked.models[2],
        str(asked.pictures),
        "--variants",
        "onnxruntime,onnxruntime-none",
        "--out",
        str(asked.out),
    ]
    options = parser.parse_args([*words, "--repeats", "1", "--limit", "0.1", "--no-layers", "--json", "--quiet"])
    assert command.run(options) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["exit_code"], told["repeats"], told["located"]) == (1, 1, [])
    assert differing.REPEATS == 3


def test_a_model_with_one_class_has_no_labels_to_change_but_outputs_to_compare(asked, tmp_path, broken_runtime):
    from onnx import TensorProto, helper

    entry = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 2, 2, 3])
    exit_ = helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n", 1])
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("ReduceMax", ["flat"], ["score"], axes=[1]),
    ]
    graph = helper.make_graph(nodes, "one", [entry], [exit_])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    (tmp_path / "one.onnx").write_bytes(made.SerializeToString())
    with_sidecar(tmp_path / "one.onnx")
    broken_runtime("onnxruntime", lambda score: score * np.float32(0.5))
    found = differ(changed(asked, models=(str(tmp_path / "one.onnx"),)), progress=silent)
    (pair,) = found["pairs"]
    assert (pair["differ"], pair["kendall"]) == (0, None)
    assert pair["relative"] == pytest.approx(0.5)
    assert [one["cause"] for one in found["located"]] == ["kernels"]
