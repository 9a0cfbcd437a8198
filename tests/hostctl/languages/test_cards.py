from __future__ import annotations

import io

from PIL import Image

from hostctl.languages.cards import question_card
from stability_train.language.questions import Choice, Question


def test_a_card_shows_the_question_and_is_cut_where_it_is_long():
    question = Question("piqa/1", (Choice("c", " a", "an answer"), Choice("c", " b", "other")), 1, "", "What?")
    data, width, height = question_card(question)
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (width, height) == (240, 81)
        assert image.convert("L").getextrema()[0] < 64  # dark words
        assert image.convert("L").getpixel((2, 2)) == 255
    long = Question("lambada/1", (Choice("c", " a", "a"),), 0, "", "word " * 2000)
    assert question_card(long)[2] == 40 * 13 + 16
    assert question_card(question)[0] == data
