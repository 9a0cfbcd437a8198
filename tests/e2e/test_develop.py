"""`instability develop` as its user calls it: on a virtual rack's raws, on a folder of real ones, and importing."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from analysis.store import Run
from capture import screen
from device_agents.decode import DECODERS
from device_agents.view import VIEWS
from tests.fakes.command import instability, write_lab
from tests.fakes.photos import packaged

SCENES = 2


@pytest.fixture(scope="module")
def shot(tmp_path_factory):
    """A folder with a run of a virtual phone that keeps its raws."""
    folder = tmp_path_factory.mktemp("shot")
    lab = write_lab(folder, camera="midrange-sharp")
    lab.write_text(lab.read_text().replace('phone = "modern"', 'phone = "modern-raw"'))
    done = instability("run", lab, "--scenes", packaged(folder, SCENES), "--out", "run", "--no-predict", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_a_racks_raws_are_developed_coded_again_and_joined_by_an_outside_program(shot):
    asked = ("develop", "run", "--isp", "plain,libraw-*", "--codec", "jpeg-85,imagemagick-webp", "--json", "--quiet")
    done = instability(*asked, cwd=shot)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["failures"] == []
    assert [(row["isp"], row["codec"], row["pictures"], row["failed"]) for row in found["rows"]] == [
        (isp, codec, SCENES, 0)
        for isp in ("plain", "libraw-auto-bright", "libraw-pinned")
        for codec in ("jpeg-85", "imagemagick-webp")
    ]
    assert all(0.01 < row["mb_mean"] < 2 for row in found["rows"])
    check_corners(shot / "run")

    again = instability(*asked, cwd=shot)
    assert json.loads(again.stdout) == found

    done = instability("develop", "run", "--codec", "jpeg-50,png", cwd=shot)
    assert done.returncode == 0, done.stderr
    assert "(as shot)" in done.stdout
    assert "pictures: 2/2" in done.stderr

    outside(shot)
    done = instability("develop", "run", "--import", "outside", "--isp", "photoshop", "--json", cwd=shot)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["rows"]
    assert (row["isp"], row["codec"], row["pictures"], row["failed"]) == ("photoshop", "webp", SCENES, 0)
    check_corners(shot / "run")


def check_corners(folder):
    """Each developed picture's corners are where the frame itself shows them, and cut out the scene as shot."""
    with Run.open(folder, write=False) as run:
        scenes = {one.scene: DECODERS["pillow"](Path(one.file).read_bytes()) for one in run.scenes()}
        crops = {}
        for one in (one for one in run.picture_records() if one.suffix != ".dng"):
            layout = screen.Layout(720, 960)
            rgb = DECODERS["pillow"](run.file(one.sha256).read_bytes())
            proof = screen.read_proof(rgb, layout=layout, box=screen.scene_box(*scenes[one.scene].shape[:2], layout))
            assert np.abs(np.array(proof.corners) - one.corners).max() < 0.5, one.picture
            crop = screen.thumbnail(VIEWS["rectified-opencv"](rgb, one.corners), 64).astype(float)
            first = crops.setdefault(one.scene, crop)
            height, width = np.minimum(first.shape[:2], crop.shape[:2])
            alike = np.corrcoef(first[:height, :width].ravel(), crop[:height, :width].ravel())[0, 1]
            assert alike > 0.85, one.picture


def outside(folder):
    """Renderings "by Photoshop": what libraw-auto-bright gave, under the scenes' names."""
    (folder / "outside").mkdir()
    with Run.open(folder / "run", write=False) as run:
        for one in run.picture_records({"isp": "libraw-auto-bright", "codec": "imagemagick-webp"}):
            shutil.copy(run.file(one.sha256), folder / "outside" / f"{one.scene}.webp")


@pytest.mark.slow
def test_a_folder_of_real_raws_and_one_that_is_none(tmp_path):
    data = os.environ.get("INSTABILITY_DATA")
    if not data:
        pytest.skip("INSTABILITY_DATA is not set")
    folder = tmp_path / "raws" / "thing"
    folder.mkdir(parents=True)
    for file in (Path(data) / "raw").glob("*.dng"):
        shutil.copy(file, folder)
    (folder / "broken.dng").write_bytes(b"II*\0 no raw")
    words = ("--isp", "plain,libraw-pinned", "--codec", "jpeg-85", "--out", "run", "--quiet", "--workers", "1")
    done = instability("develop", "--scenes", "raws", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 failed, the same command tries them again:" in done.stdout
    assert "thing/broken: read: BadInput: expected a raw file that LibRaw reads" in done.stdout
    with Run.open(tmp_path / "run", write=False) as run:
        assert len(list(run.picture_records({"isp": ("plain", "libraw-pinned")}))) == 6
        assert list(run.failures()["where"]) == ["thing/broken"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "expected either a run or --scenes (a folder or a CSV of pictures), got neither"),
        (("none", "--isp", "plain", "--codec", "png"), "expected a run folder"),
        (("none", "--isp", "plain"), "expected --codec with names, globs or all, got none"),
        (("none", "--isp", "plane", "--codec", "png"), "unknown isp 'plane'; did you mean 'plain'"),
        (("none", "--import", "x"), "--import: expected one --isp, the name of the program"),
    ],
)
def test_bad_input_is_one_clear_line(tmp_path, words, message):
    done = instability("develop", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[0]
    assert "Traceback" not in done.stderr
