"""A suite's numbers as text: models side by side, each measure in its unit, and what a reader must know."""

import pytest

from analysis.repeatability.suites import SUITES
from hostctl.suites.text import compared, headline, remarks, shown, suite_text, suites, tables


def row(model, family, measure, value, **more):
    ends = {"low": value - 0.01, "high": value + 0.02}
    return (
        {"device": "", "model": model, "family": family, "measure": measure, "value": value, "missing": 0} | ends | more
    )


ROWS = [
    row("a", "fog", "error", 0.5),
    row("b", "fog", "error", 0.25),
    row("a", "fog", "ce", 0.61),
    row("a", "all", "error", 0.4),
]
RESULT = {
    "suite": "corruptions",
    "about": "ImageNet-C",
    "models": ["a", "b"],
    "devices": [""],
    "families": dict.fromkeys(family.name for family in SUITES["corruptions"].families),
    "pictures": 9,
    "clusters": 8,
    "level": 0.95,
    "rows": ROWS,
    "baseline": "a",
    "relative": [
        {"device": "", "baseline": "a", **row("b", "fog", "relative-ce", 0.5)},
        {"device": "", "baseline": "a", **row("b", "fog", "error-difference", -0.25)},
    ],
    "accuracy": [{"device": "", "model": "a", "value": 0.7, "low": 0.5, "high": 0.8}],
    "predictions": 90,
    "failed": 0,
    "failures": [],
    "run": "runs/x",
}


@pytest.mark.parametrize(
    ("measure", "value", "text"),
    [
        ("flip-probability", 0.125, "12.5 % [11.5, 14.5]"),
        ("top-5-distance", 7.5, "7.50 [7.49, 7.52]"),
        ("mce", 0.712, "71.2 [70.2, 73.2]"),
        ("error", float("nan"), "-"),
        ("error-difference", -0.25, "-25.0 points [-26.0, -23.0]"),
    ],
)
def test_each_measure_in_its_unit(measure, value, text):
    assert shown(row("a", "fog", measure, value)) == text


def test_several_models_have_a_table_a_measure_with_a_row_a_family():
    assert tables(ROWS) == {
        "error": [
            {"family": "fog", "a": "50.0 % [49.0, 52.0]", "b": "25.0 % [24.0, 27.0]"},
            {"family": "all", "a": "40.0 % [39.0, 42.0]", "b": "-"},
        ],
        "ce": [{"family": "fog", "a": "61.0 [60.0, 63.0]"}],
    }


def test_one_model_has_one_table_with_a_column_a_measure():
    """The headline's measure first; mCE, the mean of the ce, is the row "all" of them."""
    rows = [row("a", "fog", "ce", 0.61), row("a", "all", "mce", 0.7), *(one for one in ROWS if one["model"] == "a")]
    rows += [row("a", "jitter", "error", 0.1)]
    assert tables(rows) == {
        "": [
            {"family": "fog", "error": "50.0 % [49.0, 52.0]", "ce (all: mce)": "61.0 [60.0, 63.0]"},
            {"family": "jitter", "error": "10.0 % [9.0, 12.0]", "ce (all: mce)": "-"},
            {"family": "all", "error": "40.0 % [39.0, 42.0]", "ce (all: mce)": "70.0 [69.0, 72.0]"},
        ]
    }
    assert tables([]) == {}


def test_devices_stand_side_by_side_and_with_their_models_where_there_are_several():
    def columns(*where):
        rows = [row(model, "fog", "error", 0.5, device=device) for model, device in where]
        return list(tables(rows)["error"][0])[1:]

    assert columns(("a", "left"), ("a", "right")) == ["left", "right"]
    assert columns(("a", "left"), ("b", "left")) == ["a", "b"]
    assert columns(("a", "left"), ("b", "right")) == ["a, left", "b, right"]


def test_the_text_says_what_was_found_and_what_to_know():
    text = suite_text(RESULT)
    assert text.startswith("a is wrong in 40.0 % [39.0, 42.0] of the changed pictures: suite corruptions\n")
    assert "ImageNet-C; 9 pictures of 8 objects" in text
    assert "accuracy as it is  a: 70.0 % [50.0, 80.0]" in text
    assert "error over AlexNet's on ImageNet-C, of other pictures than these: 100 is AlexNet" in text
    assert "\nerror: wrong answers" in text
    assert "shift-consistency" not in text
    assert "failed" not in text
    failed = suite_text({**RESULT, "failed": 3, "failures": ["p, fog-1: decode: OSError: cut"]})
    told = ["failed  3 of 90 predictions", "  p, fog-1: decode: OSError: cut"]
    assert "\n".join([*told, "  once mended: instability runs retry runs/x, then this command"]) in failed


def test_pictures_left_out_are_told():
    lacking = {**RESULT, "rows": [row("a", "shift-crop", "flip-probability", 0.1, missing=4)]}
    assert any("up to 4 pictures" in line for line in remarks(lacking))
    assert headline(lacking) == "a changes its answer in 10.0 % [9.0, 12.0] of the comparisons: suite corruptions"
    assert headline({**RESULT, "rows": []}) == "suite corruptions: no number"


def test_devices_are_columns_of_the_text():
    rows = [{**one, "device": device} for device in ("left", "right") for one in ROWS]
    lines = suite_text({**RESULT, "rows": rows, "devices": ["left", "right"]}).splitlines()
    at = lines.index("error")
    assert lines[at + 1].split() == ["family", "a,", "left", "b,", "left", "a,", "right", "b,", "right"]
    assert lines[at + 2].startswith("fog     50.0 % [49.0, 52.0]")


def test_the_headline_names_its_device_where_there_are_several():
    rows = [{**one, "device": device} for device in ("left", "right") for one in ROWS]
    told = headline({**RESULT, "rows": rows, "devices": ["left", "right"]})
    assert told == "a on left is wrong in 40.0 % [39.0, 42.0] of the changed pictures: suite corruptions"


def test_some_of_the_families_are_not_passed_off_as_the_suite():
    text = suite_text({**RESULT, "families": {"fog": []}})
    assert "ImageNet-C; of its 16 families only fog; 9 pictures of 8 objects" in text


def test_labels_that_a_model_does_not_have_are_told_before_the_rest():
    assert remarks({**RESULT, "label_gaps": ["a can never be right on 9 of 9 scenes"]})[0].startswith("a can never")


def test_each_measure_is_explained_and_shifts_have_a_published_number_beside_them():
    shifts = {**RESULT, "suite": "shift", "rows": [row("a", "shift-crop", "flip-probability", 0.1)], "relative": []}
    told = remarks(shifts)
    assert any(line.startswith("flip-probability: ") for line in told)
    assert "5 to 15 %" in told[-1]


def test_other_models_are_told_against_the_baseline():
    def said(value, low, high, device=""):
        one = row("b", "all", "flip-probability-difference", value) | {"low": low, "high": high}
        return compared({**RESULT, "relative": [{**one, "device": device, "baseline": "a"}]})

    assert said(-0.046, -0.084, -0.004) == [
        "b changes its answer in fewer of the comparisons than a, by 4.6 points [0.4, 8.4]"
    ]
    assert said(0.02, 0.01, 0.03, "left") == [
        "b on left changes its answer in more of the comparisons than a, by 2.0 points [1.0, 3.0]"
    ]
    assert said(0.009, -0.039, 0.057) == ["b: no difference from a shows in the mean, +0.9 points [-3.9, +5.7]"]
    assert said(0.01, float("nan"), float("nan")) == []
    assert compared(RESULT) == []  # of single families nothing is said
    assert remarks(RESULT | {"relative": []})[0].startswith("[low, high]")


def test_suites_are_listed():
    assert [one["suite"] for one in suites()] == list(SUITES)
    assert {one["suite"]: one["perturbations"] for one in suites()}["corruptions"] == 76


def test_other_models_are_told_relative_to_the_baseline():
    told = suite_text(RESULT).splitlines()
    at = told.index("relative to a on the same pictures")
    assert [line.split() for line in told[at + 2 : at + 4]] == [
        ["family", "relative-ce", "error-difference"],
        ["fog", "0.50", "[0.49,", "0.52]", "-25.0", "points", "[-26.0,", "-23.0]"],
    ]
    unknown = {**row("b", "fog", "flip-rate", 0.0), "low": float("nan"), "high": float("nan")}
    assert shown(unknown) == "0.00"
    alone = suite_text({**RESULT, "models": ["a"], "baseline": "", "relative": []})
    assert "relative to" not in alone
