"""The packaged class lists: their lengths and order against the data pack's own files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from device_agents.errors import BadInput
from device_agents.sidecar import read_labels
from stability_train.known_files import KNOWN_FILES
from stability_train.label_lists import LABEL_LISTS, label_list


@pytest.mark.parametrize("name", sorted(LABEL_LISTS))
def test_a_list_is_written_as_a_label_file_of_distinct_labels(name: str, tmp_path: Path) -> None:
    path = label_list(name, tmp_path)
    assert read_labels(path) == LABEL_LISTS[name]
    assert len(LABEL_LISTS[name]) == int(name.rsplit("_", 1)[1])
    assert label_list(name, tmp_path) == path
    with pytest.raises(BadInput, match="unknown label list"):
        label_list("coco", tmp_path)


def test_known_files_name_lists_that_there_are() -> None:
    assert {card.labels for card in KNOWN_FILES.values()} <= {"", *LABEL_LISTS}


def test_coco_classes_stand_at_their_category_ids() -> None:
    ids = LABEL_LISTS["coco_ssd_90"]
    assert (ids[0], ids[10], ids[11], ids[12], ids[89]) == (
        "person",
        "fire hydrant",
        "unused 12",
        "stop sign",
        "toothbrush",
    )
    assert tuple(label for label in ids if not label.startswith("unused")) == LABEL_LISTS["coco_80"]


def test_lists_are_the_data_packs() -> None:
    if not os.environ.get("INSTABILITY_DATA"):
        pytest.skip("INSTABILITY_DATA is not set")
    folder = Path(os.environ["INSTABILITY_DATA"]) / "labels"
    assert LABEL_LISTS["coco_80"] == tuple((folder / "coco_80.txt").read_text().split("\n"))[:80]
    theirs = (folder / "coco_ssd_90.txt").read_text().split("\n")[:90]
    assert [label == "???" for label in theirs] == [one.startswith("unused") for one in LABEL_LISTS["coco_ssd_90"]]
