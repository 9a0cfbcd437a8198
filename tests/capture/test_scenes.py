"""Scenes: folders and CSV files read, every mistake named at once, and what is written read back."""

import hashlib
import os
from pathlib import Path

import pytest

from capture.scenes import read_scenes, write_scenes
from device_agents.errors import BadInput


def put(folder, name, data=b"picture"):
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def table(folder, text, name="scenes.csv"):
    return put(folder, name, text.encode())


def refusal(path, **options):
    with pytest.raises(BadInput) as caught:
        read_scenes(path, **options)
    return str(caught.value)


def test_a_folder_of_labels(tmp_path):
    put(tmp_path, "purse/b.JPG", b"b")
    put(tmp_path, "purse/a.png", b"a")
    put(tmp_path, "bottle/red/c.webp")
    put(tmp_path, "bottle/notes.txt")
    scenes = read_scenes(tmp_path)
    assert [scene.scene for scene in scenes] == ["bottle/red/c", "purse/a", "purse/b"]
    assert [scene.labels for scene in scenes] == [("bottle",), ("purse",), ("purse",)]
    assert scenes[1].sha256 == hashlib.sha256(b"a").hexdigest()
    assert (scenes[1].cluster, scenes[1].category, Path(scenes[1].file)) == (
        "purse/a",
        "purse",
        tmp_path / "purse/a.png",
    )


def test_a_flat_folder_asks_for_a_csv_and_names_the_one_that_is_there(tmp_path):
    for number in range(5):
        put(tmp_path, f"{number}.jpg")
    table(tmp_path, "", "labels.csv")
    words = refusal(tmp_path)
    assert "sub-folders named after their labels" in words
    assert "file and labels" in words
    assert "there is labels.csv: give that" in words
    assert "0.jpg, 1.jpg, 2.jpg and 2 more" in words


def test_an_empty_folder_and_nothing_at_all(tmp_path):
    assert "in sub-folders, got none" in refusal(tmp_path)
    assert refusal(tmp_path / "missing").startswith(
        f"{tmp_path / 'missing'}: there is no such file or folder; expected"
    )
    assert "at least one scene" in refusal(table(tmp_path, "file,labels\n"))


def test_a_csv_with_everything(tmp_path):
    put(tmp_path, "pictures/one.jpg")
    put(tmp_path, "two.jpg")
    path = table(
        tmp_path,
        "\ufefffile,name,labels,ambiguous,cluster,category,whatever\n"
        'pictures/one.jpg,first,"n1 | n2|n1",n3,wine,bottles,x\n'
        "two.jpg,,n4,,,,\n",
    )
    first, second = read_scenes(path)
    assert (first.scene, first.labels, first.ambiguous) == ("first", ("n1", "n2"), ("n3",))
    assert (first.cluster, first.category) == ("wine", "bottles")
    assert (second.scene, second.labels, second.cluster, second.category) == ("two", ("n4",), "two", "n4")
    assert Path(first.file) == tmp_path / "pictures/one.jpg"


@pytest.mark.parametrize(
    ("header", "values", "labels", "category"),
    [
        ("file,label", "a.jpg,purse", ("purse",), "purse"),
        ("file,wnid,class_index,class_name", 'a.jpg,n1,0,"crane, bird"', ("n1",), "crane, bird"),
        ("file,class_name", "a.jpg,dress", ("dress",), "dress"),
    ],
)
def test_other_names_for_the_labels(tmp_path, header, values, labels, category):
    put(tmp_path, "a.jpg")
    (scene,) = read_scenes(table(tmp_path, f"{header}\n{values}\n"))
    assert (scene.labels, scene.category) == (labels, category)


def test_all_mistakes_at_once_with_their_rows(tmp_path):
    for name in ("a.jpg", "c.jpg", "sub/a.jpg"):
        put(tmp_path, name)
    put(tmp_path, "empty.jpg", b"")
    path = table(
        tmp_path,
        "file,name,labels,ambiguous\n"
        "a.jpg,same,n1,\n"
        "sub/a.jpg,same,n1,\n"
        "gone.jpg,,n1,\n"
        "c.jpg,x|y,,\n"
        "empty.jpg,,n1|n2,n2\n"
        ",,n9,\n"
        "a.jpg,again,n1,,n5\n",
    )
    words = refusal(path, known_labels={"n1", "n2"})
    for mistake in (
        "row 8: expected 4 fields, got more",
        "the name 'same' stands 2 times (row 2 (a.jpg), row 3 (sub/a.jpg))",
        f"row 4 (gone.jpg): there is no file {tmp_path / 'gone.jpg'}",
        "row 5 (c.jpg): the name 'x|y' has a |",
        "row 5 (c.jpg): expected at least one accepted label, got none",
        "row 6 (empty.jpg): the file",
        "row 6 (empty.jpg): accepted and ambiguous at once: n2",
        "row 7 (no file): expected a picture's name",
        "the model has no label n9",
    ):
        assert mistake in words
    assert words.startswith(f"{path}: 9 mistakes")


def test_a_long_list_is_cut(tmp_path):
    path = table(tmp_path, "file,label\n" + "".join(f"{number}.jpg,n1\n" for number in range(50)))
    words = refusal(path)
    assert words.startswith(f"{path}: 50 mistakes")
    assert words.endswith("and 30 more")


@pytest.mark.parametrize(
    ("text", "expected"),
    [(b"picture,labels\na,b\n", "got the columns picture, labels"), (b"file,labels\n\xff,b\n", "UTF-8"), (b"", "none")],
)
def test_a_file_that_is_no_scene_list(tmp_path, text, expected):
    assert expected in refusal(put(tmp_path, "scenes.csv", text))


def test_what_is_written_is_read_back(tmp_path):
    for name in ("pictures/a.jpg", "pictures/b,c.jpg"):
        put(tmp_path, name)
    source = 'file,name,labels,ambiguous,cluster,category\npictures/a.jpg,a,n1|n2,n3,k,c\n"pictures/b,c.jpg",b,n1,,,\n'
    scenes = read_scenes(table(tmp_path, source))
    copy = tmp_path / "elsewhere" / "copy.csv"
    write_scenes(scenes, copy)
    again = read_scenes(copy)
    assert [(s.scene, s.sha256, s.labels, s.ambiguous, s.cluster, s.category) for s in again] == [
        (s.scene, s.sha256, s.labels, s.ambiguous, s.cluster, s.category) for s in scenes
    ]
    assert [path.name for path in copy.parent.iterdir()] == ["copy.csv"]


def test_the_data_pack_reads_as_it_is():
    if not os.environ.get("INSTABILITY_DATA"):
        pytest.skip("INSTABILITY_DATA is not set")
    scenes = read_scenes(Path(os.environ["INSTABILITY_DATA"]) / "imagenet" / "labels.csv")
    assert len(scenes) == 400
    assert (scenes[0].labels, scenes[0].category) == (("n01440764",), "tench")
