"""Golden photographs of cameras that change and of cameras that do not."""

import numpy as np
import pytest

from analysis.run_folder.golden import GOLDEN, LABEL
from analysis.store import Run
from capture import charts
from device_agents.errors import BadInput
from device_agents.records import Scene
from hostctl.printing import run_text
from hostctl.quality.drifting import NOTE, drift, drift_text, judged, note_drift
from hostctl.quality.golden_photographs import MEASURES, Line, measured
from hostctl.runs.reporting import summarise
from tests.fakes.seen_charts import LAYOUT, SMALL, camera, frame_of, shoot_all

SHOTS = 12


def quiet(*_):
    """No progress."""


def golden_run(folder, cameras, shots=SHOTS):
    with Run.create(folder, settings={}, scenes=[Scene("s", "s.png", "0" * 64, ("cup",))]) as run:
        run.add_golden(Scene(GOLDEN, "", "0" * 64, (LABEL,)))
        shoot_all(run, {GOLDEN: charts.golden()}, cameras, shots=shots, layout=SMALL)
        note_drift(run, progress=quiet)
    return folder


def test_a_screen_that_dims_slowly_is_seen_by_every_device(tmp_path):
    folder = golden_run(tmp_path / "run", {"a": camera(dim=0.003), "b": camera(dim=0.003, seed=1)})
    found = drift(folder, progress=quiet)
    assert {"a: brightness", "b: brightness"} <= set(found["drifts"])
    assert not [one for one in found["drifts"] if "green" in one or "focus" in one]
    row = next(row for row in found["rows"] if (row["device"], row["measure"]) == ("a", "brightness"))
    quarters = (0.997 ** np.arange(SHOTS)).reshape(-1)
    wanted = 100 * (quarters[-3:].mean() / quarters[:3].mean() - 1)
    assert row["percent"] == pytest.approx(wanted, abs=0.1)
    assert row["verdict"] == "drift"
    assert found["sentence"].startswith("Drift: ")
    assert "All devices drift: look at the screen" in found["remark"]
    with Run.open(folder, write=False) as run:
        assert run.note(NOTE)["drifts"] == found["drifts"]
        assert f"{found['sentence']}; see `instability drift" in run_text(summarise(run))
    html = (folder / "report" / "drift.html").read_text("utf-8")
    assert html.count("<svg ") == 2
    assert "a: look" not in html
    assert "rule 1" in drift_text(found)


def test_one_camera_whose_balance_changes_is_named_alone(tmp_path):
    found = drift(
        golden_run(tmp_path / "run", {"a": camera(), "b": camera(red=0.004, seed=1)}), baseline=5, progress=quiet
    )
    assert "b: red-green" in found["drifts"]
    assert not [one for one in found["signals"] if one.startswith("a: ")]
    assert "Only b: look at that camera" in found["remark"]


def test_without_a_change_nothing_signals(tmp_path):
    cameras = {name: camera(noise=2.0, seed=number) for number, name in enumerate("abc")}
    found = drift(golden_run(tmp_path / "run", cameras), progress=quiet)
    assert found["signals"] == []
    assert found["sentence"] == "No control chart of 18 signals: nothing drifted"


def test_false_drifts_without_a_change_are_as_rare_as_stated():
    """Noise above every floor: rules then fire by chance, but a drift of any chart is found in at most 5 % of runs."""
    rng = np.random.default_rng(8)
    drifted, signalled, charts_made = 0, 0, 0
    for _ in range(120):
        values = {key: list(rng.normal(100, 10, 16)) for key in MEASURES}
        found, _ = judged([Line("a", list(range(16)), values)])
        drifted += bool(found["drifts"])
        signalled += len(found["signals"])
        charts_made += len(found["rows"])
        expected = found["expected_by_chance"]
    assert drifted <= 12  # of 120; more than 12 at 5 % has a chance of 1 in 100
    rate = signalled / charts_made
    assert rate == pytest.approx(expected / 6, abs=4 * np.sqrt(rate * (1 - rate) / charts_made) + 0.02)


def test_the_measures_of_a_perfect_photograph():
    frame, corners = frame_of(charts.golden(), 1, LAYOUT)
    (left, top), (right, bottom) = corners[0], corners[2]
    scene = np.rint(frame[round(top + 0.5) : round(bottom + 0.5), round(left + 0.5) : round(right + 0.5)])
    found = measured(scene.astype(np.uint8))
    assert found["brightness"] == pytest.approx(128)
    assert found["contrast"] == pytest.approx(1, abs=0.005)
    assert (found["red-green"], found["blue-green"], found["noise"]) == (1, 1, 0)
    assert found["focus"] > 200


def test_too_few_golden_photographs_make_no_note_and_are_told(tmp_path):
    folder = golden_run(tmp_path / "run", {"a": camera()}, shots=3)
    with Run.open(folder, write=False) as run:
        assert run.note(NOTE) is None
    with pytest.raises(BadInput, match="expected 4 photographs of the golden scene or more"):
        drift(folder, progress=quiet)


def test_a_baseline_that_cannot_be_is_refused(tmp_path):
    folder = golden_run(tmp_path / "run", {"a": camera()}, shots=4)
    with pytest.raises(BadInput, match="--baseline: expected 4"):
        drift(folder, baseline=2, progress=quiet)
    with pytest.raises(BadInput, match="baseline of 9"):
        drift(folder, baseline=9, progress=quiet)
