"""Who may come in at the display server: which host and origin a request names, and whose token it carries."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Request

HEADER = "X-Display-Token"
OWNER = ""  # the visitor with the display's own token; the others are named
ANYWHERE, LOOPBACK = "0.0.0.0", "127.0.0.1"
ROUTED = ("192.0.2.1", 9)  # an address of RFC 5737, which nobody has: only the way to it is looked up


def visitor(request: Request, tokens: Mapping[str, str]) -> str | None:
    """Say who asks by the token in the query, the header or else a cookie; None if there is no right one.

    ``tokens`` are those of OWNER and of guests by their names. Where a browser has several cookies the first of
    ``tokens`` counts.
    """
    given = [request.args.get("token"), request.headers.get(HEADER)]
    named = [(word, name) for word in given for name in tokens]
    named += [(request.cookies.get(cookie_name(request, name)), name) for name in tokens]
    for word, name in named:
        if word and hmac.compare_digest(word.encode(), tokens[name].encode()):
            return name
    return None


def cookie_name(request: Request, name: str) -> str:
    """Name the cookie of a visitor; cookies know no ports, so the port keeps the displays of one machine apart."""
    return f"{name or 'display'}-token-{request.environ['SERVER_PORT']}"


def known_origin(request: Request, names: frozenset[str]) -> bool:
    """Tell whether a request was meant for us: a name of ours in Host (against DNS rebinding), and no other Origin."""
    host = request.host.lower()
    name = host.rsplit(":", 1)[0] if host.rpartition(":")[2].isdigit() else host
    if name != "localhost" and name not in names and not _is_address(name.strip("[]")):
        return False
    origin = request.headers.get("Origin")
    return origin is None or origin.lower() == f"{request.scheme}://{host}"


def reachable_name(host: str) -> str:
    """Give the address by which other machines reach a server that listens on ``host``; nothing is sent.

    Where it listens on all interfaces this is the address that this machine has towards other networks, or its own
    loopback address if it has none.
    """
    if host != ANYWHERE:
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(ROUTED)
        except OSError:
            return LOOPBACK
        return str(probe.getsockname()[0])


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
