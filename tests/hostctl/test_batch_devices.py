"""Which devices a batch is asked for, and a worker that keeps to its time."""

from pathlib import Path

import pytest

from device_agents.errors import BadInput, CommandFailed, DeviceError, Unreachable
from device_agents.predict import Job, JobPicture
from hostctl.agent import Agent
from hostctl.batch_devices import AgentWorker, Group, parse_devices, shared_among
from hostctl.lab import parse_lab
from hostctl.transport import Output
from tests.device_agents.tiny_models import tiny_sidecar
from tests.fakes.scripted_transport import ScriptedTransport

BOARD = {"kind": "local", "camera": "replay", "predicts": "agent"}


@pytest.fixture
def lab(tmp_path):
    devices = [{"name": name, **BOARD} for name in ("a", "b", "c")]
    return parse_lab({"device": [*devices, {**BOARD, "name": "host", "predicts": "host"}]}, folder=tmp_path)


def test_devices_are_counted_named_or_joined(lab):
    assert parse_devices("any:2", lab) == [Group("any:2", ("a", "b", "c"), 2)]
    assert parse_devices("b, each:2", lab) == [Group("b", ("b",), 1), Group("each:2", ("a", "c"), 2, each=True)]
    assert parse_devices("c+a,any:1", lab) == [Group("c+a", ("c", "a"), 2), Group("any:1", ("b",), 1)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected each device once"),
        ("a,a", "expected each device once"),
        ("a+b,b", "expected each device once"),
        ("any:1,each:1", "any:N or each:N at most once"),
        ("any:4", "expected 1 to 3"),
        ("any:0", "expected 1 to 3"),
        ("a,b,c,any:1", "expected 1 to 0"),
        ("host", 'expected predicts = "agent", got predicts = "host"'),
        ("aa", "unknown device of the lab 'aa'"),
        ("any:x", "unknown device of the lab 'any:x'"),
    ],
)
def test_what_is_wrong_with_the_devices_is_said(lab, text, message):
    with pytest.raises(BadInput, match=message):
        parse_devices(text, lab)


def test_who_shares_what(lab):
    groups = parse_devices("b,each:2", lab)
    assert shared_among(groups, [["b"], ["a", "c"]]) == {"b": ["b"], "a": ["a"], "c": ["c"]}
    assert shared_among(parse_devices("any:2", lab), [["a", "c"]]) == {"any:2": ["a", "c"]}


class Timed(ScriptedTransport):
    """Remembers how long each command was given."""

    def run(self, command, *, timeout_s):
        self.given = [*getattr(self, "given", []), (command[0], timeout_s)]
        return super().run(command, timeout_s=timeout_s)


def worker_on(transport, clock):
    return AgentWorker(Agent(transport, Path("agent.zip")), clock=clock)


@pytest.fixture
def job(tmp_path, monkeypatch):
    (tmp_path / "m.tflite").write_bytes(b"model")
    (tmp_path / "p.png").write_bytes(b"picture")
    monkeypatch.setattr("secrets.token_hex", lambda count: "job")
    return Job(str(tmp_path / "m.tflite"), tiny_sidecar(), (JobPicture("p", str(tmp_path / "p.png")),), ())


def names_of(job):
    from hostctl.agent import _names_on_device

    return _names_on_device(job).values()


def test_commands_get_the_time_that_is_left_and_tidying_a_little_more(job):
    there = "\n".join(names_of(job))
    script = [("ls -1 instability-agent/files", there), ("push instability-agent/job.json", "")]
    script += [("python3 instability-agent/agent.zip predict instability-agent/job.json", "")]
    script += [("rm -f instability-agent/job.json", "")]
    times = iter([0.0, 2.0, 9.0, 12.0])
    with Timed(script) as transport:
        assert list(worker_on(transport, lambda: next(times)).predict(job, limit_s=10.0)) == []
    assert transport.given == [("ls", 8.0), ("python3", 1.0), ("rm", 5.0)]


def test_a_file_that_cannot_be_sent_is_not_the_agents_failure(job):
    script = [("ls -1 instability-agent/files", "")]
    script += [(f"push instability-agent/files/{next(iter(names_of(job)))}", CommandFailed("fake: no space left"))]
    with Timed(script) as transport, pytest.raises(DeviceError, match="no space left") as caught:
        list(worker_on(transport, lambda: 0.0).predict(job, limit_s=0))
    assert not isinstance(caught.value, CommandFailed)


def test_a_device_is_alive_if_it_runs_a_command():
    script = [("ls -1 instability-agent", Output(b"", b"no such folder", 2))]
    script += [("ls -1 instability-agent", Unreachable("gone"))]
    with ScriptedTransport(script) as transport:
        worker = worker_on(transport, lambda: 0.0)
        assert worker.alive()
        assert not worker.alive()
