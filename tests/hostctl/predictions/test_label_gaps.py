"""Scenes that a model can never be right on are counted and named, with its number of labels."""

import pytest

from device_agents.records import Scene
from device_agents.sidecar import Sidecar
from hostctl.predictions.label_gaps import label_gaps

LOOK = ("nhwc", "rgb", "squash", "pillow-bilinear", "zero-one", "logits")


def scenes(*labels):
    return [Scene(f"s{number}", f"s{number}.jpg", f"{number:064x}", one) for number, one in enumerate(labels)]


@pytest.fixture
def model(tmp_path):
    (tmp_path / "labels.csv").write_text("label,name\ncat,cat\ndog,dog\n", encoding="utf-8")

    def made(**more):
        return tmp_path / "own.tflite", Sidecar("own", 8, 8, *LOOK, **{"labels": "labels.csv", **more})

    return made


def test_a_scene_with_one_known_label_can_be_right(model):
    assert label_gaps(scenes(("cat",), ("dress", "dog")), [model()]) == []


def test_scenes_without_a_known_label_are_counted_and_their_words_named(model):
    found = scenes(("cat",), ("a",), ("b", "c"), ("d",), ("b",))
    (told,) = label_gaps(found, [model()])
    assert told.startswith("own can never be right on 4 of 5 scenes: a, b, c and 1 more not among its 2 labels.")


def test_without_a_label_list_numbers_alone_can_be_right(model):
    bare = model(labels="")
    assert label_gaps(scenes(("3",)), [bare]) == []
    (told,) = label_gaps(scenes(("3",), ("cat",)), [bare])
    assert "own can never be right on 1 of 2 scenes: cat not among its class numbers" in told


def test_nothing_is_asked_of_unlabelled_videos_and_of_detectors(model):
    assert label_gaps(scenes(("unlabelled",)), [model()]) == []
    assert label_gaps(scenes(("a",)), [model(task="detection")]) == []
