"""The report of a detection run: objects judged, boxes drawn, classes that the model does not have left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.store import Run
from capture.encode import encode_png
from device_agents.records import Environment, Picture, Prediction, Scene
from device_agents.tasks.answers import Detections, detections_text
from hostctl.runs.comparing_runs import compare_runs
from hostctl.runs.reporting import in_order, report_run, report_text

pytest.importorskip("pycocotools", reason="the extra 'detection' is not installed")

LEFT, RIGHT = (0.0, 0.0, 0.4, 0.4), (0.6, 0.6, 1.0, 1.0)
TRUTH = Detections((LEFT, RIGHT, LEFT), ("cat", "dog", "lamp"), (1.0, 1.0, 1.0))
USUAL = Environment("m", "2" * 64, "pillow", "whole", "rgb", "squash", "pillow-box", "bytes", "litert")
OTHER = replace(USUAL, post="offset-1")


def predicted(scene: str, environment: Environment, *found: tuple[tuple[float, ...], str, float]) -> Prediction:
    boxes, labels, scores = (tuple(one[at] for one in found) for at in range(3))
    text = detections_text(Detections(boxes, labels, scores))
    return Prediction(scene, environment.environment, labels[:1] or ("nothing",), scores[:1] or (0.0,), detail=text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = encode_png(np.full((60, 80, 3), 90, dtype=np.uint8))
    (tmp_path / "a.png").write_bytes(data)
    text = detections_text(TRUTH)
    scenes = [Scene(name, str(tmp_path / "a.png"), "0" * 64, ("cat", "dog"), truth=text) for name in ("s1", "s2")]
    with Run.create(tmp_path / "run", settings={}, scenes=scenes) as run:
        sha256 = run.put_file(data)
        for scene in scenes:
            run.add_picture(Picture(scene.scene, sha256, ".png", len(data), 80, 60, scene.scene, device="files"), {})
        for environment in (USUAL, OTHER):
            run.add_environment(environment)
        run.set_note("models", {"m": {"labels": ["cat", "dog", "elk"], "sha256": "2" * 64}})
        both = ((LEFT, "cat", 0.9), (RIGHT, "dog", 0.8))
        run.add_predictions([predicted(scene.scene, USUAL, *both) for scene in scenes])
        run.add_predictions([predicted("s1", OTHER, *both), predicted("s2", OTHER, both[0])])
    return tmp_path / "run"


def test_the_report_judges_objects_and_draws_boxes(folder: Path) -> None:
    result = report_run(folder)
    assert result["unit"] == "object"
    assert (result["instability"]["items"], result["instability"]["unstable"]) == (4, 1)
    page = Path(result["report"]).read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") == 3  # s2: its truth, and two answers
    assert "post=offset-1" in page
    assert "the model has no class &#39;lamp&#39; (2 pictures): its objects do not count" in page


def test_a_cut_and_the_other_forms_are_of_objects_too(folder: Path) -> None:
    cut = report_run(folder, across=["post"], item=["scene", "angle", "repeat"])["cut"]
    assert (cut["items"], cut["unstable"]) == (4, 1)
    assert "of these objects" in report_text(folder, "md")
    with Run.open(folder, write=False) as run:
        rows = in_order(run)
    assert len(rows) == 8
    assert set(rows["object"]) == {"cat 1", "dog 1"}


def test_a_run_compared_with_itself_matches_object_by_object(folder: Path) -> None:
    found = compare_runs(folder, folder)
    assert (found["matched"], found["broken"], found["mended"], found["churn"]) == (8, 0, 0, 0.0)
