"""The phone's side of ADB's RSA authentication: Android's key format, and checking a signed token."""

from __future__ import annotations

import base64
import binascii
import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from hostctl.virtual.adb_messages import ProtocolError

TOKEN_BYTES = 20
MODULUS_BYTES = 256
# android_pubkey_encode (libcrypto_utils): length in words, n0inv, modulus, R^2 mod n (all little-endian), exponent.
KEY_STRUCT = struct.Struct(f"<II{MODULUS_BYTES}s{MODULUS_BYTES}sI")


def read_public_key(data: bytes) -> RSAPublicKey:
    """Read the key that a host sends: base64 of Android's struct, a space, user@host, a NUL; raises ProtocolError."""
    words = data.rstrip(b"\0").split(maxsplit=1)
    try:
        packed = base64.b64decode(words[0], validate=True)
        _, _, modulus, _, exponent = KEY_STRUCT.unpack(packed)
        return RSAPublicNumbers(exponent, int.from_bytes(modulus, "little")).public_key()
    except (IndexError, binascii.Error, struct.error, ValueError) as problem:
        raise ProtocolError(f"expected an Android public key, got {data[:40]!r}: {problem}") from problem


def signed_by(key: RSAPublicKey, token: bytes, signature: bytes) -> bool:
    """Whether the signature over the 20-byte token, which stands for a ready SHA-1 digest, was made with the key."""
    try:
        key.verify(signature, token, padding.PKCS1v15(), utils.Prehashed(hashes.SHA1()))
    except InvalidSignature:
        return False
    return True
