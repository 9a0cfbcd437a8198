import json
from dataclasses import replace

import pytest

from device_agents.errors import BadInput
from device_agents.runtimes import RUNTIMES
from hostctl.differences import asked
from hostctl.differences.asked import check_names, find_variants, is_wanted, name_variant, read_models
from hostctl.differences.kinds import KINDS, PLAIN
from hostctl.printing import silent
from tests.device_agents.tiny_models import write_onnx, write_tflite
from tests.fakes.differing import with_sidecar


@pytest.fixture
def files(tmp_path):
    texts = [
        str(with_sidecar(write(tmp_path / f"tiny{suffix}")))
        for write, suffix in ((write_onnx, ".onnx"), (write_tflite, ".tflite"))
    ]
    (tmp_path / "more").mkdir()
    other = with_sidecar(write_onnx(tmp_path / "more" / "other.onnx"))
    return read_models([*texts, str(other), texts[0]], progress=silent)


def find(files, *names):
    return find_variants(files, names, decoder="pillow", view="whole", threads=1)


def test_files_with_the_same_name_are_one_model_and_each_is_taken_once(files):
    assert [(one.model, one.path.name) for one in files] == [
        ("tiny", "tiny.onnx"),
        ("tiny", "tiny.tflite"),
        ("other", "other.onnx"),
    ]


def test_usual_variants_are_every_level_on_the_first_kind_of_file(files, monkeypatch):
    monkeypatch.setattr(asked, "is_installed", lambda runtime: not runtime.startswith("openvino"))
    found, left = find(files[:2])
    assert [one.variant for one in found] == [
        *(f"tiny onnxruntime{level}" for level in ("", "-basic", "-extended", "-none")),
        "tiny litert",
        "tiny litert-builtin",
    ]
    assert [(one.framework, one.level, one.device) for one in found[:1]] == [("ONNX Runtime", "all", "host")]
    assert left == ["tiny openvino .onnx: not installed here", "tiny openvino-bf16 .onnx: not installed here"]


def test_variants_are_asked_for_by_name_by_file_and_beside_the_usual_ones(files):
    assert [one.variant for one in find(files, "litert-reference", "onnxruntime")[0]] == [
        "tiny onnxruntime",
        "tiny litert-reference",
        "other onnxruntime",
    ]
    tiny = files[1]
    assert not is_wanted(tiny, "openvino", ["openvino.onnx"])
    assert is_wanted(tiny, "openvino", ["openvino.tflite"])
    assert not is_wanted(tiny, "openvino", ["usual"])
    assert is_wanted(tiny, "litert-gpu", ["all"])
    assert not is_wanted(tiny, "onnxruntime", ["all"])
    assert is_wanted(replace(tiny, path=tiny.path.with_suffix(".pt2")), "pytorch-compiled", ["usual"])


def test_names_tell_the_file_only_where_a_runtime_takes_several(files):
    assert name_variant(files[0], "openvino", files) == "tiny openvino .onnx"
    assert name_variant(files[2], "openvino", files) == "other openvino"
    assert name_variant(files[0], "onnxruntime", files, "phone") == "tiny onnxruntime @ phone"


def test_what_is_asked_wrong_is_said_at_once(files, tmp_path):
    with pytest.raises(BadInput, match="unknown variant 'onnxruntime.tflite'; known: all, usual, keras"):
        check_names(["onnxruntime.tflite"])
    with pytest.raises(BadInput, match="model other: expected a variant that can run here, got none"):
        find(files, "litert")
    card = tmp_path / "tiny.tflite.json"
    card.write_text(
        json.dumps({**json.loads(card.read_text()), "task": "segmentation", "head": "logits", "outputs": "raw"})
    )
    with pytest.raises(BadInput, match="one task for all its files, got classification for tiny.onnx and segmentation"):
        read_models([str(one.path) for one in files], progress=silent)
    (tmp_path / "bare.pt2").write_bytes(b"x")
    with pytest.raises(BadInput, match="expected the model's sidecar"):
        read_models([str(tmp_path / "bare.pt2")], progress=silent)


def test_every_runtime_has_its_place_on_the_axes():
    assert KINDS.keys() == RUNTIMES.keys()
    assert len({(one.framework, one.level) for one in KINDS.values()}) == len(KINDS)
    assert all(suffix in KINDS[runtime].suffixes for suffix, runtime in PLAIN.items())
