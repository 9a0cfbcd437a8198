import asyncio
import contextlib
import dataclasses
import socket
from pathlib import Path

import pytest

from hostctl.virtual.hosting import serving
from hostctl.virtual.phone import FAULTS, PHONES, VirtualPhone


def test_a_phone_lives_in_a_running_loop() -> None:
    async def life() -> tuple[int, Path]:
        phone = VirtualPhone(PHONES["modern"], shoot=dict)
        await phone.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", phone.port)
        writer.close()
        await writer.wait_closed()
        await phone.stop()
        assert await reader.read() == b""
        return phone.port, phone.files.root

    port, root = asyncio.run(life())
    assert not root.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_files_stay_where_a_folder_is_given(tmp_path: Path) -> None:
    phone = VirtualPhone(PHONES["modern"], shoot=dict, root=tmp_path / "phone")
    with serving([phone]):
        phone.files.write("/sdcard/x", b"kept")
    assert (tmp_path / "phone/storage/emulated/0/x").read_bytes() == b"kept"


def test_phones_differ_by_seed_and_profile() -> None:
    phones = [VirtualPhone(PHONES["modern"], shoot=dict, seed=seed) for seed in (1, 2)]
    phones.append(VirtualPhone(PHONES["ancient"], shoot=dict, seed=1))
    with serving(phones) as ports:
        assert len(set(ports)) == len({phone.state.serial for phone in phones}) == 3
        assert "features=shell_v2,cmd,stat_v2,ls_v2" in phones[0].daemon.banner
        assert "features" not in phones[2].daemon.banner


def test_the_phones_clock_may_be_wrong() -> None:
    phone = VirtualPhone(FAULTS["wrong-clock"](PHONES["modern"]), shoot=dict, now=lambda: 10_000.0)
    with serving([phone]):
        phone.files.write("/sdcard/x", b"")
        assert phone.files.stat("/sdcard/x").st_mtime == phone.state.clock() == 6400.0


def test_stopping_does_not_wait_for_hosts_or_frozen_services() -> None:
    phone = VirtualPhone(PHONES["modern"], shoot=dict)
    with serving([phone]) as (port,):
        client = socket.create_connection(("127.0.0.1", port), timeout=5)
        client.sendall(b"CNXN")
        phone.daemon.freeze()
    with client, contextlib.suppress(ConnectionResetError):
        assert client.recv(10) == b""


def test_profiles_and_faults_are_named_after_their_keys() -> None:
    assert all(profile.name == key for key, profile in PHONES.items())
    assert all(key == key.lower() for key in (*PHONES, *FAULTS))
    for name, fault in FAULTS.items():
        changed = fault(PHONES["modern"])
        assert changed != PHONES["modern"], name
        assert dataclasses.replace(changed, link=PHONES["modern"].link).name == "modern"
