from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from device_agents.sidecar import read_labels
from stability_train.cache import cache_folder
from stability_train.labels import imagenet_labels, read_names


def test_the_list_has_a_thousand_classes_in_the_order_that_every_model_uses():
    path = imagenet_labels(cache_folder())
    labels, names = read_labels(path), read_names(path)
    assert (len(labels), len(set(labels)), len(names)) == (1000, 1000, 1000)
    # Four that anybody can check in a published list (the first, the last, and two that the documentation shows).
    for index, label, name in (
        (0, "n01440764", "tench"),
        (207, "n02099601", "golden retriever"),
        (898, "n04557648", "water bottle"),
        (999, "n15075141", "toilet tissue"),
    ):
        assert (labels[index], names[index]) == (label, name)
    assert labels == tuple(sorted(labels))  # WordNet ids rise with the class index in ILSVRC 2012


def test_the_data_packs_list_is_the_same():
    if not os.environ.get("INSTABILITY_DATA"):
        pytest.skip("INSTABILITY_DATA is not set")
    with (Path(os.environ["INSTABILITY_DATA"]) / "labels" / "imagenet_classes.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    path = imagenet_labels(cache_folder())
    assert [int(row["class_index"]) for row in rows] == list(range(1000))
    assert read_labels(path) == tuple(row["wnid"] for row in rows)
    assert read_names(path) == tuple(row["class_name"] for row in rows)


def test_a_list_that_is_there_is_not_made_again(tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "imagenet.csv").write_text("label,name\n")
    assert read_labels(imagenet_labels(tmp_path)) == ()
