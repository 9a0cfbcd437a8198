"""Scenes with masks: both layouts, values to classes, and every mistake told at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from capture.mask_files import has_masks, read_mask_classes, read_mask_file
from capture.scenes import read_scenes
from device_agents.errors import BadInput
from device_agents.tasks.answers import NO_CLASS, read_mask

CLASSES = "value,label,accepts\n0,sky,\n1,tree,vegetation|terrain\n2,car,\n9,,\n"
VALUES = np.array([[0, 0, 0, 1], [1, 1, 9, 9]], np.uint8)


def write(folder: Path, name: str = "a", *, values=VALUES, size: tuple[int, int] = (4, 2)) -> None:
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(folder / "images" / f"{name}.jpg")
    Image.fromarray(values).save(folder / "masks" / f"{name}.png")
    (folder / "mask-classes.csv").write_text(CLASSES)


def test_a_folder_of_images_and_masks(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, "b", values=np.full((2, 4), 2, np.uint8))
    assert has_masks(tmp_path)
    scenes = read_scenes(tmp_path)
    assert [(one.scene, one.labels) for one in scenes] == [("a", ("sky", "tree")), ("b", ("car",))]
    truth = read_mask(scenes[0].truth)
    assert truth.labels == ("sky", "tree|vegetation|terrain", "car")
    assert truth.classes.tolist() == [[0, 0, 0, 1], [1, 1, NO_CLASS, NO_CLASS]]
    assert truth.extent == (0.0, 0.0, 1.0, 1.0)


def test_a_csv_file_names_pictures_masks_and_clusters(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "scenes.csv").write_text("file,mask,name,cluster\nimages/a.jpg,masks/a.png,first,street\n")
    scene = read_scenes(tmp_path / "scenes.csv", known_labels=("sky", "road"))[0]
    assert (scene.scene, scene.cluster, scene.category) == ("first", "street", "sky")
    with pytest.raises(BadInput, match=r"masks of the model's classes \(cat, dog, ...\), got"):
        read_scenes(tmp_path / "scenes.csv", known_labels=("cat", "dog"))
    assert not has_masks(tmp_path / "absent.csv")
    (tmp_path / "plain.csv").write_text("file,label\nimages/a.jpg,sky\n")
    assert not has_masks(tmp_path / "plain.csv")


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, "good")
    write(tmp_path, "colours", values=np.zeros((2, 4, 3), np.uint8))
    write(tmp_path, "strange", values=np.full((2, 4), 7, np.uint8))
    write(tmp_path, "empty", values=np.full((2, 4), 9, np.uint8))
    write(tmp_path, "shape", values=np.zeros((8, 8), np.uint8), size=(80, 40))
    write(tmp_path, "lonely")
    (tmp_path / "masks" / "lonely.png").unlink()
    (tmp_path / "masks" / "good.png").write_bytes(b"no picture")
    with pytest.raises(BadInput) as caught:
        read_scenes(tmp_path)
    told = str(caught.value)
    assert told.splitlines()[0].endswith("6 mistakes in the scenes and masks")
    for words in (
        "expected a picture file",
        "write class numbers, not colours",
        "values without a class in mask-classes.csv: [7]",
        "expected a pixel that counts, got none",
        "a mask of its picture's shape (80 x 40 upright), got 8 x 8",
        "expected its mask, there is no file",
    ):
        assert words in told


def test_a_turned_photograph_has_an_upright_mask(tmp_path: Path) -> None:
    write(tmp_path, values=np.zeros((4, 2), np.uint8))
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "images" / "a.jpg", exif=exif)
    assert len(read_scenes(tmp_path)) == 1


def test_palettes_and_single_bits_are_class_numbers(tmp_path: Path) -> None:
    (tmp_path / "mask-classes.csv").write_text("value,label\n0,ground\n1,bird\n")
    classes = read_mask_classes(tmp_path / "mask-classes.csv")
    palette = Image.new("P", (2, 1))
    palette.putdata([0, 1])
    palette.putpalette([255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "palette.png")
    Image.fromarray(np.array([[False, True]])).save(tmp_path / "bits.png")
    for name in ("palette.png", "bits.png"):
        assert read_mask_file(tmp_path / name, classes).classes.tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class,label\n0,sky\n", "expected mask-classes.csv with the columns value, label"),
        ("value,label\n256,sky\n", "expected values 0..255, got '256'"),
        ("value,label\nsky,0\n", "expected values 0..255, got 'sky'"),
        ("value,label\n0,sky\n0,road\n", "the value 0 stands there twice"),
        ("value,label\n0,\n", "expected 1..254 labels, got 0"),
    ],
)
def test_a_wrong_list_of_classes_is_one_message(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mask-classes.csv").write_text(text)
    with pytest.raises(BadInput, match=message):
        read_mask_classes(tmp_path / "mask-classes.csv")


def test_no_list_of_classes_and_no_pictures(tmp_path: Path) -> None:
    write(tmp_path / "bare")
    (tmp_path / "bare" / "mask-classes.csv").unlink()
    with pytest.raises(BadInput, match=r"expected mask-classes.csv with the columns .* got no file at"):
        read_scenes(tmp_path / "bare")  # images and masks are no labels
    with pytest.raises(BadInput, match="got no file at"):
        read_mask_classes(tmp_path / "mask-classes.csv")
    (tmp_path / "mask-classes.csv").write_text(CLASSES)
    with pytest.raises(BadInput, match=r"expected pictures in images/ and their masks in masks/"):
        read_scenes(tmp_path)
