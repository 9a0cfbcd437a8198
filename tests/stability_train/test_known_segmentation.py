"""The known segmentation files reach their stated accuracies: IoU of the bird, and mIoU of Cityscapes on CamVid."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from analysis.segmentation.masks import answered
from analysis.segmentation.scores import class_ious, confusion, mean_iou, pixel_accuracy
from capture.scenes import read_scenes
from device_agents.predict import Job, JobPicture, default_environment, predict
from device_agents.tasks.answers import read_mask
from stability_train.label_lists import LABEL_LISTS
from stability_train.zoo import resolve_model

BIRD = "value,label\n0,background\n1,background\n2,background\n3,bird\n"
CAMVID = """value,label,accepts
0,sky,
1,building,wall
2,pole,
3,road,
4,sidewalk,
5,tree,vegetation|terrain
6,sign,traffic light|traffic sign
7,fence,
8,car,truck|bus|train
9,pedestrian,person
10,bicyclist,rider|motorcycle|bicycle
11,,
"""


@pytest.fixture
def data() -> Path:
    if not os.environ.get("INSTABILITY_DATA"):
        pytest.skip("INSTABILITY_DATA is not set")
    return Path(os.environ["INSTABILITY_DATA"])


def counts(model: Path, folder: Path) -> np.ndarray:
    """The summed confusion of a model on a folder of pictures with masks."""
    path, card = resolve_model(str(model))
    scenes = read_scenes(folder)
    pictures = tuple(JobPicture(scene.scene, scene.file) for scene in scenes)
    found = list(predict(Job(str(path), card, pictures, (default_environment(card, path),))))
    assert [one.error for one in found] == [""] * len(scenes)
    total = []
    for scene, one in zip(scenes, found, strict=True):
        truth = read_mask(scene.truth)
        answer = answered(read_mask(one.detail), truth)
        total.append(confusion(truth.classes, answer, len(truth.labels)))
    return np.sum(total, axis=0)


def test_label_lists_are_the_data_packs(data) -> None:
    for name in ("pascal_voc_21", "cityscapes_19", "camvid_12"):
        assert LABEL_LISTS[name] == tuple((data / "labels" / f"{name}.txt").read_text().split("\n"))[: int(name[-2:])]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "iou"),
    [("deeplabv3_mnv2_dm05_pascal_257_float.tflite", 0.856), ("deeplabv3_mnv2_pascal_quant.tflite", 0.905)],
)
def test_the_bird(data, tmp_path, file, iou) -> None:
    for part, source in (("images", "bird_segmentation.bmp"), ("masks", "bird_segmentation_mask.bmp")):
        (tmp_path / part).mkdir()
        shutil.copyfile(data / "segmentation" / "bird" / source, tmp_path / part / "bird.bmp")
    (tmp_path / "mask-classes.csv").write_text(BIRD)
    found = class_ious(counts(data / "models" / "segmentation" / file, tmp_path))
    assert round(float(found[1]), 3) == iou


@pytest.mark.slow
def test_cityscapes_on_camvid(data, tmp_path) -> None:
    shutil.copytree(data / "segmentation" / "camvid", tmp_path / "camvid")
    (tmp_path / "camvid" / "mask-classes.csv").write_text(CAMVID)
    model = data / "models" / "segmentation" / "deeplab_mobilenet_edgetpu_slim_cityscapes_quant.tflite"
    found = counts(model, tmp_path / "camvid")
    assert round(pixel_accuracy(found), 3) == 0.865
    assert round(mean_iou(found), 3) == 0.514
    assert np.isfinite(class_ious(found)).sum() == 11
