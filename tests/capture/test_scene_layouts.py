"""Layouts: ImageNet's folders, COCO's annotations, the kit's own sets; mistakes named, boxes put where a fit does."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.scene_layouts import Box, coco_annotations, picture_names, place_boxes, read_coco, read_manifest
from capture.scenes import read_scenes
from device_agents.errors import BadInput
from device_agents.records import Scene
from device_agents.resize import FITS, RESIZERS

CATEGORIES = [{"id": 5, "name": "dog"}, {"id": 9, "name": "wine bottle"}]


def put(folder, name, data=b"picture"):
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def annotations(folder, name="annotations/instances_val2017.json", **lists):
    return put(folder, name, json.dumps({"images": [], "annotations": [], "categories": CATEGORIES} | lists).encode())


def image(key, file, **more):
    return {"id": key, "file_name": file, **more}


def annotation(picture, category, **more):
    return {"image_id": picture, "category_id": category, **more}


def scene(name, *labels):
    return Scene(name, f"/pictures/{name}", "0" * 64, labels)


@pytest.mark.parametrize("place", ["images/a.jpg", "val2017/a.jpg", "annotations/a.jpg", "annotations/images/a.jpg"])
def test_coco_pictures_are_found_where_coco_keeps_them(tmp_path, place):
    file = put(tmp_path, place)
    labelled = [annotation(1, 9), annotation(1, 5, bbox=[0, 0, 2, 2]), annotation(1, 9)]
    (only,) = read_scenes(annotations(tmp_path, images=[image(1, "a.jpg")], annotations=labelled))
    assert (only.scene, only.labels, only.category) == ("a", ("wine bottle", "dog"), "wine bottle")
    assert only.file == str(file)


def test_coco_keeps_the_order_of_its_images_and_leaves_out_those_without_a_label(tmp_path):
    for name in ("a.jpg", "b/c.jpg", "d.jpg"):
        put(tmp_path, f"images/{name}")
    images = [image(3, "d.jpg"), image(1, "b/c.jpg"), image(2, "a.jpg")]
    path = annotations(tmp_path, images=images, annotations=[annotation(1, 5), annotation(3, 5)])
    assert [one.scene for one in read_scenes(path)] == ["d", "b/c"]


def test_all_mistakes_of_coco_annotations_at_once(tmp_path):
    put(tmp_path, "images/a.jpg")
    path = annotations(
        tmp_path,
        images=[image(1, "a.jpg"), image(1, "b.jpg"), image("x", "c.jpg"), image(4, ""), image(6, "gone.jpg"), 7],
        categories=[*CATEGORIES, {"id": 10}],
        annotations=[
            annotation(1, 5),
            annotation(6, 5),
            annotation(2, 5),
            annotation(1, 77),
            annotation(1, 5, bbox=[1, 2, 3]),
            annotation(1, 5, bbox=[1, 2, -3, 4]),
            annotation(1, 5, bbox=[1, 2, "3", 4]),
            None,
        ],
    )
    with pytest.raises(BadInput) as caught:
        read_scenes(path, known_labels={"cat"})
    words = str(caught.value)
    for mistake in (
        "image 1: the id stands twice, for a.jpg and b.jpg",
        'image number 3: expected an object with a whole number as id, got {"id": "x"',
        'image 4: expected its file_name, got ""',
        "image number 6: expected an object with a whole number as id, got 7",
        "category 10: expected its name, got null",
        "annotation number 3: there is no image 2",
        "annotation number 4: there is no category 77",
        "annotation number 5: expected bbox as left, top, width, height, got [1, 2, 3]",
        "annotation number 6: expected bbox",
        "annotation number 7: expected bbox",
        "annotation number 8: there is no image null",
        "image 6 (gone.jpg): there is no file",
        "image 1 (a.jpg): the model has no label dog",
    ):
        assert mistake in words
    assert words.startswith(f"{path}: 15 mistakes")


@pytest.mark.parametrize(
    ("text", "words"),
    [(b"{", "lists images, annotations and categories: "), (b"[]", "got list"), (b'{"images": []}', "got images")],
)
def test_what_are_no_coco_annotations(tmp_path, text, words):
    with pytest.raises(BadInput, match="COCO annotations") as caught:
        read_scenes(put(tmp_path, "instances.json", text))
    assert words in str(caught.value)


def test_the_splits_of_a_data_set_are_no_labels(tmp_path):
    for name in ("train/n1/a.jpg", "val/n1/b.jpg"):
        put(tmp_path, name)
    with pytest.raises(BadInput, match=f"got train, val; give one: {tmp_path / 'train'}"):
        read_scenes(tmp_path)
    assert [one.labels for one in read_scenes(tmp_path / "val")] == [("n1",)]
    put(tmp_path, "val/c.jpg")  # then val may well be a label
    assert {one.labels for one in read_scenes(tmp_path)} == {("train",), ("val",)}


def test_coco_annotations_written_are_read_back(tmp_path):
    first = Scene("n1/a", "", "", ("dog", "n1"), ("cat",), "sofa", "pets")
    second = scene("b", "wine bottle")
    entries = {
        "n1/a": {
            "file": "images/n1/a.png",
            "height": 20,
            "width": 30,
            "boxes": [["dog", 1, 2, 3, 4], ["dog", 5, 6, 7, 8]],
        },
        "b": {"file": "images/b.png", "height": 5, "width": 5, "boxes": []},
    }
    values = coco_annotations([first, second], entries, category_ids={"dog": 5, "bird": 18})
    assert [(one["id"], one["name"]) for one in values["categories"]] == [
        (5, "dog"),
        (18, "bird"),
        (19, "n1"),
        (20, "wine bottle"),
    ]
    assert [one["id"] for one in values["annotations"]] == [1, 2, 3, 4]
    assert values["annotations"][1] == {
        "id": 2,
        "image_id": 1,
        "category_id": 5,
        "iscrowd": 0,
        "bbox": [5, 6, 7, 8],
        "area": 56,
    }
    path = put(tmp_path, "annotations/instances.json", json.dumps(values).encode())
    for entry in entries.values():
        put(tmp_path, entry["file"])
    again = read_scenes(path)
    assert [(s.scene, s.labels, s.ambiguous, s.cluster, s.category) for s in again] == [
        (s.scene, s.labels, s.ambiguous, s.cluster, s.category) for s in (first, second)
    ]
    found = read_coco(path)
    assert found.boxes == {"n1/a": [Box("dog", 1, 2, 3, 4), Box("dog", 5, 6, 7, 8)], "b": []}
    assert found.sizes == {"n1/a": (20, 30), "b": (5, 5)}


@pytest.mark.parametrize(
    ("name", "label", "imagenet"),
    [
        ("a", "n1", "n1/a.png"),
        ("n1/a", "n1", "n1/a.png"),
        ("n1/x/a", "n1", "n1/x/a.png"),
        ("../..", "wine bottle", "wine bottle/%2E%2E/%2E%2E.png"),
        ("a:b?", "n1/n2", "n1%2Fn2/a%3Ab%3F.png"),
        ("", ".", "%2E/%20.png"),
    ],
)
def test_file_names_stay_in_their_folder(name, label, imagenet):
    assert picture_names([scene(name, label)], layout="imagenet") == [imagenet]
    assert picture_names([scene("n1/a", label)], layout="coco") == ["images/n1/a.png"]


def test_names_that_meet_are_refused():
    with pytest.raises(BadInput, match=r"n1/a \(n1/a.png\), A \(n1/A.png\)"):
        picture_names([scene("n1/a", "n1"), scene("b", "n1"), scene("A", "n1")], layout="imagenet")


def test_a_manifest(tmp_path):
    assert read_manifest(tmp_path) is None
    put(tmp_path, "manifest.json", b'{"name": "a web page\'s"}')
    put(tmp_path, "n1/a.jpg")
    assert read_manifest(tmp_path) is None
    assert len(read_scenes(tmp_path)) == 1
    ours = {"kind": "instability-dataset", "scenes": "labels.csv", "variant": {}}
    put(tmp_path, "manifest.json", json.dumps({**ours, "complete": False}).encode())
    with pytest.raises(BadInput, match="finished data set"):
        read_scenes(tmp_path)
    put(tmp_path, "manifest.json", json.dumps({**ours, "complete": True}).encode())
    put(tmp_path, "labels.csv", b"file,labels,name\nn1/a.jpg,n7|n8,other\n")
    assert [(one.scene, one.labels) for one in read_scenes(tmp_path)] == [("other", ("n7", "n8"))]
    put(tmp_path, "manifest.json", b'{"kind": "instability-dataset"}')
    with pytest.raises(BadInput, match="scenes and variant"):
        read_manifest(tmp_path)
    put(tmp_path, "manifest.json", b"\xff")
    with pytest.raises(BadInput, match="no JSON"):
        read_manifest(tmp_path)


def test_boxes_by_hand():
    box = Box("dog", 40, 20, 100, 60)
    (squashed,) = place_boxes([box], fit="squash", size=100, source=(200, 400))
    assert squashed == Box("dog", 10, 10, 25, 30)
    (cropped,) = place_boxes([box], fit="short-side-crop", size=100, source=(200, 400))  # halved; x from 50 on is kept
    assert cropped == Box("dog", 0, 10, 20, 30)
    (boxed,) = place_boxes([box], fit="letterbox-grey-114", size=100, source=(200, 400))  # a quarter, 25 above
    assert boxed == Box("dog", 10, 30, 25, 15)
    assert place_boxes([Box("dog", 0, 0, 90, 50)], fit="short-side-crop", size=100, source=(200, 400)) == []


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(FITS)), st.integers(20, 600), st.integers(20, 600), st.integers(16, 96))
def test_a_box_is_where_the_fit_puts_what_is_in_it(fit, height, width, size):
    top, left = height // 3, width // 3
    picture = np.zeros((height, width, 3), np.uint8)
    picture[top : 2 * top, left : 2 * left] = (255, 0, 0)
    placed = place_boxes([Box("red", left, top, left, top)], fit=fit, size=size, source=(height, width))
    made = FITS[fit](picture, RESIZERS["pillow-nearest"], size, size)
    rows, columns = np.nonzero((made[..., 0] == 255) & (made[..., 1] == 0))
    if not rows.size:
        assert all(min(box.width, box.height) < 1.5 for box in placed)
        return
    (box,) = placed
    found = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert found == pytest.approx((box.left, box.top, box.left + box.width, box.top + box.height), abs=1.01)
