"""The rules that name the cause, each on the smallest table that calls for it."""

import pytest

from analysis.decoding.cause import causes, verdict
from analysis.decoding.groups import compare_formats, complete
from tests.analysis.decoding_sample import UNCLEAR, WRONG, cell, scene, table

OTHER = {"pixels": 2}
FLIP = {"label": WRONG, "score": 0.8}


def told(*cells):
    found, _ = complete(table(*cells))
    comparison, items = compare_formats(found)
    rows = causes(found, items)
    return verdict(found, comparison, rows), rows


def stable(name="stable", third=None):
    return scene(name, [{}, {}, third or OTHER])


def test_flips_between_decoders_that_vanish_on_png_are_the_decoders():
    flips = [row for number in range(9) for row in scene(f"f{number}", [{}, {}, {**OTHER, **FLIP}])]
    found, rows = told(*flips, *stable())
    assert found.cause == "decoder"
    assert found.sentence == (
        "All 9 items that are unstable on JPEG are stable on PNG, and every flip is between the two groups of "
        "decoders: the JPEG decoder is the cause."
    )
    assert found.counts == {"decoder": 9}
    assert set(rows["stage"]) == {"pixels"}


def test_one_flip_is_told_in_the_singular():
    found, _ = told(*scene("f", [{}, {}, {**OTHER, **FLIP}]), *stable())
    assert found.sentence.startswith("The one item that is unstable on JPEG is stable on PNG, and its flip is between")


def test_three_decoders_are_three_groups():
    found, _ = told(*scene("f", [{}, {"pixels": 3}, {**OTHER, **FLIP}]), *stable())
    assert "the three groups of decoders" in found.sentence


def test_the_same_pixels_resized_otherwise_is_the_resizing():
    resized = {"resized": 5, **FLIP}
    found, rows = told(*scene("f", [{}, {}, resized], [{}, {}, resized]), *stable())
    assert (found.cause, rows["stage"].tolist()) == ("resize", ["resized"])
    assert "came from the same decoded pixels: the resizing is the cause" in found.sentence


def test_other_pixels_and_a_flip_on_png_too_is_not_the_decoder():
    jpeg, png = {**OTHER, "resized": 5, **FLIP}, {"resized": 6, **FLIP}
    found, rows = told(*scene("f", [{}, {}, jpeg], [{}, {}, png]))
    assert (found.cause, rows["stage"].tolist()) == ("resize", ["resized"])


def test_the_same_resized_pixels_scaled_otherwise_is_the_scaling():
    scaled = {"tensor": 7, **FLIP}
    assert told(*scene("f", [{}, scaled], [{}, scaled]))[0].cause == "scaling"


def test_the_same_tensor_is_the_runtime():
    found, rows = told(*scene("f", [{}, FLIP], [{}, FLIP]))
    assert (found.cause, rows["stage"].tolist()) == ("runtime", ["scores"])
    assert found.sentence == (
        "One item is unstable on JPEG and 1 on PNG, and on each of them a right and a wrong answer came from the same "
        "input tensors: the runtime is the cause, not the JPEG decoder."
    )


def test_a_right_and_a_wrong_answer_from_the_same_pixels_clear_the_decoder():
    """c decodes otherwise and is wrong, but b is wrong with a's own pixels."""
    found, _ = told(*scene("f", [{}, FLIP, {**OTHER, **FLIP}]))
    assert found.cause == "runtime"


def test_several_causes_are_counted():
    decoder = [row for number in range(3) for row in scene(f"d{number}", [{}, {**OTHER, **FLIP}])]
    found, _ = told(*decoder, *scene("r", [{}, FLIP], [{}, FLIP]))
    assert found.cause == "several"
    assert found.sentence == (
        "There is more than one cause for the 4 items that flip: 3 by the JPEG decoder, 1 by the runtime; the JPEG "
        "decoder is the main cause, not the only one."
    )


def test_png_that_is_decoded_otherwise_is_no_control():
    other_png = {"pixels": 9}
    found, rows = told(*scene("f", [{}, {**OTHER, **FLIP}], [{}, other_png]))
    assert found.cause == "undecided"
    assert found.sentence == (
        "Cannot tell what turns over the one item that is unstable: PNG itself is decoded to different pixels, so it "
        "is no control."
    )
    assert rows["cause"].tolist() == ["undecided"]


def test_a_flip_on_png_between_different_png_pixels_is_undecided():
    png = {"pixels": 9, **FLIP}
    assert told(*scene("f", [{}, {**OTHER, **FLIP}], [{}, png]))[0].cause == "undecided"


def test_nothing_flips_with_one_decoder_and_with_two():
    same = [row for number in range(100) for row in scene(f"s{number}", [{}, {}])]
    found, _ = told(*same)
    assert found.cause == "nothing"
    assert found.sentence == (
        "Nothing flips: both executors decode every JPEG to the same pixels, and 0 of 100 items are unstable, on JPEG "
        "and on PNG (at most 3.62 % with 95 % confidence)."
    )
    found, _ = told(*stable())
    assert found.cause == "nothing"
    assert "the two groups of decoders give different pixels, but 0 of 1 items" in found.sentence
    assert "cannot tell" in found.sentence


@pytest.mark.parametrize(
    "rows",
    [
        [cell("a", form, "s") for form in ("jpeg", "png")],
        scene("s", [{}, {"label": ""}]),
        scene("s", [{"label": ""}, {"label": ""}]),
        scene("s", [{"label": UNCLEAR}, {}]),
    ],
)
def test_too_little_to_compare_is_said(rows):
    found, _ = told(*rows)
    assert found.cause == "undecided"
    assert found.sentence.startswith("Cannot tell: ")
