"""The display over https: rules of origin, cookies and streams through TLS, and connections that are no TLS."""

import http.client
import json
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from flask import Blueprint
from PIL import Image

from capture.display import DisplayServer
from capture.display_joining import fingerprint
from device_agents.errors import BadInput
from device_agents.records import Scene
from hostctl.browsers import certificate_files as files
from hostctl.browsers.certificate import certificate, display_tls

PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("authority")
    certificate(["lab.local"], folder=made, now=datetime.now(UTC))
    return made


@pytest.fixture
def server(folder):
    pages = Blueprint("web-pixel", __name__)
    pages.add_url_rule("/web-pixel/", endpoint="page", view_func=lambda: "the phone's page")
    guests = {"web-pixel": "phone-token"}
    with DisplayServer(settle_ms=0, blueprints=[pages], guests=guests, **display_tls("127.0.0.1", folder=folder)) as it:
        yield it


@pytest.fixture
def trusting(folder):
    return ssl.create_default_context(cafile=folder / "authority.crt")


def ask(server, context, path, *, headers=None, data=None):
    request = urllib.request.Request(f"https://127.0.0.1:{server.port}{path}", data, headers or {})
    try:
        with urllib.request.urlopen(request, context=context, timeout=PATIENCE_S) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.headers, refusal.read()


def test_the_page_comes_to_who_trusts_the_authority_and_to_nobody_else(server, trusting):
    assert server.url.startswith("https://127.0.0.1:")
    status, headers, body = ask(server, trusting, f"/?token={server.token}")
    assert (status, b"page.js" in body) == (200, True)
    assert "; Secure" in headers["Set-Cookie"]
    assert "HttpOnly" in headers["Set-Cookie"]
    assert ask(server, trusting, "/")[0] == 401
    assert ask(server, trusting, "/?token=phone-token")[2] == b"the phone's page"
    with pytest.raises(urllib.error.URLError, match="self-signed certificate in certificate chain|unable to get local"):
        ask(server, ssl.create_default_context(), "/")


def test_the_host_name_is_checked_by_the_client_and_the_host_by_the_server(server, trusting):
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as raw:
        with pytest.raises(ssl.SSLCertVerificationError, match="[Mm]ismatch|not valid for"):
            trusting.wrap_socket(raw, server_hostname="other.local")
    known = {"Host": f"lab.local:{server.port}", "X-Display-Token": server.token}
    assert ask(server, trusting, "/state", headers=known)[0] == 200
    assert ask(server, trusting, "/state", headers={**known, "Host": "evil.example"})[0] == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [("https://127.0.0.1:PORT", 200), ("http://127.0.0.1:PORT", 403), ("https://127.0.0.1", 403), ("null", 403)],
)
def test_only_the_same_origin_may_ask_scheme_included(server, trusting, origin, status):
    headers = {"Origin": origin.replace("PORT", str(server.port)), "X-Display-Token": server.token}
    assert ask(server, trusting, "/state", headers=headers)[0] == status


def test_a_scene_is_shown_through_a_stream_over_tls(server, trusting, tmp_path):
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(tmp_path / "grey.png")
    scene = Scene("grey", str(tmp_path / "grey.png"), "hash", ("label",))
    token = {"X-Display-Token": server.token, "Content-Type": "application/json"}
    hello = {"client": "page", "height": 480, "width": 640, "ratio": 1, "scale": 1, "zoom": 1, "visible": True}
    hello |= {"gamut": "srgb", "agent": "a test"}

    def follow():
        request = urllib.request.Request(f"https://127.0.0.1:{server.port}/events?client=page", headers=token)
        with urllib.request.urlopen(request, context=trusting, timeout=PATIENCE_S) as stream:
            for line in stream:
                if line.startswith(b"data:"):
                    message = json.loads(line[5:])
                    frame = ask(server, trusting, message["url"], headers=token)
                    assert frame[0] == 200
                    said = {"client": "page", "sequence": message["sequence"], "visible": True}
                    said |= {"decode_ms": 1, "paint_ms": 1}
                    ask(server, trusting, "/ack", headers=token, data=json.dumps(said).encode())

    assert ask(server, trusting, "/hello", headers=token, data=json.dumps(hello).encode())[0] == 200
    thread = threading.Thread(target=follow)
    thread.start()
    assert server.show(scene, 5, timeout_s=PATIENCE_S).stimulus == 5
    server.__exit__(None, None, None)  # ends the stream, and with it the thread
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_connections_that_say_nothing_or_no_tls_hold_up_nobody(server, trusting):
    with socket.create_connection(("127.0.0.1", server.port)) as silent:
        with pytest.raises((http.client.BadStatusLine, ConnectionError)):
            urllib.request.urlopen(f"http://127.0.0.1:{server.port}/", timeout=PATIENCE_S)
        started = time.monotonic()
        assert ask(server, trusting, "/")[0] == 401
        assert time.monotonic() - started < 14  # the silent one would be waited for 15 s
        server.drop_connections()
        silent.settimeout(PATIENCE_S)
        assert silent.recv(1) == b""
    assert ask(server, trusting, "/")[0] == 401


def test_this_machine_and_its_cables_come_in_by_plain_http(server, trusting):
    assert server.local_port != server.port
    with urllib.request.urlopen(server.local_guest_url("web-pixel"), timeout=PATIENCE_S) as answer:
        assert answer.read() == b"the phone's page"
        assert "Secure" not in answer.headers["Set-Cookie"]
    with urllib.request.urlopen(server.local_url, timeout=PATIENCE_S) as answer:
        assert b"page.js" in answer.read()


def test_plain_http_stays_the_default_with_one_port():
    with DisplayServer(guests={"web-pixel": "phone-token"}) as server:
        assert server.url == server.local_url
        assert server.authority_url == ""
        assert server.links() == {"pixel": server.guest_url("web-pixel")}


def test_the_authority_is_offered_without_any_token(server, folder):
    with urllib.request.urlopen(server.authority_url, timeout=PATIENCE_S) as answer:
        page = answer.read().decode()
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert fingerprint(folder / "authority.crt") in page
    assert "Certificate Trust Settings" in page
    assert server.token not in page
    assert "phone-token" not in page
    base = server.authority_url.removesuffix("/authority")
    with urllib.request.urlopen(f"{base}/authority.crt", timeout=PATIENCE_S) as answer:
        assert answer.headers["Content-Type"] == "application/x-x509-ca-cert"
        assert ssl.DER_cert_to_PEM_cert(answer.read()).split() == (folder / "authority.crt").read_text().split()
    for path in ("/", f"/?token={server.token}", "/authority.key", "/server.crt", "/state"):
        with pytest.raises(urllib.error.HTTPError, match="404") as refused:
            urllib.request.urlopen(base + path, timeout=PATIENCE_S)
        refused.value.close()
    request = urllib.request.Request(server.authority_url, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        urllib.request.urlopen(request, timeout=PATIENCE_S)
    refused.value.close()


def test_a_foreign_key_is_one_clear_error(folder, tmp_path):
    certificate(["lab.local"], folder=tmp_path, now=datetime.now(UTC))
    server = DisplayServer(tls=(folder / "server.crt", tmp_path / "server.key"))
    with pytest.raises(BadInput, match="expected a certificate and its own key in .*run `instability devices cert"):
        server.__enter__()
    with pytest.raises(BadInput, match="No such file"):
        DisplayServer(tls=(tmp_path / "no.crt", tmp_path / "no.key")).__enter__()
    with pytest.raises(BadInput, match="expected a certificate .PEM. in .*server.key"):
        DisplayServer(tls=(folder / "server.crt", folder / "server.key"), authority=folder / "server.key").__enter__()


def test_an_expired_certificate_is_refused_by_the_client(folder, tmp_path):
    authority = files.read(folder / "authority.crt", folder / "authority.key")
    long_ago = datetime.now(UTC) - timedelta(days=9)
    old = files.make_server(authority, ["127.0.0.1"], since=long_ago, until=long_ago + timedelta(days=8))
    files.write(old, tmp_path / "old.crt", tmp_path / "old.key")
    context = ssl.create_default_context(cafile=folder / "authority.crt")
    with DisplayServer(tls=(tmp_path / "old.crt", tmp_path / "old.key")) as server:
        with pytest.raises(urllib.error.URLError, match="certificate has expired"):
            ask(server, context, "/")
