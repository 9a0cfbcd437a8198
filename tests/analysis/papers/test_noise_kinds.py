import math

import pytest

from analysis.papers.noise_kinds import LEVELS, effect_level, kinds_table
from analysis.papers.published import NOISES, sysnoise_rows
from tests.analysis.paper_sample import predictions

CHANGES = {
    "cv": {"decoder": "opencv"},
    "box": {"resizer": "pillow-box"},
    "cubic": {"resizer": "opencv-cubic"},
    "area": {"resizer": "opencv-area"},
    "crop": {"view": "crop"},
}


@pytest.mark.parametrize(
    ("delta", "level"),
    [(0.05, "very high"), (0.012, "very high"), (-0.011, "high"), (0.003, "high"), (0.0005, "middle"), (0.0, "low")],
)
def test_levels(delta, level):
    assert effect_level(delta) == level


def test_no_delta_has_no_level():
    assert effect_level(math.nan) == "-"


def test_thresholds_give_the_papers_levels_in_61_of_78_cases():
    paper = sysnoise_rows().query("source == 'paper'")
    columns = {"decoder": "decode_max", "resizer": "resize_max", "colour": "colour"}
    hits = {
        noise: sum(effect_level(delta / 100) == NOISES[noise].level for delta in paper[column])
        for noise, column in columns.items()
    }
    assert hits == {"decoder": 18, "resizer": 23, "colour": 20}
    assert [least for least, _ in LEVELS] == sorted((least for least, _ in LEVELS), reverse=True)


def test_what_was_measured_stands_beside_the_paper_and_the_rest_is_a_dash():
    answers = {
        "base": "RRRRRRRR",
        "cv": "RRRRRRRR",
        "box": "WRRRRRRR",
        "cubic": "WWRRRRRR",
        "area": "RWRRRRRR",
        "crop": "RRRRRRRR",
    }
    table = predictions({(name, "", ""): letters for name, letters in answers.items()}, changes=CHANGES)
    rows = kinds_table(table).parts[0].frame.set_index("noise")
    assert rows.index.tolist() == [
        *["Decoder", "Resize", "view"],
        *["Color Space", "Ceil Mode", "Upsample", "Data Prec.", "Detection Proposal"],
    ]
    assert rows["number"].tolist()[:3] == [2, 4, 2]
    assert rows["printed_number"].tolist()[:2] == [4, 11]
    assert rows.loc["Resize", ["level", "span", "printed_level"]].tolist() == [
        "very high",
        "low to very high",
        "very high",
    ]
    assert rows.loc["Decoder", "level"] == "low"
    assert rows.loc["Decoder", "depends"] == "-"  # one variant
    assert rows.loc["Resize", "depends"] == "not shown"  # eight pictures
    assert rows.loc["Data Prec.", ["depends", "level", "printed_depends", "printed_level"]].tolist() == [
        *["-", "-"],
        *["yes", "high"],
    ]
    assert rows.loc["view", ["printed_depends", "printed_level"]].tolist() == ["-", "-"]


def test_many_pictures_that_suffer_alike_show_a_dependence():
    letters = "W" * 20 + "R" * 40
    answers = {
        ("base", "", ""): "R" * 60,
        ("box", "", ""): letters,
        ("cubic", "", ""): "R" * 60,
        ("area", "", ""): letters,
    }
    made = kinds_table(predictions(answers, changes=CHANGES))
    row = made.parts[0].frame.iloc[0]
    assert row["agreement"] == pytest.approx(1)
    assert row["depends"] == "yes"
    assert row["median"] == 0
    assert row["most"] == pytest.approx(0.4)
