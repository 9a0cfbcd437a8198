"""Environments made on a virtual board, by its real Python over SSH, from wheels without a network."""

import contextlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_agents import board_environment
from device_agents.errors import BadInput, CommandFailed, DeviceError, KitError
from device_agents.predict import predict
from hostctl.agent import Agent, build_agent_zip
from hostctl.agents.environment import LIBRARIES, prepare_environment
from hostctl.agents.wheels import BoardPython, board_python, check_requirements, fetch_wheels
from hostctl.lab import parse_lab
from hostctl.labs.device import connect
from hostctl.ssh import SshTransport
from hostctl.virtual.board import VirtualBoard, make_key
from hostctl.virtual.hosting import serving
from tests.fakes.jobs import make_job, timeless

LIMIT_S = 120.0
NAME = "tiny_on_board-1.2-py3-none-any.whl"


def write_wheel(folder: Path, *, name: str = "tiny_on_board", version: str = "1.2", needs: str = "") -> Path:
    """A wheel of one module (PEP 427)."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + (
        f"Requires-Dist: {needs}\n" if needs else ""
    )
    wheel = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    contents = {f"{name}.py": f"VERSION = {version!r}\n", f"{info}/METADATA": metadata, f"{info}/WHEEL": wheel}
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in contents.items():
            archive.writestr(file, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in (*contents, f"{info}/RECORD")))
    return path


@pytest.fixture
def board(tmp_path: Path) -> Iterator[tuple[VirtualBoard, SshTransport]]:
    board = VirtualBoard(tmp_path / "board", dict, authorised_keys=[make_key(tmp_path / "key")])
    with serving([board]) as [port]:
        (tmp_path / "known_hosts").write_text(board.known_hosts_line)
        ssh = SshTransport(
            "127.0.0.1", port, user="pi", key=tmp_path / "key", known_hosts=tmp_path / "known_hosts", name="pi"
        )
        with contextlib.closing(ssh):
            yield board, ssh


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that pip takes instead of a registry."""
    write_wheel(tmp_path / "index", needs="tiny-needed")
    write_wheel(tmp_path / "index", name="tiny_needed", version="0.1")
    for key, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "index")}.items():
        monkeypatch.setenv(key, value)
    return tmp_path / "index"


@pytest.mark.slow  # it is made three times
@pytest.mark.timeout(600)
def test_an_environment_is_made_once_and_anew_where_it_is_not_whole(
    board: tuple[VirtualBoard, SshTransport], index: Path, tmp_path: Path
) -> None:
    virtual, ssh = board
    said: list[str] = []

    def prepared() -> "tuple[str, bool]":
        found = prepare_environment(ssh, cache=tmp_path / "cache", libraries=["tiny-on-board"], progress=said.append)
        assert found.libraries == {"tiny-on-board": "1.2", "tiny-needed": "0.1"}
        return found.python, found.made

    python, made = prepared()
    assert made
    assert [line.split()[1] for line in said] == ["fetching", "sending", "making", "the"]
    (tmp_path / "which.py").write_text(
        "import sys, tiny_on_board, tiny_needed; print(tiny_on_board.VERSION, sys.prefix)"
    )
    ssh.push(tmp_path / "which.py", "which.py")
    version, prefix = ssh.run([python, "which.py"], timeout_s=LIMIT_S).text.split()
    assert version == "1.2"
    place = python.removesuffix("/bin/python")
    assert prefix == f"/home/pi/{place}"
    assert "wheels" not in ssh.run(["ls", "instability-agent"], timeout_s=LIMIT_S).text.split()

    said.clear()
    assert prepared() == (python, False)
    assert said == []

    on_board = virtual.files.home / place
    (on_board / board_environment.COMPLETE).unlink()  # the board lost its power while it was made
    assert prepared() == (python, True)
    metadata = next(on_board.rglob("tiny_needed-0.1.dist-info/METADATA"))
    metadata.write_text(metadata.read_text().replace("Version: 0.1", "Version: 0.2"))
    said.clear()
    assert prepared() == (python, True)
    assert said[0] == "pi: its environment was changed or is not whole; making it anew"


def test_a_wheel_that_changed_is_not_installed(
    board: tuple[VirtualBoard, SshTransport], index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ssh = board
    push = ssh.push

    def spoiled(local: Path, remote: str) -> None:
        if remote.endswith(NAME):
            local = write_wheel(tmp_path / "other")
            local.write_bytes(local.read_bytes() + b"x")
        push(local, remote)

    monkeypatch.setattr(ssh, "push", spoiled)
    with pytest.raises(CommandFailed, match=f"pi: cannot make an environment: expected the wheel {NAME} of sha256"):
        prepare_environment(ssh, cache=tmp_path / "cache", libraries=["tiny-on-board"], progress=lambda text: None)


def test_wheels_are_kept_by_their_hashes(index: Path, tmp_path: Path) -> None:
    here, said = BoardPython((3, 11), "aarch64", (2, 36)), []
    wheels = fetch_wheels(here, ["tiny-on-board"], cache=tmp_path / "cache", progress=said.append)
    assert sorted(path.name for path in wheels) == ["tiny_needed-0.1-py3-none-any.whl", NAME]
    assert len(said) == 1
    assert fetch_wheels(here, ["tiny-on-board"], cache=tmp_path / "cache", progress=said.append) == wheels
    assert len(said) == 1
    next(iter(wheels)).write_bytes(b"changed")
    assert fetch_wheels(here, ["tiny-on-board"], cache=tmp_path / "cache", progress=said.append) == wheels
    assert len(said) == 2
    with pytest.raises(DeviceError, match=r"wheels of no-such-library for .*aarch64.*, got: ERROR: No matching"):
        fetch_wheels(here, ["no-such-library"], cache=tmp_path / "cache", progress=said.append)
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == [next(iter(wheels)).parent.name]


@pytest.mark.parametrize("text", ["--index-url=http://x", "-r file", "../x.whl", "https://x/y.whl", "a b", "", "a@b"])
def test_only_names_of_libraries_reach_pip(text: str) -> None:
    check_requirements(["numpy", "numpy==2.4.6", "onnxruntime>=1.2,<2", "ai-edge-litert"])
    with pytest.raises(BadInput, match="libraries: expected names"):
        check_requirements([text])


GOOD = {
    "python": [3, 11], "implementation": "CPython", "machine": "aarch64", "bits": 64, "libc": "glibc",
    "libc_version": "2.36", "system": "linux", "venv": True,
}  # fmt: skip


def test_the_tags_of_a_raspberry_pi() -> None:
    """Bookworm has glibc 2.36 and Python 3.11."""
    board = board_python(GOOD, name="pi")
    tags = board.platforms
    assert tags[:2] == ["manylinux_2_36_aarch64", "manylinux_2_35_aarch64"]
    assert tags[-3:] == ["manylinux_2_17_aarch64", "manylinux2014_aarch64", "linux_aarch64"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"system": "android"}, "pi: no wheels are made for Termux; there: pkg install python-numpy"),
        ({"bits": 32}, "pi: expected a 64-bit system of aarch64 or x86_64.*got aarch64 with 32 bits"),
        ({"machine": "armv7l"}, "got armv7l with 64 bits"),
        ({"libc": "", "libc_version": ""}, "expected CPython with glibc 2, got CPython with another libc"),
        ({"implementation": "PyPy"}, "got PyPy"),
        ({"python": "x"}, "expected a description of its Python"),
        ({"libc_version": "2.36; rm"}, "expected CPython with glibc 2"),
    ],
)
def test_boards_without_wheels_are_told_what_to_do(change: dict[str, object], message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        board_python({**GOOD, **change}, name="pi")


def test_a_board_without_venv_is_told_the_apt_line(
    board: tuple[VirtualBoard, SshTransport], index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ssh = board
    source = Path(board_environment.__file__).read_text().replace('("venv", "ensurepip")', '("venv", "no_such_module")')
    (tmp_path / "without.py").write_text(source)
    monkeypatch.setattr(board_environment, "__file__", str(tmp_path / "without.py"))
    with pytest.raises(KitError, match=r"sudo apt install python3-venv; then run this again") as caught:
        prepare_environment(ssh, cache=tmp_path / "cache", libraries=["tiny-on-board"], progress=lambda text: None)
    assert "\n" not in str(caught.value)


def test_the_script_says_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert board_environment.main(["describe"]) == 0
    assert board_python(json.loads(capsys.readouterr().out), name="here").machine
    assert board_environment.main(["check", str(tmp_path / "none")]) == 0
    assert json.loads(capsys.readouterr().out) == {}
    assert board_environment.main(["nosuch"]) == 3
    assert "expected describe" in capsys.readouterr().err


def test_a_lab_asks_for_an_environment_and_its_agent_runs_there(
    board: tuple[VirtualBoard, SshTransport],
    index: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    virtual, _ = board
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "state"))
    entry = {
        "name": "pi", "kind": "ssh", "host": "127.0.0.1", "port": virtual.port, "user": "pi", "key": "key",
        "known_hosts": "known_hosts", "camera": "rpicam", "environment": "venv", "libraries": ["tiny-on-board"],
    }  # fmt: skip
    lab = parse_lab({"device": [entry]}, folder=tmp_path)
    device = connect(lab.devices[0], server=None, folder=tmp_path)
    with contextlib.closing(device.transport), pytest.raises(CommandFailed, match="No module named 'numpy'"):
        device.identify()  # the environment has what was asked for and nothing of this machine's
    assert "pi: making the environment" in capsys.readouterr().err
    connect(lab.devices[0], server=None, folder=tmp_path).transport.close()
    assert capsys.readouterr().err == ""  # it is there
    wrong = {**entry, "environment": "conda", "libraries": ["-r", "numpy"]}
    with pytest.raises(BadInput, match="'environment': expected system or venv, got 'conda'"):
        parse_lab({"device": [wrong]}, folder=tmp_path)
    with pytest.raises(BadInput, match="libraries: expected names such as onnxruntime or numpy==2.4.6, got '-r'"):
        parse_lab({"device": [{**wrong, "environment": "venv"}]}, folder=tmp_path)


@pytest.mark.slow  # wheels of 50 MB are fetched and unpacked
@pytest.mark.timeout(900)
def test_predictions_from_an_environment_equal_the_hosts(
    board: tuple[VirtualBoard, SshTransport], tmp_path: Path
) -> None:
    _, ssh = board
    environment = prepare_environment(ssh, cache=tmp_path / "cache", progress=lambda text: None)
    assert set(LIBRARIES) < set(environment.libraries)
    agent = Agent(ssh, build_agent_zip(tmp_path / "agent.zip"), python=environment.python)
    agent.install()
    found = agent.info()["libraries"]
    assert {name: found[name] for name in LIBRARIES} == {name: environment.libraries[name] for name in LIBRARIES}
    assert "onnxruntime" not in found  # the environment's own libraries, not this machine's
    job = make_job(tmp_path, decoders=("pillow",))
    assert timeless(list(agent.predict(job))) == timeless(list(predict(job)))
