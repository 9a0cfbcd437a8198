from pathlib import Path

import pytest

from capture.label_maps import PAPER_FIVE, map_scenes, read_label_map, word_key
from device_agents.errors import BadInput
from device_agents.records import Scene


def scene(name: str, label: str, ambiguous: tuple[str, ...] = ()) -> Scene:
    return Scene(name, f"{name}.jpg", "0" * 64, (label,), ambiguous, cluster=f"object of {name}")


def test_the_papers_five_classes_are_found_by_any_spelling_and_by_their_wordnet_ids() -> None:
    words = read_label_map("paper-five")
    given = ["Water_Bottles", "beer-bottle", "WINE BOTTLE", "red wine", "purse", "n02769748", "mailbag", "mailbag"]
    found, others = map_scenes([scene(str(number), word) for number, word in enumerate(given)], words)
    assert [one.category for one in found] == [
        "water bottle",
        "beer bottle",
        "wine bottle",
        "wine bottle",
        "purse",
        "backpack",
    ]
    assert found[2].labels == ("n04591713", "n07892512")  # "wine bottle" or "red wine", section 3.2
    assert found[0].cluster == "object of 0"
    assert others == {"mailbag": 2}


def test_the_map_names_no_label_twice_as_right_and_unclear() -> None:
    assert all(not set(one.labels) & set(one.ambiguous) for one in PAPER_FIVE.values())


def test_a_map_of_ones_own_keeps_the_scenes_own_ambiguous_labels(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_text("label,labels,ambiguous\ncup,n1|n2,n3\n")
    found, _ = map_scenes([scene("a", "Cups", ("n9", "n2"))], read_label_map(str(path)))
    assert (found[0].labels, found[0].ambiguous, found[0].category) == (("n1", "n2"), ("n3", "n9"), "cup")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("label,labels\ncup,\n", "row 2: expected a label and the labels"),
        ("label,labels\ncup,n1\nCups,n2\n", "row 3: 'Cups' stands there twice"),
        ("label,labels\n", "expected rows"),
        ("word,meaning\ncup,n1\n", "row 2: expected a label"),
    ],
)
def test_a_wrong_map_is_one_message(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "map.csv"
    path.write_text(text)
    with pytest.raises(BadInput, match=words):
        read_label_map(str(path))


def test_an_unknown_map_names_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"label map's name \(paper-five\)"):
        read_label_map("paper-six")


def test_spellings() -> None:
    assert {word_key(text) for text in ("Water Bottle", "water_bottles", "water-bottle")} == {"water bottle"}
    assert word_key("glass") == "glass"
