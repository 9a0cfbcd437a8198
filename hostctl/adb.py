"""A private adb server, phones connected through it, and the Transport to each of them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from device_agents.errors import DeviceError, MissingExtra, TimedOut, Unauthorised, Unreachable
from hostctl.transport import Output, Stream
from hostctl.transports import adb_client
from hostctl.transports.adb_client import ServerSocket, host_request
from hostctl.transports.adb_streams import stream_exec, stream_shell_v2

# Becomes the program, and ends it when standard input ends: that pipe's other end dies with its owner, even by SIGKILL.
GUARDED = 'exec 3<&0; (read -r _ <&3; kill $$ 2>/dev/null) & exec "$0" "$@" 3<&- </dev/null'
START_TIMEOUT_S = 20.0
START_ATTEMPTS = 3
POLL_S = 0.05
STALL_TIMEOUT_S = 20.0  # a transfer may take long, but not so long without a byte
REVIVE_TIMEOUT_S = 8.0
USB_PORT = "usb:"
PORT = re.compile(r"[0-9]{1,5}")
USB_PHONE = re.compile(r"(?m)^(\S+)\s+(\S.*?)\s+(usb:\S+)")  # a line of `adb devices -l`


def adb_program() -> str:
    """Find the adb program, in the adbutils package or on PATH; raises MissingExtra if there is none."""
    try:
        import adbutils

        return str(adbutils.adb_path())
    except ImportError:
        found = shutil.which("adb")
    if not found:
        raise MissingExtra("expected the adb program, found none; pip install 'instability-kit[host]'")
    return found


class AdbServer:
    """An adb server of our own: own port, own keys, no scan for phones; never the user's server. A context manager.

    ``folder`` holds its keys (which the phones accepted once, so keep it for each lab) and its log. The server ends
    with this process, however that ends, and not by Ctrl-C. A USB phone belongs to one server at a time: with ``usb``
    this one takes all that are free, without it none, and the user's own server keeps them.
    """

    def __init__(self, folder: Path, *, usb: bool = True, program: str = "") -> None:
        self.folder = folder.resolve()
        self.port = 0
        self._usb = usb
        self._program = program
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> AdbServer:
        """Start the server and wait until it answers; raises Unreachable with the last line of its log if not."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.chmod(0o700)  # it may have been there
        program = self._program or adb_program()
        for _ in range(START_ATTEMPTS):  # another process may take the free port before the server does
            self.port = _free_port()
            with self._log_path.open("ab") as log:
                self._child = subprocess.Popen(
                    ["/bin/sh", "-c", GUARDED, program, "-P", str(self.port), "server", "nodaemon"],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    env=_environment(self.folder, self.port, usb=self._usb),
                )
            if self._answers():
                return self
            self.close()
        last = self._log_path.read_text("utf-8", "replace").strip().splitlines()[-1:] or ["(nothing)"]
        raise Unreachable(f"the adb server did not start; its last words: {last[0]}; see {self._log_path}")

    def close(self) -> None:
        """End the server; may be called twice."""
        child, self._child = self._child, None
        if child is None:
            return
        assert child.stdin is not None
        child.stdin.close()  # first, so that the guard kills a process that still has this number
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def __enter__(self) -> AdbServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def devices(self) -> dict[str, str]:
        """Give the state of each phone that the server knows ("device", "unauthorized", "offline"), by serial."""
        lines = host_request(self.port, "host:devices", name="adb server", timeout_s=START_TIMEOUT_S).splitlines()
        return dict(line.split("\t", 1) for line in lines if "\t" in line)

    def ports(self) -> list[tuple[str, str, str]]:
        """Give serial, USB port ("usb:1-2") and state of each phone on USB; two phones may have one serial."""
        text = host_request(self.port, "host:devices-l", name="adb server", timeout_s=START_TIMEOUT_S)
        return [(serial, port, state) for serial, state, port in USB_PHONE.findall(text)]

    def ask(self, request: str, *, name: str, timeout_s: float) -> str:
        """Ask the server something, such as "host:version", and give its text."""
        return host_request(self.port, request, name=name, timeout_s=timeout_s)

    @property
    def _log_path(self) -> Path:
        return self.folder / "adb.log"

    def _answers(self) -> bool:
        """Whether our child answers in time; False once it has ended."""
        end = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < end and self._child and self._child.poll() is None:
            try:
                host_request(self.port, "host:version", name="adb server", timeout_s=1)
                return self._child.poll() is None
            except DeviceError:
                time.sleep(POLL_S)
        return False


def connect(server: AdbServer, address: str, *, timeout_s: float = 20.0, name: str = "") -> str:
    """Connect a phone by its address "host:port" (or wait for a USB serial) until it is ready; give its serial.

    Raises Unauthorised if nobody accepts the key in time, Unreachable or TimedOut if the phone does not come up.
    """
    name = name or address
    end = time.monotonic() + timeout_s
    while True:
        problem = _not_ready(server, address, name, max(0.1, end - time.monotonic()))
        if problem is None:
            return address
        if time.monotonic() > end:
            raise problem
        time.sleep(POLL_S)


def disconnect(server: AdbServer, address: str) -> None:
    """Forget a phone that was connected by its address; no complaint if it was not."""
    try:
        server.ask(f"host:disconnect:{address}", name=address, timeout_s=5)
    except Unreachable as problem:
        if "no such device" not in str(problem):
            raise


def reverse(server: AdbServer, serial: str, phone_port: int, host_port: int, *, name: str = "") -> int:
    """Make the phone's localhost:phone_port (0: any free one) lead to a port of this host; give the phone's port."""
    name = name or serial
    with ServerSocket(server.port, name=name, limit_s=10) as device:
        device.ask(f"host:transport:{serial}")
        device.ask(f"reverse:forward:tcp:{phone_port};tcp:{host_port}")
        device.expect_okay("reverse:forward")
        if phone_port:
            return phone_port
        told = device.text()
        if not PORT.fullmatch(told):
            raise Unreachable(f"{name}: expected the number of a port from the phone, got {told[:40]!r}")
        return int(told)


def reversed_ports(server: AdbServer, serial: str, *, name: str = "") -> dict[int, int]:
    """Give the phone's ports that lead to ports of this host, and to which."""
    with ServerSocket(server.port, name=name or serial, limit_s=10) as device:
        device.ask(f"host:transport:{serial}")
        device.ask("reverse:list-forward")  # the one of its family that the phone answers without an OKAY
        lines = [line.split() for line in device.text().splitlines()]
    ends = [line[-2:] for line in lines if len(line) >= 2 and all(end.startswith("tcp:") for end in line[-2:])]
    plain = [(here[4:], there[4:]) for here, there in ends]
    return {int(here): int(there) for here, there in plain if PORT.fullmatch(here) and PORT.fullmatch(there)}


def unreverse(server: AdbServer, serial: str, phone_port: int, *, name: str = "") -> None:
    """End what reverse() has begun; no complaint if the phone, or its listener, is gone."""
    name = name or serial
    try:
        with ServerSocket(server.port, name=name, limit_s=10) as device:
            device.ask(f"host:transport:{serial}")
            device.ask(f"reverse:killforward:tcp:{phone_port}")
            device.expect_okay("reverse:killforward")
    except Unreachable as problem:
        if "not found" not in str(problem):
            raise


class AdbTransport:
    """Transport to one phone through an adb server. Calls from several threads are independent of each other.

    On phones without the shell protocol (before Android 7) standard error comes mixed into standard output. After the
    connection broke, or an answer did not come, the next call first connects again (for phones with an address); it
    raises Unauthorised if another phone answers there then.
    """

    def __init__(
        self, server: AdbServer, serial: str, *, name: str = "", stall_timeout_s: float = STALL_TIMEOUT_S
    ) -> None:
        self.name = name or serial
        self.serial = serial
        self._server = server
        self._stall_timeout_s = stall_timeout_s
        self._features: frozenset[str] = frozenset()
        self._phone = ""  # the serial number that the phone itself told at first
        self._ready = False  # connected, and its features known
        self._stuck = False  # an answer did not come: the connection may be dead, and the server not know it

    def run(self, command: Sequence[str], *, timeout_s: float) -> Output:
        """Run a command; each word is quoted, so that the phone's shell sees exactly these words."""
        line = shlex.join(command)
        with self._device(timeout_s) as device:
            if "shell_v2" in self._features:
                return adb_client.run_shell_v2(device, line)
            return adb_client.run_exec(device, line)

    def stream(self, command: Sequence[str], *, timeout_s: float) -> Stream:
        """Run a command and give its output as it comes; the phone ends it when its connection closes."""
        line = shlex.join(command)
        with self._device(timeout_s) as device:
            if "shell_v2" in self._features:
                return (yield from stream_shell_v2(device, line))
            return (yield from stream_exec(device, line))

    def push(self, local: Path, remote: str) -> None:
        """Copy a file onto the phone, which makes the folders; raises CommandFailed with the phone's reason."""
        with self._device(self._stall_timeout_s, renew=True) as device:
            adb_client.send_file(device, local, remote)

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file of the phone into ``local``, complete or absent; raises CommandFailed with the reason."""
        part = local.with_name(local.name + ".part")
        try:
            with self._device(self._stall_timeout_s, renew=True) as device:
                adb_client.receive_file(device, remote, part)
            os.replace(part, local)
        finally:
            part.unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing is held between calls."""

    @contextmanager
    def _device(self, limit_s: float, *, renew: bool = False) -> Iterator[ServerSocket]:
        if not self._ready:
            self._get_ready(limit_s)
        try:
            with ServerSocket(self._server.port, name=self.name, limit_s=limit_s, renew=renew) as device:
                device.ask(f"host:transport:{self.serial}")
                yield device
        except (Unreachable, TimedOut) as problem:
            self._ready, self._stuck = False, isinstance(problem, TimedOut)
            raise

    def _get_ready(self, limit_s: float) -> None:
        known = self._server.devices().get(self.serial) == "device" and not self._stuck
        if not known and _on_network(self.serial):
            disconnect(self._server, self.serial)  # else the server waits some seconds before it tries again
            connect(self._server, self.serial, timeout_s=min(limit_s, REVIVE_TIMEOUT_S), name=self.name)
        words = self._server.ask(f"host-serial:{self.serial}:features", name=self.name, timeout_s=limit_s)
        self._features = frozenset(words.split(","))
        self._know_again(limit_s)
        self._ready, self._stuck = True, False

    def _know_again(self, limit_s: float) -> None:
        """Raise Unauthorised if this is not the phone that was there at first: addresses and ports are given anew."""
        with ServerSocket(self._server.port, name=self.name, limit_s=limit_s) as device:
            device.ask(f"host:transport:{self.serial}")
            run = adb_client.run_shell_v2 if "shell_v2" in self._features else adb_client.run_exec
            told = run(device, "getprop ro.serialno").text.strip()
        if self._phone and told != self._phone:
            raise Unauthorised(
                f"{self.name}: expected the phone that was at {self.serial} before, got another one, which was left "
                "alone; connect the right one, or correct the lab file"
            )
        self._phone = told


def _not_ready(server: AdbServer, address: str, name: str, limit_s: float) -> DeviceError | None:
    """Try once to get a phone connected; give why it is not ready yet, or None; raises Unreachable if hopeless."""
    try:
        ports = [] if _on_network(address) else server.ports()
        known = server.devices() | {port: state for _, port, state in ports}
        if len(twins := [port for serial, port, _ in ports if serial == address]) > 1:
            raise Unreachable(
                f"{name}: expected one phone with serial '{address}', got {len(twins)}; name the one that is meant by "
                f'its USB port: serial = "{twins[0]}" or "{twins[1]}" (`adb devices -l` shows which is which)'
            )
        if _on_network(address) and address not in known:
            # The text is no verdict, "failed to authenticate" may be followed by a phone that is ready; refusals are.
            words = server.ask(f"host:connect:{address}", name=name, timeout_s=limit_s)
            if any(hopeless in words for hopeless in ("refused", "resolve", "not known", "bad port")):
                raise Unreachable(f"{name}: {words.strip()}; check the address, and that ADB listens on the network")
            return Unreachable(f"{name}: {words.strip()}")
        if address not in known:
            seen = ", ".join(f"{serial} ({state})" for serial, state in known.items()) or "none"
            return Unreachable(
                f"{name}: expected a phone with serial '{address}', got: {seen}; check the cable, USB debugging, "
                "and that no other adb server holds it (adb kill-server)"
            )
    except TimedOut as problem:
        return problem
    return _complaint(known[address], name)


def _on_network(serial: str) -> bool:
    return ":" in serial and not serial.startswith(USB_PORT)


def _complaint(state: str, name: str) -> DeviceError | None:
    if state == "device":
        return None
    if state in ("unauthorized", "authorizing"):
        return adb_client.refusal(name, f"device {state}")
    return Unreachable(f"{name}: expected state 'device', got '{state}'; replug it, or switch USB debugging off and on")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(folder: Path, port: int, *, usb: bool = True) -> dict[str, str]:
    """This process's environment without anything that would lead adb to another server or other keys."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ADB_", "ANDROID_"))}
    ours = {"HOME": str(folder), "ANDROID_ADB_SERVER_PORT": str(port), "ADB_LOCAL_TRANSPORT_MAX_PORT": "1"}
    # adb 36 waits three seconds at its start for a USB that a Linux machine does not have (containers).
    without_usb = not usb or (sys.platform == "linux" and not Path("/dev/bus/usb").exists())
    return {**kept, **ours, "ADB_MDNS": "0"} | ({"ADB_USB": "0"} if without_usb else {})
