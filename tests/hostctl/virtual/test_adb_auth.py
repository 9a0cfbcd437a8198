import base64
from pathlib import Path

import pytest
from adb_shell.auth.keygen import encode_pubkey, keygen
from adb_shell.auth.sign_pythonrsa import PythonRSASigner

from hostctl.virtual.adb_auth import read_public_key, signed_by
from hostctl.virtual.adb_messages import ProtocolError

TOKEN = bytes(range(20))


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("keys") / "adbkey")
    keygen(path)
    return path


def test_a_token_signed_by_another_library_is_accepted(key_file: str) -> None:
    public = base64.b64encode(encode_pubkey(key_file)) + b" user@host\0"
    signature = PythonRSASigner(priv=Path(key_file).read_bytes()).Sign(TOKEN)
    key = read_public_key(public)
    assert signed_by(key, TOKEN, signature)
    assert not signed_by(key, bytes(20), signature)
    assert not signed_by(key, TOKEN, bytes(256))
    assert not signed_by(key, TOKEN, b"short")


@pytest.mark.parametrize("data", [b"", b"\0", b"not base64!", b"QUJD user@host\0", base64.b64encode(bytes(524))])
def test_a_broken_key_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="Android public key"):
        read_public_key(data)
