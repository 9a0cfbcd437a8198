"""A rack qualified, and a rotated run with a golden scene, over the real protocols on a virtual rack."""

import argparse
import json

import pytest

from analysis.run_folder.golden import GOLDEN
from analysis.store import Run
from hostctl.command_line.lab import COMMANDS
from tests.fakes.command import instability, write_lab
from tests.fakes.photos import packaged

SECOND = '[[device]]\nname = "other"\nkind = "virtual-phone"\ncamera = "flagship-heif"\n'


def command(name, **options):
    found = next(one for one in COMMANDS if one.name == name)
    return found.run(argparse.Namespace(json=True, quiet=True, **options))


@pytest.mark.slow
def test_a_virtual_rack_is_fit_and_a_device_that_is_away_fails_alone(tmp_path, capsys):
    away = '[[device]]\nname = "away"\nkind = "adb"\naddress = "127.0.0.1:9"\n'
    lab = write_lab(tmp_path, extra=away, display="", board=False)
    lab.write_text(lab.read_text().replace("reserve_mb = 0", "reserve_mb = 0\npatience_s = 0\ngolden_every = 1"))
    assert command("qualify", lab=lab, shots=2, out=tmp_path / "q", wait=0.0) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["failed"] == ["away"]
    rows = {row["device"]: row for row in found["devices"]}
    assert rows["phone"]["verdict"] in ("pass", "warn"), rows["phone"]["scores"]
    assert rows["phone"]["scores"]["markers"]["value"] == 4
    assert "Connection refused" in rows["away"]["reasons"][0]
    with Run.open(tmp_path / "q", write=False) as run:
        assert len(run.pictures()) == 5 * 2
        assert not list(run.picture_records({"scene": GOLDEN}))
    assert "1 of 2 devices fail: away" in (tmp_path / "q" / "report" / "qualify.html").read_text("utf-8")


@pytest.mark.slow
def test_a_rotated_run_with_a_golden_scene_counts_only_its_scenes(tmp_path, capsys):
    lab = write_lab(tmp_path, repeats=2, extra=SECOND)
    lab.write_text(lab.read_text().replace("seed = 7", "seed = 7\ngolden_every = 1\nrotate = true"))
    words = ("run", lab, "--scenes", packaged(tmp_path, 3), "--out", "run", "--json")
    done = instability(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["scenes"], found["pictures"], found["predictions"]) == (3, 12, 12)
    assert found["photographs_missing"] == 0
    with Run.open(tmp_path / "run", write=False) as run:
        assert len(list(run.picture_records({"scene": GOLDEN}))) == 2 * 2 * 4
        table = run.predictions(["scene", "device", "place"])
        assert GOLDEN not in set(table["scene"])
        assert (table.groupby(["scene", "device"], observed=True)["place"].nunique() == 2).all()
    assert instability(*words, cwd=tmp_path).returncode == 0
    assert command("drift", run=tmp_path / "run", baseline=0) == 0
    told = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in told["rows"]} == {
        f"{name} (place {at})" for name in ("phone", "other") for at in (1, 2)
    }
    assert told["signals"] == []
    page = instability("report", tmp_path / "run", cwd=tmp_path)
    assert page.returncode == 0
    assert "Devices and their places" in (tmp_path / "run" / "report" / "index.html").read_text("utf-8")
