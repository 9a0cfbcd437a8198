"""A question as a picture: its words on a white card, so that a report shows what was asked."""

from __future__ import annotations

import io
import textwrap

from stability_train.language.answers import LETTERS
from stability_train.language.questions import Question

WIDTH_PX, LINE_PX, MARGIN_PX, FONT_PX, CHARACTERS = 240, 13, 8, 11, 38
MOST_LINES = 40


def question_card(question: Question) -> tuple[bytes, int, int]:
    """Draw a question and its lettered choices, the right one marked; gives the PNG's bytes, width and height.

    What does not fit into MOST_LINES lines is left out and said so.
    """
    from PIL import Image, ImageDraw, ImageFont

    lines = textwrap.wrap(question.words, CHARACTERS) or [""]
    if len(question.choices) > 1:
        for place, choice in enumerate(question.choices):
            mark = "*" if place == question.right else " "
            lines += [
                "",
                *textwrap.wrap(f"{mark} {LETTERS[place]}  {choice.words}", CHARACTERS, subsequent_indent="   "),
            ]
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], "(cut)"]
    height = 2 * MARGIN_PX + LINE_PX * len(lines)
    card = Image.new("L", (WIDTH_PX, height), 255)
    pen, font = ImageDraw.Draw(card), ImageFont.load_default(size=FONT_PX)
    for row, line in enumerate(lines):
        pen.text((MARGIN_PX, MARGIN_PX + LINE_PX * row), line, fill=0, font=font)
    stream = io.BytesIO()
    card.quantize(8).save(stream, format="PNG", optimize=True)
    return stream.getvalue(), WIDTH_PX, height
