"""Runs of drawn pictures whose agents report something else than they claim, and devices whose pictures differ."""

import io
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image

from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.predict import Job, JobPicture, default_environment, predict
from device_agents.records import Picture, Scene
from device_agents.sidecar import read_sidecar
from hostctl.causes.diagnosed import diagnosis_rows, diagnosis_text
from hostctl.causes.diagnosing import diagnose
from hostctl.command_line import diagnose as cli_diagnose
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite

SCENES = 12
ALL = {"phone": {}, "board": {}, "tablet": {}}


@pytest.fixture
def model(tmp_path):
    path = write_tflite(tmp_path / "tiny.tflite")
    (tmp_path / "tiny.tflite.json").write_text(json.dumps(asdict(tiny_sidecar(fit="squash", resizer="pillow-box"))))
    return path


def picture(scene, device, *, change=None, quality=85):
    """A JPEG, 4:2:0, of coloured patches, shot by a device with its own noise."""
    rng = np.random.default_rng(scene)
    patches = rng.integers(70, 180, (6, 8, 1)) + rng.integers(-30, 31, (6, 8, 3))
    pixels = np.kron(patches, np.ones((12, 12, 1)))
    pixels = np.roll(pixels, np.random.default_rng([sum(device.encode()), scene]).integers(0, 3, 2), axis=(0, 1))
    pixels = pixels + np.random.default_rng([scene, sum(device.encode())]).normal(0, 2, pixels.shape)
    pixels = change(pixels) if change else pixels
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=quality, subsampling=2)
    return buffer.getvalue()


def write(folder, model, devices, *, spoil=None):
    """Write a run; devices: name -> {"really": fields that its agent really has, and what picture() takes}."""
    claimed = default_environment(read_sidecar(model.with_name("tiny.tflite.json")), model)
    scenes = [Scene(f"s{n}", f"s{n}.png", f"{n:064x}", ("1",)) for n in range(SCENES)]
    with Run.create(folder, settings={}, scenes=scenes) as run:
        for name, told in devices.items():
            told = dict(told)
            really = replace(claimed, machine=name, **told.pop("really", {}))
            said = replace(claimed, machine=name)
            run.add_environment(said)
            jobs = []
            for number, scene in enumerate(scenes):
                data = picture(number, name, **told)
                sha256 = run.put_file(data)
                place = {"scene": scene.scene, "device": name}
                run.add_picture(Picture(f"{scene.scene}|{name}", sha256, ".jpg", len(data), 96, 72, **place), {})
                jobs.append(JobPicture(f"{scene.scene}|{name}", str(run.file(sha256))))
            sidecar = read_sidecar(model.with_name("tiny.tflite.json"))
            found = predict(Job(str(model), sidecar, tuple(jobs), (really,), top_k=5))
            shard = [replace(one, environment=said.environment) for one in found]
            run.add_predictions([spoil(one) for one in shard] if spoil and name == "board" else shard)
    return folder


def findings(result):
    return {
        one["device"]: [(finding["stage"], finding["kind"], finding["variants"]) for finding in one["findings"]]
        for one in result["devices"]
    }


def test_an_honest_rack_is_not_accused(tmp_path, model):
    result = diagnose(write(tmp_path / "run", model, ALL), models=[str(model)])
    assert findings(result) == {"phone": [], "board": [], "tablet": []}
    assert result["exit_code"] == 0
    assert result["devices"][0]["checked"] == {"software": SCENES, "photographs": SCENES}
    assert diagnosis_text(result).startswith("phone: nothing found (checked: 12 predictions, 12 photographs)")
    assert {row["answer"] for row in diagnosis_rows(result)} == {"nothing"}


STAGES = {
    "decoder": ({"decoder": "jpeg-plain-upsampling"}, "jpeg-plain-upsampling"),
    "resizer": ({"resizer": "opencv-linear"}, "opencv-linear"),
    "colour": ({"colour": "bt601-nv12-nearest"}, "bt601-nv12-nearest"),
    "fit": ({"fit": "short-side-crop"}, "short-side-crop"),
    "scaling": ({"scaling": "minus-one-one"}, "minus-one-one"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_another_variant_than_claimed_is_named_with_its_stage(tmp_path, model, stage):
    really, name = STAGES[stage]
    result = diagnose(write(tmp_path / "run", model, {**ALL, "board": {"really": really}}), models=[str(model)])
    found = findings(result)
    assert found["phone"] == found["tablet"] == []
    [(where, kind, variants)] = found["board"]
    assert (where, kind) == (stage, "variant")
    assert name in variants
    assert result["exit_code"] == 1
    board = result["devices"][1]
    assert board["cost"]["compared"] == SCENES
    assert board["findings"][0]["proof"]
    assert stage in diagnosis_text(result)


def test_two_stages_of_one_device_are_both_named(tmp_path, model):
    really = {"decoder": "jpeg-fast-plain", "resizer": "opencv-linear", "scaling": "lite"}
    result = diagnose(write(tmp_path / "run", model, {**ALL, "board": {"really": really}}), models=[str(model)])
    assert [stage for stage, *_ in findings(result)["board"]] == ["decoder", "resizer", "scaling"]
    pair = {"fit": "short-side-crop", "resizer": "opencv-linear"}
    result = diagnose(write(tmp_path / "pair", model, {**ALL, "board": {"really": pair}}), models=[str(model)])
    assert [stage for stage, *_ in findings(result)["board"]] == ["fit", "resizer"]


@pytest.mark.parametrize(
    ("mark", "stage", "hidden"),
    [
        ("pixels", "decoder", ["view, colour, fit or resizer", "scaling", "runtime or model"]),
        ("resized", "view, colour, fit or resizer", ["scaling", "runtime or model"]),
        ("tensor", "scaling", ["runtime or model"]),
        ("scores", "runtime or model", []),
    ],
)
def test_what_the_catalogue_has_not_is_unknown_and_hides_what_comes_after(tmp_path, model, mark, stage, hidden):
    def home_made(one):
        if mark == "scores":
            return replace(one, scores=tuple(score + 0.01 for score in one.scores))
        marks = ("pixels", "resized", "tensor")
        return replace(one, **{f"{later}_sha256": f"{7:064x}" for later in marks[marks.index(mark) :]})

    result = diagnose(write(tmp_path / "run", model, ALL, spoil=home_made), models=[str(model)])
    assert findings(result) == {"phone": [], "board": [(stage, "unknown", [])], "tablet": []}
    assert result["devices"][1]["hidden"] == hidden
    text = diagnosis_text(result)
    assert f"{stage}: unknown (outside the catalogue)" in text
    assert ("cannot tell" in text) == bool(hidden)


def test_a_flake_is_no_fault_and_other_bytes_are_one(tmp_path, model):
    def once(one):
        return replace(one, pixels_sha256=f"{7:064x}") if one.picture.startswith("s3|") else one

    def other_bytes(one):
        return replace(one, file_sha256=f"{7:064x}")

    assert findings(diagnose(write(tmp_path / "a", model, ALL, spoil=once), models=[str(model)]))["board"] == []
    result = diagnose(write(tmp_path / "b", model, ALL, spoil=other_bytes), models=[str(model)])
    assert findings(result)["board"] == [("file", "unknown", [])]


def more_colour(pixels):
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    return luma[..., None] + 1.4 * (pixels - luma[..., None])


def test_a_device_whose_photographs_stand_out_is_named_with_the_size(tmp_path, model):
    devices = {**ALL, "tablet": {"change": more_colour}, "watch": {}}
    result = diagnose(write(tmp_path / "run", model, devices), models=[str(model)])
    found = findings(result)
    assert found == {"phone": [], "board": [], "tablet": [("isp", "variant", ["oversaturating"])], "watch": []}
    finding = result["devices"][2]["findings"][0]
    assert float(finding["text"].split()[2].rstrip(";")) == pytest.approx(1.4, abs=0.06)
    assert not finding["proof"]
    assert {"instability_with", "instability_without"} <= set(result["devices"][2]["cost"])


def test_another_coding_than_all_the_others_is_named(tmp_path, model):
    devices = {**ALL, "board": {"quality": 50}}
    result = diagnose(write(tmp_path / "run", model, devices), models=[str(model)])
    assert findings(result)["board"] == [("codec", "variant", ["jpeg-50 4:2:0"])]
    assert findings(result)["phone"] == []
    mixed = {"phone": {"quality": 95}, "board": {"quality": 50}, "tablet": {"quality": 75}}
    result = diagnose(write(tmp_path / "mixed", model, mixed), models=[str(model)])
    assert [stage for some in findings(result).values() for stage, *_ in some if stage == "codec"] == []


def test_two_devices_are_not_compared_by_looks_and_say_so(tmp_path, model):
    devices = {"phone": {}, "board": {"change": more_colour}}
    result = diagnose(write(tmp_path / "run", model, devices), models=[str(model)])
    assert findings(result) == {"phone": [], "board": []}
    assert "takes 3 devices and 10 scenes" in result["notes"][0]


def test_the_command_prints_and_gives_its_exit_code(tmp_path, model, capsys):
    import argparse

    write(tmp_path / "run", model, {**ALL, "board": {"really": {"scaling": "lite"}}})
    parser = argparse.ArgumentParser()
    parser.set_defaults(json=False, quiet=True, verbose=False)
    [command] = cli_diagnose.COMMANDS
    command.options(parser)
    options = parser.parse_args([str(tmp_path / "run"), "--model", str(model), "--pictures", "6"])
    assert command.run(options) == 1
    out = capsys.readouterr().out
    assert "scaling: lite" in out
    assert "claims zero-one, reports lite (proof, 6 of 6 pictures)" in out
    assert "costs:" in out


def test_a_run_without_anything_to_compare_and_an_unknown_model_are_refused(tmp_path, model):
    with Run.create(tmp_path / "empty", settings={}, scenes=[]):
        pass
    with pytest.raises(BadInput, match="neither"):
        diagnose(tmp_path / "empty")
    run = write(tmp_path / "run", model, ALL)
    with pytest.raises(BadInput, match=r"expected the files of the models tiny .* --model FILE"):
        diagnose(run)
