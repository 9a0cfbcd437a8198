import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_agents.errors import BadInput, DeviceError, Unauthorised, Unreachable
from hostctl.adb import AdbServer, connect
from hostctl.phones.waiting import is_locked, pair, wait_for_phone, wait_until_unlocked
from tests.fakes.phones import MAKES, Listener, phone, reach
from tests.fakes.scripted_transport import ScriptedTransport


@dataclasses.dataclass
class FakeServer:
    """An adb server whose phones change at each look."""

    looks: list[dict[str, str]]

    def devices(self) -> dict[str, str]:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def ask(self, request: str, *, name: str, timeout_s: float) -> str:
        return "connected"


def wait(looks: list[dict[str, str]], listener: Listener, *, known: tuple[str, ...] = (), **options: object) -> str:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    wanted = {"serial": "", "address": "", "wait_s": 5.0, **options}
    return wait_for_phone(
        FakeServer(looks), known=known, person=listener.person, clock=lambda: now[0], sleep=sleep, **wanted
    )


def test_each_state_is_explained_once_until_the_phone_is_ready() -> None:
    listener = Listener()
    refused = "no permissions (user in plugdev group; are your udev rules wrong?)"
    looks = [{}, {}, {"S": refused}, {"S": "unauthorized"}, {"S": "unauthorized"}, {"S": "offline"}, {"S": "device"}]
    assert wait(looks, listener) == "S"
    assert len(listener.heard) == 4
    for line, words in zip(
        listener.heard,
        ["tap 'Build number'", "udev rules", "accept this computer's key", "does not answer"],
        strict=True,
    ):
        assert words in line


def test_phones_of_the_lab_are_left_alone_and_several_new_ones_are_asked_about() -> None:
    assert wait([{"A": "device", "B": "device"}], Listener(), known=("A",)) == "B"
    listener = Listener(["2"])
    assert wait([{"A": "device", "B": "device"}], listener) == "B"
    assert listener.asked == ["which phone, 1 to 2?"]
    with pytest.raises(BadInput, match="expected one phone, got 2: A, B; name it with --serial"):
        wait([{"A": "device", "B": "device"}], Listener())
    assert wait([{"A": "device", "B": "device"}], Listener(), serial="A") == "A"


def test_nothing_came_in_time() -> None:
    with pytest.raises(Unreachable, match=r"expected a new phone within 5 s, .*adb kill-server.*; there are: A"):
        wait([{"A": "device"}], Listener(), known=("A",))
    with pytest.raises(Unauthorised, match="accept this computer's key"):
        wait([{"A": "unauthorized"}], Listener())
    with pytest.raises(Unreachable, match=r"pair once with --pair"):
        wait([{}], Listener(), address="10.0.0.9:5555")


class PairingServer(FakeServer):
    """Knows one code."""

    def ask(self, request: str, *, name: str, timeout_s: float) -> str:
        good = request == "host:pair:123456:10.0.0.9:40001"
        return "Successfully paired to 10.0.0.9" if good else f"Failed: wrong code {request.split(':')[2]}"


def test_pairing_and_its_code_is_never_repeated() -> None:
    pair(PairingServer([{}]), "10.0.0.9:40001", "123456")
    with pytest.raises(DeviceError, match="expected to be paired") as caught:
        pair(PairingServer([{}]), "10.0.0.9:40001", "654321")
    assert "654321" not in str(caught.value)
    for address, code in [("10.0.0.9", "123456"), ("10.0.0.9:1", "12345"), ("a b:1", "123456")]:
        with pytest.raises(BadInput, match="code of six digits") as refused:
            pair(PairingServer([{}]), address, code)
        assert code not in str(refused.value).replace(address, "")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    with AdbServer(tmp_path_factory.mktemp("adb"), usb=False) as running:
        yield running


def test_the_real_adb_says_why_it_cannot_pair(server: AdbServer) -> None:
    with phone(MAKES["samsung"]) as (_, address), pytest.raises(DeviceError, match="paired|pair") as caught:
        pair(server, address, "123456")
    assert "123456" not in str(caught.value)


def test_the_lock_screen_of_a_virtual_phone(server: AdbServer) -> None:
    with phone(MAKES["samsung"]) as (virtual, address):
        transport = reach(server, address)
        assert is_locked(transport) is True
        wait_until_unlocked(transport, name="it", person=Listener().person, wait_s=20)
        assert is_locked(transport) is False
        assert not virtual.state.locked
        assert connect(server, address) == address


@pytest.mark.parametrize(
    ("text", "locked"), [("", None), ("  mShowingLockscreen=false x", False), (" showing=true", True)]
)
def test_what_phones_print_of_their_lock_screen(text: str, locked: bool | None) -> None:
    with ScriptedTransport([("dumpsys window policy", text)]) as transport:
        assert is_locked(transport) is locked


def test_usb_phones_with_one_serial_are_told_apart_by_their_ports(tmp_path: Path) -> None:
    class Twins(FakeServer):
        def ports(self) -> list[tuple[str, str, str]]:
            return [("0123", "usb:1-1", "device"), ("0123", "usb:1-2", "device")]

    twins = Twins([{"0123": "device"}])
    with pytest.raises(
        Unreachable, match=r'it: expected one phone with serial \'0123\', got 2; .*"usb:1-1" or "usb:1-2"'
    ):
        connect(twins, "0123", name="it", timeout_s=0)
    assert connect(twins, "usb:1-2", name="it", timeout_s=0) == "usb:1-2"


def test_a_line_of_the_real_list_of_phones_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = (
        "0123456789ABCDEF       device usb:1-1 product:p model:M device:d transport_id:3\n"
        "0123456789ABCDEF       unauthorized usb:1-2.4 transport_id:4\n"
        "XYZ                    no permissions (missing udev rules?); see [http://x] usb:2-1 transport_id:5\n"
        "127.0.0.1:4000         device product:p model:M device:d transport_id:6\n"
    )
    monkeypatch.setattr("hostctl.adb.host_request", lambda *args, **options: text)
    assert AdbServer(tmp_path).ports() == [
        ("0123456789ABCDEF", "usb:1-1", "device"),
        ("0123456789ABCDEF", "usb:1-2.4", "unauthorized"),
        ("XYZ", "usb:2-1", "no permissions (missing udev rules?); see [http://x]"),
    ]
