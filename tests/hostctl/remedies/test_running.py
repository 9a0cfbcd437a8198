"""`instability remedies` on coloured noise and a tiny network: its files, and a second call that trains nothing."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from capture.scenes import write_scenes
from device_agents.errors import BadInput
from device_agents.records import Scene
from hostctl.command_line import remedies as command
from hostctl.remedies import running
from hostctl.remedies.remedy_table import headline
from hostctl.remedies.running import compare, remedies_text
from stability_train.remedies.conditions import Extent
from tests.fakes.tiny_training import tiny_base, tiny_photos

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def scenes_of(folder: Path, *, objects: int = 4) -> Path:
    photos = tiny_photos(folder, objects=objects, devices=("one",))
    write_scenes([Scene(one.scene, str(one.file), one.sha256, one.labels) for one in photos], folder / "scenes.csv")
    return folder / "scenes.csv"


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("compared")
    settings = {"model": str(tiny_base(folder)), "side": 0, "epochs": 2, "draws": 1, "seeds": 2}
    settings |= {"families": ("decoder", "resizer", "shift", "natural"), "extent": Extent(crops=2)}
    return {
        "source": scenes_of(folder / "photos"),
        "out": folder / "study",
        "settings": settings,
        "workers": 1,
        "threads": 0,
    }


def test_a_comparison_is_written_goes_on_and_takes_more_remedies(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[str, int, int]] = []
    first = compare(
        **asked, remedies=("mixup",), progress=lambda stage, done, total, note: said.append((stage, done, total))
    )
    assert said[0] == ("trainings", 0, 4)
    assert said[-1][1] == said[-1][2] > 0
    assert [row["remedy"] for row in first["parts"]["remedies"]["rows"]] == ["standard", "mixup"]
    assert json.loads(Path(first["json"]).read_text()) == json.loads(json.dumps(first, default=str))
    assert first["headline"] in remedies_text(first)
    assert first["headline"] in Path(first["page"]).read_text()
    assert "| standard |" in Path(first["markdown"]).read_text()
    made = {path: path.stat().st_mtime_ns for path in sorted((asked["out"] / "trainings").iterdir())}

    # One answer and one training lost, as when it is killed between two files; and two remedies more.
    lost = asked["out"] / "answers" / "seed-1" / "zoom-95.npz"
    before = lost.read_bytes()
    lost.unlink()
    (asked["out"] / "trainings" / "mixup-seed-0.npz").unlink()
    assert [row["remedy"] for row in compare(**asked, remedies=("tent",))["parts"]["remedies"]["rows"]] == [
        "standard",
        "tent",
    ]
    assert lost.stat().st_size > 0
    again = compare(**asked, remedies=("mixup",))
    columns = set(again["parts"]["remedies"]["rows"][0]) - {"training_s", "inference_ms"}
    for one, other in zip(first["parts"]["remedies"]["rows"], again["parts"]["remedies"]["rows"], strict=True):
        assert {name: one[name] for name in columns} == {name: other[name] for name in columns}
    assert len(before) > 0
    kept = [path for path in made if path.stat().st_mtime_ns == made[path]]
    assert len(kept) == 3, "only what was lost is trained again"

    def refuse(*_: object) -> None:
        raise AssertionError("done again")

    monkeypatch.setattr(running, "_job", refuse)
    assert compare(**asked, remedies=("mixup",)) == again
    with pytest.raises(BadInput, match="begun otherwise.*epochs: 2 before"):
        compare(**{**asked, "settings": {**asked["settings"], "epochs": 3}})


def test_what_cannot_work_is_said_before_any_training(asked: dict[str, Any], tmp_path: Path) -> None:
    given = {**asked, "out": tmp_path / "study"}
    with pytest.raises(BadInput, match="expected 1 worker"):
        compare(**{**given, "workers": 0})
    with pytest.raises(BadInput, match="unknown remedy 'mixupp'"):
        compare(**given, remedies=("mixupp",))
    with pytest.raises(BadInput, match="unknown family to test 'blur'"):
        compare(**{**given, "settings": {"families": ("blur",)}})
    with pytest.raises(BadInput, match="epochs: expected 1 to 1000, got 0; .*seeds: expected 1 to 100"):
        compare(**{**given, "settings": {"epochs": 0, "seeds": 0}})
    with pytest.raises(BadInput, match="expected 2 to 2 folds"):
        compare(**{**given, "source": scenes_of(tmp_path / "few", objects=2)})
    assert not (tmp_path / "study").exists()


def test_a_headline_names_only_what_is_beyond_chance() -> None:
    import pandas as pd

    names = ["remedy", "measure", "difference", "holm"]
    mixup = ("mixup", "instability", -0.02, 0.01)
    tent, cutmix = ("tent", "instability", 0.3, 0.001), ("cutmix", "flip rate", -1, 0.2)
    told = headline(pd.DataFrame([mixup, tent, cutmix, ("cutmix", "decoder", -0.2, 0.001)], columns=names))
    assert told == (
        "Beyond chance better than plain fine-tuning: mixup (instability over all environments -2.0 points). "
        "Worse in some measure: tent."
    )
    assert headline(pd.DataFrame([cutmix], columns=names)) == (
        "No remedy (1 tried) is better than plain fine-tuning beyond chance in any measure. None is worse in any."
    )
    assert "nothing to compare" in headline(pd.DataFrame())


def test_the_command_has_help() -> None:
    assert [one.name for one in command.COMMANDS] == ["remedies"]
    with pytest.raises(argparse.ArgumentTypeError, match="expected whole numbers"):
        command._whole_numbers("2,x")
