"""The Python agent as a Predictor: it keeps to its time, and says of the host's environment what it is there."""

from dataclasses import replace
from pathlib import Path

import pytest

from device_agents.errors import CommandFailed, DeviceError, Unreachable
from device_agents.predict import Job, JobPicture
from device_agents.records import Environment
from hostctl.agent import Agent
from hostctl.agents.predictor import AgentPredictor
from hostctl.transport import Output
from tests.device_agents.tiny_models import tiny_sidecar
from tests.fakes.scripted_transport import ScriptedTransport

HOSTS = Environment("m", "0" * 64, "pillow", "whole", "rgb", "squash", "pillow-bilinear", "imagenet", "litert")


class Timed(ScriptedTransport):
    """Remembers how long each command was given."""

    def run(self, command, *, timeout_s):
        self.given = [*getattr(self, "given", []), (command[0], timeout_s)]
        return super().run(command, timeout_s=timeout_s)


def predictor_on(transport, clock):
    return AgentPredictor(Agent(transport, Path("agent.zip")), clock=clock)


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
        assert list(predictor_on(transport, lambda: next(times)).predict(job, limit_s=10.0)) == []
    assert transport.given == [("ls", 8.0), ("python3", 1.0), ("rm", 5.0)]


def test_a_file_that_cannot_be_sent_is_not_the_agents_failure(job):
    script = [("ls -1 instability-agent/files", "")]
    script += [(f"push instability-agent/files/{next(iter(names_of(job)))}", CommandFailed("fake: no space left"))]
    with Timed(script) as transport, pytest.raises(DeviceError, match="no space left") as caught:
        list(predictor_on(transport, lambda: 0.0).predict(job, limit_s=0))
    assert not isinstance(caught.value, CommandFailed)


def test_a_device_is_alive_if_it_runs_a_command():
    script = [("ls -1 instability-agent", Output(b"", b"no such folder", 2))]
    script += [("ls -1 instability-agent", Unreachable("gone"))]
    with ScriptedTransport(script) as transport:
        predictor = predictor_on(transport, lambda: 0.0)
        assert predictor.alive()
        assert not predictor.alive()


def test_the_hosts_environment_is_the_devices_with_its_runtimes_version(tmp_path):
    (tmp_path / "agent.zip").write_bytes(b"the agent")
    info = '{"runtimes": {"litert": "2.1"}, "cameras": []}'
    asked = "python3 instability-agent/agent.zip info"
    with ScriptedTransport([(asked, info), (asked, info)]) as transport:
        predictor = AgentPredictor(Agent(transport, tmp_path / "agent.zip"))
        asked = replace(HOSTS, runtime_version="9.9", machine="host")
        assert predictor.own(asked) == replace(asked, runtime_version="2.1", machine="fake")
        with pytest.raises(DeviceError, match="expected the runtime 'onnxruntime' on the device, got litert 2.1"):
            predictor.own(replace(HOSTS, runtime="onnxruntime"))
