import re

import pandas as pd
import pytest

from analysis.pages.repeatability_section import as_shown, repeatability_sections, suite_sentence
from analysis.pages.sections import make_sections
from analysis.repeatability.curves import curves
from analysis.repeatability.numbers import suite_numbers
from analysis.repeatability.suites import SUITES
from analysis.report import write_report
from analysis.tables import study
from tests.analysis.perturbed_sample import LABELS, rows, sample
from tests.analysis.sample import predictions


def names(*suites):
    return list(dict.fromkeys(["", *(name for suite in suites for name in SUITES[suite].perturbations)]))


@pytest.fixture(scope="module")
def corruptions():
    return sample(names("corruptions"), pictures=16, models=("m1", "m2"), spread=0.5)


def test_corruptions_have_a_table_a_model_and_a_figure_a_group(corruptions):
    (section,), lacking = repeatability_sections(corruptions, task="classification")
    assert lacking == []
    assert section.short == "Repeatability"
    assert list(section.plots) == [f"corruptions-{group}" for group in ("noise", "blur", "weather", "digital")]
    assert [table.title for table in section.tables] == ["Corruptions: m1", "Corruptions: m2"]
    numbers = suite_numbers(corruptions, SUITES["corruptions"]).set_index(["model", "family", "measure"])["value"]
    shown = section.tables[1].frame.set_index("perturbed by")
    assert shown.loc["fog", "error_rate"] == numbers["m2", "fog", "error"]
    assert shown.loc["mean of these", "ce"] == numbers["m2", "all", "mce"]
    assert len(shown) == 17
    lead = section.lead.replace("\N{NO-BREAK SPACE}", " ")
    assert re.search(r"m1: .* wrong on the pictures as they are, .* over all corruptions, mCE [0-9.]+ %", lead)
    for plot in section.plots.values():
        assert "<svg" in plot.svg
        assert "%" in plot.alt


def test_a_run_of_many_perturbations_keeps_its_report_about_the_pictures_as_they_are(corruptions, tmp_path):
    shown = as_shown(corruptions)
    assert set(shown["perturbation"]) == {""}
    found = study(shown)
    assert found.summary["devices"] == 2  # the models; 76 perturbations are no conditions
    sections, lacking = repeatability_sections(corruptions, task="classification")
    more, missing = make_sections(found, predictions=shown, notes={})
    differences = next(one for one in more if one.name == "differences")
    assert differences.lead.startswith("2 conditions")
    page = write_report(
        tmp_path / "report.html",
        study=found,
        load_picture=lambda name: None,
        load_scene=lambda name: None,
        names={},
        provenance={},
        sections=[*sections, *more],
        lacking=[*lacking, *missing],
        virtual=False,
    ).read_text()
    assert '<a href="#perturbed">Repeatability</a>' in page
    assert page.count("<figure") < 20
    assert len(page) < 600_000


def test_shifts_have_curves_and_one_picture():
    table = sample(names("shift-curves"), pictures=8, spread=0.1)
    (section,), _ = repeatability_sections(table, task="classification")
    assert list(section.plots) == ["shift-curves-shift", "shift-curves-picture"]
    assert "whose probability changes most" in section.plots["shift-curves-picture"].caption
    assert section.plots["shift-curves-picture"].svg.count("<title>") == 4 * 17


def test_families_without_an_order_are_dots_with_intervals():
    table = sample(names("natural", "shift"), pictures=8, models=("a", "b", "c", "d"), spread=0.05)
    (section,), _ = repeatability_sections(table, task="classification")
    assert list(section.plots) == ["shift-flips", "natural-flips"]
    assert "The first 3 of 4 models." in section.plots["natural-flips"].caption
    assert "agreement_rate" in section.tables[0].frame.columns


def test_devices_are_told_apart_with_their_own_intervals():
    table = sample(names("shift"), pictures=12, spread=0.1)
    steady = table.assign(device="steady", picture="steady " + table["picture"])
    steady["label_1"] = steady.groupby("picture")["label_1"].transform("first")
    (section,), _ = repeatability_sections(pd.concat([table, steady], ignore_index=True), task="classification")
    pooled, apart = section.tables
    assert (pooled.title, apart.title) == ("Shift: m", "Shift, by device: m")
    own = suite_numbers(table, SUITES["shift"]).set_index(["family", "measure"])
    shown = apart.frame.set_index(["perturbed by", "device"])
    assert list(apart.frame["device"][:2]) == ["host", "steady"]  # the means of all devices stand first
    assert set(apart.frame["perturbed by"][:2]) == {"mean of these"}
    for end, column in (("value", "label_rate"), ("low", "low"), ("high", "high")):
        assert shown.loc[("mean of these", "host"), column] == own.loc[("all", "flip-probability"), end]
        assert shown.loc[("shift-crop", "host"), column] == own.loc[("shift-crop", "flip-probability"), end]
    assert shown.xs("steady", level="device")["label_rate"].tolist() == [0.0] * (len(shown) // 2)
    assert pooled.frame["items"].iloc[0] == 24
    assert apart.frame["items"].iloc[0] == 12
    lead = section.lead.replace("\N{NO-BREAK SPACE}", " ")
    assert re.search(r"By device, m 0 % on steady to [0-9.]+ % on host\.", lead)
    (alone,), _ = repeatability_sections(table, task="classification")
    assert [one.title for one in alone.tables] == ["Shift: m"]
    assert "By device" not in alone.lead


def test_frames_say_what_they_are_compared_with():
    table = sample(names("sequences-quick"), pictures=6, spread=0.1)
    (section,), _ = repeatability_sections(table, task="classification")
    assert "Noise is compared with the first frame" in section.plots["sequences-quick-geometry"].caption
    assert {"label_rate", "distance"} <= set(section.tables[0].frame.columns)


def test_the_sentence_names_the_worst_and_the_best_family():
    given = {"p": {f"{name}-{n}": "ab" for name in ("shift-crop", "shift-black") for n in (0, 1)}}
    given["p"]["shift-crop-1"] = "ba"
    found = suite_numbers(rows(given), SUITES["shift"])
    told = suite_sentence(found, SUITES["shift"]).replace("\N{NO-BREAK SPACE}", " ")
    assert told.startswith("Shift, m: the label changes in 100 % [")
    assert told.endswith("of the comparisons under shift-crop, in 0 % under shift-black.")


def test_nothing_is_told_of_runs_without_perturbations():
    for table in (predictions(scenes=3), predictions(scenes=3).assign(perturbation="")):
        assert repeatability_sections(table, task="classification") == ([], [])
        assert as_shown(table) is table


def test_what_cannot_be_judged_is_said():
    table = sample(["", "fog-3", "made-up-7"], pictures=4)
    sections, lacking = repeatability_sections(table, task="classification")
    assert sections == []
    assert "in no family that was run whole, and compared as environments only: fog-3, made-up-7" in lacking[0]
    assert as_shown(table) is table

    shifts = sample(names("shift"), pictures=4)
    sections, lacking = repeatability_sections(shifts, task="detection")
    assert (sections, len(lacking)) == ([], 1)
    assert "expected a classifier's answers, got those of detection" in lacking[0]

    one_class = shifts.assign(label_1=LABELS[0], **{f"label_{rank}": "" for rank in range(2, 6)})
    sections, lacking = repeatability_sections(one_class, task="classification")
    assert sections == []
    assert "expected a model of two classes or more" in lacking[0]


def test_pictures_without_labels_or_answers_still_make_a_page():
    unlabelled = sample(names("corruptions-quick"), pictures=3)
    unlabelled["labels"] = [()] * len(unlabelled)
    (section,), _ = repeatability_sections(unlabelled, task="classification")
    assert "not judged: no picture has a label" in section.lead
    assert section.plots == {}

    given = {"p": {"shift-crop-0": "ab", "shift-crop-1": ()}, "q": {"shift-crop-0": (), "shift-crop-1": "ab"}}
    (section,), _ = repeatability_sections(rows(given), task="classification")
    assert "no picture has all answers of a family" in section.lead
    assert section.tables[0].frame["left_out"].tolist() == [2]
    assert curves(rows(given), SUITES["shift"])["missing"].tolist() == [2]
