"""`instability mix` on coloured noise and a tiny network: its files, and a second call that trains nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from capture.scenes import write_scenes
from device_agents.errors import BadInput
from device_agents.records import Scene
from hostctl.command_line import mix as cli_mix
from hostctl.trainings.mix import SIX_RESIZERS, distinct_variants, mix, mix_text
from tests.fakes.tiny_training import tiny_base, tiny_photos

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def scenes_of(folder: Path, *, objects: int = 4) -> Path:
    photos = tiny_photos(folder, objects=objects, devices=("one",))
    write_scenes([Scene(one.scene, str(one.file), one.sha256, one.labels) for one in photos], folder / "scenes.csv")
    return folder / "scenes.csv"


@pytest.mark.slow
def test_a_study_is_written_and_goes_on(tmp_path: Path) -> None:
    said: list[tuple[str, int, int]] = []
    asked = {
        "out": tmp_path / "study",
        "variants": ("pillow-bilinear", "pillow-nearest"),
        "seeds": 1,
        "folds": 2,
        "settings": {"model": str(tiny_base(tmp_path / "base")), "epochs": 1},
        "workers": 1,
        "progress": lambda stage, done, total, note: said.append((stage, done, total)),
    }
    source = scenes_of(tmp_path / "photos")
    found = mix(source, **asked)
    assert said[-1] == ("trainings", 6, 6)
    assert [row["row"] for row in found["parts"]["matrix"]["rows"]] == ["pillow-bilinear", "pillow-nearest", "mix"]
    assert json.loads(Path(found["json"]).read_text()) == json.loads(json.dumps(found, default=str))
    text = Path(found["markdown"]).read_text()
    assert "| trained with | pillow-bilinear | pillow-nearest | mean (%) |" in text
    assert "76.44" in text, "the paper's beside ours"
    assert found["headline"] in Path(found["page"]).read_text()
    assert found["headline"] in mix_text(found)
    said.clear()
    assert mix(source, **asked) == found
    assert said == [("trainings", 6, 6)], "nothing is trained again"
    with pytest.raises(BadInput, match="begun otherwise"):
        mix(source, **{**asked, "seeds": 2})


def test_the_variants_by_default_are_the_papers_or_those_that_differ() -> None:
    assert distinct_variants("resizer") == SIX_RESIZERS
    decoders = distinct_variants("decoder")
    assert decoders[0] == "pillow"
    assert "opencv" not in decoders or len(set(decoders)) == len(decoders)
    assert {"jpeg-fast-dct", "jpeg-plain-upsampling"} <= set(decoders)


def test_what_cannot_work_is_said_before_any_training(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="expected 1 worker"):
        mix(tmp_path, out=tmp_path / "study", workers=0)
    source = scenes_of(tmp_path / "photos")
    with pytest.raises(BadInput, match="epochs: expected"):
        mix(source, out=tmp_path / "study", settings={"epochs": 0})
    with pytest.raises(BadInput, match="expected at least two objects a class, got one of"):
        mix(scenes_of(tmp_path / "few", objects=3), out=tmp_path / "study", folds=2)
    with pytest.raises(BadInput, match="without noise"):
        mix(source, out=tmp_path / "study", settings={"noise": "gaussian"})
    assert not (tmp_path / "study").exists()


def test_the_command_has_help() -> None:
    assert [command.name for command in cli_mix.COMMANDS] == ["mix"]
