from dataclasses import fields

from hostctl.lab import DeviceSettings, DisplaySettings, SessionSettings, parse_lab
from hostctl.labs.asked import asked

# The keys of a run's settings as of the first version, whose runs shall go on.
FIRST = {
    "display": "screen host port width height settle_ms timeout_s paint_delay_ms acknowledges_early device_requests",
    "session": "angles repeats seed attempts move_command reserve_mb shoot_timeout_s",
    "device": "name kind place serial address host port user key known_hosts camera camera_arguments phone folder"
    " formats shutter_key predicts python",
}
DEVICE = {"name": "one", "kind": "local", "camera": "replay"}


def lab(tmp_path, **sections):
    return parse_lab({"device": [DEVICE], **sections}, folder=tmp_path)


def test_a_lab_that_asks_for_nothing_new_has_the_settings_of_the_first_version(tmp_path):
    found = asked(lab(tmp_path))
    assert set(found["display"]) == set(FIRST["display"].split())
    assert set(found["session"]) == set(FIRST["session"].split())
    assert set(found["device"][0]) == set(FIRST["device"].split())


def test_what_is_asked_for_stands_there_and_how_long_to_wait_does_not(tmp_path):
    found = asked(lab(tmp_path, session={"keep_place": True, "patience_s": 1.0}, display={"serial": "R58"}))
    assert found["session"]["keep_place"] is True
    assert found["display"]["serial"] == "R58"
    assert "patience_s" not in found["session"]


def test_every_field_is_of_the_first_version_later_or_about_waiting():
    from hostctl.labs.asked import LATER, WAITING

    for section, kind in (("display", DisplaySettings), ("session", SessionSettings), ("device", DeviceSettings)):
        later = LATER | WAITING | ({"serial", "address"} if section == "display" else set())
        names = {one.name for one in fields(kind)}
        assert names - later == set(FIRST[section].split()), section
