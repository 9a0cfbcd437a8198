"""A small certificate authority of the lab's own, so that phones trust the display's server over https."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from device_agents.errors import BadInput
from hostctl.browsers import certificate_files as files
from hostctl.browsers.certificate_files import Pair

DAYS = 397  # browsers take at most 398 from public authorities, Apple 825 from any (support.apple.com/103769)
AUTHORITY_DAYS = 3 * 365
RENEW_BEFORE = timedelta(days=30)
CLOCK_SLACK = timedelta(hours=1)  # for phones whose clock is behind
AGAIN = "run `instability devices certificate`"


def certificate(
    hosts: Sequence[str] = (), *, folder: Path | None = None, days: int = DAYS, now: datetime | None = None
) -> dict[str, Any]:
    """Make what https needs, as far as it is not there already: the lab's authority, and a certificate for ``hosts``.

    ``hosts`` are IP addresses and names; without any, this machine's own. 127.0.0.1 and localhost always come too.
    The certificate lasts ``days`` days (1 to 397) and is made again when a quarter of them (30 days at most) is left,
    when the hosts are others, or when its files are no pair. The authority may vouch only for these names and for the
    networks of these addresses; hosts outside of them need a new one, which phones have to be told to trust again.
    Keys lie in ``folder`` (the user's own by default), readable by this user alone, and are in no result of this.
    ``now`` is UTC, by this machine's clock if not given. Raises BadInput for an odd host, or where the authority's
    own files are damaged.
    """
    if not 1 <= days <= DAYS:
        raise BadInput(f"expected 1 to {DAYS} days, which is what phones accept, got {days}")
    folder, now = _folder(folder), now or datetime.now(UTC)
    wanted = files.checked_hosts([*(hosts or own_hosts()), "localhost", "127.0.0.1"])
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    made = []
    authority = _authority(folder)
    if authority is None or not files.permits(authority, wanted) or authority.until - now < RENEW_BEFORE:
        authority = files.make_authority(wanted, since=now - CLOCK_SLACK, until=now + timedelta(days=AUTHORITY_DAYS))
        files.write(authority, folder / "authority.crt", folder / "authority.key")
        made.append("authority")
    server = _server(folder)
    near_end = min(RENEW_BEFORE, timedelta(days=days) / 4)
    good = server is not None and files.signed_by(server, authority) and set(files.hosts_of(server)) == set(wanted)
    if server is None or not good or server.until - now < near_end or server.since > now:
        until = min(now + timedelta(days=days) - CLOCK_SLACK, authority.until)
        server = files.make_server(authority, wanted, since=now - CLOCK_SLACK, until=until)
        files.write(server, folder / "server.crt", folder / "server.key")
        made.append("certificate")
    return _result(folder, authority, server, made)


def _result(folder: Path, authority: Pair, server: Pair, made: list[str]) -> dict[str, Any]:
    from capture.display_joining import STEPS, fingerprint

    return {
        "authority": str(folder / "authority.crt"),
        "fingerprint": fingerprint(folder / "authority.crt"),
        "authority_until": authority.until.isoformat(),
        "certificate": str(folder / "server.crt"),
        "hosts": files.hosts_of(server),
        "until": server.until.isoformat(),
        "made": made,
        "steps": {kind: list(steps) for kind, steps in STEPS.items()},
    }


def certificate_text(result: dict[str, Any]) -> str:
    """Say in words what certificate() has made or found, and what to do on each kind of device."""
    lines = [
        f"certificate for   {', '.join(result['hosts'])}",
        f"  until           {result['until'][:10]}{' (new)' if 'certificate' in result['made'] else ''}",
        f"authority         {result['authority']}",
        f"  until           {result['authority_until'][:10]}",
        f"  SHA-256         {result['fingerprint']}",
    ]
    if "authority" in result["made"]:
        lines.append("The authority is new: every phone has to be told once to trust it, also where an older one was.")
    lines.append('With [display] https = true and host = "0.0.0.0" a lab\'s screen shows codes to get it and to join.')
    for kind, steps in result["steps"].items():
        lines += ["", kind, *(f"  {number}. {step}" for number, step in enumerate(steps, 1))]
    return "\n".join(lines)


def display_tls(host: str, *, folder: Path | None = None, now: datetime | None = None) -> dict[str, Any]:
    """Give capture.display.DisplayServer's arguments tls, authority and hosts for a server called ``host``.

    Makes nothing. Raises BadInput, saying what to run, if the certificate is missing, damaged, another key's, another
    authority's, run out, not yet valid by this machine's clock, or not for ``host``.
    """
    folder, now = _folder(folder), now or datetime.now(UTC)
    authority, server = _authority(folder), _server(folder)
    path = folder / "server.crt"
    if authority is None or not path.exists():
        raise BadInput(f"expected the certificate for https in {folder}, got none: {AGAIN}")
    if server is None:
        raise BadInput(f"expected the certificate {path} and its own key beside it, got no such pair: {AGAIN}")
    if not files.signed_by(server, authority):
        raise BadInput(f"expected {path} to be signed by the authority beside it, got another's: {AGAIN}")
    if min(server.until, authority.until) <= now:
        raise BadInput(f"the certificate {path} ran out on {min(server.until, authority.until):%Y-%m-%d}: {AGAIN}")
    if server.since > now:
        raise BadInput(f"the certificate {path} is valid from {server.since:%Y-%m-%d} on: check this machine's clock")
    known = files.hosts_of(server)
    if host.lower() not in known:
        raise BadInput(f"the certificate is for {', '.join(known)}, and this machine is called {host} now: {AGAIN}")
    return {"tls": (path, folder / "server.key"), "authority": folder / "authority.crt", "hosts": known}


def own_hosts() -> list[str]:
    """Give the addresses and the name by which other machines of the local network reach this one."""
    from capture.display_access import ANYWHERE, reachable_name

    addresses = {reachable_name(ANYWHERE)}
    name = socket.gethostname()
    with contextlib.suppress(OSError):  # a machine's own name need not be known to the resolver
        addresses |= {str(found[4][0]) for found in socket.getaddrinfo(name, None, socket.AF_INET)}
    outside = sorted(address for address in addresses if not address.startswith("127."))
    local = name.split(".")[0].lower() + ".local"  # by multicast DNS (RFC 6762), which phones ask
    return [*outside, *([local] if files.is_name(local) else [])]


def _folder(folder: Path | None) -> Path:
    from hostctl.labs.laboratory import state_folder

    return folder or state_folder() / "authority"


def _authority(folder: Path) -> Pair | None:
    """Read the authority; None if there is none yet. Phones trust it, so a damaged one is not replaced unasked."""
    certificate_file, key_file = folder / "authority.crt", folder / "authority.key"
    if not certificate_file.exists() and not key_file.exists():
        return None
    pair = files.read(certificate_file, key_file)
    if pair is None:
        raise BadInput(
            f"expected the lab's authority in {certificate_file} and its own key in {key_file}, got no such pair: "
            f"delete both and {AGAIN}; phones then have to trust the new one"
        )
    return pair


def _server(folder: Path) -> Pair | None:
    return files.read(folder / "server.crt", folder / "server.key")
