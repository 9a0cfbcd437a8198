"""A lab file is read whole or refused with every mistake in plain words."""

from pathlib import Path

import pytest

from device_agents.errors import BadInput
from hostctl.lab import parse_lab, read_lab

GOOD = """
name = "rack in room 3"
[display]
screen = "browser"
settle_ms = 200
[session]
angles = [-20, 0, 20]
repeats = 5
[[device]]
name = "galaxy"
kind = "adb"
serial = "R58M123"
formats = ["jpg", "dng"]
[[device]]
name = "pi"
kind = "ssh"
host = "10.0.0.5"
user = "pi"
key = "keys/pi"
known_hosts = "keys/known_hosts"
camera = "rpicam"
predicts = "agent"
"""


def lab_of(tmp_path, text):
    path = tmp_path / "lab.toml"
    path.write_text(text)
    return read_lab(path)


def test_a_good_file_becomes_a_lab(tmp_path):
    lab = lab_of(tmp_path, GOOD)
    assert lab.name == "rack in room 3"
    assert lab.display.settle_ms == 200
    assert lab.session.angles == (-20, 0, 20)
    assert [device.name for device in lab.devices] == ["galaxy", "pi"]
    assert lab.devices[0].formats == ("jpg", "dng")
    assert lab.devices[1].port == 22
    assert lab.folder == tmp_path
    assert not lab.virtual


def test_every_mistake_is_reported_at_once(tmp_path):
    text = GOOD.replace("settle_ms", "setle_ms").replace("repeats = 5", 'repeats = "five"')
    text = text.replace('serial = "R58M123"', 'serial = "R58M123"\naddress = "10.0.0.9:5555"')
    text = text.replace('key = "keys/pi"\n', "").replace("[-20, 0, 20]", "[-20, 0, 200]")
    with pytest.raises(BadInput) as caught:
        lab_of(tmp_path, text)
    first, *rest = str(caught.value).splitlines()
    assert first == "lab.toml: 5 mistakes, nothing was started:"
    assert any("unknown key 'setle_ms'; did you mean 'settle_ms'?" in line for line in rest)
    assert any("'repeats': expected a whole number, got 'five'" in line for line in rest)
    assert any("'angles': expected whole degrees from -60 to 60, got [-20, 0, 200]" in line for line in rest)
    assert any("'galaxy'" in line and "either 'serial' (USB) or 'address'" in line for line in rest)
    assert any("'pi': a device of kind ssh needs key" in line for line in rest)
    assert len(rest) == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('kind = "adb"', 'kind = "abd"'), "unknown kind 'abd'; known: adb (a phone over ADB"),
        (('name = "pi"', 'name = "galaxy"'), "2 devices share the name 'galaxy'"),
        (('name = "pi"', 'name = "a|b"'), "a name has no '|'"),
        (('kind = "adb"', 'kind = "adb"\npredicts = "agent"'), "a stock phone has no Python"),
        (('predicts = "agent"', 'predicts = "cloud"'), "expected host or agent, got 'cloud'"),
        (('screen = "browser"', 'screen = "tv"'), "expected browser or virtual, got 'tv'"),
        (("angles = [-20, 0, 20]", "angles = []"), "expected whole degrees"),
        (
            ('["jpg", "dng"]', '["jpg", "dgn"]'),
            "'galaxy': 'formats': unknown format 'dgn'; did you mean 'dng'?",
        ),
        (('["jpg", "dng"]', '["JPG"]'), "'formats': unknown format 'JPG'; did you mean 'jpg'?"),
        (('["jpg", "dng"]', "[7]"), "'formats': unknown format 7; known: jpg, jpeg, heic, heif, png, dng"),
        (('["jpg", "dng"]', "[]"), "'formats': expected at least one of jpg, jpeg, heic, heif, png, dng, got none"),
        (("repeats = 5", "repeats = true"), "expected a whole number, got True"),
        (("repeats = 5", "repeats = 0"), "expected 1 or more, got 0"),
        (('name = "rack in room 3"', 'colour = "red"'), "unknown key 'colour'; known: name, display"),
    ],
)
def test_one_mistake_one_line(tmp_path, change, message):
    with pytest.raises(BadInput) as caught:
        lab_of(tmp_path, GOOD.replace(*change))
    assert message in str(caught.value)


def test_unknown_formats_stand_among_the_other_mistakes(tmp_path):
    text = GOOD.replace('["jpg", "dng"]', '["jpgg", "tiff"]').replace("repeats = 5", "repeats = 0")
    with pytest.raises(BadInput) as caught:
        lab_of(tmp_path, text)
    assert str(caught.value).startswith("lab.toml: 3 mistakes, nothing was started:\n")
    assert "unknown format 'jpgg'; did you mean 'jpg'?" in str(caught.value)
    assert "unknown format 'tiff'; known: jpg, " in str(caught.value)


def test_virtual_devices_need_a_virtual_screen_and_known_profiles():
    device = {"name": "v", "kind": "virtual-phone", "camera": "no-such", "phone": "no-such"}
    with pytest.raises(BadInput) as caught:
        parse_lab({"device": [device]}, folder=None)
    assert "a virtual camera sees only a virtual screen" in str(caught.value)
    assert "unknown camera 'no-such'; known: " in str(caught.value)
    assert "unknown phone 'no-such'; known: " in str(caught.value)


def test_no_devices_no_file_no_toml(tmp_path):
    with pytest.raises(BadInput, match="at least one good"):
        parse_lab({}, folder=tmp_path)
    with pytest.raises(BadInput, match="cannot read the lab file .*No such file"):
        read_lab(tmp_path / "none.toml")
    with pytest.raises(BadInput, match="expected TOML"):
        lab_of(tmp_path, "name = ")


PAGES = [
    {"name": "pixel", "kind": "web", "camera": "canvas", "predicts": "agent"},
    {"name": "tablet_2", "kind": "virtual-browser", "camera": "instant"},
]


def test_pages_are_devices():
    lab = parse_lab({"display": {"screen": "virtual"}, "device": PAGES}, folder=Path())
    assert [(one.in_page, one.virtual) for one in lab.devices] == [(True, False), (True, True)]
    assert not parse_lab({"device": [{"name": "p", "kind": "adb", "serial": "X"}]}, folder=Path()).devices[0].in_page


@pytest.mark.parametrize(
    ("number", "changed", "message"),
    [
        (0, {"name": "Pixel 7"}, "expected a device name of small letters, digits, - and _, got 'Pixel 7'"),
        (0, {"camera": "selfie"}, "'camera': expected canvas, take-photo, file, got 'selfie'"),
        (0, {"camera": ""}, "a device of kind web needs camera"),
        (1, {"camera": "canvas"}, "unknown camera 'canvas'; known: board-plain, "),
        (1, {"faults": [{"kind": "hot"}]}, "a virtual-browser has no fault 'hot'; known: none"),
    ],
)
def test_what_is_wrong_with_a_page_is_said(number, changed, message):
    devices = [device | (changed if at == number else {}) for at, device in enumerate(PAGES)]
    with pytest.raises(BadInput) as caught:
        parse_lab({"display": {"screen": "virtual"}, "device": devices}, folder=Path())
    assert message in str(caught.value)
    assert "lab.toml: 1 mistake, " in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("patience_s", -1, "expected 0 to 86400 seconds, got -1"),
        ("rest_s", 90_000, "expected 0 to 86400 seconds, got 90000"),
        ("health_every_s", -5, "expected 0 to 86400 seconds, got -5"),
        ("hot_c", 5, "expected 20 to 100 degrees Celsius, got 5"),
        ("low_battery", 95, "expected 0 to 90 percent, got 95"),
        ("keep_place", "no", "expected true or false, got 'no'"),
    ],
)
def test_how_long_a_device_is_waited_for_and_when_it_rests_is_checked(tmp_path, key, value, words):
    phone = {"name": "phone", "kind": "adb", "serial": "X"}
    with pytest.raises(BadInput) as caught:
        parse_lab({"session": {key: value}, "device": [phone]}, folder=tmp_path)
    assert f"[session] '{key}': {words}" in str(caught.value)
