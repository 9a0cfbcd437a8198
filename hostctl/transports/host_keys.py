"""SSH host keys: what a server shows, which kinds to ask it for, and the words for a key that is not the pinned one."""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import dataclass
from pathlib import Path

from device_agents.errors import BadInput, DeviceError, Unauthorised, Unreachable

SSH_PORT = 22
# () leaves the choice to asyncssh.
Kinds = str | tuple[()]
HOST_KEY_KINDS = "ssh-ed25519,ecdsa-sha2-nistp*,rsa-sha2-256,rsa-sha2-512"
ON_THE_BOARD = "for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $key; done"


@dataclass(frozen=True)
class HostKey:
    """A server's host key: its line for a known_hosts file, and the fingerprint that a person compares."""

    known_hosts_line: str
    fingerprint: str

    @property
    def kind(self) -> str:
        """The kind of the key, such as ssh-ed25519."""
        return self.known_hosts_line.split()[1]


def scan_host_key(host: str, port: int = SSH_PORT, *, timeout_s: float = 15.0) -> HostKey:
    """Ask a server for its host key, for a person to compare and write down; nothing is trusted or stored by this.

    Raises Unreachable if there is no SSH server.
    """
    return asyncio.run(scan(host, port, timeout_s))


async def scan(host: str, port: int, timeout_s: float, *, where: str = "") -> HostKey:
    """Do what scan_host_key does, on a running event loop."""
    import asyncssh

    where = where or f"{host}:{port}"
    try:
        async with asyncio.timeout(timeout_s):
            key = await asyncssh.get_server_host_key(host, port, config=None)
    except TimeoutError as problem:
        raise Unreachable(f"{where}: no answer within {timeout_s:g} s") from problem
    except (OSError, asyncssh.Error) as problem:
        raise Unreachable(f"{where}: cannot connect: expected an SSH server, got none: {problem}") from problem
    if key is None:
        raise Unreachable(f"{where}: expected a host key, got none")
    address = host if port == SSH_PORT else f"[{host}]:{port}"
    # Without the key's comment: it is the server's text, and stands in a command that a person is to copy.
    kind, data = key.export_public_key().decode().split()[:2]
    return HostKey(f"{address} {kind} {data}", key.get_fingerprint())


def pinned_kinds(host: str, port: int, known_hosts: Path, *, where: str) -> Kinds | None:
    """The kinds of host key to ask for: those in the file first, then others, as OpenSSH does; None: none is pinned.

    With only the first, a board that has another kind breaks the connection before anybody can say why. Raises
    BadInput for a file that cannot be read.
    """
    import asyncssh

    try:
        pinned, authorities, *_ = asyncssh.match_known_hosts(
            str(known_hosts), host, "", None if port == SSH_PORT else port
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as problem:
        raise BadInput(f"{where}: expected the board's host key in {known_hosts}, got: {problem}") from problem
    if authorities:
        return ()
    kinds = [kind.decode() for key in pinned for kind in key.sig_algorithms]
    return ",".join([*kinds, HOST_KEY_KINDS]) if kinds else None


async def new_board(host: str, port: int, known_hosts: Path, *, where: str, timeout_s: float) -> Unauthorised:
    """What to say of a board of which no key is pinned: the fingerprint it shows, and the command to pin it.

    Raises Unreachable if there is no SSH server.
    """
    shown = await scan(host, port, timeout_s, where=where)
    file = shlex.quote(str(known_hosts))
    return Unauthorised(
        f"{where}: expected the board's host key in {known_hosts}, got none for this address; the board shows "
        f"{shown.kind} {shown.fingerprint}; compare it on the board's own screen ({ON_THE_BOARD}), and if it is the "
        f"same: echo {shlex.quote(shown.known_hosts_line)} >> {file}"
    )


async def changed_key(
    host: str, port: int, known_hosts: Path, problem: Exception, *, where: str, timeout_s: float
) -> Unauthorised:
    """What to say of a board that shows another key than the pinned one."""
    try:
        got = (await scan(host, port, timeout_s)).fingerprint
    except DeviceError:
        got = str(problem)
    address = host if port == SSH_PORT else f"[{host}]:{port}"
    forget = shlex.join(["ssh-keygen", "-R", address, "-f", str(known_hosts)])
    return Unauthorised(
        f"{where}: the host key does not match {known_hosts}: expected the key that stands there for this address, got "
        f"{got}; if you installed the board again, compare this on its own screen ({ON_THE_BOARD}), forget the old key "
        f"({forget}) and run this again; if you did not, do not connect"
    )
