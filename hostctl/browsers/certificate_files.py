"""The certificates of the lab's authority: made, written, read and compared (RFC 5280, by way of `cryptography`)."""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from device_agents.errors import BadInput

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, CertificateBuilder, GeneralName, Name

MOST_HOSTS = 32
_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")


@dataclass(frozen=True)
class Pair:
    """A certificate and its key; times are UTC."""

    certificate: Certificate
    key: EllipticCurvePrivateKey

    @property
    def since(self) -> datetime:
        """When it begins to be valid."""
        return self.certificate.not_valid_before_utc

    @property
    def until(self) -> datetime:
        """When it runs out."""
        return self.certificate.not_valid_after_utc


def is_name(host: str) -> bool:
    """Tell whether a host is a DNS name in small letters (RFC 1123), no wildcard."""
    return len(host) <= 253 and _NAME.fullmatch(host) is not None and not host.rpartition(".")[2].isdigit()


def checked_hosts(hosts: Sequence[str]) -> list[str]:
    """Give IP addresses and names, each once, in small letters; raises BadInput naming every odd one."""
    kept = list(dict.fromkeys(_normal(host) for host in hosts))
    odd = [host for host in kept if not (_address(host) or is_name(host))]
    if odd:
        shown = ", ".join(repr(host[:80]) for host in odd[:5])
        raise BadInput(f"expected IP addresses and names such as lab.local, no port and no wildcard, got {shown}")
    if len(kept) > MOST_HOSTS:
        raise BadInput(f"expected at most {MOST_HOSTS} hosts, got {len(kept)}")
    return kept


def _normal(host: str) -> str:
    host = host.strip().strip("[]").lower().rstrip(".")
    address = _address(host)
    return str(address) if address else host


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def make_authority(hosts: Sequence[str], *, since: datetime, until: datetime) -> Pair:
    """Make an authority that vouches for no other authority, and for nothing but these hosts' names and networks.

    A private address stands for its network of 256 (IPv6: /64), so that the router may give the machine another; any
    other only for itself. Constraints: RFC 5280, 4.2.1.10; OpenSSL and Chromium heed them also in a root.
    """
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    key = _new_key()
    # iPhones list a root among those to trust only if it has a common name (mkcert's issue 47).
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Instability kit lab {secrets.token_hex(3)}")])
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)  # signs certificates and lists
    builder = (
        _begun(key, name, name, since, until)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.NameConstraints(_subtrees(hosts), None), critical=True)
    )
    return Pair(_signed(builder, key), key)


def make_server(authority: Pair, hosts: Sequence[str], *, since: datetime, until: datetime) -> Pair:
    """Make a server's certificate as Apple asks for: names in the SAN, EKU serverAuth, P-256, SHA-256."""
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = _new_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Instability kit display")])
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)  # digital signatures
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = (
        _begun(key, name, authority.certificate.subject, since, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general(host) for host in hosts]), critical=False)
        .add_extension(issuer, critical=False)
    )
    return Pair(_signed(builder, authority.key), key)


def permits(authority: Pair, hosts: Sequence[str]) -> bool:
    """Tell whether an authority may vouch for all these hosts, by its own constraints."""
    from cryptography import x509

    subtrees = authority.certificate.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees
    names = [tree.value for tree in subtrees or [] if isinstance(tree, x509.DNSName)]
    networks = [tree.value for tree in subtrees or [] if isinstance(tree, x509.IPAddress)]

    def permitted(host: str) -> bool:
        address = _address(host)
        if address is None:
            return any(host == name or host.endswith("." + name) for name in names)
        return any(
            isinstance(network, (ipaddress.IPv4Network, ipaddress.IPv6Network)) and address in network
            for network in networks
        )

    return all(permitted(host) for host in hosts)


def hosts_of(server: Pair) -> list[str]:
    """Give the hosts that a server's certificate is for."""
    from cryptography import x509

    names = server.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in names]


def signed_by(server: Pair, authority: Pair) -> bool:
    """Tell whether a certificate carries the authority's signature."""
    from cryptography.exceptions import InvalidSignature

    try:
        server.certificate.verify_directly_issued_by(authority.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def read(certificate: Path, key: Path) -> Pair | None:
    """Read a certificate and its key (PEM); None if either is missing, damaged, or they do not belong together."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        secret = load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        return None
    if not isinstance(secret, EllipticCurvePrivateKey) or secret.public_key() != found.public_key():
        return None
    return Pair(found, secret)


def write(pair: Pair, certificate: Path, key: Path) -> None:
    """Write a pair as PEM, each file whole or not at all; the key can be read by its owner only, from the start."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    secret = pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for path, data, mode in ((key, secret, 0o600), (certificate, pair.certificate.public_bytes(Encoding.PEM), 0o644)):
        part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)


def _subtrees(hosts: Sequence[str]) -> list[GeneralName]:
    """Both kinds must be there: a kind without any is not limited at all. checked_hosts' callers give one of each."""
    from cryptography import x509

    trees: dict[str, GeneralName] = {}
    for host in hosts:
        address = _address(host)
        if address is None:
            trees[host] = x509.DNSName(host)
        else:
            network = ipaddress.ip_network((address, _prefix(address)), strict=False)
            trees[str(network)] = x509.IPAddress(network)
    return list(trees.values())


def _prefix(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    own = address.is_private or address.is_link_local
    return {4: 24 if own else 32, 6: 64 if own else 128}[address.version]


def _general(host: str) -> GeneralName:
    from cryptography import x509

    address = _address(host)
    return x509.DNSName(host) if address is None else x509.IPAddress(address)


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _begun(
    key: EllipticCurvePrivateKey, subject: Name, issuer: Name, since: datetime, until: datetime
) -> CertificateBuilder:
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _signed(builder: CertificateBuilder, key: EllipticCurvePrivateKey) -> Certificate:
    from cryptography.hazmat.primitives import hashes

    return builder.sign(key, hashes.SHA256())
