"""A rack over the real protocols, one of whose agents does something else than it claims: diagnose names it, blind."""

import json
import os
import secrets
import shutil
import zipfile

import pytest

import hostctl.agent
from hostctl import cli, commands
from hostctl.command_line import diagnose as cli_diagnose
from tests.fakes.photos import packaged

LAB = """
name = "three of a kind"
[display]
screen = "virtual"
width = 960
height = 720
settle_ms = 60
paint_delay_ms = 10
[session]
angles = [0]
repeats = 1
seed = 7
reserve_mb = 0
shoot_timeout_s = 60
[[device]]
name = "termux"
kind = "virtual-phone"
camera = "budget-jpeg"
phone = "termux"
predicts = "agent"
[[device]]
name = "phone"
kind = "virtual-phone"
camera = "budget-jpeg"
[[device]]
name = "board"
kind = "virtual-board"
camera = "budget-jpeg"
predicts = "agent"
"""
# What the zip does first: on one machine a variant is another than its name says, as with another library behind it.
ALTERED = """
import json, sys
if sys.argv[1] == "predict":
    from device_agents.{module} import {family} as family
    with open(sys.argv[2]) as job:
        machine = json.load(job)["environments"][0]["machine"]
    if machine == "{machine}":
        family["{claimed}"] = family["{real}"]
"""
FAULTS = {
    "none": {},
    "two": {
        "termux": ("decoder", "decode", "DECODERS", "pillow", "jpeg-plain-upsampling"),
        "board": ("resizer", "resize", "RESIZERS", "pillow-bilinear", "half-pixel-bilinear"),
    },
}


@pytest.fixture
def main(monkeypatch):
    names = [one.name for one in cli.COMMANDS]
    if "diagnose" not in names:
        monkeypatch.setattr(cli, "COMMANDS", (*cli.COMMANDS, *cli_diagnose.COMMANDS))
    return cli.main


@pytest.fixture(scope="module")
def shot(tmp_path_factory):
    """The lab with its photographs; a run of it goes on with the predictions."""
    folder = tmp_path_factory.mktemp("shot")
    (folder / "lab.toml").write_text(LAB)
    commands.run(folder / "lab.toml", scenes=packaged(folder, 12), out=folder / "run", model=None)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("hidden", FAULTS)
def test_faults_put_into_agents_are_named_and_nobody_else_is_accused(shot, tmp_path, monkeypatch, capsys, main, hidden):
    faults = FAULTS[hidden]
    build = hostctl.agent.build_agent_zip

    def altered(path):  # as the real one, which devices build at the same moment: same bytes, put in place whole
        usual, part = build(path.with_name("usual.zip")), path.with_name(f"{secrets.token_hex(4)}.part")
        with zipfile.ZipFile(usual) as source, zipfile.ZipFile(part, "w") as target:
            for one in source.infolist():
                first = "".join(
                    ALTERED.format(machine=machine, module=module, family=family, claimed=claimed, real=real)
                    for machine, (_, module, family, claimed, real) in faults.items()
                )
                target.writestr(one, first.encode() * (one.filename == "__main__.py") + source.read(one))
        os.replace(part, path)
        return path

    monkeypatch.setattr(hostctl.agent, "build_agent_zip", altered)
    shutil.copytree(shot / "run", tmp_path / "run")
    done = commands.run(shot / "lab.toml", scenes=shot / "scenes.csv", out=tmp_path / "run")
    assert done["photographs_missing"] == 0
    code = main(["diagnose", str(tmp_path / "run"), "--json", "--quiet"])
    found = json.loads(capsys.readouterr().out)
    devices = {one["device"]: one for one in found["devices"]}
    assert set(devices) == {"termux", "phone", "board"}
    assert code == found["exit_code"] == bool(faults)
    for name, device in devices.items():
        told = [(one["stage"], one["kind"]) for one in device["findings"]]
        assert told == ([(faults[name][0], "variant")] if name in faults else []), (name, device)
        assert all(faults[name][-1] in one["variants"] and one["differing"] == 12 for one in device["findings"])
    assert devices["board"]["checked"] == {"software": 12, "photographs": 12}
    assert devices["phone"]["checked"] == {"software": 0, "photographs": 12}
