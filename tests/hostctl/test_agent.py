"""The agent from the host's side: its zip, a scripted device, and the real agent here and on a virtual board."""

import contextlib
import dataclasses
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from device_agents.errors import BadInput, CommandFailed, DeviceError, Unreachable
from device_agents.predict import Job, predict
from device_agents.records import Prediction, to_line
from hostctl import agent as agents
from hostctl.agent import Agent, AgentShutter, build_agent_zip
from hostctl.labs.shutter import RemoteFile
from hostctl.ssh import SshTransport
from hostctl.transport import LocalTransport, Output, Stream
from hostctl.virtual.board import VirtualBoard, make_key
from hostctl.virtual.hosting import serving
from tests.fakes.jobs import make_job, timeless

LIMIT_S = 120.0


def jpeg() -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({0x829A: IFDRational(1, 100), 0x8827: 100})
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", exif=exif.tobytes())
    return buffer.getvalue()


JPEG = jpeg()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_agent_zip(tmp_path_factory.mktemp("zip") / "agent.zip")


@dataclass
class Recorder:
    """A transport that passes everything on to another one, and remembers what it passed."""

    inner: LocalTransport | SshTransport
    pushed: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.inner.name

    def run(self, command: Sequence[str], *, timeout_s: float) -> Output:
        return self.inner.run(command, timeout_s=timeout_s)

    def stream(self, command: Sequence[str], *, timeout_s: float) -> Stream:
        return self.inner.stream(command, timeout_s=timeout_s)

    def push(self, local: Path, remote: str) -> None:
        self.pushed.append(remote.rpartition("/")[2])
        self.inner.push(local, remote)

    def pull(self, remote: str, local: Path) -> None:
        self.inner.pull(remote, local)

    def close(self) -> None:
        self.inner.close()


@pytest.fixture(params=["local", "board"])
def device(request: pytest.FixtureRequest, tmp_path: Path, archive: Path) -> Iterator[Agent]:
    """The real agent, called on this machine, and over SSH on a virtual board."""
    if request.param == "local":
        yield Agent(Recorder(LocalTransport("here")), archive, python=sys.executable, folder=str(tmp_path / "there"))
        return
    shots = {".jpg": JPEG, ".dng": b"raw"}
    board = VirtualBoard(tmp_path / "board", lambda: shots, authorised_keys=[make_key(tmp_path / "key")])
    with serving([board]) as [port]:
        (tmp_path / "known_hosts").write_text(board.known_hosts_line)
        ssh = SshTransport(
            "127.0.0.1", port, user="pi", key=tmp_path / "key", known_hosts=tmp_path / "known_hosts", name="board"
        )
        with contextlib.closing(ssh):
            yield Agent(Recorder(ssh), archive)


def test_the_zip_has_the_same_bytes_each_time_and_runs_alone(tmp_path: Path, archive: Path) -> None:
    again = build_agent_zip(tmp_path / "deep" / "again.zip")
    assert again.read_bytes() == archive.read_bytes()
    names = zipfile.ZipFile(archive).namelist()
    assert "__main__.py" in names
    assert "device_agents/tasks/classification.py" in names
    assert not [name for name in names if "__pycache__" in name or ".." in name]
    done = subprocess.run([sys.executable, "-I", str(again), "info"], cwd=tmp_path, capture_output=True, check=True)
    assert json.loads(done.stdout)["schema"] == 2
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["again.zip"]


def test_it_is_sent_only_where_it_is_not(device: Agent) -> None:
    assert device.install() is True
    assert device.install() is False
    device.transport.push(Path(__file__), f"{device.folder}/agent.zip")
    assert device.install() is True


def test_info_comes_from_the_device(device: Agent) -> None:
    device.install()
    info = device.info()
    assert info["python"] == ".".join(map(str, sys.version_info[:3]))
    assert device.runtime_version("litert") == info["runtimes"]["litert"]
    with pytest.raises(DeviceError, match=r"expected the runtime 'none' on the device, got .*litert"):
        device.runtime_version("none")


def test_predictions_on_the_device_equal_those_on_the_host(device: Agent, tmp_path: Path) -> None:
    device.install()
    job = make_job(tmp_path)
    there, here = timeless(list(device.predict(job))), timeless(list(predict(job)))
    assert there == here
    assert len(there) == 10
    assert sum(bool(one.error) for one in there) == 2
    assert there[0].labels[0].startswith("n0000")


def test_files_are_sent_once_and_old_ones_make_room(
    device: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.install()
    transport = device.transport
    assert isinstance(transport, Recorder)
    job = make_job(tmp_path)
    list(device.predict(job))
    first, transport.pushed = transport.pushed, []
    assert len(first) == 2 + 6  # the zip, the job; the model, three pictures, the copy with its suffix, the broken one
    list(device.predict(job))
    assert len(transport.pushed) == 1  # the job
    monkeypatch.setattr(agents, "KEPT_FILES", 6)
    list(device.predict(dataclasses.replace(job, pictures=job.pictures[:1])))
    left = transport.run(["ls", "-1", f"{device.folder}/files"], timeout_s=LIMIT_S).text.split()
    assert len(left) == 2
    assert not [name for name in transport.run(["ls", device.folder], timeout_s=LIMIT_S).text.split() if "json" in name]


def test_what_the_agent_says_when_it_fails_is_told(device: Agent, tmp_path: Path) -> None:
    device.install()
    job = make_job(tmp_path)
    wrong = dataclasses.replace(job.environments[0], resizer="nosuch")
    with pytest.raises(
        CommandFailed, match="the agent's predict ended with exit code 2: error: unknown resizer 'nosuch'"
    ):
        list(device.predict(dataclasses.replace(job, environments=(wrong,))))
    with pytest.raises(BadInput, match="cannot read"):
        list(device.predict(dataclasses.replace(job, model=str(tmp_path / "none.tflite"))))


@pytest.mark.parametrize("device", ["board"], indirect=True)
def test_the_shutter_shoots_and_leaves_nothing(device: Agent, tmp_path: Path) -> None:
    device.install()
    shutter = AgentShutter(device, camera="rpicam", arguments=["--raw"])
    shutter.prepare()
    files = [shutter.shoot(timeout_s=LIMIT_S), shutter.shoot(timeout_s=LIMIT_S)]
    assert [[file.path.rpartition("/")[2] for file in shot] for shot in files] == [
        ["shot00.jpg", "shot00.dng"],
        ["shot01.jpg", "shot01.dng"],
    ]
    assert [file.size for file in files[0]] == [len(JPEG), 3]
    assert [file.settings for file in files[0]] == [(("exposure_s", 0.01), ("iso", 100.0))] * 2
    device.transport.pull(files[1][0].path, tmp_path / "shot.jpg")
    assert (tmp_path / "shot.jpg").read_bytes() == JPEG
    shutter.release()
    assert "shots" not in device.transport.run(["ls", device.folder], timeout_s=LIMIT_S).text
    with pytest.raises(DeviceError, match="expected the camera 'gphoto2' on the device, got"):
        AgentShutter(device, camera="gphoto2").prepare()


class Answering:
    """A device whose agent gives this output to each of its commands, and that has every file."""

    name = "fake"

    def __init__(self, output: Output) -> None:
        self.output = output

    def run(self, command: Sequence[str], *, timeout_s: float) -> Output:
        assert timeout_s > 0
        return self.output if command[0] == "python3" else Output(b"", b"", 0)

    def stream(self, command: Sequence[str], *, timeout_s: float) -> Stream:
        assert timeout_s > 0
        assert command[0] == "python3"
        yield self.output.stdout
        return dataclasses.replace(self.output, stdout=b"")

    def push(self, local: Path, remote: str) -> None:
        assert local.is_file()

    def pull(self, remote: str, local: Path) -> None:
        raise AssertionError(f"expected no pull, got {remote}")

    def close(self) -> None:
        raise AssertionError("expected no close")


def answered(archive: Path, job: Job, stdout: str, stderr: bytes = b"", exit_code: int = 0) -> Iterator[Prediction]:
    return Agent(Answering(Output(stdout.encode(), stderr, exit_code)), archive).predict(job)


def test_noise_between_the_lines_is_passed_over(tmp_path: Path, archive: Path) -> None:
    job = make_job(tmp_path, pictures=1)
    expected = list(predict(job))
    noise = ["INFO: Created TensorFlow Lite XNNPACK delegate.", "", "{not json", "[1, 2]", "12"]
    lines = [line for one, noisy in zip(map(to_line, expected), noise, strict=False) for line in (noisy, one)]
    lines += list(map(to_line, expected[len(noise) :]))
    assert list(answered(archive, job, "\n".join(lines))) == expected


def test_an_agent_that_dies_is_told_after_what_it_had_done(tmp_path: Path, archive: Path) -> None:
    job = make_job(tmp_path, pictures=1)
    expected = list(predict(job))
    stdout = to_line(expected[0]) + "\n" + to_line(expected[1])[:40]
    stderr = b"\n".join(b"line %d" % number for number in range(20)) + b"\nKilled\n"
    got: list[Prediction] = []
    with pytest.raises(CommandFailed, match=r"exit code 137: line 16 \| line 17 \| line 18 \| line 19 \| Killed$"):
        got.extend(answered(archive, job, stdout, stderr, 137))
    with pytest.raises(DeviceError, match="left out 5 predictions"):
        got.extend(answered(archive, job, stdout))


class Breaking(Answering):
    """A device whose connection breaks in the middle of an answer."""

    def stream(self, command: Sequence[str], *, timeout_s: float) -> Stream:
        for place in range(0, len(self.output.stdout), 50):
            yield self.output.stdout[place : place + 50]
        raise Unreachable("fake: the connection broke")


def test_what_was_whole_before_the_connection_broke_is_kept(tmp_path: Path, archive: Path) -> None:
    job = make_job(tmp_path, pictures=1)
    expected = list(predict(job))
    whole = "".join(f"{to_line(one)}\n" for one in expected[:2])
    # The third line is whole but for its end: nobody knows whether it was to go on.
    device = Breaking(Output((whole + to_line(expected[2])).encode(), b"", 0))
    got: list[Prediction] = []
    with pytest.raises(Unreachable, match="broke"):
        got.extend(Agent(device, archive).predict(job))
    assert got == expected[:2]


def test_another_version_of_the_agent_is_noticed(tmp_path: Path, archive: Path) -> None:
    with pytest.raises(CommandFailed, match="unknown keys"):
        list(answered(archive, make_job(tmp_path), '{"picture": "x", "environment": "y", "colour": "z"}\n'))


@pytest.mark.parametrize(
    "line",
    [
        {"path": "/etc/passwd", "size": 3},
        {"path": "shot01.jpg", "size": 3},
        {"path": "x/..", "size": 3},
        {"path": "shot00.jpg", "size": "3"},
        {"size": 3},
    ],
)
def test_a_shot_that_points_elsewhere_is_refused(archive: Path, line: dict[str, object]) -> None:
    shutter = AgentShutter(Agent(Answering(Output(json.dumps(line).encode(), b"", 0)), archive))
    with pytest.raises(DeviceError, match="expected the path and size"):
        shutter.shoot(timeout_s=1.0)


def test_only_the_name_of_a_shot_is_taken(archive: Path) -> None:
    output = Output(b'{"path": "/somewhere/else/shot00.jpg", "size": 3}\n', b"", 0)
    shutter = AgentShutter(Agent(Answering(output), archive))
    [file] = shutter.shoot(timeout_s=1.0)
    assert isinstance(file, RemoteFile)
    assert file.path.startswith("instability-agent/shots-")
    with pytest.raises(DeviceError, match="got no file"):
        AgentShutter(Agent(Answering(Output(b"", b"", 0)), archive)).shoot(timeout_s=1.0)
    with pytest.raises(CommandFailed, match="fake: the agent's shoot ended with exit code 127: python3: not found"):
        AgentShutter(Agent(Answering(Output(b"", b"python3: not found\n", 127)), archive)).shoot(timeout_s=1.0)


def test_a_transfer_that_arrives_wrong_is_noticed(archive: Path) -> None:
    with pytest.raises(
        DeviceError, match=r"expected instability-agent/agent.zip of sha256 .* after sending it, got ''"
    ):
        Agent(Answering(Output(b"", b"", 0)), archive).install()


@pytest.mark.parametrize("device", ["board"], indirect=True)
def test_answers_come_while_the_agent_works(device: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent waits, before its last picture, for a file that is written once its first answer was seen here."""
    device.install()
    job = make_job(tmp_path)
    wait = tmp_path / "wait"
    os.mkfifo(wait)
    slow = dataclasses.replace(job, pictures=(job.pictures[0], dataclasses.replace(job.pictures[1], file=str(wait))))
    names = {job.model: "m.tflite", job.pictures[0].file: "one", str(wait): "two"}
    monkeypatch.setattr(agents, "_names_on_device", lambda asked: names)
    monkeypatch.setattr(Agent, "_send_files", lambda self, files: None)
    monkeypatch.setattr(agents, "_on_device", lambda asked, given: dataclasses.replace(asked, labels=None))
    answers = device.predict(slow)
    first = next(answers)
    assert first.picture == "picture 0"
    wait.write_bytes(Path(job.pictures[1].file).read_bytes())
    assert [one.picture for one in answers] == ["picture 0", "picture 1", "picture 1"]


def test_settings_of_a_shot_are_numbers_or_nothing(archive: Path) -> None:
    said = {"path": "shot00.jpg", "size": 3, "settings": {"exposure_s": 0.5, "iso": "x", "other": 1}}
    shutter = AgentShutter(Agent(Answering(Output(json.dumps(said).encode(), b"", 0)), archive))
    assert shutter.shoot(timeout_s=1.0)[0].settings == (("exposure_s", 0.5),)
