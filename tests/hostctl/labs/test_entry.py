import tomllib
from pathlib import Path

import pytest

from device_agents.errors import BadInput
from hostctl.lab import read_lab
from hostctl.labs.entry import add_device, devices_in, free_name, refuse_twice

ENTRY = {"name": "pixel", "kind": "adb", "serial": "S1", "formats": ["jpg", "dng"]}
COMMENTED = (
    '# mine\r\n[session]  # short\r\nrepeats = 2\r\n\r\n[[device]]\r\nname = "a"\r\nkind = "adb"\r\nserial = "A"'
)


def test_a_lab_is_made_where_there_is_none_and_grows(tmp_path: Path) -> None:
    lab = tmp_path / "lab.toml"
    assert devices_in(lab) == []
    add_device(lab, ENTRY, comment="one\ntwo")
    assert "# one\n# two\n[[device]]\n" in lab.read_text()
    add_device(lab, {**ENTRY, "name": 'quo"te \\ ü\x7f', "serial": "S2"})
    names = [device.name for device in read_lab(lab).devices]
    assert names == ["pixel", 'quo"te \\ ü\x7f']
    assert read_lab(lab).devices[0].formats == ("jpg", "dng")
    assert [path.name for path in tmp_path.iterdir()] == ["lab.toml"]


def test_what_stands_there_is_kept_to_the_letter_through_a_link(tmp_path: Path) -> None:
    real, lab = tmp_path / "real.toml", tmp_path / "lab.toml"
    real.write_bytes(COMMENTED.encode())
    real.chmod(0o640)
    lab.symlink_to(real)
    add_device(lab, ENTRY)
    assert lab.is_symlink()
    assert real.read_bytes().startswith(COMMENTED.encode() + b"\n\n[[device]]\n")
    assert real.stat().st_mode & 0o777 == 0o640
    assert tomllib.loads(real.read_text())["session"] == {"repeats": 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('device = [{name = "a", kind = "adb", serial = "A"}]\n', r"as \[\[device\]\] tables"),
        ("[session\n", "expected TOML"),
        ('[[device]]\nname = "pixel"\nkind = "adb"\nserial = "A"\n', "2 devices share the name 'pixel'"),
        ('[[device]]\nname = "a"\nkind = "adb"\nserial = "S1"\n', "2 devices share the serial 'S1'"),
        ('[[device]]\nname = "a"\nkind = "telex"\n', "unknown kind 'telex'"),
    ],
)
def test_a_lab_that_would_not_be_good_is_left_as_it_is(tmp_path: Path, text: str, words: str) -> None:
    lab = tmp_path / "lab.toml"
    lab.write_text(text)
    with pytest.raises(BadInput, match=words):
        add_device(lab, ENTRY)
    assert lab.read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["lab.toml"]


def test_names_and_phones_that_are_there(tmp_path: Path) -> None:
    lab = tmp_path / "lab.toml"
    add_device(lab, {**ENTRY, "name": "pixel-7"})
    assert free_name(lab, "Pixel 7") == "pixel-7-2"
    assert free_name(lab, "!!") == "phone"
    refuse_twice(lab, serials={"S2": "serial"})
    with pytest.raises(
        BadInput, match="the phone with serial 'S1' is there already as 'pixel-7'; setup changes no entry"
    ):
        refuse_twice(lab, serials={"S1": "serial"})
