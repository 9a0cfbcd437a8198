from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from capture.scenes import read_scenes
from device_agents.errors import BadInput
from device_agents.sidecar import read_labels
from stability_train import photographs as module
from stability_train.cache import cache_folder
from stability_train.labels import imagenet_labels
from stability_train.photographs import photographs


def test_twenty_photographs_with_labels_that_the_models_know():
    shown = photographs(cache_folder())
    labels = read_labels(imagenet_labels(cache_folder()))
    assert len(shown.scenes) == 20
    for scene in shown.scenes:
        with Image.open(scene.file) as image:
            assert (min(image.size) >= 512, image.format, image.mode) == (True, "JPEG", "RGB")
        assert len(scene.labels) == 1
        assert scene.labels[0] in labels
        assert scene.cluster == scene.scene
    assert shown.scenes[0].scene == "00-bull-mastiff"
    assert shown.scenes[0].labels == (labels[243],)  # its name in the package is imagenet_00_243.jpg
    assert [scene.category for scene in shown.scenes].count("jeep") == 2


def test_the_scenes_file_is_read_by_the_reader_of_scenes():
    shown = photographs(cache_folder())
    assert tuple(read_scenes(shown.csv)) == shown.scenes
    assert {Path(scene.file).parent for scene in shown.scenes} == {shown.folder}


def test_a_package_with_other_photographs_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as archive:
        archive.writestr("foolbox/data/imagenet_00_243.jpg", b"one")
    monkeypatch.setattr(module, "fetch_wheel", lambda wheel, cache, *, progress: tmp_path / "other.whl")
    (tmp_path / "labels").mkdir()
    shutil.copy(imagenet_labels(cache_folder()), tmp_path / "labels")
    with pytest.raises(BadInput, match="expected 20 photographs"):
        photographs(tmp_path)
    assert list((tmp_path / "photographs").iterdir()) == []
