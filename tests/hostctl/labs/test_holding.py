"""Holding devices: one holder at a time on this host, its name for the others, and none left by a crash."""

import os
import signal
import subprocess
import sys

import pytest

from device_agents.errors import BadInput, DeviceError
from hostctl.lab import parse_lab
from hostctl.labs.holding import Hold, Holder, held, identity, take

ME = Holder("batch into runs/a", 1, "2026-01-01T00:00:00+00:00")
CHILD = """
import sys
from pathlib import Path
from hostctl.labs.holding import held
with held([(1, {"pi": "ssh pi:22"})], name="the other batch", folder=Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def both(count=1):
    return [(count, {"pi": "ssh pi:22", "nano": "ssh nano:22"})]


def test_a_second_taker_is_told_the_first_ones_name(tmp_path):
    hold = take("ssh pi:22", folder=tmp_path, holder=ME)
    assert isinstance(hold, Hold)
    assert take("ssh pi:22", folder=tmp_path, holder=Holder("b", 2, "")) == ME
    hold.release()
    again = take("ssh pi:22", folder=tmp_path, holder=ME)
    assert isinstance(again, Hold)
    again.release()


def test_free_devices_are_preferred_and_all_come_free_at_the_end(tmp_path):
    with held([(1, {"pi": "ssh pi:22"})], name="a", folder=tmp_path) as first:
        assert first == [["pi"]]
        with held(both(), name="b", folder=tmp_path) as second:
            assert second == [["nano"]]
            with pytest.raises(DeviceError, match=r"expected 1 of pi, nano to be free; pi is held by 'a' \(process"):
                held(both(), name="c", folder=tmp_path).__enter__()
    with held(both(2), name="d", folder=tmp_path) as both_of_them:
        assert both_of_them == [["pi", "nano"]]


def test_all_or_nothing_is_held_while_waiting(tmp_path):
    now, said = [0.0], []
    first = take("ssh nano:22", folder=tmp_path, holder=ME)

    def sleep(seconds):
        pi = take("ssh pi:22", folder=tmp_path, holder=ME)
        assert isinstance(pi, Hold), "the free one is not kept from others"
        pi.release()
        now[0] += 10 * seconds
        if now[0] > 10:
            first.release()

    with held(
        both(2), name="b", folder=tmp_path, wait_s=60, said=said.append, clock=lambda: now[0], sleep=sleep
    ) as got:
        assert got == [["pi", "nano"]]
    assert len(said) == 1
    assert "nano is held by 'batch into runs/a' (process 1" in said[0]


def test_waiting_ends(tmp_path):
    now = [0.0]
    first = take("ssh pi:22", folder=tmp_path, holder=ME)

    def sleep(seconds):
        now[0] += seconds

    with pytest.raises(DeviceError, match="expected pi to be free"):
        held(
            [(1, {"pi": "ssh pi:22"})], name="b", folder=tmp_path, wait_s=3, clock=lambda: now[0], sleep=sleep
        ).__enter__()
    assert now[0] == pytest.approx(3)
    first.release()


def test_a_crashed_holders_device_comes_free(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout.readline() == "held\n"
        wants = [(1, {"pi": "ssh pi:22"})]
        with pytest.raises(DeviceError, match=rf"pi is held by 'the other batch' \(process {child.pid}, since 20"):
            held(wants, name="b", folder=tmp_path).__enter__()
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        with held(wants, name="b", folder=tmp_path) as got:
            assert got == [["pi"]]


def test_what_is_no_holders_file_is_said_so(tmp_path):
    hold = take("x", folder=tmp_path, holder=ME)
    file = next(tmp_path.glob("*.lock"))
    file.write_text("{ not json")
    assert "just starting" in str(take("x", folder=tmp_path, holder=ME))
    hold.release()


def test_an_identity_is_the_things_address_and_not_its_name_in_a_lab(tmp_path):
    ssh = {"kind": "ssh", "host": "Pi", "user": "u", "key": "k", "known_hosts": "h"}
    one = parse_lab({"device": [{"name": "left", **ssh}]}, folder=tmp_path)
    two = parse_lab({"device": [{"name": "right", **ssh}]}, folder=tmp_path / "other")
    assert identity(one.devices[0], one) == identity(two.devices[0], two) == "ssh pi:22"
    phones = parse_lab(
        {"device": [{"name": "a", "kind": "adb", "serial": "S1"}, {"name": "b", "kind": "adb", "address": "h:5555"}]},
        folder=tmp_path,
    )
    assert [identity(one, phones) for one in phones.devices] == ["adb S1", "adb h:5555"]
    page = {"device": [{"name": "pixel", "kind": "web", "camera": "canvas"}]}
    pages = [parse_lab(page, folder=tmp_path, name=f"{name}.toml") for name in ("a", "a", "b")]
    names = [identity(one.devices[0], one) for one in pages]
    assert names[0] == names[1] != names[2]
    virtual = {
        "display": {"screen": "virtual"},
        "device": [{"name": "v", "kind": "virtual-board", "camera": "instant"}],
    }
    here, there = (parse_lab(virtual, folder=folder) for folder in (tmp_path, tmp_path / "other"))
    assert identity(here.devices[0], here) != identity(there.devices[0], there)


def test_a_place_that_takes_no_lock_files_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match=r"to take the lock files .*, got: Not a directory; .*XDG_DATA_HOME"):
        take("x", folder=tmp_path / "file" / "held", holder=ME)
