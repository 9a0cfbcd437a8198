"""Masks over pictures: colours, stripes and names where they must be, and the report's sections."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.pages.answer_pictures import DRAWERS
from analysis.pages.task_sections import task_sections
from analysis.segmentation.drawing import OPACITY, PALETTE, draw_answer, draw_truth
from analysis.tables import study
from analysis.task_rows import task_rows
from device_agents.tasks.answers import NO_CLASS, mask_text
from tests.analysis.segmentation_sample import mask, street, study_table

GREY = np.full((400, 600, 3), 100, np.uint8)  # each pixel of street() is 20 x 20 of these
TRUTH = mask_text(mask(street(0)))


def mixed(place: int) -> list[int]:
    return [round(100 * (1 - OPACITY) + one * OPACITY) for one in PALETTE[place]]


def test_colours_are_the_truths_classes_and_stripes_are_mistakes() -> None:
    truth = draw_truth(GREY, TRUTH)
    assert truth[0, 0].tolist() == mixed(0)
    assert truth[399, 599].tolist() == mixed(1)
    lost = street(0)
    lost[lost == 2] = 1
    drawn = draw_answer(GREY, mask_text(mask(lost, labels=("sky", "tree", "boat"))), TRUTH)
    car = drawn[120:320, 40:280].reshape(-1, 3).tolist()
    assert [255, 255, 255] in car
    assert [20, 20, 20] in car
    assert (drawn[:20] == mixed(0)).all()
    assert (drawn[330:, 500:] == mixed(1)).all()
    plain = draw_answer(GREY, mask_text(mask(lost)))
    assert (plain[310:318, 40:280] == mixed(1)).all()


def test_what_does_not_count_and_what_was_not_seen_stay_as_they_are() -> None:
    classes = street(0)
    classes[:5] = NO_CLASS
    assert (draw_truth(GREY, mask_text(mask(classes)))[:80] == GREY[:80]).all()
    half = mask(street(0)[:, :15], extent=(0.0, 0.0, 0.5, 1.0))
    assert (draw_answer(GREY, mask_text(half), TRUTH)[:, 450:] == GREY[:, 450:]).all()
    assert set(DRAWERS) >= {"segmentation"}


def test_the_reports_sections() -> None:
    answers = study_table().assign(order=0, place=0, suffix=".png", category="street")
    found = study(task_rows(answers))
    sections, lacking = task_sections(found, answers, task="segmentation")
    assert lacking == []
    told = {section.title: section for section in sections}
    assert told["mIoU and pixel accuracy"].lead.startswith("mIoU is 1.000 for base, and 0.")
    assert [table.name for table in told["mIoU and pixel accuracy"].tables] == ["masks", "mask-classes"]
    pixels = told["By pixel"].tables[0].frame
    assert set(pixels["what"]) == {"unstable", "disagreeing"}
    assert (pixels["rate"].to_numpy()[:3] <= pixels["rate"].to_numpy()[3:]).all()
    alone = answers[answers["environment"] == "base"]
    one, lacking = task_sections(study(task_rows(alone)), alone, task="segmentation")
    assert len(one) == 1
    assert "to compare pixels of" in lacking[0]
    unknown = answers.assign(truth="")
    of_pixels, lacking = task_sections(study(task_rows(unknown)), unknown, task="segmentation")
    assert [section.title for section in of_pixels] == ["By pixel"]
    assert "mIoU needs labelled pixels" in lacking[0]
    assert set(of_pixels[0].tables[0].frame["what"]) == {"disagreeing"}


@pytest.mark.parametrize("size", [(5, 8), (200, 300)])
def test_any_size_of_picture(size) -> None:
    picture = np.zeros((*size, 3), np.uint8)
    assert draw_answer(picture, TRUTH, TRUTH).shape == picture.shape
