"""Whole sessions over the real protocols: the real adb program, SSH, HTTP, and a real model."""

import json

import pytest

from analysis.store import Run
from tests.fakes.command import instability, write_lab
from tests.fakes.photos import packaged


@pytest.mark.slow
def test_the_quick_demo_prints_what_it_promises(tmp_path):
    done = instability("demo", "--quick", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["scenes"], found["devices"], found["predictions"]) == (6, 5, 30)
    assert found["pictures"] >= 30
    assert set(found["accuracy"]) == {"budget", "flagship", "midrange", "old", "board"}
    assert all(0 <= one["low"] <= one["accuracy"] <= one["high"] <= 1 for one in found["accuracy"].values())
    assert found["instability"]["low"] <= found["instability"]["rate"] <= found["instability"]["high"]
    assert found["disagreement"]["rate"] >= found["instability"]["rate"]
    assert found["photographs_missing"] == 0
    page = (tmp_path / "runs" / "quick" / "report" / "index.html").read_text("utf-8")
    assert "make study" in page
    assert "virtual" in page
    with Run.open(tmp_path / "runs" / "quick", write=False) as run:
        raws = [one for one in run.picture_records() if one.suffix == ".dng"]
        assert {one.device for one in raws} == {"midrange"}
        table = run.predictions()
        assert set(table.loc[table["device"] == "board", "machine"]) == {"board"}
        assert set(table.loc[table["device"] != "board", "machine"]) == {"host"}
        assert (table["error"].fillna("") == "").all()
    again = instability("report", tmp_path / "runs" / "quick", "--across", "device", "--top", 3, "--json", cwd=tmp_path)
    cut = json.loads(again.stdout)["cut"]
    assert cut["items"] == 6
    assert cut["rate"] <= found["instability"]["rate"]


@pytest.mark.slow
def test_a_display_that_acknowledges_before_it_paints_is_caught_by_the_photographs(tmp_path):
    lab = write_lab(tmp_path, display="acknowledges_early = true")
    done = instability(
        "run", lab, "--scenes", packaged(tmp_path, 3), "--out", "run", "--no-predict", "--json", cwd=tmp_path
    )
    assert done.returncode == 3
    found = json.loads(done.stdout)
    assert found["photographs_missing"] == 3
    with Run.open(tmp_path / "run", write=False) as run:
        assert len(run.pictures()) == 0
        attempts = run.attempts()
    assert len(attempts) == 9
    assert set(attempts["status"]) == {"rejected"}
    reasons = " ".join(attempts["reason"])
    assert "wrong frame: expected" in reasons
    assert attempts["reason"].str.contains("wrong frame|no markers|torn").all()


@pytest.mark.slow
def test_a_device_that_is_away_is_listed_and_the_others_go_on(tmp_path):
    away = '[[device]]\nname = "away"\nkind = "adb"\naddress = "127.0.0.1:9"\n'
    lab = write_lab(tmp_path, extra=away)
    done = instability(
        "run", lab, "--scenes", packaged(tmp_path, 2), "--out", "run", "--no-predict", "--json", cwd=tmp_path
    )
    assert done.returncode == 3
    found = json.loads(done.stdout)
    assert found["photographs_missing"] == 2
    assert all(step.endswith("|away") for step in found["missing_steps"])
    assert "Connection refused" in " ".join(found["failures"])
    checked = instability("devices", lab, "--json", cwd=tmp_path)
    assert checked.returncode == 3
    rows = {row["device"]: row for row in json.loads(checked.stdout)}
    assert rows["phone"]["ok"] is True
    assert rows["phone"]["battery_percent"] == 83
    assert rows["away"]["ok"] is False
    assert "check the address" in rows["away"]["problem"]


@pytest.mark.slow
def test_angles_are_blocks_that_the_rack_turns_to(tmp_path):
    lab = write_lab(tmp_path)
    lab.write_text(lab.read_text().replace("angles = [0]", "angles = [-20, 20]"))
    done = instability(
        "run", lab, "--scenes", packaged(tmp_path, 2), "--out", "run", "--no-predict", "--json", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    with Run.open(tmp_path / "run", write=False) as run:
        sides = {one.angle: one.corners for one in run.picture_records()}
    heights = {angle: (c[3][1] - c[0][1], c[2][1] - c[1][1]) for angle, c in sides.items()}
    assert heights[20][1] > heights[20][0] * 1.02  # at a positive angle the right edge is nearer
    assert heights[-20][0] > heights[-20][1] * 1.02
