"""A session that stops by itself, over the real protocols of a small virtual rack."""

import pytest

from analysis.store import Run
from capture.scenes import read_scenes
from hostctl.lab import read_lab
from hostctl.printing import silent
from hostctl.sessions.sitting import sit
from hostctl.sessions.until_width import NOTE, UntilWidth
from tests.fakes.command import write_lab
from tests.fakes.photos import packaged


@pytest.mark.slow
def test_a_session_stops_at_its_width_and_leaves_the_other_scenes(tmp_path):
    lab = read_lab(write_lab(tmp_path, board=True))
    scenes, until = read_scenes(packaged(tmp_path, 12)), UntilWidth(0.8, block=3)
    found = sit(lab, scenes=scenes, out=tmp_path / "run", model="mobilenet-v2", progress=silent, until=until)
    with Run.open(tmp_path / "run", write=False) as run:
        looks, shown = run.note(NOTE)["looks"], {one.scene for one in run.picture_records()}
        predicted = set(run.predictions(["device"])["device"])
    assert looks[-1]["high"] - looks[-1]["low"] <= 0.8 < looks[0]["high"] - looks[0]["low"]
    assert len(shown) == looks[-1]["scenes"] < len(scenes)
    assert predicted == {"phone", "board"}
    assert found["photographs_missing"] == 0
    again = sit(lab, scenes=scenes, out=tmp_path / "run", model="mobilenet-v2", progress=silent, until=until)
    assert again["pictures"] == found["pictures"]
