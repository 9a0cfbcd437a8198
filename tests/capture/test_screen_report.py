"""What a page says of its screen: which are refused, and which reports are none."""

import pytest

from capture.screen_report import ScreenReport, read_report, refusal
from device_agents.errors import BadInput


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"ratio": 2.625, "gamut": "none"}, ""),
        ({"scale": 1.5}, "pinched to 150%"),
        ({"zoom": 1.1}, "zoom is 110%"),
        ({"zoom": float("nan")}, "zoom is nan%"),
        ({"height": 100}, "at least 240"),
        ({"width": 100000}, "at most 8192"),
    ],
)
def test_which_screens_are_refused(changes, words):
    reason = refusal(ScreenReport(**{"client": "c", "height": 960, "width": 1280, **changes}))
    assert (words in reason) if words else (reason == "")


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"client": "c", "height": 1}, "wrong: width"),
        ({"client": "c", "height": 1.5, "width": 2}, "wrong: height"),
        ({"client": "c", "height": True, "width": 2}, "wrong: height"),
        ({"client": "c", "height": 1, "width": 2, "colour": 3}, "wrong: colour"),
    ],
)
def test_a_report_of_another_shape_is_refused(values, wrong):
    with pytest.raises(BadInput, match=wrong):
        read_report(values)
