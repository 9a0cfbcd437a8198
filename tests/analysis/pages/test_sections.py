import pandas as pd
import pytest

from analysis.metrology.gage import gage
from analysis.pages.sections import NOTED, make_sections, noted_sections
from analysis.tables import study
from device_agents.errors import BadInput
from tests.analysis.sample import predictions
from tests.analysis.sample_conditions import several, with_raws

SHARES = [
    {"stage": "isp", "share": 0.089, "interval": [0.05, 0.12]},
    {"stage": "codec", "share": 0.022, "interval": [-0.01, 0.05]},
]


def made(table, notes=None):
    found = study(table)
    sections, lacking = make_sections(found, predictions=table, notes=notes or {})
    return {one.name: one for one in sections}, lacking


def test_a_rack_with_raws_has_all_but_environments_of_its_own():
    _, both = with_raws()
    sections, lacking = made(
        both, {"attribution": {"mobilenet-v2": {"sentence": "Of 15 %: ISP 8.9", "shares": SHARES}}}
    )
    assert list(sections) == ["confidence", "pipelines", "differences", "repeatability", "agreement", "attribution"]
    assert lacking == []
    found = gage(both[both["isp"] == ""].reset_index(drop=True))
    assert f"{found.percent_grr:.0f} % [" in sections["repeatability"].lead
    assert "Gwet's AC1" in sections["agreement"].lead
    assert sections["attribution"].title == "Which stage is to blame: mobilenet-v2"
    assert "<svg" in sections["attribution"].plots["attribution"].svg
    assert list(sections["attribution"].tables[0].frame.columns) == ["stage", "share", "low", "high"]


def test_a_small_run_says_what_it_would_take():
    sections, lacking = made(predictions(scenes=3, devices=1, angles=(0,), repeats=1))
    assert list(sections) == ["confidence"]
    told = "\n".join(lacking)
    for words in (
        "`instability predict --vary` makes more",
        "expected two devices and two repeats or more, got 1 and 1",
    ):
        assert words in told
    nothing, lacking = made(predictions(scenes=2, missing=1.0))
    assert nothing == {}
    assert len(lacking) == 5


def test_conditions_of_one_device_have_their_matrix():
    sections, lacking = made(several())
    assert "differences" in sections
    assert sections["differences"].tables[0].compared == "condition"
    assert len(sections["differences"].tables[0].frame) == 3
    assert any("expected two conditions and two repeats" in one for one in lacking)


def test_notes_are_shown_whatever_they_hold():
    (one,) = noted_sections("explained", {"sentence": "The decoder.", "rows": [{"stage": "decoder", "flips": 12}]})
    assert (one.lead, one.tables[0].frame["flips"].tolist()) == ("The decoder.", [12])
    both = noted_sections("attribution", {"a": {"sentence": "A."}, "b": {"sentence": "B.", "shares": "none"}})
    assert [section.name for section in both] == ["attribution", "attribution-1"]
    nested = {
        "sentence": "x",
        "rows": [{"pairs": {"rate": 0.1, "such": None}, "interval": [0, 1], "stages": ["a", "b"]}],
    }
    (section,) = noted_sections("attribution", nested)
    assert section.tables[0].frame.to_dict("records") == [
        {"pairs rate": 0.1, "pairs such": None, "low": 0, "high": 1, "stages": "a, b"}
    ]
    assert noted_sections("attribution", None) == []


@pytest.mark.parametrize("note", [[], "text", {"rows": []}, {"a": 1}, {"m": {"n": 1}}, 3])
def test_a_strange_note_is_told_and_breaks_nothing(note):
    with pytest.raises(BadInput, match="expected a note with a sentence and rows"):
        noted_sections("attribution", note)
    table = predictions(scenes=3)
    _, lacking = make_sections(study(table), predictions=table, notes={"attribution": note})
    assert any(line.startswith(NOTED["attribution"]) for line in lacking)


def test_two_predictions_of_a_photograph_do_not_stop_the_rest():
    table = predictions(scenes=4)
    twice = pd.concat([table, table.assign(environment="e2", machine="another")], ignore_index=True)
    sections, lacking = make_sections(study(table), predictions=twice.assign(model="m"), notes={})
    assert {"confidence", "agreement"} <= {one.name for one in sections}
    assert any(line.startswith("Between environments") for line in lacking)
