"""How phones come in: their addresses as QR codes, and the page where they fetch the laboratory's authority."""

from __future__ import annotations

import hashlib
import html
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from capture.display_access import known_origin
from device_agents.errors import BadInput

if TYPE_CHECKING:
    from flask import Flask, Response

PAGE = Path(__file__).parent / "display_page"
DEVICE = "web-"  # what the names of guests that are devices begin with
AUTHORITY_LABEL = "once: trust this lab"
QUIET_MODULES = 4  # ISO/IEC 18004 asks for four light modules around the code
# Apple's requirements: support.apple.com/103769; the second switch: support.apple.com/102390.
STEPS = {
    "iPhone, iPad": (
        "In Safari, open what the screen's first code leads to; get the certificate, and allow the profile.",
        "Settings > Profile Downloaded (or General > VPN & Device Management) > Install; compare the fingerprint.",
        "Settings > General > About > Certificate Trust Settings: switch on full trust for it.",
        "Afterwards take it away again: General > VPN & Device Management > the profile > Remove.",
    ),
    "Android": (
        "With a cable none of this is needed: `adb reverse` brings the phone in over 127.0.0.1.",
        "Otherwise download the certificate; Settings > Security > More > Install a certificate > CA certificate.",
        "Firefox for Android asks for its own setting to use it: Settings > About > tap the logo five times > "
        "Secret settings > Use third party CA certificates.",
    ),
    "Desktop": (
        "Chrome: Settings > Privacy and security > Security > Manage certificates > Custom > Trusted certificates.",
        "Firefox: Settings > Privacy & Security > View Certificates > Authorities > Import, for websites.",
        "Safari: open it in Keychain Access, and set it to Always Trust.",
    ),
}


def device_label(guest: str) -> str:
    """Give the name of the device whose page a guest of the display server is; "" for any other guest."""
    return guest.removeprefix(DEVICE) if guest.startswith(DEVICE) else ""


def qr_picture(text: str) -> str:
    """Give a QR code (ISO/IEC 18004, correction level M) as a data: address of an SVG picture, black on white."""
    import segno

    return segno.make(text, error="m", micro=False).svg_data_uri(border=QUIET_MODULES, light="white", omitsize=True)


def qr_text(text: str) -> str:
    """Give a QR code for a terminal, two modules to a character, white on black whatever the terminal's colours are."""
    import io

    import segno

    drawn = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(drawn, border=QUIET_MODULES, compact=True)
    return "".join(f"\x1b[97;40m{row}\x1b[0m\n" for row in drawn.getvalue().splitlines())


def fingerprint(certificate: Path) -> str:
    """Give the SHA-256 of a certificate's (PEM) bytes as phones show it; raises BadInput if it is none."""
    digest = hashlib.sha256(_der(certificate)).hexdigest().upper()
    return ":".join(digest[place : place + 2] for place in range(0, len(digest), 2))


def _der(certificate: Path) -> bytes:
    try:
        return ssl.PEM_cert_to_DER_cert(certificate.read_text("ascii"))
    except (OSError, ValueError) as problem:
        raise BadInput(
            f"expected a certificate (PEM) in {certificate}, got: {problem}; run `instability devices certificate`"
        ) from problem


def create_authority_app(authority: Path, *, hosts: Iterable[str], security: Mapping[str, str]) -> Flask:
    """Make the application that gives phones the public certificate of ``authority`` (PEM), and the steps to trust it.

    It needs no token and knows none: it is for plain http, where anybody may listen, and where somebody who can change
    what is on its way could put another certificate in its place. So the fingerprint is compared by eye.
    Raises BadInput if the file is no certificate.
    """
    from flask import Flask, Response, request

    der, names = _der(authority), frozenset(name.lower() for name in hosts)
    text = _authority_page(fingerprint(authority))
    app = Flask("capture.display_joining", static_folder=None)

    @app.before_request
    def check() -> tuple[str, int] | None:
        return None if known_origin(request, names) else ("unknown host or origin\n", 403)

    @app.after_request
    def secure(response: Response) -> Response:
        response.headers.update(security)
        return response

    @app.get("/authority")
    def page() -> Response:
        return Response(text, mimetype="text/html")

    @app.get("/authority.css")
    def style() -> Response:
        return Response((PAGE / "authority.css").read_bytes(), mimetype="text/css")

    @app.get("/authority.crt")
    def certificate() -> Response:
        kept = {"Content-Disposition": 'attachment; filename="instability-lab-authority.crt"'}
        return Response(der, mimetype="application/x-x509-ca-cert", headers=kept)

    return app


def _authority_page(print_of_it: str) -> str:
    steps = "".join(
        f"<h2>{html.escape(kind)}</h2>\n<ol>" + "".join(f"<li>{html.escape(step)}</li>" for step in list_) + "</ol>\n"
        for kind, list_ in STEPS.items()
    )
    return (PAGE / "authority.html").read_text("utf-8").replace("FINGERPRINT", print_of_it).replace("STEPS", steps)
