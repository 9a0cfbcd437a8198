"""The agent from the host's side: build its zip, put it on a device, call it, and bring its lines and pictures home."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import secrets
import tempfile
import zipfile
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import device_agents
from capture.raw import RAW_SUFFIXES
from device_agents.errors import CommandFailed, DeviceError
from device_agents.hashing import hash_file
from device_agents.predict import Job, write_job
from device_agents.records import Prediction
from device_agents.sidecar import read_labels
from hostctl.agents.checks import MOST_FILES, checked_answer, checked_machine, checked_shot
from hostctl.browsers.checks import Asked
from hostctl.labs.shutter import RemoteFile
from hostctl.transport import Output, Transport
from hostctl.transports.lines import lines_of

Lines = Generator[bytes, None, Output]
FOLDER = "instability-agent"  # under the home folder of the user on the device
MAIN = '"""Start the agent."""\nfrom device_agents.__main__ import main\n\nraise SystemExit(main())\n'
# The oldest time that a zip can hold: the same sources give the same bytes on every machine and day.
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
COMMAND_TIMEOUT_S = 60.0
START_TIMEOUT_S, PREDICTION_TIMEOUT_S = 120.0, 10.0
KEPT_FILES = 256  # of models and pictures on a device, so that a long study does not fill its card
KEPT_SHOTS = 64
SETTINGS = ("exposure_s", "f_number", "iso")
MOST_SETTING = 1e7
ERROR_LINES = 5


class Named(Transport, Protocol):
    """A transport that knows its device's name."""

    @property
    def name(self) -> str:
        """The device's name, for messages."""
        ...


def build_agent_zip(path: Path) -> Path:
    """Write the device agent as one zip for `python agent.zip`, and give its path; same sources, same bytes."""
    package = Path(device_agents.__file__).parent
    left_out = {"__pycache__", "web"}  # the page is the browsers' own agent
    sources = sorted(
        file for file in package.rglob("*") if file.is_file() and not left_out & set(file.relative_to(package).parts)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("__main__.py", ZIP_TIME), MAIN)
        for file in sources:
            name = PurePosixPath("device_agents", *file.relative_to(package).parts)
            archive.writestr(zipfile.ZipInfo(str(name), ZIP_TIME), file.read_bytes())
    os.replace(part, path)
    return path


class Agent:
    """The agent on one device, called over its transport; ``folder`` is its own on the device, from the home folder."""

    def __init__(self, transport: Named, zip_file: Path, *, python: str = "python3", folder: str = "") -> None:
        """Name the agent; nothing is sent before install."""
        self.transport, self.folder = transport, folder or FOLDER
        self._zip, self._python = zip_file, python
        self._remote_zip = f"{self.folder}/agent.zip"

    @property
    def name(self) -> str:
        """The device's name."""
        return self.transport.name

    def install(self) -> bool:
        """Put the agent's zip on the device if another one, or none, is there; says whether it was sent."""
        wanted = hash_file(self._zip)
        if self._remote_sha256(self._remote_zip) == wanted:
            return False
        self.transport.push(self._zip, self._remote_zip)
        got = self._remote_sha256(self._remote_zip)
        if got != wanted:
            raise DeviceError(
                f"{self.name}: expected {self._remote_zip} of sha256 {wanted} after sending it, got '{got}'"
            )
        return True

    def info(self) -> dict[str, Any]:
        """What the device says of itself: the fields of device_agents.machine.Machine, and what agent that was."""
        found = list(_objects(self.call(["info"], timeout_s=COMMAND_TIMEOUT_S).text))
        if len(found) != 1:
            raise DeviceError(f"{self.name}: expected one line of info from the agent, got {len(found)}")
        return {
            **checked_machine(found[0], name=self.name),
            "agent_sha256": hash_file(self._zip),
            "agent_python": self._python,
        }

    def runtime_version(self, runtime: str) -> str:
        """The version of a runtime on the device; raises DeviceError listing those there are if it has it not."""
        known = self.info()["runtimes"]
        if runtime not in known:
            there = ", ".join(f"{name} {version}" for name, version in sorted(known.items())) or "none"
            raise DeviceError(
                f"{self.name}: expected the runtime '{runtime}' on the device, got {there}; install it there"
            )
        return str(known[runtime])

    def call(self, words: Sequence[str], *, timeout_s: float) -> Output:
        """Run one of the agent's commands; raises CommandFailed with the agent's own words if it ends badly."""
        lines: list[bytes] = []
        output = _gathered(self._lines(words, timeout_s=timeout_s), lines)
        if output.exit_code:
            raise CommandFailed(self._ended(words[0], output))
        return Output(b"\n".join(lines), output.stderr, output.exit_code)

    def predict(self, job: Job) -> Iterator[Prediction]:
        """Predict a job of this machine's files on the device: sends what is not there, gives each answer as it comes.

        Lines that are no predictions (a library's greeting) are passed over. Raises CommandFailed with the last lines
        of its standard error if the agent dies, or if it answers twice or what was not asked, after the predictions
        that it had made; DeviceError if it leaves some out; BadInput if a file of the job cannot be read here.
        """
        names = _names_on_device(job)
        self._send_files({name: Path(path) for path, name in names.items()})
        remote_job = self._send_job(_on_device(job, names))
        asked = Asked.of(job, _labels(job))
        left = set(asked.cells)
        lines = self._lines(["predict", remote_job], timeout_s=START_TIMEOUT_S + PREDICTION_TIMEOUT_S * len(left))
        try:
            output = yield from _answers(lines, asked, left, name=self.name)
        finally:
            lines.close()
            self.transport.run(["rm", "-f", remote_job], timeout_s=COMMAND_TIMEOUT_S)
        if output.exit_code:
            raise CommandFailed(self._ended("predict", output))
        if left:
            raise DeviceError(f"{self.name}: the agent left out {len(left)} predictions, such as {min(left)}")

    def _lines(self, words: Sequence[str], *, timeout_s: float) -> Lines:
        """Run one of the agent's commands; the lines of its output as they come."""
        stream = self.transport.stream([self._python, self._remote_zip, *words], timeout_s=timeout_s)
        return lines_of(stream, name=self.name)

    def _ended(self, command: str, output: Output) -> str:
        lines = output.stderr.decode("utf-8", "replace").strip().splitlines()[-ERROR_LINES:]
        words = " | ".join(lines) or "no message"
        return f"{self.name}: the agent's {command} ended with exit code {output.exit_code}: {words}"

    def _remote_sha256(self, remote: str) -> str:
        output = self.transport.run(["sha256sum", remote], timeout_s=COMMAND_TIMEOUT_S)
        return output.text.split(maxsplit=1)[0].lstrip("\\") if output.exit_code == 0 and output.text.strip() else ""

    def _send_job(self, job: Job) -> str:
        name = f"{secrets.token_hex(8)}.json"
        with tempfile.TemporaryDirectory(prefix="instability-job-") as folder:
            write_job(Path(folder) / name, job)
            self.transport.push(Path(folder) / name, f"{self.folder}/{name}")
        return f"{self.folder}/{name}"

    def _send_files(self, files: dict[str, Path]) -> None:
        """Send files that are not on the device, by their names, which are their hashes; make room first."""
        there = self.transport.run(["ls", "-1", f"{self.folder}/files"], timeout_s=COMMAND_TIMEOUT_S).text.split()
        unneeded = sorted(set(there) - set(files))
        if len(there) + len(files) > KEPT_FILES and unneeded:
            paths = [f"{self.folder}/files/{name}" for name in unneeded]
            self.transport.run(["rm", "-f", *paths], timeout_s=COMMAND_TIMEOUT_S)
        for name, path in files.items():
            if name not in there:
                self.transport.push(path, f"{self.folder}/files/{name}")


class AgentShutter:
    """A Shutter that asks the agent to shoot with one of its CAMERAS; ``arguments`` go to the camera's program."""

    def __init__(self, agent: Agent, *, camera: str = "rpicam", arguments: Sequence[str] = ()) -> None:
        """Name the camera: a key of device_agents.camera.CAMERAS."""
        self._agent, self._camera, self._arguments = agent, camera or "rpicam", list(arguments)
        self._folder = f"{agent.folder}/shots-{secrets.token_hex(4)}"
        self._count = itertools.count()

    def prepare(self) -> None:
        """Check that the device has the camera's program; raises DeviceError naming the cameras that it has."""
        there = self._agent.info()["cameras"]
        if self._camera not in there:
            raise DeviceError(f"{self._agent.name}: expected the camera '{self._camera}' on the device, got {there}")

    def shoot(self, *, timeout_s: float) -> list[RemoteFile]:
        """Take one photograph; its files stay on the device until KEPT_SHOTS later ones were taken, or release."""
        stem = f"shot{next(self._count) % KEPT_SHOTS:02d}"
        words = ["shoot", "--camera", self._camera, "--folder", self._folder, "--stem", stem]
        words += ["--timeout-s", f"{timeout_s:g}", "--", *self._arguments]
        # The agent gives up by itself and says why; the transport waits a little longer, so as to hear it.
        output = self._agent.call(words, timeout_s=timeout_s + COMMAND_TIMEOUT_S)
        files = [self._file(values, stem) for values in _objects(output.text)]
        if not 1 <= len(files) <= MOST_FILES:
            got = f"{len(files)} files" if files else "no file"
            raise DeviceError(f"{self._agent.name}: expected a photograph from the agent, got {got}")
        if len({file.path.lower() for file in files}) < len(files):
            raise DeviceError(
                f"{self._agent.name}: expected files of different kinds, got {[one.path for one in files]}"
            )
        return sorted(files, key=lambda file: (PurePosixPath(file.path).suffix in RAW_SUFFIXES, file.path))

    def release(self) -> None:
        """Remove the photographs that are still on the device."""
        self._agent.transport.run(["rm", "-rf", self._folder], timeout_s=COMMAND_TIMEOUT_S)

    def _file(self, values: dict[str, Any], stem: str) -> RemoteFile:
        """A file that the agent wrote; only its name is taken, so no device can point to a place outside its folder."""
        name, size = checked_shot(values, stem=stem, device=self._agent.name)
        return RemoteFile(f"{self._folder}/{name}", size, _settings(values.get("settings")))


def _settings(found: Any) -> tuple[tuple[str, float], ...]:
    """The camera's settings among what an agent says: those that are known, and are numbers."""
    if not isinstance(found, dict):
        return ()
    told = ((name, found.get(name)) for name in SETTINGS)
    return tuple((name, float(one)) for name, one in told if isinstance(one, (int, float)) and 0 < one < MOST_SETTING)


def _names_on_device(job: Job) -> dict[str, str]:
    """For each file of a job its name on the device: its hash and its suffix, by which a runtime is chosen."""
    paths = {job.model, *(one.file for one in job.pictures)}
    return {path: f"{hash_file(Path(path))}{Path(path).suffix}" for path in sorted(paths)}


def _on_device(job: Job, names: dict[str, str]) -> Job:
    """The same job with the device's paths, relative to the agent's folder, and with its labels inside."""
    labels = _labels(job)
    pictures = tuple(dataclasses.replace(one, file=f"files/{names[one.file]}") for one in job.pictures)
    return dataclasses.replace(job, model=f"files/{names[job.model]}", pictures=pictures, labels=labels)


def _labels(job: Job) -> tuple[str, ...] | None:
    if job.labels is None and job.sidecar.labels:
        return read_labels(Path(job.model).parent / job.sidecar.labels)
    return job.labels


def _answers(
    lines: Lines, asked: Asked, left: set[tuple[str, str]], *, name: str
) -> Generator[Prediction, None, Output]:
    """The predictions among the lines as they come, each of them taken off ``left``; then the command's Output."""
    while True:
        try:
            values = _object(next(lines))
        except StopIteration as end:
            output: Output = end.value
            return output
        if values is None:
            continue
        prediction = checked_answer(values, asked, name=name)
        answered = (prediction.picture, prediction.environment)
        if answered not in left:
            # The agent lies, the connection does not: a batch charges it to the agent, and does not ask again.
            raise CommandFailed(f"{name}: expected one answer to each question, got another for {answered}")
        left.remove(answered)
        yield prediction


def _gathered(lines: Lines, into: list[bytes]) -> Output:
    while True:
        try:
            into.append(next(lines))
        except StopIteration as end:
            output: Output = end.value
            return output


def _objects(text: str) -> list[dict[str, Any]]:
    found = (_object(line.encode()) for line in text.splitlines())
    return [values for values in found if values is not None]


def _object(line: bytes) -> dict[str, Any] | None:
    """The JSON object in a line; None for what else is there, such as a greeting of a library."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):  # no JSON, a number of thousands of digits, brackets without end
        return None  # a result cut short counts as left out, which its reader notices
    return values if isinstance(values, dict) else None
