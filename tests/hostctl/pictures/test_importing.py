"""Outside renderings: matched to their raws by name, every misfit told at once, corners found, once."""

import io

import numpy as np
import pytest
from PIL import Image

from capture.isp import BORDER_PX, render
from capture.raw import read_raw
from device_agents.errors import BadInput
from hostctl.pictures.importing import import_pictures
from hostctl.pictures.parents import beside_of, parents
from tests.fakes.raws import run_of_shots, shoot


def rendering(scene, stimulus):
    file = io.BytesIO()
    Image.fromarray(render(read_raw(shoot(scene, stimulus=stimulus).dng), "balanced")).save(file, "JPEG", quality=90)
    return file.getvalue()


def bring(run, folder, isp="photoshop"):
    said = []
    failed = import_pictures(run, folder, isp=isp, progress=lambda *told: said.append(told[:2]))
    return failed, said


@pytest.fixture
def run(tmp_path):
    with run_of_shots(tmp_path / "run", 3) as run:
        yield run


def test_files_named_by_scene_picture_or_hash_find_their_raws(tmp_path, run):
    folder = tmp_path / "out"
    (folder / "more").mkdir(parents=True)
    raws = {one.scene: one for one in parents(run, raws=True)}
    (folder / "s0.JPG").write_bytes(rendering("s0", 1))
    (folder / "s1_0_0_phone_dng.jpg").write_bytes(rendering("s1", 2))
    (folder / "more" / f"{raws['s2'].sha256}.jpg").write_bytes(rendering("s2", 3))
    (folder / "s0.xmp").write_text("no picture, left alone")
    failed, said = bring(run, folder)
    assert failed == []
    assert said == [(0, 3), (1, 3), (2, 3), (3, 3)]
    made = list(run.picture_records({"isp": "photoshop"}))
    assert sorted(one.picture for one in made) == [f"s{n}|0|0|phone|dng|photoshop|jpg" for n in range(3)]
    for one in made:
        truth = np.array(shoot(one.scene).in_raw) - BORDER_PX
        assert np.abs(truth - one.corners).max() < 0.2
    assert bring(run, folder)[0] == []
    assert len(run.pictures()) == 9


def test_every_misfit_is_told_at_once_and_nothing_is_imported(tmp_path, run):
    folder = tmp_path / "out"
    folder.mkdir()
    for name in ("s0.jpg", "s0_0_0_phone_dng.jpg", "s1.png", "stranger.jpg", "other.tif"):
        (folder / name).write_bytes(b"x")
    with pytest.raises(BadInput) as caught:
        bring(run, folder)
    text = str(caught.value)
    assert "nothing was imported: 3 of 5 files do not fit; name each after its raw's scene" in text.splitlines()[0]
    assert "  stranger.jpg fits no raw of the run" in text
    assert "  other.tif fits no raw of the run" in text
    assert "  s0_0_0_phone_dng.jpg and s0.jpg fit the same raw, s0|0|0|phone|dng" in text
    assert len(run.pictures()) == 6


def test_a_file_that_is_no_picture_fails_alone_and_another_content_is_refused(tmp_path, run):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "s0.jpg").write_bytes(b"hello")
    (folder / "s1.jpg").write_bytes(rendering("s1", 2))
    (one,), _ = bring(run, folder)
    assert one.where == "s0|0|0|phone|dng|photoshop|jpg"
    assert one.reason.startswith("import: ")
    assert list(run.failures()["where"]) == [one.where]
    (folder / "s1.jpg").write_bytes(rendering("s2", 2))
    with pytest.raises(BadInput, match=r"s1.jpg differs from the one imported before; give it another --isp name"):
        bring(run, folder)


@pytest.mark.parametrize("isp", ["plain", "Photo|shop", "", "dcraw"])
def test_the_programs_name_must_be_its_own(tmp_path, run, isp):
    with pytest.raises(BadInput, match="expected a name of its own for the outside program, such as photoshop"):
        bring(run, tmp_path, isp)


def test_an_empty_folder_is_refused(tmp_path, run):
    with pytest.raises(BadInput, match="expected a folder of pictures .* to import, got none"):
        bring(run, tmp_path / "none")


def test_the_photograph_beside_a_raw_is_of_the_same_step(run):
    for raw in parents(run, raws=True):
        path, corners = beside_of(run, raw)
        assert path.read_bytes() == shoot(raw.scene, stimulus=int(raw.scene[1:]) + 1).jpeg
        assert corners == shoot(raw.scene).in_jpeg
    assert [one.suffix for one in parents(run, raws=False)] == [".jpg"] * 3
