"""Developing a run: what is missing is made once, by processes or not; kills, failures and other versions are told."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from analysis.run_folder.files import ASIDE
from analysis.store import Run
from capture.codecs import CODECS
from capture.isp import ISPS
from device_agents.errors import BadInput, MissingExtra, TimedOut
from hostctl.pictures import developing, picture_versions
from hostctl.pictures.developing import develop_run
from tests.fakes.raws import run_of_shots

ISP_NAMES, CODEC_NAMES = ["plain", "libraw-pinned"], ["jpeg-85", "webp-80"]


def make(run, isps=ISP_NAMES, codecs=CODEC_NAMES, **options):
    said = []
    options = {"workers": 1, "progress": lambda *told: said.append(told), **options}
    return develop_run(run, isps=isps, codecs=codecs, **options), said


def table(run):
    for one in run.picture_records():
        assert hashlib.sha256(run.file(one.sha256).read_bytes()).hexdigest() == one.sha256
    return run.pictures().sort_values("picture", ignore_index=True)


def test_a_runs_raws_become_pictures_with_their_steps_once(tmp_path):
    with run_of_shots(tmp_path / "run", 3) as run:
        lines, said = make(run)
        assert lines == []
        assert said == [(done, 6, "") for done in (0, 2, 4, 6)]
        found = table(run)
        made = found[found["parent"] != ""]
        assert len(made) == 12
        assert set(made["parent"]) == {f"s{n}|0|0|phone|dng" for n in range(3)}
        assert set(made["stimulus"]) == {1, 2, 3}
        assert all(len(corners) == 4 for corners in made["corners"])
        assert len(run.attempts()) == 3
        assert run.note("versions").keys() == {*(f"isp {i}" for i in ISP_NAMES), *(f"codec {c}" for c in CODEC_NAMES)}
        lines, said = make(run, isps=["plain", "soft"], codecs=["jpeg-85", "jpeg-50"])
        assert said[0] == (0, 6, "")
        assert len(run.pictures()) == 6 + 12 + 9
        assert make(run)[1] == [(6, 6, "")]


def test_photographs_are_coded_again_without_isps(tmp_path):
    with run_of_shots(tmp_path / "run", 2) as run:
        lines, said = make(run, isps=[], codecs=["jpeg-50", "png"])
        assert lines == []
        assert said[-1] == (2, 2, "")
        made = list(run.picture_records({"isp": "", "codec": ("jpeg-50", "png")}))
        shots = {one.picture: one for one in run.picture_records({"suffix": ".jpg", "parent": ""})}
        assert {one.parent for one in made} == shots.keys()
        assert all(one.corners == shots[one.parent].corners for one in made)


def test_processes_make_the_same_run(tmp_path):
    with run_of_shots(tmp_path / "one", 5) as one, run_of_shots(tmp_path / "two", 5) as two:
        make(one)
        lines, said = make(two, workers=2)
        assert lines == []
        assert said[-1] == (10, 10, "")
        pd.testing.assert_frame_equal(table(one), table(two))


def test_failures_are_recorded_once_and_tried_again(tmp_path, monkeypatch):
    from capture import develop as module

    rendered = module.render

    def hang(raw, isp):
        if isp == "plain" and raw.mosaic.sum() == bad:
            raise TimedOut("expected a picture in time, got none")
        return rendered(raw, isp)

    with run_of_shots(tmp_path / "run", 3) as run:
        raw = next(run.picture_records({"suffix": ".dng", "scene": "s1"}))
        bad = module.read_raw(run.file(raw.sha256).read_bytes()).mosaic.sum()
        monkeypatch.setattr(module, "render", hang)
        line = "s1|0|0|phone|dng|plain: develop: TimedOut: expected a picture in time, got none"
        for _ in range(2):
            lines, said = make(run)
            assert lines == [line]
            assert [f"{row.where}: {row.reason}" for row in run.failures().itertuples()] == [line]
        assert said == [(5, 6, ""), (6, 6, line)]
        assert len(run.pictures()) == 6 + 10
        monkeypatch.setattr(module, "render", rendered)
        assert make(run)[0] == []
        assert len(run.pictures()) == 6 + 12


def test_a_run_without_raws_and_unknown_names_are_refused(tmp_path):
    with Run.create(tmp_path / "run", settings={}, scenes=[]) as run:
        with pytest.raises(BadInput, match=r"expected raw pictures \(.dng, .* to develop, got none"):
            make(run)
        with pytest.raises(BadInput, match="expected photographs to code again, got none"):
            make(run, isps=[])
        with pytest.raises(BadInput, match="unknown ISP 'plane'; did you mean 'plain'"):
            make(run, isps=["plane"])
        with pytest.raises(BadInput, match="unknown codec 'jpg-85'"):
            make(run, codecs=["jpg-85"])


def absent(name):
    raise MissingExtra(f"needs {name}; apt-get install {name}")


def test_absent_programs_are_named_at_once_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setitem(picture_versions.VERSIONS, "isp", absent)
    with run_of_shots(tmp_path / "run", 1) as run:
        with pytest.raises(MissingExtra, match="2 of what was asked for") as caught:
            make(run)
        assert "  - isp plain: needs plain; apt-get install plain" in str(caught.value)
        assert "  - isp libraw-pinned: needs libraw-pinned" in str(caught.value)
        assert len(run.pictures()) == 2


def test_other_versions_are_refused_where_there_are_pictures_of_the_old_ones(tmp_path, monkeypatch):
    with run_of_shots(tmp_path / "run", 2) as run:
        make(run, isps=["plain"], codecs=["jpeg-85"])
        monkeypatch.setitem(picture_versions.VERSIONS, "isp", lambda name: "Kit 9")
        monkeypatch.setitem(picture_versions.VERSIONS, "codec", lambda name: "Lib 8")
        with pytest.raises(BadInput) as caught:
            make(run, isps=["soft", "plain"], codecs=["jpeg-85", "png"])
        text = str(caught.value)
        assert "isp plain: instability-kit " in text
        assert "there, Kit 9 here" in text
        assert "codec jpeg-85: Pillow " in text
        assert "soft" not in text
        assert run.note("versions")["isp plain"] != "Kit 9"
        assert make(run, isps=["plain"], codecs=["jpeg-85"]) == ([], [(2, 2, "")])
        assert make(run, isps=["soft"], codecs=["png"])[0] == []
        assert run.note("versions")["isp soft"] == "Kit 9"


def test_globs_leave_out_what_is_absent_and_names_do_not(monkeypatch):
    here = {name: "1" for name in ISPS if not name.startswith("rawtherapee")}
    monkeypatch.setitem(picture_versions.VERSIONS, "isp", lambda name: here.get(name) or absent(name))
    names, notes = picture_versions.chosen("isp", ["all"])
    assert names == sorted(here)
    assert notes == [
        f"isp {name} is left out: needs {name}; apt-get install {name}"
        for name in sorted(ISPS)
        if name.startswith("rawtherapee")
    ]
    assert picture_versions.chosen("isp", ["libraw-*, plain", "plain"])[0] == [
        "libraw-auto-bright",
        "libraw-pinned",
        "plain",
    ]
    for words in (["rawtherapee-*"], ["all", "rawtherapee-neutral"]):
        with pytest.raises(MissingExtra, match="isp rawtherapee-neutral: needs"):
            picture_versions.chosen("isp", words)
    with pytest.raises(BadInput, match="unknown isp 'libraw-pined'; did you mean 'libraw-pinned'"):
        picture_versions.chosen("isp", ["libraw-pined"])
    with pytest.raises(BadInput, match="expected --codec with names, globs or all, got none"):
        picture_versions.chosen("codec", [])
    assert picture_versions.chosen("codec", ["jpeg-*"])[0] == sorted(one for one in CODECS if one.startswith("jpeg-"))


def test_a_raw_file_that_is_gone_is_an_error_and_not_a_failure(tmp_path):
    for workers in (1, 2):
        with run_of_shots(tmp_path / f"run{workers}", 4) as run:
            run.file(next(run.picture_records({"suffix": ".dng", "scene": "s2"})).sha256).unlink()
            with pytest.raises(BadInput, match="expected the file"):
                make(run, workers=workers)


def test_only_one_picture_is_held_at_a_time(tmp_path, monkeypatch):
    """What a job gives back are records: files are written as they are made."""
    written = []
    put = developing.put_picture
    monkeypatch.setattr(developing, "put_picture", lambda folder, data: written.append(len(data)) or put(folder, data))
    with run_of_shots(tmp_path / "run", 1) as run:
        (job,) = developing._jobs(run, [("plain", "png"), ("soft", "png")])
        made = developing._make(job)
        assert written == [one.size for one in made.pictures]
        assert all(run.file(one.sha256).is_file() for one in made.pictures)


COMMAND = f"""
import sys
from pathlib import Path
from analysis.store import Run
from hostctl.pictures.developing import develop_run
if __name__ == "__main__":
    with Run.open(Path(sys.argv[1])) as run:
        develop_run(run, isps={ISP_NAMES}, codecs={CODEC_NAMES}, workers=2, progress=lambda *told: None)
"""


@pytest.mark.slow
def test_kills_at_random_moments_change_nothing(tmp_path):
    count, rng = 24, random.Random(20261122)
    with run_of_shots(tmp_path / "calm", count) as run:
        make(run, workers=2)
        expected = table(run)
    run_of_shots(tmp_path / "stormy", count).close()
    script = tmp_path / "work.py"
    script.write_text(COMMAND)
    words = [sys.executable, str(script), str(tmp_path / "stormy")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    kills = 0
    for share in (0.1, 0.3, 0.6, 0.8):
        child = subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL)
        wait_for(lambda enough=share * 4 * count: made_in(tmp_path / "stormy") >= enough)
        time.sleep(rng.uniform(0.0, 0.3))
        kills += child.poll() is None
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert kills >= 2
    assert subprocess.run(words, env=environment, check=False, timeout=240).returncode == 0
    with Run.open(tmp_path / "stormy") as run:
        pd.testing.assert_frame_equal(table(run), expected)
        assert len(run.failures()) == 0
        assert not list(run.pictures_folder.glob(f"{ASIDE}*"))


def made_in(folder):
    with Run.open(folder, write=False) as run:
        return run.summary()["pictures"] - 48


def wait_for(condition, timeout_s=120.0):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "nothing came in time"
        time.sleep(0.02)
