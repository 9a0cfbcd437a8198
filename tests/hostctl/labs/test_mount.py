"""The mount is moved by the lab's command or by a person, and a session that cannot move it stops."""

import io
import sys
from pathlib import Path

import pytest

from device_agents.errors import DeviceError
from hostctl.lab import parse_lab
from hostctl.labs.mount import turn


def lab_of(**session):
    return parse_lab({"session": session, "device": [{"name": "p", "kind": "adb", "serial": "X"}]}, folder=Path())


def move(lab, angle):
    turn(lab, None, angle)


def test_the_move_command_gets_the_angle(tmp_path):
    code = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])"
    lab = lab_of(angles=[-20, 20], move_command=[sys.executable, "-c", code, str(tmp_path / "angle")])
    move(lab, -20)
    assert (tmp_path / "angle").read_text() == "-20"


def test_a_move_command_that_fails_stops_the_session_with_its_words():
    code = "import sys; sys.exit('the motor is stuck')"
    lab = lab_of(angles=[0, 10], move_command=[sys.executable, "-c", code])
    with pytest.raises(DeviceError, match="got exit code 1: the motor is stuck"):
        move(lab, 10)


def test_without_a_command_the_operator_is_asked_and_must_be_there(monkeypatch, capsys):
    lab = lab_of(angles=[-20, 20])
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    move(lab, 20)
    assert "move the mount to 20 degrees, then press Enter" in capsys.readouterr().err
    with pytest.raises(DeviceError, match="give .session. move_command"):
        move(lab, 20)


def test_a_single_angle_needs_no_move(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    move(lab_of(angles=[0]), 0)
    assert capsys.readouterr().err == ""
