"""Racks with known faults: each score finds its fault, at the device that has it, and only there."""

from pathlib import Path

import pytest

from analysis.store import Run
from capture import charts
from device_agents.errors import BadInput
from hostctl.quality.page import headline, qualified_text, write_page
from hostctl.quality.qualifying import draw_charts, qualify, score_run
from hostctl.quality.scores import SCORES
from tests.fakes.seen_charts import camera, chart_scenes, shoot_all

CAMERAS = {
    "good": camera(),
    "defocused": camera(blur=5.0, seed=1),
    "noisy": camera(noise=7.0, seed=2),
    "wavy": camera(moire=0.12, seed=3),
    "banded": camera(band=0.02, seed=4),
    "dimming": camera(dim=0.03, seed=5),
}


def quiet(*_):
    """No progress."""


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rack") / "run"
    with Run.create(folder, settings={}, scenes=chart_scenes(list(charts.CHARTS))) as run:
        shoot_all(run, {name: draw() for name, draw in charts.CHARTS.items()}, CAMERAS, shots=2)
        run.add_failure("device away", "away: cannot be reached")
        found = score_run(run, [*CAMERAS, "away"], progress=quiet)
        page = write_page(run, found, virtual=False)
    return found, page


def of(found, device):
    return next(row for row in found["devices"] if row["device"] == device)


def test_a_good_camera_passes_everything(scored):
    row = of(scored[0], "good")
    assert row["verdict"] == "pass", row["scores"]
    assert row["advice"] == []
    assert {one["verdict"] for one in row["scores"].values()} == {"pass"}


@pytest.mark.parametrize(
    ("device", "fails"),
    [("defocused", "focus"), ("noisy", "noise"), ("wavy", "moire"), ("banded", "banding"), ("dimming", "exposure")],
)
def test_each_fault_fails_its_score_at_its_device(scored, device, fails):
    row = of(scored[0], device)
    failed = {key for key, one in row["scores"].items() if one["verdict"] == "fail"}
    assert fails in failed, row["scores"]
    assert failed - {fails} <= {"sameness"}  # noise makes two shots differ, too
    assert any(text.startswith(next(s.title for s in SCORES if s.key == fails)) for text in row["advice"])


def test_the_scores_have_the_planted_values(scored):
    value = {row["device"]: {key: one["value"] for key, one in row["scores"].items()} for row in scored[0]["devices"]}
    assert value["noisy"]["noise"] == pytest.approx(7.0, rel=0.05)
    assert value["good"]["noise"] == pytest.approx(0.85, rel=0.1)
    assert value["banded"]["banding"] == pytest.approx(2.0, rel=0.1)
    assert value["dimming"]["exposure"] == pytest.approx(100 * 0.03 / (1 - 0.015), rel=0.02)
    assert value["good"]["markers"] == 4
    assert value["defocused"]["focus"] < 50 < 80 < value["good"]["focus"]
    # figure 1's share: of normal noise, three channels, the tail beyond 12.75 codes of a difference of two shots
    assert value["good"]["sameness"] == pytest.approx(0, abs=0.01)
    assert value["noisy"]["sameness"] > 20


def test_a_device_without_photographs_fails_for_that_alone(scored):
    row = of(scored[0], "away")
    assert row["verdict"] == "fail"
    assert row["reasons"] == ["away: cannot be reached"]
    assert {key for key, one in row["scores"].items() if one["verdict"] != "-"} == {"accepted"}


def test_the_answer_names_those_that_fail(scored):
    found, page = scored
    assert found["verdict"] == "fail"
    assert found["failed"] == ["defocused", "noisy", "wavy", "banded", "dimming", "away"]
    assert headline(found).startswith("6 of 7 devices fail: defocused, noisy")
    text = qualified_text({**found, "page": str(page)})
    assert "sharpness (MTF50) (fail): focus on the screen" in text
    html = page.read_text("utf-8")
    assert "6 of 7 devices fail" in html
    assert html.count("<img ") == 6 * 5
    assert len(html) < 3_000_000


def test_limits_are_read_from_the_side_that_is_good():
    focus = next(one for one in SCORES if one.key == "focus")
    noise = next(one for one in SCORES if one.key == "noise")
    assert [focus.verdict(value) for value in (90, 60, 10, None)] == ["pass", "warn", "fail", "fail"]
    assert [noise.verdict(value) for value in (1, 5, 9)] == ["pass", "warn", "fail"]
    assert focus.limits == "at least 80 cycles (warns down to 50)"


def test_charts_are_scenes_that_stay_the_same(tmp_path):
    scenes = draw_charts(tmp_path)
    assert [one.scene for one in scenes] == list(charts.CHARTS)
    assert all(Path(one.file).is_file() for one in scenes)
    assert draw_charts(tmp_path) == scenes


def test_one_shot_cannot_be_compared(tmp_path):
    with pytest.raises(BadInput, match="expected 2 to 100 shots"):
        qualify(tmp_path / "lab.toml", shots=1, progress=quiet)
