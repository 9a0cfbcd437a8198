"""A whole session on a virtual phone and board: no token and no private key is left in anything that it writes."""

import io
import json
import os
import secrets
import sqlite3
import zipfile
from pathlib import Path

import pytest

from hostctl import cli
from hostctl.virtual import racked
from tests.fakes.command import write_lab
from tests.fakes.photos import packaged

KEY = b"PRIVATE KEY"


@pytest.fixture
def tokens(monkeypatch):
    """Every token that is made while the test runs."""
    made, make = [], secrets.token_urlsafe

    def token_urlsafe(nbytes=None):
        made.append(make(nbytes))
        return made[-1]

    monkeypatch.setattr(secrets, "token_urlsafe", token_urlsafe)
    return made


def texts(folder):
    """Each file of a folder with its bytes; a ledger and a zip also as what is packed in them."""
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        data = path.read_bytes()
        yield path.relative_to(folder).as_posix(), data
        if path.suffix == ".sqlite":
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as ledger:
                yield f"{path.name} as text", "\n".join(ledger.iterdump()).encode()
            ledger.close()
        if path.suffix == ".zip":
            with zipfile.ZipFile(io.BytesIO(data)) as pack:
                yield from ((f"{path.name}/{name}", pack.read(name)) for name in pack.namelist())


def check_clean(folder, said, tokens):
    found = [
        f"{name}: {'a token' if KEY not in data else 'a private key'}"
        for name, data in [*texts(folder), *((name, text.encode()) for name, text in said.items())]
        if KEY in data or any(token.encode() in data for token in tokens)
    ]
    assert found == []


@pytest.mark.slow
def test_no_secret_stands_in_a_run_its_log_its_report_or_a_result(tmp_path, tokens, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    away = '[[device]]\nname = "away"\nkind = "adb"\naddress = "127.0.0.1:9"\n'
    lab = write_lab(tmp_path, board=True, extra=away)
    said = {}

    def command(*words):
        code = cli.main([*map(str, words)])
        out, err = capsys.readouterr()
        said[words[0]] = out
        # The terminal is where a person gets the live page's address from; nothing else there may hold a token.
        said[f"{words[0]}, standard error"] = "\n".join(
            line for line in err.splitlines() if not line.startswith("live page: ")
        )
        return code

    assert command("run", lab, "--scenes", packaged(tmp_path, 2), "--out", "run", "--no-predict", "--json") == 3
    assert json.loads(said["run"])["pictures"] >= 4
    assert len(tokens) >= 2
    assert command("devices", lab, "--json") == 3
    assert command("runs", "export", "run", "--out", "copy.zip") == 0
    kept = {path.relative_to(tmp_path / "run").as_posix() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert {"run.toml", "ledger.sqlite", "run.log", "lab/rack.log"} <= kept
    check_clean(tmp_path / "run", said, tokens)
    (tmp_path / "packed").mkdir()
    (tmp_path / "copy.zip").rename(tmp_path / "packed" / "copy.zip")
    check_clean(tmp_path / "packed", {}, tokens)
    # A key of this user's own stays outside of every run, and is nobody else's to read.
    for path in (tmp_path / "home").rglob("*") if (tmp_path / "home").exists() else ():
        if path.is_file() and KEY in path.read_bytes():
            assert path.stat().st_mode & 0o077 == 0, path


def test_the_check_itself_finds_what_it_looks_for(tmp_path):
    (tmp_path / "a").write_bytes(b"x token-1 y")
    with pytest.raises(AssertionError, match="a: a token"):
        check_clean(tmp_path, {}, ["token-1"])
    (tmp_path / "a").write_bytes(b"-----BEGIN OPENSSH PRIVATE KEY-----")
    with pytest.raises(AssertionError, match="a: a private key"):
        check_clean(tmp_path, {}, ["token-1"])


def test_the_racks_own_key_is_its_users_alone(tmp_path):
    old = os.umask(0)
    try:
        racked.make_key(tmp_path / "board_key")
    finally:
        os.umask(old)
    assert (tmp_path / "board_key").stat().st_mode & 0o777 == 0o600
    assert KEY in Path(tmp_path / "board_key").read_bytes()
