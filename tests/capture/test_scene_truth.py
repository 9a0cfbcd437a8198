"""Truths of boxes against hand examples, and every kind of mistake at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from capture.label_maps import map_scenes, read_label_map
from capture.scene_truth import Box, Boxed, check_truth, mapped_truth, picture_size, strange_classes, truth_texts
from capture.scenes import read_scenes, write_scenes
from device_agents.errors import BadInput
from device_agents.records import Scene
from device_agents.tasks.answers import Detections, detections_text, read_detections

HEADER = "file,class_name,xmin,ymin,xmax,ymax,difficult\n"


def picture(file: Path, width: int = 200, height: int = 100, orientation: int = 1) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[274] = orientation
    Image.new("RGB", (width, height)).save(file, exif=exif)
    return file


def test_pixels_become_fractions_and_slack_is_cut_off(tmp_path: Path) -> None:
    boxes = [Box("cat", 20, 10, 100, 50), Box("dog", 100, 0, 101, 100, ignored=True)]
    texts, mistakes = truth_texts([Boxed("here", tmp_path, boxes, (100, 200))])
    truth = read_detections(texts[0])
    assert mistakes == []
    assert truth == Detections(((0.1, 0.1, 0.6, 0.6), (0.5, 0.0, 1.0, 1.0)), ("cat", "dog"), (1.0, 1.0), (False, True))


def test_what_is_wrong_with_boxes_is_told_for_all_at_once(tmp_path: Path) -> None:
    boxes = [Box("cat", 150, 0, 60, 50), Box("dog", 10, 10, 0, 10), Box("elk", 0, 0, 10, 10)]
    texts, mistakes = truth_texts([Boxed("image 3", tmp_path, boxes, (100, 200))])
    assert texts == [""]
    assert mistakes == [
        "image 3: the box of 'cat' at 150, 0, 60 x 50 lies outside its picture of 200 x 100 pixels",
        "image 3: expected a box with an area, got the box of 'dog' at 10, 10, 0 x 10",
    ]


def test_without_a_box_for_each_object_there_is_no_truth(tmp_path: Path) -> None:
    box = Box("cat", 0, 0, 5, 5)
    given = [Boxed("a", tmp_path, [box, None], (9, 9)), Boxed("b", tmp_path, [], (9, 9)), Boxed("c", tmp_path, [box])]
    assert truth_texts(given) == (["", "", ""], [])


def test_a_picture_is_as_large_as_it_is_seen(tmp_path: Path) -> None:
    assert picture_size(picture(tmp_path / "a.jpg")) == (100, 200)
    assert picture_size(picture(tmp_path / "b.jpg", orientation=6)) == (200, 100)
    assert picture_size(tmp_path / "none.jpg") is None


def box_file(tmp_path: Path, rows: str) -> Path:
    picture(tmp_path / "images" / "a.jpg")
    picture(tmp_path / "images" / "b.jpg")
    path = tmp_path / "boxes.csv"
    path.write_text(HEADER + rows)
    return path


def test_a_csv_file_of_boxes_gives_a_scene_a_picture(tmp_path: Path) -> None:
    path = box_file(tmp_path, "a.jpg,cat,0,0,100,50,0\nb.jpg,dog,0,0,200,100,\na.jpg,dog,100,50,200,100,1\n")
    first, second = read_scenes(path)
    assert (first.scene, first.labels, first.category) == ("a", ("cat", "dog"), "cat")
    assert read_detections(first.truth).boxes == ((0.0, 0.0, 0.5, 0.5), (0.5, 0.5, 1.0, 1.0))
    assert read_detections(first.truth).ignored == (False, True)
    assert second.labels == ("dog",)
    write_scenes([first, second], tmp_path / "copy.csv")
    assert read_scenes(tmp_path / "copy.csv") == [first, second]


def test_every_mistake_of_a_csv_file_of_boxes_at_once(tmp_path: Path) -> None:
    rows = "a.jpg,cat,0,0,x,50,0\na.jpg,,0,0,9,9,0\nb.jpg,dog,0,0,500,9,0\n,dog,0,0,9,9,0\n"
    rows += "b.jpg,dog,0,0,9,9,2\nc.jpg,elk,0,0,9,9,0\n"
    with pytest.raises(BadInput) as told:
        read_scenes(box_file(tmp_path, rows))
    words = str(told.value)
    for part in (
        "expected numbers in xmin, ymin, xmax, ymax",
        "expected a class in the column class_name",
        "lies outside its picture of 200 x 100 pixels",
        "expected the name of a picture",
        "expected difficult as 0 or 1, got '2'",
        "there is no file",
    ):
        assert part in words
    path = tmp_path / "columns.csv"
    path.write_text("file,xmin,ymin,xmax,ymax\na.jpg,0,0,1,1\n")
    with pytest.raises(BadInput, match="got the columns file, xmin"):
        read_scenes(path)


def test_unknown_classes_are_one_line_each_and_a_map_leaves_them_out(tmp_path: Path) -> None:
    path = box_file(tmp_path, "a.jpg,cat,0,0,9,9,0\na.jpg,lamp,0,0,9,9,0\nb.jpg,lamp,0,0,9,9,0\n")
    with pytest.raises(BadInput, match=r"1 mistake in the scenes\n  the model has no class 'lamp' \(2 pictures\)"):
        read_scenes(path, known_labels=["cat", "dog"])
    (tmp_path / "labels.txt").write_text("cat\ndog\n???\n")
    found, others = map_scenes(read_scenes(path), read_label_map(str(tmp_path / "labels.txt")))
    assert [one.labels for one in found] == [("cat",), ("nothing",)]
    assert [len(read_detections(one.truth).boxes) for one in found] == [1, 0]
    assert others == {"lamp": 2}
    assert strange_classes(found, ["cat"]) == []


def test_coco_annotations_carry_their_boxes(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.jpg")
    lists = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 100, "width": 200}],
        "categories": [{"id": 5, "name": "dog"}],
        "annotations": [
            {"image_id": 1, "category_id": 5, "bbox": [20, 10, 100, 50]},
            {"image_id": 1, "category_id": 5, "bbox": [0, 0, 200, 100], "iscrowd": 1},
        ],
    }
    (tmp_path / "instances.json").write_text(json.dumps(lists))
    (only,) = read_scenes(tmp_path / "instances.json")
    assert read_detections(only.truth).boxes == ((0.1, 0.1, 0.6, 0.6), (0.0, 0.0, 1.0, 1.0))
    assert read_detections(only.truth).ignored == (False, True)
    lists["annotations"][0]["bbox"] = [150, 0, 100, 50]
    (tmp_path / "instances.json").write_text(json.dumps(lists))
    with pytest.raises(BadInput, match=r"image 1 \(a.jpg\): the box of 'dog' at 150, 0"):
        read_scenes(tmp_path / "instances.json")


def test_a_truth_that_is_none_is_a_mistake(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    (tmp_path / "scenes.csv").write_text('file,labels,truth\na.jpg,cat,"{""boxes"": 3}"\n')
    with pytest.raises(BadInput, match="the truth: expected a JSON object"):
        read_scenes(tmp_path / "scenes.csv")
    check_truth(detections_text(Detections((), (), ())))


def test_objects_are_mapped_by_name() -> None:
    text = detections_text(Detections(((0, 0, 1, 1), (0, 0, 0.5, 1)), ("sofa", "lamp"), (1.0, 1.0), (True, False)))
    assert read_detections(mapped_truth(text, {"sofa": "couch"})) == Detections(
        ((0, 0, 1, 1),), ("couch",), (1.0,), (True,)
    )
    scene = Scene("s", "f", "0" * 64, ("sofa", "lamp"), truth=text)
    assert strange_classes([scene], {"lamp"}) == ["the model has no class 'sofa' (1 picture)"]
