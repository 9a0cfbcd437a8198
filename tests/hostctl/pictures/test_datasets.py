"""Data sets: written, stopped and gone on with byte for byte, read in, and predicted as their variants are."""

import csv
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from capture.scene_layouts import Box, read_coco
from capture.scenes import read_scenes
from device_agents.colour import COLOURS
from device_agents.decode import DECODERS
from device_agents.errors import BadInput
from device_agents.predict import Job, JobPicture, default_environment, predict
from device_agents.preprocess import fingerprint, preprocess
from device_agents.records import Environment
from device_agents.resize import FITS, RESIZERS
from hostctl.pictures.datasets import write_dataset
from hostctl.pictures.prepared import as_prepared, prepared
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite

VARIANT = {"decoder": "jpeg-fast-dct", "colour": "bt601-nv12-bilinear", "resizer": "opencv-linear", "fit": "squash"}


@pytest.fixture
def source(tmp_path):
    """Eight JPEGs with labels, two of them with several, in a CSV."""
    folder = tmp_path / "in"
    folder.mkdir()
    rng = np.random.default_rng(4)
    rows = ["file,name,labels,ambiguous,cluster,category"]
    for number in range(8):
        shades = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)).resize((50 + number, 40))
        shades.save(folder / f"{number}.jpg", quality=80)
        rows.append(f"{number}.jpg,shot/{number},{number}{'|wine bottle' * (number < 2)},{number + 50},k,c")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder / "labels.csv"


def write(source, out, **options):
    return write_dataset(source, out=out, **{"workers": 1, "size": 2, **VARIANT, **options})


def contents(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def expected_pixels(file, size=2):
    seen = COLOURS[VARIANT["colour"]](DECODERS[VARIANT["decoder"]](Path(file).read_bytes()))
    return FITS[VARIANT["fit"]](seen, RESIZERS[VARIANT["resizer"]], size, size) if size else seen


@pytest.mark.parametrize(
    ("layout", "first", "listing"),
    [
        ("imagenet", "0/shot/0.png", "labels.csv"),
        ("coco", "images/shot/0.png", "annotations/instances.json"),
    ],
)
def test_what_is_written_is_read_in(source, tmp_path, layout, first, listing):
    out = tmp_path / "out"
    result = write(source, out, layout=layout, size=16)
    assert (result["pictures"], result["made_now"], result["failed"]) == (8, 8, 0)
    scenes, originals = read_scenes(out), read_scenes(source)
    told = [(s.scene, s.labels, s.ambiguous, s.cluster, s.category) for s in originals]
    assert [(s.scene, s.labels, s.ambiguous, s.cluster, s.category) for s in scenes] == told
    assert read_scenes(out / listing) == scenes
    assert Path(scenes[0].file) == out / first or Path(scenes[0].file).samefile(out / first)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["variant"] == {**VARIANT, "size": 16}
    assert manifest["preprocessing"]["left"] == ["scale"]
    assert {"instability-kit", "numpy", "pillow", "simplejpeg", "opencv-python-headless"} == set(manifest["versions"])
    for one, original, entry in zip(scenes, originals, manifest["pictures"], strict=True):
        pixels = np.asarray(Image.open(one.file))
        assert np.array_equal(pixels, expected_pixels(original.file, 16))
        assert (entry["sha256"], entry["source_sha256"]) == (one.sha256, original.sha256)
        assert entry["pixels_sha256"] == fingerprint(pixels)
    assert manifest["listing_sha256"] == hashlib.sha256((out / listing).read_bytes()).hexdigest()
    assert not (out / "making.jsonl").exists()


@pytest.mark.parametrize("size", [2, None], ids=["resized", "full"])
def test_predicted_as_the_variant_on_the_originals(source, tmp_path, size):
    resizing = {"fit": None, "resizer": None} if size is None else {}
    write(source, tmp_path / "out", size=size, **resizing)
    model = write_tflite(tmp_path / "tiny.tflite")
    sidecar = tiny_sidecar(resizer=VARIANT["resizer"], fit=VARIANT["fit"])
    of_originals = default_environment(sidecar, model, decoder=VARIANT["decoder"], colour=VARIANT["colour"])
    other = tiny_sidecar(resizer="pillow-nearest", fit="short-side-256-crop") if size else sidecar
    note = prepared(tmp_path / "out")
    assert note == ({"size": 2, "fit": "short-side-crop"} if size else None)
    of_set = as_prepared(default_environment(other, model), other, note)

    def predicted(scenes, environment):
        pictures = tuple(JobPicture(one.scene, one.file) for one in read_scenes(scenes))
        return list(predict(Job(str(model), other, pictures, (environment,))))

    there, here = predicted(source, of_originals), predicted(tmp_path / "out", of_set)
    assert [one.labels for one in here] == [one.labels for one in there]
    assert [one.tensor_sha256 for one in here] == [one.tensor_sha256 for one in there]
    assert [one.resized_sha256 for one in here] == [one.resized_sha256 for one in there]
    assert len({one.tensor_sha256 for one in here}) == 8
    assert not any(one.error for one in here)
    plain = predicted(source, default_environment(sidecar, model))
    assert [one.tensor_sha256 for one in plain] != [one.tensor_sha256 for one in there]  # the variant matters


def test_another_model_size_is_refused(source, tmp_path):
    write(source, tmp_path / "out", size=16)
    model = write_tflite(tmp_path / "tiny.tflite")
    environment = default_environment(tiny_sidecar(), model)
    with pytest.raises(BadInput, match="expected pictures of 2 x 2, the data set was written with 16 x 16"):
        as_prepared(environment, tiny_sidecar(), prepared(tmp_path / "out" / "labels.csv"))
    assert prepared(source) is None
    assert as_prepared(environment, tiny_sidecar(), None) is environment


def test_stopped_anywhere_and_gone_on_with_it_is_the_same(source, tmp_path):
    whole = tmp_path / "whole"
    write(source, whole, workers=2)
    for kept in (0, 3, 7):
        part = tmp_path / f"part{kept}"

        def stop(stage, done, total, note, kept=kept):
            if done == kept:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write(source, part, progress=stop)
        with pytest.raises(BadInput, match="finished data set"):
            read_scenes(part)
        if kept:
            with (part / "making.jsonl").open("a") as journal:
                journal.write('{"scene": "shot/7", "fi')  # as a kill leaves it
            (part / "1" / ".aside-0123").write_bytes(b"half a picture")
        assert write(source, part)["made_now"] == 8 - kept
        assert contents(part) == contents(whole)
    assert write(source, whole)["made_now"] == 0


def test_a_file_that_was_damaged_is_made_again(source, tmp_path):
    write(source, tmp_path / "out")
    before = contents(tmp_path / "out")
    (tmp_path / "out" / "3" / "shot" / "3.png").write_bytes(b"damaged")
    assert write(source, tmp_path / "out")["made_now"] == 1
    assert contents(tmp_path / "out") == before


def test_another_set_in_the_same_folder_is_refused(source, tmp_path):
    write(source, tmp_path / "out")
    with pytest.raises(BadInput, match=r"(?s)another one:.*variant: .*'squash'.*'letterbox-black'"):
        write(source, tmp_path / "out", fit="letterbox-black")
    text = source.read_text().replace("|wine bottle", "")
    source.write_text(text)
    with pytest.raises(BadInput, match=r"(?s)another one:\n  source: "):
        write(source, tmp_path / "out")


def test_a_picture_that_cannot_be_made_is_told_and_tried_again(source, tmp_path):
    good = (source.parent / "5.jpg").read_bytes()
    (source.parent / "5.jpg").write_bytes(good[:300])
    result = write(source, tmp_path / "out")
    assert (result["pictures"], result["failed"]) == (7, 1)
    assert result["failures"][0].startswith("shot/5: make: BadInput: ")
    assert [one.scene for one in read_scenes(tmp_path / "out")] == [f"shot/{n}" for n in (0, 1, 2, 3, 4, 6, 7)]
    assert list(json.loads((tmp_path / "out" / "manifest.json").read_text())["failures"]) == ["shot/5"]
    assert write(source, tmp_path / "out")["failed"] == 1
    for file in source.parent.glob("*.jpg"):
        file.write_bytes(b"nothing at all")
    with pytest.raises(BadInput, match="none of the 8 pictures could be made: make: BadInput"):
        write(source, tmp_path / "other")


def test_boxes_go_with_their_pictures(tmp_path):
    folder = tmp_path / "in" / "images"
    folder.mkdir(parents=True)
    Image.new("RGB", (80, 40), "white").save(folder / "a.png")
    values = {
        "images": [{"id": 7, "file_name": "a.png", "height": 40, "width": 80}],
        "categories": [{"id": 18, "name": "dog"}, {"id": 44, "name": "bottle"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 44, "bbox": [30, 10, 20, 20]},
            {"id": 2, "image_id": 7, "category_id": 18, "bbox": [0, 0, 10, 10]},
        ],
    }
    source = tmp_path / "in" / "instances.json"
    source.write_text(json.dumps(values))
    options = {"decoder": "pillow", "layout": "coco", "fit": "short-side-crop", "size": 20}
    write(source, tmp_path / "out", **options)
    found = read_coco(tmp_path / "out" / "annotations" / "instances.json")
    assert found.boxes == {
        "a": [Box("bottle", 5, 5, 10, 10)]
    }  # half the size, 10 less on each side; the dog is cut off
    assert found.rows[0].labels == ("bottle", "dog")
    assert found.category_ids == {"dog": 18, "bottle": 44}
    write(tmp_path / "out", tmp_path / "again", **{**options, "fit": "squash", "size": 10})
    assert read_coco(tmp_path / "again" / "annotations" / "instances.json").boxes["a"] == [
        Box("bottle", 2.5, 2.5, 5, 5)
    ]
    values["images"][0]["width"] = 81
    source.write_text(json.dumps(values))
    with pytest.raises(BadInput, match=r"boxes are of a picture of \(40, 81\)"):
        write(source, tmp_path / "wrong", **options)


def test_an_imagenet_folder_keeps_its_names(source, tmp_path):
    folder = tmp_path / "folder"
    for number, row in enumerate(csv.DictReader(source.read_text().splitlines())):
        (folder / f"n{number % 2}").mkdir(parents=True, exist_ok=True)
        shutil.copy(source.parent / row["file"], folder / f"n{number % 2}" / row["file"])
    write(folder, tmp_path / "out")
    assert sorted(str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").glob("n1/*")) == [
        f"n1/{number}.png" for number in (1, 3, 5, 7)
    ]
    assert [one.scene for one in read_scenes(tmp_path / "out")] == [one.scene for one in read_scenes(folder)]
    with pytest.raises(BadInput, match="outside of the scenes' own"):
        write(folder, folder / "out")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"decoder": "pil"}, "unknown decoder 'pil'; did you mean"),
        ({"resizer": "bilinear"}, "unknown resizer 'bilinear'"),
        ({"layout": "voc"}, "unknown layout 'voc'; known: coco, imagenet"),
        ({"size": 0}, "expected pixels from 1, or full, got 0"),
        ({"size": None}, "expected no --fit and no --resizer"),
        ({"size": None, "perturbation": "fog-3"}, "expected --size PIXELS, got full"),
        ({"perturbation": "fgo-3"}, "unknown perturbation 'fgo-3'; did you mean 'fog-3'"),
    ],
)
def test_bad_words(source, tmp_path, options, words):
    with pytest.raises(BadInput, match=words):
        write(source, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_other_peoples_files_are_left_alone(source, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(BadInput, match="new or empty folder"):
        write(source, tmp_path / "out")
    assert contents(tmp_path / "out").keys() == {"thesis.txt"}


def test_sets_of_stored_pixels_with_numbered_classes_are_read_as_sysnoise_publishes_them(tmp_path):
    rng = np.random.default_rng(2)
    arrays = [rng.integers(0, 256, (2, 2, 3), dtype=np.uint8) for _ in range(3)]
    (tmp_path / "yuv").mkdir()
    (tmp_path / "meta").mkdir()
    for number, array in enumerate(arrays):
        np.save(tmp_path / "yuv" / f"val_{number}.JPEG.npy", array)
    np.save(tmp_path / "yuv" / "val_3.JPEG.npy", np.zeros((2, 2, 3)))
    listed = tmp_path / "meta" / "val.txt"
    listed.write_text("val_0.JPEG 1\nval_1.JPEG 0\nval_2.JPEG 1\nval_3.JPEG 0\n")
    (tmp_path / "labels.csv").write_text("label,name\nn01,tench\nn02,goldfish\n")
    options = {"decoder": "pillow", "colour": "rgb", "fit": None, "resizer": None, "size": None}
    result = write(listed, tmp_path / "out", labels=tmp_path / "labels.csv", **options)
    assert result["variant"]["decoder"] == ""
    assert "got float64 (2, 2, 3)" in result["failures"][0]
    scenes = read_scenes(tmp_path / "out")
    assert [(one.scene, one.labels) for one in scenes] == [
        ("val_0", ("n02",)),
        ("val_1", ("n01",)),
        ("val_2", ("n02",)),
    ]
    assert [np.asarray(Image.open(one.file)).tolist() for one in scenes] == [array.tolist() for array in arrays]
    assert [one.labels for one in read_scenes(listed)] == [("1",), ("0",), ("1",), ("0",)]
    listed.write_text("val_0.JPEG 1\nval_1.JPEG 7\nval_2.JPEG\n\ngone.JPEG 1\n")
    with pytest.raises(BadInput) as caught:
        write(listed, tmp_path / "other", labels=tmp_path / "labels.csv", **options)
    words = str(caught.value)
    assert 'line 2: expected FILE CLASS, got "val_1.JPEG 7": no such class' in words
    assert 'line 3: expected FILE CLASS, got "val_2.JPEG"' in words
    assert "line 5 (gone.JPEG): there is no file" in words


@pytest.mark.parametrize("perturbation", ["gaussian-noise-2+stored-jpeg-85", "shift-crop-1"])
def test_perturbed_as_the_environment_perturbs(source, tmp_path, perturbation):
    made = write(source, tmp_path / "set", size=32, perturbation=perturbation)
    assert made["failed"] == 0
    card = tiny_sidecar(input_height=32, input_width=32, fit=VARIANT["fit"])
    pixels = {key: VARIANT[key] for key in ("decoder", "colour", "fit", "resizer")}
    environment = Environment("m", "", view="whole", scaling="bytes", runtime="litert", **pixels)
    environment = replace(environment, perturbation=perturbation)
    for scene, original in zip(read_scenes(tmp_path / "set"), read_scenes(source), strict=True):
        shown = preprocess(Path(original.file).read_bytes(), environment=environment, sidecar=card).resized
        np.testing.assert_array_equal(np.asarray(Image.open(scene.file)), shown)
    manifest = json.loads((tmp_path / "set" / "manifest.json").read_text())
    assert manifest["variant"]["perturbation"] == perturbation
    assert manifest["preprocessing"]["done"][-1] == "perturb"


def test_sets_without_a_perturbation_say_nothing_of_it(source, tmp_path):
    write(source, tmp_path / "set")
    assert "perturb" not in (tmp_path / "set" / "manifest.json").read_text()
