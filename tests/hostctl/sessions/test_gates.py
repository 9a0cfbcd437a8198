"""A device rests above the limits and works again only when it is better by a margin."""

import pytest

from device_agents.errors import Unreachable
from hostctl.lab import DeviceSettings, SessionSettings
from hostctl.labs.device import Device
from hostctl.sessions.gates import Condition, ask, why_rest
from hostctl.sessions.vitals import THERMAL_FILE
from tests.fakes.rack import FakeDisplay, FakeShutter
from tests.fakes.scripted_transport import ScriptedTransport

LIMITS = SessionSettings(hot_c=42.0, low_battery=10)


@pytest.mark.parametrize(
    ("found", "working", "resting"),
    [
        (Condition(), "", ""),
        (Condition(80, 30.0, 0), "", ""),
        (Condition(80, 42.0, 2), "", "at 42.0 C, expected at most 39; thermal status 2, expected less than 2"),
        (Condition(80, 42.1, 0), "at 42.1 C, expected at most 42", "at 42.1 C, expected at most 39"),
        (Condition(80, 39.0, 1), "", ""),
        (Condition(80, 30.0, 3), "thermal status 3, expected less than 3", "thermal status 3, expected less than 2"),
        (Condition(9, 30.0, 0), "battery at 9 %, expected at least 10", "battery at 9 %, expected at least 15"),
        (Condition(10, 30.0, 0), "", "battery at 10 %, expected at least 15"),
        (Condition(15, 30.0, 0), "", ""),
        (Condition(temperature_c=60.0, board=True), "", ""),
        (
            Condition(temperature_c=81.0, board=True),
            "at 81.0 C, expected at most 80",
            "at 81.0 C, expected at most 77",
        ),
    ],
)
def test_the_limits_and_their_margin(found, working, resting):
    assert why_rest(found, LIMITS, resting=False) == working
    assert why_rest(found, LIMITS, resting=True) == resting


def test_a_board_is_asked_its_temperature_and_one_that_is_gone_tells_nothing():
    for answer, expected in [
        ("61300\n", Condition(temperature_c=61.3, board=True)),
        (Unreachable("pi: no answer"), Condition(board=True)),
    ]:
        with ScriptedTransport([(f"cat {THERMAL_FILE}", answer)]) as transport:
            shutter = FakeShutter(FakeDisplay(), None)
            assert ask(Device(DeviceSettings(name="pi", kind="ssh"), transport, shutter, dict)) == expected
