from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from device_agents.errors import BadInput, CommandFailed
from hostctl.adb import AdbServer
from hostctl.lab import parse_lab
from hostctl.labs.laboratory import opened
from hostctl.phones.display_tablet import display_tablet, steady_display
from hostctl.virtual.faults import Fault
from hostctl.virtual.phone import PHONES
from tests.fakes.phones import phone, reach

BRIGHTNESS, MODE = ("system", "screen_brightness"), ("system", "screen_brightness_mode")
NIGHT, TIMEOUT = ("secure", "night_display_activated"), ("system", "screen_off_timeout")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    with AdbServer(tmp_path_factory.mktemp("adb"), usb=False) as running:
        yield running


def test_a_tablet_is_held_steady_and_restored_whatever_happens(server: AdbServer, tmp_path: Path) -> None:
    with phone(PHONES["instant"]) as (virtual, address):
        settings = virtual.state.settings
        settings[NIGHT] = "1"
        before = dict(settings)
        with display_tablet(server, address, brightness=200, state=tmp_path):
            assert (settings[BRIGHTNESS], settings[MODE], settings[NIGHT]) == ("200", "0", "0")
            assert settings[TIMEOUT] == "1800000"
            assert virtual.state.awake
            assert not virtual.state.locked
        assert settings == before
        held = steady_display(reach(server, address), state=tmp_path)
        held.__enter__()
        assert settings[BRIGHTNESS] == "255"
        assert not held.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
        assert settings == before


def test_a_tablet_that_keeps_another_value_is_told(server: AdbServer, tmp_path: Path) -> None:
    class Stubborn(dict[tuple[str, str], str]):
        def __setitem__(self, key: tuple[str, str], value: str) -> None:
            super().__setitem__(key, "77" if key == BRIGHTNESS else value)

    with phone(PHONES["instant"]) as (virtual, address):
        virtual.state.settings = Stubborn(virtual.state.settings)
        with pytest.raises(CommandFailed, match="expected screen_brightness = 255 on the tablet, got '77'"):
            with steady_display(reach(server, address), state=tmp_path):
                pytest.fail("it does not hold its brightness")
        assert virtual.state.settings[TIMEOUT] == "30000"


def test_a_tablet_that_went_away_is_restored_the_next_time(server: AdbServer, tmp_path: Path) -> None:
    away = replace(PHONES["instant"], plan=(Fault("frozen", at_shot=99),))
    with phone(away) as (virtual, address):
        transport = reach(server, address)
        with steady_display(transport, state=tmp_path):
            virtual.daemon.freeze()
            transport.run = replace_run(transport)  # type: ignore[method-assign]
        assert virtual.state.settings[TIMEOUT] == "1800000"
        virtual.daemon.freeze(False)
        with steady_display(reach(server, address), state=tmp_path):
            pass
        assert virtual.state.settings[TIMEOUT] == "30000"


def test_a_lab_holds_its_tablet_from_before_the_page_is_waited_for_until_it_closes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with phone(PHONES["instant"], seed=1) as (tablet, screen), phone(PHONES["modern"], seed=2) as (_, address):

        class FakeDisplay:
            url, pages = "http://127.0.0.1:1/", {}

            def wait_for_screen(self, *, timeout_s: float) -> None:
                assert tablet.state.settings[BRIGHTNESS] == "180"

        tables = {"display": {"address": screen, "brightness": 180}}
        lab = parse_lab({**tables, "device": [{"name": "it", "kind": "adb", "address": address}]}, folder=tmp_path)
        with opened(lab, folder=tmp_path / "lab", waiting=lambda _: None, display=FakeDisplay()) as laboratory:
            assert [device.name for device in laboratory.devices] == ["it"]
        assert tablet.state.settings[BRIGHTNESS] == "102"
        with opened(lab, folder=tmp_path / "lab", waiting=None, display=FakeDisplay()):  # no screen is needed
            assert tablet.state.settings[BRIGHTNESS] == "102"


@pytest.mark.parametrize(
    ("display", "words"),
    [
        ({"serial": "A", "address": "b:1"}, "expected 'serial' .USB. or 'address' of the tablet, got both"),
        ({"serial": "A", "screen": "virtual"}, "a tablet is a screen of kind browser"),
        ({"serial": "A", "brightness": 300}, "'brightness': expected 0 to 255, got 300"),
    ],
)
def test_wrong_keys_of_a_tablet_are_mistakes(display: dict, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=words):
        parse_lab({"display": display, "device": [{"name": "it", "kind": "adb", "serial": "x"}]}, folder=tmp_path)


def replace_run(transport):
    """The same transport with short patience."""
    run = transport.run
    return lambda command, *, timeout_s: run(command, timeout_s=0.5)
