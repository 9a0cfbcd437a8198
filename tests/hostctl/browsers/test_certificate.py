"""The lab's authority: its certificates against OpenSSL and Python's ssl, and each way in which its files go wrong."""

import contextlib
import dataclasses
import ipaddress
import os
import shutil
import socket
import ssl
import stat
import threading
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from device_agents.errors import BadInput
from hostctl.browsers import certificate_files as files
from hostctl.browsers.certificate import certificate, certificate_text, display_tls, own_hosts
from hostctl.lab import parse_lab
from hostctl.labs.display import LabDisplay

NOW = datetime.now(UTC)
HOSTS = ("192.168.7.20", "Lab.Local")
FILES = ("authority.crt", "authority.key", "server.crt", "server.key")


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def handshake(folder: Path, host: str, authority: Path | None = None) -> None:
    """Join a client that checks chain and host name with a server of the folder's certificate; raises as the client."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.crt", folder / "server.key")
    client = ssl.create_default_context(cafile=authority or folder / "authority.crt")
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with theirs:
            theirs.settimeout(30)
            with contextlib.suppress(OSError):  # the client says what it does not like
                server.wrap_socket(theirs, server_side=True).close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with ours:
            ours.settimeout(30)
            client.wrap_socket(ours, server_hostname=host).close()
    finally:
        thread.join()


def test_a_client_that_trusts_the_authority_takes_each_host_and_no_other(tmp_path: Path) -> None:
    made = certificate(HOSTS, folder=tmp_path, now=NOW)
    assert made["hosts"] == ["192.168.7.20", "lab.local", "localhost", "127.0.0.1"]
    for host in made["hosts"]:
        handshake(tmp_path, host)
    for host in ("192.168.7.21", "other.local", "deep.lab.local"):
        with pytest.raises(ssl.SSLCertVerificationError, match=r"[Mm]ismatch|not valid for"):
            handshake(tmp_path, host)
    certificate(HOSTS, folder=tmp_path / "foreign", now=NOW)
    with pytest.raises(ssl.SSLCertVerificationError, match="verify failed"):
        handshake(tmp_path, "lab.local", tmp_path / "foreign" / "authority.crt")


def test_the_server_certificate_is_what_apple_asks_for(tmp_path: Path) -> None:
    certificate(HOSTS, folder=tmp_path, now=NOW)
    made = x509.load_pem_x509_certificate((tmp_path / "server.crt").read_bytes())
    assert made.not_valid_after_utc - made.not_valid_before_utc <= timedelta(days=398)
    assert made.not_valid_before_utc < NOW
    assert made.signature_hash_algorithm.name == "sha256"
    assert isinstance(made.public_key().curve, ec.SECP256R1)
    assert list(made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH
    ]
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["lab.local", "localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address(a) for a in ("192.168.7.20", "127.0.0.1")]


def test_the_authority_may_vouch_for_nothing_else(tmp_path: Path) -> None:
    """A certificate that its key signs for another name, or another authority, is refused by OpenSSL."""
    certificate(HOSTS, folder=tmp_path, now=NOW)
    authority = files.read(tmp_path / "authority.crt", tmp_path / "authority.key")
    assert authority is not None
    for stray in ("bank.example", "192.168.8.1", "10.0.0.1"):
        forged = files.make_server(authority, [stray], since=NOW - timedelta(1), until=NOW + timedelta(9))
        files.write(forged, tmp_path / "server.crt", tmp_path / "server.key")
        with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
            handshake(tmp_path, stray)
    near = files.make_server(authority, ["192.168.7.99"], since=NOW - timedelta(1), until=NOW + timedelta(9))
    files.write(near, tmp_path / "server.crt", tmp_path / "server.key")
    handshake(tmp_path, "192.168.7.99")
    basic = authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.value.ca, basic.value.path_length, basic.critical) == (True, 0, True)


def test_everything_is_kept_until_it_nears_its_end(tmp_path: Path) -> None:
    first = certificate(HOSTS, folder=tmp_path, now=NOW)
    kept = bytes_of(tmp_path)
    assert first["made"] == ["authority", "certificate"]
    assert certificate(HOSTS, folder=tmp_path, now=NOW + timedelta(days=360))["made"] == []
    assert bytes_of(tmp_path) == kept
    again = certificate(HOSTS, folder=tmp_path, now=NOW + timedelta(days=375))
    assert (again["made"], again["fingerprint"]) == (["certificate"], first["fingerprint"])
    old = certificate(HOSTS, folder=tmp_path, now=NOW + timedelta(days=3 * 365 - 10))
    assert old["made"] == ["authority", "certificate"]
    assert old["fingerprint"] != first["fingerprint"]


def test_a_certificate_does_not_outlive_its_authority(tmp_path: Path) -> None:
    certificate(HOSTS, folder=tmp_path, now=NOW)
    late = certificate(HOSTS, folder=tmp_path, now=NOW + timedelta(days=3 * 365 - 60))
    assert late["made"] == ["certificate"]
    assert late["until"] == late["authority_until"]


def test_other_hosts_get_a_new_certificate_and_those_outside_the_network_a_new_authority(tmp_path: Path) -> None:
    first = certificate(HOSTS, folder=tmp_path, now=NOW)
    near = certificate(("192.168.7.21", "lab.local"), folder=tmp_path, now=NOW)
    assert (near["made"], near["fingerprint"]) == (["certificate"], first["fingerprint"])
    far = certificate(("10.1.2.3",), folder=tmp_path, now=NOW)
    assert far["made"] == ["authority", "certificate"]
    assert "has to be told once to trust it" in certificate_text(far)
    handshake(tmp_path, "10.1.2.3")
    six = certificate(("[FD00::12]",), folder=tmp_path, now=NOW)
    assert "fd00::12" in six["hosts"]
    handshake(tmp_path, "fd00::12")


def test_keys_are_for_this_user_alone_and_never_in_a_result(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = certificate(HOSTS, folder=tmp_path / "authority", now=NOW)
    finally:
        os.umask(before)
    folder = tmp_path / "authority"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in ("authority.key", "server.key")} == {0o600}
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    secret = (folder / "authority.key").read_text().splitlines()[1]
    assert secret not in str(made) + certificate_text(made)
    assert "PRIVATE" not in (folder / "authority.crt").read_text()


def test_the_text_says_what_to_do_on_a_phone(tmp_path: Path) -> None:
    text = certificate_text(certificate(HOSTS, folder=tmp_path, now=NOW))
    for words in ("Certificate Trust Settings", "adb reverse", "SHA-256", "192.168.7.20", "https = true"):
        assert words in text


@pytest.mark.parametrize("host", ["", "*.local", "lab.local:8000", "a b", "http://lab", "1.2.3", "-x", "ä.local"])
def test_odd_hosts_are_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(BadInput, match="no port and no wildcard"):
        certificate([host], folder=tmp_path / "none", now=NOW)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("days", [0, 398, -1])
def test_phones_take_no_longer_days(tmp_path: Path, days: int) -> None:
    with pytest.raises(BadInput, match=f"expected 1 to 397 days.*got {days}"):
        certificate(HOSTS, folder=tmp_path, days=days, now=NOW)


def test_by_default_it_is_for_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    made = certificate()
    assert Path(made["certificate"]) == tmp_path / "instability-kit" / "authority" / "server.crt"
    assert set(own_hosts()) | {"localhost", "127.0.0.1"} == set(made["hosts"])
    assert display_tls("127.0.0.1")["hosts"] == made["hosts"]


# What a display's server is given.


def test_a_server_gets_the_pair_and_the_authority(tmp_path: Path) -> None:
    certificate(HOSTS, folder=tmp_path, now=NOW)
    given = display_tls("LAB.local", folder=tmp_path, now=NOW)
    assert given["tls"] == (tmp_path / "server.crt", tmp_path / "server.key")
    assert given["authority"] == tmp_path / "authority.crt"


def test_without_a_certificate_the_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="got none: run `instability devices certificate`"):
        display_tls("lab.local", folder=tmp_path, now=NOW)


def test_one_that_has_run_out_or_is_for_another_address(tmp_path: Path) -> None:
    certificate(HOSTS, folder=tmp_path, days=10, now=NOW)
    with pytest.raises(BadInput, match=r"ran out on 20.*: run `instability devices certificate`"):
        display_tls("lab.local", folder=tmp_path, now=NOW + timedelta(days=11))
    with pytest.raises(BadInput, match="check this machine's clock"):
        display_tls("lab.local", folder=tmp_path, now=NOW - timedelta(days=2))
    with pytest.raises(BadInput, match=r"is for 192\.168\.7\.20, .* is called 192\.168\.7\.30 now: run"):
        display_tls("192.168.7.30", folder=tmp_path, now=NOW)


@pytest.mark.parametrize("lost", ["server.key", "server.crt"])
def test_a_foreign_pair_is_refused_and_made_again(tmp_path: Path, lost: str) -> None:
    certificate(HOSTS, folder=tmp_path / "a", now=NOW)
    certificate(HOSTS, folder=tmp_path / "b", now=NOW)
    shutil.copy(tmp_path / "b" / lost, tmp_path / "a" / lost)
    with pytest.raises(BadInput, match="got no such pair: run `instability devices certificate`"):
        display_tls("lab.local", folder=tmp_path / "a", now=NOW)
    shutil.copy(tmp_path / "b" / "server.crt", tmp_path / "a" / "server.crt")
    shutil.copy(tmp_path / "b" / "server.key", tmp_path / "a" / "server.key")
    with pytest.raises(BadInput, match="signed by the authority beside it, got another's"):
        display_tls("lab.local", folder=tmp_path / "a", now=NOW)
    assert certificate(HOSTS, folder=tmp_path / "a", now=NOW)["made"] == ["certificate"]
    handshake(tmp_path / "a", "lab.local")


@pytest.mark.parametrize("damage", ["no key", "foreign key", "no text"])
def test_a_damaged_authority_is_not_replaced_unasked(tmp_path: Path, damage: str) -> None:
    certificate(HOSTS, folder=tmp_path, now=NOW)
    if damage == "no key":
        (tmp_path / "authority.key").unlink()
    elif damage == "foreign key":
        shutil.copy(tmp_path / "server.key", tmp_path / "authority.key")
    else:
        (tmp_path / "authority.crt").write_text("hello")
    for call in (lambda: certificate(HOSTS, folder=tmp_path, now=NOW), lambda: display_tls("x", folder=tmp_path)):
        with pytest.raises(BadInput, match="delete both and run `instability devices certificate`"):
            call()


def test_a_lab_says_https_and_its_display_speaks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    values = {"display": {"https": True}, "device": [{"name": "board", "kind": "local", "camera": "file"}]}
    lab = parse_lab(values, folder=tmp_path)
    with pytest.raises(BadInput, match="expected the certificate for https .*run `instability devices certificate`"):
        LabDisplay(lab, folder=tmp_path, port=0)
    made = certificate(["127.0.0.1"])
    trusting = ssl.create_default_context(cafile=made["authority"])
    with LabDisplay(lab, folder=tmp_path, port=0) as display:
        assert display.url.startswith("https://127.0.0.1:")
        with urllib.request.urlopen(display.url, context=trusting, timeout=30) as answer:
            assert answer.status == 200
        assert list(display.links().values()) == [display.authority_url]


def test_a_pair_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = files.make_authority(["lab.local", "127.0.0.1"], since=NOW, until=NOW + timedelta(days=1))
    files.write(made, tmp_path / "a.crt", tmp_path / "a.key")
    read = files.read(tmp_path / "a.crt", tmp_path / "a.key")
    assert read is not None
    assert read.certificate == made.certificate
    assert files.permits(read, ["lab.local", "x.lab.local", "127.0.0.1"])
    assert not files.permits(dataclasses.replace(read), ["notlab.local"])
