"""Explaining flips: the answers are those of a whole grid, looked up by brute force; planted stages are named."""

import dataclasses
import io
import itertools
import json

import numpy as np
import pytest
from PIL import Image

from analysis.store import Run
from capture.raw import Raw, write_dng
from device_agents.errors import BadInput
from device_agents.predict import Job, JobPicture, default_environment
from device_agents.predict import predict as work
from device_agents.records import Picture, Scene
from hostctl import commands
from hostctl.causes.explaining import explain_run
from hostctl.grid import Assignment, predict_run
from tests.device_agents.tiny_models import tiny_sidecar, write_onnx, write_tflite

RIGHT = tuple(str(number) for number in range(6))  # half of the tiny model's classes
CHANGED = {"decoder": "jpeg-plain-upsampling", "colour": "bt601-float", "resizer": "pillow-box"}
MATRIX = np.array([[0.9, -0.3, -0.1], [-0.4, 1.2, 0.2], [-0.1, 0.2, 0.6]])


def noisy_jpeg(rng, quality=85):
    file = io.BytesIO()
    pixels = rng.integers(90, 166, (18, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return file.getvalue()


def make_run(folder, files, devices=("",)):
    """A run in which each device has one photograph of each scene: files[device][scene]."""
    count = len(files[devices[0]])
    run = Run.create(folder, settings={}, scenes=[Scene(f"s{n}", f"s{n}.jpg", "", RIGHT) for n in range(count)])
    for device in devices:
        for number, data in enumerate(files[device]):
            sha256 = run.put_file(data)
            name = f"s{number}|0|0|{device}"
            run.add_picture(
                Picture(name, sha256, ".jpg", len(data), 24, 18, f"s{number}", device=device), {sha256: data}
            )
    return run


@pytest.fixture
def model(tmp_path):
    path = write_tflite(tmp_path / "tiny.tflite")
    (tmp_path / "tiny.tflite.json").write_text(json.dumps(dataclasses.asdict(tiny_sidecar())))
    return path


def predict(run, model, environments, devices=()):
    predict_run(
        run, model, tiny_sidecar(), [Assignment(tuple(environments), devices)], workers=1, progress=lambda *told: None
    )


def base_note(run, environment):
    run.set_note("base", {environment.model: {"environment": environment.environment, "isp": "", "codec": ""}})


def test_the_minimal_swaps_are_those_of_the_whole_grid(tmp_path, model):
    rng = np.random.default_rng(11)
    base = default_environment(tiny_sidecar(), model)
    names = [some for size in range(4) for some in itertools.combinations(CHANGED, size)]
    grid = {some: dataclasses.replace(base, **{name: CHANGED[name] for name in some}) for some in names}
    with make_run(tmp_path / "run", {"": [noisy_jpeg(rng) for _ in range(30)]}) as run:
        predict(run, model, grid.values())
        base_note(run, base)
        recorded = run.predictions().set_index(["scene", "environment"])["label_1"]
    far = " ".join(f"{name}={CHANGED[name]}" for name in CHANGED)
    found = explain_run(tmp_path / "run", between=("base", far), models=[str(model)], draws=5)
    assert found["failed"] == []
    kinds = set()
    for flip in found["flips"]:
        labels = {some: recorded[flip["item"].split("|")[0], one.environment] for some, one in grid.items()}
        ends = ((), names[-1]) if flip["a"]["name"] == "base" else (names[-1], ())
        verdicts = [labels[end] in RIGHT for end in ends]
        assert verdicts in ([True, False], [True, True], [False, False])  # what is right comes first
        answers = labels if verdicts[0] == verdicts[1] else {some: label in RIGHT for some, label in labels.items()}
        for direction, start, target in (("to B", *ends), ("to A", *reversed(ends))):
            brute = []
            for swap in names[1:]:
                there = tuple(name for name in CHANGED if (name in start) != (name in swap))
                if answers[there] == answers[target] and not any(set(hit) <= set(swap) for hit in brute):
                    brute.append(swap)
            said = [tuple(one["swap"]) for one in flip["swaps"] if one["direction"] == direction]
            assert sorted(map(sorted, said)) == sorted(map(sorted, brute)), flip["item"]
            kinds |= {(len(swap), verdicts[0] == verdicts[1]) for swap in said}
        assert flip["first"] in ("pixels", "resized")
    assert kinds >= {(1, True), (2, True), (1, False), (2, False)}  # single stages and interactions, of either kind


@pytest.mark.parametrize("family", list(CHANGED))
def test_the_one_stage_that_differs_is_named_and_what_differs_first(tmp_path, model, family):
    rng = np.random.default_rng(12)
    base = default_environment(tiny_sidecar(), model)
    other = dataclasses.replace(base, **{family: CHANGED[family]})
    with make_run(tmp_path / "run", {"": [noisy_jpeg(rng) for _ in range(50)]}) as run:
        predict(run, model, [base, other])
        base_note(run, base)
    found = explain_run(tmp_path / "run", models=[str(model)])
    assert found["flips"]
    for flip in found["flips"]:
        assert [row["stage"] for row in flip["stages"]] == [family]
        assert flip["cause"] in (family, "fragile")
        assert flip["first"] == ("pixels" if family == "decoder" else "resized")
        assert [one["swap"] for one in flip["swaps"]] == [[family], [family]]
        assert all(one["measured"] == "pixels" and one["norm"] > 0 for one in flip["swaps"])
    counted = {row["stage"]: row for row in found["table"]}
    assert counted[family]["restores"] == len(found["flips"])
    assert counted[family]["blamed"] + counted["fragile"]["blamed"] == len(found["flips"])


def waves(rng):
    y, x = np.mgrid[:64, :96] / 16.0
    some = sum(rng.uniform(0.2, 1) * np.sin(rng.uniform(0, 2) * x + rng.uniform(0, 2) * y) for _ in range(4))
    light = (some - some.min()) / np.ptp(some)
    return Raw((256 + light * 3000).astype(np.uint16), (256.0,) * 4, 4095, "RGGB", (0.6, 1.0, 0.7), MATRIX)


def test_isps_and_codecs_are_swapped_and_what_the_run_lacks_is_developed(tmp_path, model):
    rng = np.random.default_rng(13)
    (tmp_path / "in").mkdir()
    rows = ["file,label"]
    for number in range(10):
        (tmp_path / "in" / f"p{number}.dng").write_bytes(write_dng(waves(rng)))
        rows.append(f"p{number}.dng,{'|'.join(RIGHT[:3])}")
    (tmp_path / "in" / "labels.csv").write_text("\n".join(rows) + "\n")
    where = {"scenes": tmp_path / "in" / "labels.csv", "out": tmp_path / "run", "model": str(model), "workers": 1}
    commands.predict(**where, vary=["isp=crisp,plain", "codec=jpeg-50", "resizer=pillow-box"], design="factorial")
    with Run.open(tmp_path / "run", write=False) as run:
        table = run.predictions()
    labels = table.assign(condition=table["isp"] + "|" + table["codec"] + "|" + table["resizer"])
    labels = labels.pivot(index="scene", columns="condition", values="label_1")
    near, far = "libraw-pinned|png|pillow-nearest", "crisp|jpeg-50|pillow-box"
    flipped = labels.index[labels[near] != labels[far]]
    assert len(flipped) > 0
    corner = "isp=crisp codec=jpeg-50 resizer=pillow-box"
    found = explain_run(tmp_path / "run", between=("base", corner), models=[str(model)])
    assert sorted(flip["item"].split("|")[0] for flip in found["flips"]) == sorted(flipped)
    for flip in found["flips"]:
        assert [row["stage"] for row in flip["stages"]] == ["isp", "codec", "resizer"]
        assert flip["first"] == "file"
        assert {one["direction"] for one in flip["swaps"]} == {"to A", "to B"}
        assert flip["a"]["here"] == flip["a"]["label"]


def test_a_device_that_lacks_the_version_asked_for_is_missing_and_no_flip(tmp_path, model):
    rng = np.random.default_rng(14)
    same = [noisy_jpeg(rng) for _ in range(60)]
    with make_run(tmp_path / "run", {"one": same, "two": same}, devices=("one", "two")) as run:
        base = default_environment(tiny_sidecar(), model)
        predict(run, model, [dataclasses.replace(base, machine="one")], devices=("one",))
        predict(run, model, [dataclasses.replace(base, machine="two", runtime_version="9.9")], devices=("two",))
        table = run.predictions()
    assert (table.loc[table["device"] == "two", "error"].str.startswith("not available")).all()
    with pytest.raises(BadInput, match="does not"):
        explain_run(tmp_path / "run", models=[str(model)])


def test_devices_whose_photographs_differ(tmp_path, model):
    rng = np.random.default_rng(15)
    files = {name: [noisy_jpeg(rng) for _ in range(12)] for name in ("one", "two")}
    with make_run(tmp_path / "run", files, devices=("one", "two")) as run:
        base = default_environment(tiny_sidecar(), model)
        for name in files:
            predict(run, model, [dataclasses.replace(base, machine=name)], devices=(name,))
    found = explain_run(tmp_path / "run", models=[str(model)], draws=5)
    assert found["flips"]
    for flip in found["flips"]:
        assert [row["stage"] for row in flip["stages"]] == ["file", "runtime"]
        assert flip["stages"][1]["restores"] == "not swappable here"
        assert [one["swap"] for one in flip["swaps"]] == [["file"], ["file"]]
    (one,) = explain_run(tmp_path / "run", item=found["flips"][0]["item"], models=[str(model)], draws=5)["flips"]
    assert one["swaps"] == found["flips"][0]["swaps"]


def test_a_device_that_does_other_than_it_says_is_found_out(tmp_path, model):
    """A device that says "pillow" and decodes otherwise: this host cannot get its answer, and says from where on."""
    rng = np.random.default_rng(16)
    same = [noisy_jpeg(rng) for _ in range(80)]
    base = default_environment(tiny_sidecar(), model)
    said = dataclasses.replace(base, machine="faulty")
    with make_run(tmp_path / "run", {"good": same, "faulty": same}, devices=("good", "faulty")) as run:
        predict(run, model, [dataclasses.replace(base, machine="good")], devices=("good",))
        pictures = tuple(
            JobPicture(one.picture, str(run.file(one.sha256))) for one in run.picture_records({"device": "faulty"})
        )
        faulty = dataclasses.replace(base, decoder="jpeg-plain-upsampling")
        job = Job(str(model), tiny_sidecar(), pictures, (faulty,))
        run.add_environment(said)
        run.add_predictions([dataclasses.replace(one, environment=said.environment) for one in work(job)])
    found = explain_run(tmp_path / "run", models=[str(model)])
    assert found["flips"]
    assert {flip["kind"] for flip in found["flips"]} == {"not reproduced"}
    for flip in found["flips"]:
        good, faulty = (flip[side] for side in sorted("ab", key=lambda side: flip[side]["name"] != "good"))
        assert (good["differs_from_recorded"], faulty["differs_from_recorded"]) == ("", "pixels")


def test_two_models_of_one_input_are_swapped_and_their_layers_shown(tmp_path, model):
    onnx = write_onnx(tmp_path / "tiny.onnx")
    (tmp_path / "tiny.onnx.json").write_text(json.dumps(dataclasses.asdict(tiny_sidecar())))
    base, other = (default_environment(tiny_sidecar(), path) for path in (model, onnx))
    rng = np.random.default_rng(17)
    with make_run(tmp_path / "run", {"": [noisy_jpeg(rng) for _ in range(30)]}) as run:
        predict(run, model, [base])
        predict(run, onnx, [dataclasses.replace(other, colour="bt601-float", resizer="pillow-box")])
        base_note(run, base)
    found = explain_run(tmp_path / "run", models=[str(model), str(onnx)], draws=5)
    for flip in found["flips"]:
        assert [row["stage"] for row in flip["stages"]] == ["colour", "resizer", "runtime", "model"]
        assert not any("model" in one["swap"] and len(one["swap"]) == 1 for one in flip["swaps"])


def test_bad_questions_are_told_what_is_known(tmp_path, model):
    rng = np.random.default_rng(18)
    base = default_environment(tiny_sidecar(), model)
    with make_run(tmp_path / "run", {"": [noisy_jpeg(rng) for _ in range(9)]}) as run:
        with pytest.raises(BadInput, match="expected predictions"):
            explain_run(tmp_path / "run")
        predict(run, model, [base, dataclasses.replace(base, resizer="pillow-box")])
    for asked, text in (
        ({"between": ("base", "lens=wide")}, "known: base, resizer=pillow-box"),
        ({"item": "s99"}, "expected an item such as s0"),
        ({"between": ("base",)}, "two conditions"),
    ):
        with pytest.raises(BadInput, match=text):
            explain_run(tmp_path / "run", models=[str(model)], **asked)
    with pytest.raises(BadInput, match="expected the files of the models tiny"):
        explain_run(tmp_path / "run")
