"""A phone that comes in over its cable: the real adb program's server, a virtual phone, the display's own server."""

import socket
import time
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from flask import Blueprint

from capture.display import DisplayServer
from device_agents.errors import BadInput, CommandFailed, Unreachable
from hostctl.adb import AdbServer, connect, reverse, reversed_ports, unreverse
from hostctl.browsers import joining
from hostctl.browsers.joining import joining_text, open_on_phone, open_on_phones
from hostctl.transports.adb_client import ServerSocket
from hostctl.virtual.hosting import serving
from hostctl.virtual.phone import PHONES, VirtualPhone
from hostctl.virtual.phone_state import BROWSER, HOME_SCREEN

TOKEN = "a-token_-';$(reboot)&x=1"  # worse than any that is made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    with AdbServer(tmp_path_factory.mktemp("adb")) as running:
        yield running


@pytest.fixture
def phone() -> Iterator[VirtualPhone]:
    made = VirtualPhone(PHONES["modern"], shoot=dict)
    with serving([made]):
        yield made


@pytest.fixture
def display() -> Iterator[DisplayServer]:
    pages = Blueprint("web-pixel", __name__)
    pages.add_url_rule("/web-pixel/", endpoint="page", view_func=lambda: "the phone's page")
    with DisplayServer(blueprints=[pages], guests={"web-pixel": "phone-token"}) as running:
        yield running


def serial_of(phone: VirtualPhone) -> str:
    return f"127.0.0.1:{phone.port}"


def fetched_on(phone: VirtualPhone, url: str) -> bytes:
    """What an app of the phone gets from its own 127.0.0.1."""
    port = int(url.split(":")[2].split("/")[0])
    with urllib.request.urlopen(url.replace(f":{port}/", f":{phone.ports[port]}/"), timeout=30) as answer:
        return bytes(answer.read())


def wait_until(condition: Callable[[], bool], limit_s: float = 60.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_the_page_opens_on_the_phone_and_comes_from_this_host(
    server: AdbServer, phone: VirtualPhone, display: DisplayServer
) -> None:
    url = display.local_guest_url("web-pixel")
    with open_on_phone(server, serial_of(phone), url) as there:
        assert there == url == phone.state.page
        assert (phone.state.front, phone.state.awake) == (BROWSER, True)
        assert fetched_on(phone, there) == b"the phone's page"
        assert reversed_ports(server, serial_of(phone)) == {display.local_port: display.local_port}
    assert reversed_ports(server, serial_of(phone)) == {}
    assert display.local_port not in phone.ports


def test_no_word_of_an_address_is_ever_the_shells(server: AdbServer, phone: VirtualPhone) -> None:
    url = f"http://127.0.0.1:9/?token={TOKEN}"
    with open_on_phone(server, serial_of(phone), url):
        assert phone.state.page == url


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:9/", "http://192.168.1.2:9/", "http://127.0.0.1/", "http://127.0.0.1:99999/", "x"]
)
def test_only_a_page_of_this_host_can_be_opened(server: AdbServer, url: str) -> None:
    with pytest.raises(BadInput, match=r"expected a page at http://127.0.0.1:PORT/"):
        open_on_phone(server, "none", url).__enter__()


def test_a_phone_without_a_browser_says_so_without_the_token(
    server: AdbServer, phone: VirtualPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hostctl.virtual import phone_shell

    def start(shell: object, words: list[str]) -> object:
        text = f"Starting: Intent {{ dat={words[-1]} }}\nError: Activity not started, unable to resolve {words[-1]}\n"
        return phone_shell.done(text)

    monkeypatch.setitem(phone_shell.COMMANDS, "am", start)
    url = "http://127.0.0.1:9/?token=secret"
    with pytest.raises(CommandFailed, match="pixel: cannot open the page: .*is there a browser") as refused:
        open_on_phone(server, serial_of(phone), url, name="pixel").__enter__()
    assert "secret" not in str(refused.value)
    assert reversed_ports(server, serial_of(phone)) == {}


def test_a_port_that_is_taken_on_the_phone_is_replaced_by_another(
    server: AdbServer, phone: VirtualPhone, display: DisplayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def taken(server: AdbServer, serial: str, phone_port: int, host_port: int, *, name: str = "") -> int:
        asked.append(phone_port)
        if phone_port == host_port:
            raise Unreachable(f"{name}: cannot bind listener: Address already in use")
        return reverse(server, serial, phone_port, host_port, name=name)

    monkeypatch.setattr(joining, "reverse", taken)
    url = display.local_guest_url("web-pixel")
    with open_on_phone(server, serial_of(phone), url, watch_s=60) as there:
        assert asked == [display.local_port, 0]
        assert there != url
        assert fetched_on(phone, there) == b"the phone's page"
    assert reversed_ports(server, serial_of(phone)) == {}


def test_a_cable_that_was_out_leads_here_again(server: AdbServer, phone: VirtualPhone, display: DisplayServer) -> None:
    url = display.local_guest_url("web-pixel")
    with open_on_phone(server, serial_of(phone), url, watch_s=0.1) as there:
        for connection in list(phone.daemon._connections):
            phone.daemon._loop.call_soon_threadsafe(connection.abort)  # type: ignore[union-attr]
        wait_until(lambda: display.local_port not in phone.ports)
        wait_until(lambda: display.local_port in phone.ports)
        assert fetched_on(phone, there) == b"the phone's page"


def test_a_phone_that_went_away_ends_the_block_all_the_same(
    server: AdbServer, phone: VirtualPhone, display: DisplayServer
) -> None:
    with open_on_phone(server, serial_of(phone), display.local_guest_url("web-pixel"), watch_s=0.1):
        import asyncio

        assert phone.daemon._loop is not None
        asyncio.run_coroutine_threadsafe(phone.daemon.leave(), phone.daemon._loop).result()


def test_a_phone_that_is_not_there(server: AdbServer) -> None:
    with pytest.raises(Unreachable, match="pixel: expected a phone with serial 'none'"):
        open_on_phone(server, "none", "http://127.0.0.1:9/", name="pixel", timeout_s=0.2).__enter__()


def test_a_rack_of_phones_opens_its_pages_and_one_that_is_not_there_is_listed(server: AdbServer) -> None:
    phones = [VirtualPhone(PHONES["modern"], shoot=dict, seed=number) for number in range(2)]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        gone = f"127.0.0.1:{taken.getsockname()[1]}"
    with serving(phones):
        pages = {f"phone{n}": (serial_of(one), f"http://127.0.0.1:{9001 + n}/") for n, one in enumerate(phones)}
        with open_on_phones(server, {**pages, "gone": (gone, "http://127.0.0.1:9003/")}) as failures:
            assert list(failures) == ["gone"]
            assert failures["gone"].startswith("gone: ")
            assert [one.state.page for one in phones] == ["http://127.0.0.1:9001/", "http://127.0.0.1:9002/"]
        assert [reversed_ports(server, serial_of(one)) for one in phones] == [{}, {}]


def test_ways_are_listed_and_ended_one_by_one(server: AdbServer, phone: VirtualPhone) -> None:
    serial = connect(server, serial_of(phone))
    assert reversed_ports(server, serial) == {}
    for port in (8001, 8002):
        reverse(server, serial, port, 9000 + port)
    with ServerSocket(server.port, name="phone", limit_s=10) as device:
        device.ask(f"host:transport:{serial}")
        device.ask("reverse:forward:tcp:8003;localabstract:other")
        device.expect_okay("reverse:forward")
    assert reversed_ports(server, serial) == {8001: 17001, 8002: 17002}
    unreverse(server, serial, 8001)
    unreverse(server, serial, 8001)
    assert reversed_ports(server, serial) == {8002: 17002}


def test_an_old_phone_opens_the_page_too(server: AdbServer, display: DisplayServer) -> None:
    old = VirtualPhone(PHONES["ancient"], shoot=dict)
    with serving([old]), open_on_phone(server, serial_of(old), display.local_guest_url("web-pixel")) as there:
        assert old.state.page == there
        assert old.state.front != HOME_SCREEN


def test_the_terminal_is_told_each_devices_link_and_code(display: DisplayServer) -> None:
    text = joining_text(display)
    assert text.startswith(f"pixel: {display.guest_url('web-pixel')}\n\x1b[97;40m█")
    assert joining_text(display, codes=False) == f"pixel: {display.guest_url('web-pixel')}\n"
    with DisplayServer(guests={"live": "x"}) as bare:
        assert joining_text(bare) == ""
