"""Runs of files: pictures or raws out of a folder, each once, with their sizes."""

import pytest

from analysis.store import Run
from device_agents.errors import BadInput
from hostctl.pictures.file_runs import run_of_files
from tests.fakes.raws import shoot


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "photos"
    (folder / "cup").mkdir(parents=True)
    shot = shoot("s1")
    (folder / "cup" / "one.dng").write_bytes(shot.dng)
    (folder / "cup" / "one.jpg").write_bytes(shot.jpeg)
    (folder / "cup" / "two.DNG").write_bytes(b"no raw")
    return folder


def listed(run):
    return [(one.picture, one.suffix, one.width, one.height) for one in run.picture_records()]


def test_raws_and_pictures_of_one_folder_are_two_runs(tmp_path, folder):
    with run_of_files(folder, tmp_path / "raws", raws=True) as run:
        assert listed(run) == [("cup/one", ".dng", 672, 500), ("cup/two", ".dng", 0, 0)]
    with run_of_files(folder, tmp_path / "pictures") as run:
        assert listed(run) == [("cup/one", ".jpg", 640, 480)]


def test_a_run_is_opened_again_and_holds_its_pictures_once(tmp_path, folder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_of_files(folder, None, raws=True, name="develop").close()
    with run_of_files(folder, None, raws=True, name="develop") as run:
        assert run.folder.as_posix() == "runs/develop-photos"
        assert len(listed(run)) == 2
        assert run.settings == {"pictures": "files"}
    (folder / "cup" / "one.dng").write_bytes(b"changed")
    with pytest.raises(BadInput, match="1 differ: cup/one"):
        run_of_files(folder, None, raws=True, name="develop")
    with Run.open(tmp_path / "runs" / "develop-photos") as run:
        assert len(listed(run)) == 2


def test_a_folder_without_raws_says_which_suffixes_count(tmp_path, folder):
    (folder / "cup" / "one.dng").unlink()
    (folder / "cup" / "two.DNG").unlink()
    with pytest.raises(BadInput, match=r"expected pictures \(.dng "):
        run_of_files(folder, tmp_path / "run", raws=True)
