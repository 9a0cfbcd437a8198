"""A detection run's report: cards with boxes, its sections, and its words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.pages.answer import headline, of_units, remarks
from analysis.pages.answer_pictures import DRAWERS, answer_cards, answers_of
from analysis.pages.formats import Findings, markdown
from analysis.pages.task_sections import TASK_SECTIONS, answers_in, task_sections
from analysis.report import write_report
from analysis.tables import study
from analysis.task_rows import task_rows
from tests.analysis.detection_sample import predictions

pytest.importorskip("pycocotools", reason="the extra 'detection' is not installed")


def photo(name: str) -> np.ndarray:
    return np.full((90, 120, 3), 60, dtype=np.uint8)


def test_cards_show_the_scenes_with_unstable_objects() -> None:
    found = study(task_rows(predictions()))
    answers = answers_of(predictions(), task="detection")
    cards = answer_cards(found, answers, load_picture=photo, load_scene=photo)
    assert [card.scene for card in cards] == ["s1", "s3"]
    first = cards[0]
    assert (first.objects, first.unstable, first.more) == (2, 1, 0)
    assert [group.devices for group in first.groups] == [("base",), ("decoder=other",)]
    assert [dict(group.verdicts) for group in first.groups] == [{"right": 2}, {"right": 1, "wrong": 1}]
    assert first.groups[1].differ == "cat 1: nothing"
    assert cards[1].groups[1].differ == "cat 1: fox"
    assert first.shown is not None
    assert all(group.thumbnail is not None for group in first.groups)


def test_conditions_that_judge_alike_share_a_picture_and_absent_pictures_are_left_out() -> None:
    more = predictions().query("environment == 'other'").assign(environment="third", decoder="third")
    table = pd.concat([predictions(), more], ignore_index=True)
    found = study(task_rows(table))
    cards = answer_cards(
        found, answers_of(table, task="detection"), load_picture=lambda _: None, load_scene=lambda _: None
    )
    assert cards[0].groups[0].devices == ("decoder=other", "decoder=third")
    assert cards[0].shown is None
    assert cards[0].groups[0].thumbnail is None


def test_sections_tell_precision_changes_and_other_scores() -> None:
    found = study(task_rows(predictions()))
    assert len(answers_in(found, predictions())) == 8  # with the picture that has no object
    made, lacking = task_sections(found, predictions(), task="detection")
    assert lacking == []
    assert [one.name for one in made] == ["precision", "changes", "scores"]
    told = made[1].tables[0].frame.iloc[0]
    assert (told["vanishes"], told["appears"], told["switches class"], told["objects"]) == (1, 2, 1, 8)
    assert made[2].tables[0].frame["score"].tolist() == [0.2, 0.3, 0.4, 0.5, 0.6]
    assert task_sections(found, predictions(), task="classification") == ([], [])
    assert set(TASK_SECTIONS) <= set(DRAWERS)
    one, lacking = task_sections(
        study(task_rows(predictions().query("decoder == 'usual'"))), predictions(), task="detection"
    )
    assert [section.name for section in one] == ["precision"]
    assert len(lacking) == 2


def test_without_a_truth_only_changes_of_boxes_are_told() -> None:
    table = predictions().assign(truth="")
    found = study(task_rows(table))
    assert "unit" not in found.summary
    made, lacking = task_sections(found, table, task="detection")
    assert [one.name for one in made] == ["changes"]
    assert len(lacking) == 2
    assert "expected scenes with a truth (boxes), got none" in lacking[0]


def test_the_page_speaks_of_objects_and_draws_boxes(tmp_path: Path) -> None:
    found = study(task_rows(predictions()))
    sections, lacking = task_sections(found, predictions(), task="detection")
    path = write_report(
        tmp_path,
        study=found,
        load_picture=photo,
        load_scene=photo,
        names={},
        provenance={},
        sections=sections,
        lacking=lacking,
        answers=answers_of(predictions(), task="detection"),
        virtual=False,
    )
    page = path.read_text(encoding="utf-8")
    assert "of these objects across these two conditions" in page
    assert page.count("data:image/jpeg") == 6
    assert "Mean average precision" in page
    assert "photograph" not in page.replace("#photographs", "").replace('id="photographs"', "")
    text = markdown(Findings("run", found, sections, lacking, None, {}, False))
    assert "mAP@0.5" in text
    assert "photograph" not in text


def test_words_follow_the_unit() -> None:
    summary = study(task_rows(predictions())).summary
    assert summary["unit"] == "object"
    assert headline(summary).startswith("Your model is unstable on 33")
    assert "On 2 of 6 objects (3 scenes)" in " ".join(remarks(summary, virtual=False))
    assert of_units("A photograph, a photograph, Photographs", summary) == "An object, an object, Objects"
    assert of_units("A photograph", {}) == "A photograph"
