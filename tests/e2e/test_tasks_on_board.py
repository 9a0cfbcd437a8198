"""Detection and segmentation on a virtual board: its own agent makes the grid, and equals the host's bit for bit."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from analysis.store import Run
from device_agents.sidecar import Sidecar, sidecar_values
from device_agents.tasks.answers import read_detections, read_mask
from hostctl import commands
from tests.device_agents.tiny_models import tiny_sidecar, write_onnx_boxes, write_onnx_mask

LAB = """
name = "one board"
[display]
screen = "virtual"
width = 640
height = 480
[[device]]
name = "board"
kind = "virtual-board"
camera = "board-plain"
predicts = "agent"
"""
BOXES = [[0.1, 0.2, 1.1, 1.3], [0.2, 0.2, 1.2, 1.3], [1.0, 1.0, 2.0, 2.0]]
COLUMNS = ("picture", "machine", "decoder", "resizer", "post", "label_1", "score_1", "error", "detail")


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    rng = np.random.default_rng(1)
    rows = ["file,label"]
    for number in range(3):
        base = rng.integers(0, 256, (3, 4, 3), dtype=np.uint8)
        pixels = Image.fromarray(base).resize((40, 30), Image.Resampling.BILINEAR)
        pixels.save(folder / f"p{number}.jpg", quality=80)
        rows.append(f"p{number}.jpg,1")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "lab.toml").write_text(LAB)
    return folder / "labels.csv"


def on_both(folder: Path, model: Path, sidecar: Sidecar, scenes: Path, vary: list[str]) -> Any:
    """Predict on the host and on the board; give the host's table, having held the board's against it."""
    model.with_name(model.name + ".json").write_text(json.dumps(sidecar_values(sidecar)))
    asked: dict[str, Any] = {"scenes": scenes, "out": folder / "run", "model": str(model), "workers": 1, "vary": vary}
    here = commands.predict(**asked)
    there = commands.predict(**asked, lab=folder / "lab.toml", on="board")
    with Run.open(folder / "run", write=False) as run:
        table = run.predictions(COLUMNS)
    keys = ["picture", "decoder", "resizer", "post"]
    host, board = (
        table[table["machine"] == name].drop(columns="machine").sort_values(keys).reset_index(drop=True)
        for name in ("host", "board")
    )
    assert host.equals(board)  # the details too: all digits of every box, every pixel of every mask
    assert (host["error"] == "").all()
    assert there["against_host"] == {"both": len(host), "differing": 0, "first_stage": {}}
    assert [row["flips"] for row in there["rows"]] == [row["flips"] for row in here["rows"]]
    return host


def test_a_detectors_grid_equals_the_hosts(tmp_path: Path, scenes: Path) -> None:
    model = write_onnx_boxes(tmp_path / "boxes.onnx", boxes=BOXES, labels=[1, 1, 2], scores=[0.9, 0.6, 0.3])
    card = tiny_sidecar(outputs="raw", task="detection", head="boxes", post={"first_class": 0})
    posts = "post=nms-class-wise,threshold-0.5,nms-class-wise,round-nearest"
    host = on_both(tmp_path, model, card, scenes, ["decoder=opencv", "resizer=opencv-area", posts])
    assert len(host) == 3 * 6
    plain = read_detections(host.loc[host["post"] == "", "detail"].iloc[0])
    np.testing.assert_allclose(plain.boxes, np.array(BOXES) / 2, atol=1e-6)
    kept = {post: len(read_detections(some.iloc[0]).boxes) for post, some in host.groupby("post")["detail"]}
    assert (kept[""], kept["nms-class-wise"]) == (3, 2)


def test_a_segmentation_grid_equals_the_hosts(tmp_path: Path, scenes: Path) -> None:
    card = tiny_sidecar(outputs="raw", task="segmentation", head="logits")
    host = on_both(tmp_path, write_onnx_mask(tmp_path / "mask.onnx"), card, scenes, ["resizer=opencv-area"])
    picture = np.asarray(Image.open(scenes.parent / "p0.jpg").resize((2, 2), Image.Resampling.NEAREST))
    row = host[(host["picture"].str.startswith("p0")) & (host["resizer"] == "pillow-nearest")].iloc[0]
    np.testing.assert_array_equal(read_mask(row["detail"]).classes, picture.argmax(axis=2))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "posts"),
    [
        ("detection/nanodet_m_416_float.onnx", ["post=cells-at-corner,nms-soft-linear,exp-float16"]),
        ("detection/ssd_mobilenet_v1_coco_quant.tflite", ["post=round-nearest"]),
        ("segmentation/deeplabv3_mnv2_pascal_quant.tflite", []),
    ],
)
def test_real_models_answer_on_the_board_as_on_the_host(
    tmp_path: Path, scenes: Path, file: str, posts: list[str]
) -> None:
    if "INSTABILITY_DATA" not in os.environ:
        pytest.skip("INSTABILITY_DATA is not set")
    from stability_train.zoo import resolve_model

    data = Path(os.environ["INSTABILITY_DATA"])
    model, card = resolve_model(str(data / "models" / file))
    copied = Path(shutil.copyfile(model, tmp_path / model.name))
    photos = sorted((data / "detection" / "images").iterdir())[:2]
    for photo in photos:
        shutil.copyfile(photo, scenes.parent / photo.name)
    scenes.write_text("file,label\n" + "".join(f"{photo.name},person\n" for photo in photos))
    if card.labels and not Path(card.labels).is_absolute():
        card = dataclasses.replace(card, labels=str((model.parent / card.labels).absolute()))
    host = on_both(tmp_path, copied, card, scenes, ["decoder=opencv", *posts])
    assert host["detail"].str.len().min() > 100
