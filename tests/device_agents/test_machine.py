from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from device_agents.machine import Machine, identify, parse_properties, read_machine, read_properties
from device_agents.records import from_line, to_line

PROPERTIES = """[ro.product.manufacturer]: [samsung]
[ro.product.model]: [SM-G973U1]
[ro.soc.model]: [SM8150]
[ro.board.platform]: [msmnile]
[ro.build.fingerprint]: [samsung/beyond1/beyond1:12/SP1A.210812.016/G973U1:user/release-keys]
[persist.sys.empty]: []
garbage
"""


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


@pytest.fixture
def pi(tmp_path: Path) -> Path:
    write(tmp_path, "proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0")
    write(tmp_path, "proc/device-tree/compatible", "raspberrypi,4-model-b\0brcm,bcm2711\0")
    write(tmp_path, "proc/meminfo", "MemTotal:        3884356 kB\nMemFree: 1 kB\n")
    write(tmp_path, "etc/os-release", 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
    write(tmp_path, "sys/class/thermal/thermal_zone0/temp", "48686\n")
    write(tmp_path, "sys/class/thermal/thermal_zone1/temp", "51000\n")
    return tmp_path


def test_a_raspberry_pi_says_what_it_is(pi: Path) -> None:
    moment = datetime(2026, 11, 22, 7, 0, 0, 1500, tzinfo=UTC)
    machine = read_machine(root=pi, properties={}, now=lambda: moment, monotonic=lambda: 12.5)
    assert (machine.maker, machine.model, machine.soc) == ("raspberrypi", "Raspberry Pi 4 Model B Rev 1.4", "bcm2711")
    assert machine.memory_bytes == 3884356 * 1024
    assert machine.temperature_c == 51.0
    assert machine.os_build == "Debian GNU/Linux 12 (bookworm)"
    assert machine.utc == "2026-11-22T07:00:00.001500+00:00"
    assert machine.monotonic_s == 12.5
    assert machine.libraries["numpy"] == np.__version__
    assert machine.runtimes["litert"] == version("ai-edge-litert")
    assert "tflite-runtime" not in machine.runtimes
    assert "replay" in machine.cameras
    assert machine.python == platform.python_version()
    assert machine.free_bytes > 0
    assert from_line(Machine, to_line(machine)) == machine


def test_a_phone_is_asked_by_getprop(tmp_path: Path) -> None:
    properties = parse_properties(PROPERTIES)
    assert properties["persist.sys.empty"] == ""
    assert identify(tmp_path, properties) == ("samsung", "SM-G973U1", "SM8150")
    older = {name: value for name, value in properties.items() if name != "ro.soc.model"}
    assert identify(tmp_path, older)[2] == "msmnile"
    machine = read_machine(root=tmp_path, properties=properties)
    assert machine.os_build.startswith("samsung/beyond1/")


def test_getprop_is_run_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "getprop"
    program.write_text("#!/bin/sh\necho '[ro.product.model]: [Pixel 2]'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert read_properties() == {"ro.product.model": "Pixel 2"}
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert read_properties() == {}


def test_a_pc_is_described_by_its_bios_and_processor(tmp_path: Path) -> None:
    write(tmp_path, "sys/class/dmi/id/sys_vendor", "LENOVO\n")
    write(tmp_path, "sys/class/dmi/id/product_name", "20XWCTO1WW\n")
    write(tmp_path, "proc/cpuinfo", "processor\t: 0\nmodel name\t: 11th Gen Intel(R) Core(TM) i7\n\nprocessor\t: 1\n")
    assert identify(tmp_path, {}) == ("LENOVO", "20XWCTO1WW", "11th Gen Intel(R) Core(TM) i7")


def test_an_old_arm_board_names_its_hardware(tmp_path: Path) -> None:
    write(tmp_path, "proc/cpuinfo", "model name\t: ARMv7 Processor\nHardware\t: BCM2835\n")
    assert identify(tmp_path, {}) == ("", "", "BCM2835")


def test_a_silent_machine_leaves_its_fields_empty(tmp_path: Path) -> None:
    machine = read_machine(root=tmp_path, properties={})
    assert (machine.maker, machine.model, machine.soc, machine.os_build) == ("", "", "", "")
    assert (machine.memory_bytes, machine.temperature_c) == (0, 0.0)


def test_this_machine_can_be_read() -> None:
    machine = read_machine()
    assert machine.memory_bytes > 0
    assert machine.cores >= 1
    assert machine.schema == 2
