from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from capture.scenes import read_scenes
from device_agents.errors import BadInput
from hostctl.cli import main
from hostctl.runs.scene_lists import list_scenes


@pytest.fixture
def bottles(tmp_path: Path) -> Path:
    for number, word in enumerate(("Water_Bottles", "wine bottle", "mailbag")):
        (tmp_path / "bottles" / word).mkdir(parents=True)
        Image.fromarray(np.full((4, 4, 3), number, np.uint8)).save(tmp_path / "bottles" / word / f"{number}.png")
    return tmp_path / "bottles"


def test_a_folder_of_the_papers_classes_becomes_scenes_with_several_accepted_labels(
    bottles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "lists" / "scenes.csv"
    assert main(["scenes", str(bottles), "--map", "paper-five", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "2 scenes (1 water bottle, 1 wine bottle)" in text
    assert "left out, unknown to the map: 1 mailbag" in text
    found = {scene.category: scene for scene in read_scenes(out)}
    assert found["wine bottle"].labels == ("n04591713", "n07892512")
    assert Path(found["water bottle"].file).is_file()


def test_a_file_that_is_there_and_words_that_are_not_known_are_refused(bottles: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="expected a new file"):
        list_scenes(bottles, label_map="paper-five", out=bottles / "mailbag" / "2.png")
    mine = tmp_path / "map.csv"
    mine.write_text("label,labels\ncup,n1\n")
    with pytest.raises(BadInput, match="expected words of the map"):
        list_scenes(bottles, label_map=str(mine), out=tmp_path / "new.csv")
