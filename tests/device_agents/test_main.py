from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import device_agents
from device_agents.__main__ import main
from device_agents.machine import Machine
from device_agents.predict import Job, JobPicture, default_environment, write_job
from device_agents.records import Prediction, from_line
from tests.device_agents.tiny_models import png, tiny_sidecar, write_onnx


@pytest.fixture
def agent_zip(tmp_path: Path) -> Path:
    package = Path(device_agents.__file__).parent
    path = tmp_path / "agent.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("__main__.py", "from device_agents.__main__ import main\nraise SystemExit(main())\n")
        for file in package.rglob("*.py"):
            archive.write(file, file.relative_to(package.parent))
    return path


def job_file(folder: Path) -> Path:
    model = write_onnx(folder / "tiny.onnx")
    (folder / "a.png").write_bytes(png(np.arange(12).reshape(2, 2, 3)))
    sidecar = tiny_sidecar()
    pictures = (JobPicture("a", "a.png"), JobPicture("b", "b.png"))
    write_job(folder / "job.json", Job(str(model), sidecar, pictures, (default_environment(sidecar, model),)))
    return folder / "job.json"


def test_the_zip_runs_alone(agent_zip: Path, tmp_path: Path) -> None:
    def agent(*words: str) -> subprocess.CompletedProcess[str]:
        # -I: neither the working folder nor the environment may lend the package.
        command = [sys.executable, "-I", str(agent_zip), *words]
        return subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=120, check=False)

    done = agent("info")
    assert (done.returncode, done.stderr) == (0, "")
    assert from_line(Machine, done.stdout).cores >= 1

    done = agent("predict", str(job_file(tmp_path)))
    assert (done.returncode, done.stderr) == (0, "")
    good, absent = (from_line(Prediction, line) for line in done.stdout.splitlines())
    assert good.labels == ("11", "10", "9", "8", "7")
    assert absent.error.startswith("read: FileNotFoundError")


def test_info_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["libraries"]["numpy"] == np.__version__


def test_shoot_tells_each_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "scene.png").write_bytes(b"picture")
    words = ["shoot", "--camera", "replay", "--folder", str(tmp_path / "shots"), "--stem", "0007"]
    assert main([*words, "--", str(tmp_path / "scene.png")]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    shot = json.loads(line)
    assert shot["path"] == str(tmp_path / "shots" / "0007.png")
    assert shot["size"] == 7
    # printf picture | sha256sum
    assert shot["sha256"] == "2cea274d0bedc39ec4ab6ba9e59ec889e3ed6fb56a1cf088a64d9b383378dc97"
    assert shot["duration_s"] >= 0
    assert shot["utc"].endswith("+00:00")


def test_words_for_the_camera_may_start_with_dashes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["shoot", "--camera", "replay", "--folder", str(tmp_path), "--stem", "1", "--", "--raw", "-d"]
    assert main(words) == 2
    assert "camera 'replay' needs files of different suffixes, got --raw, -d" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["predict", "none.json"], 2, "error: cannot read the job none.json"),
        (["shoot", "--camera", "kodak", "--folder", "x", "--stem", "1"], 2, "error: unknown camera 'kodak'; known: "),
        (["shoot", "--camera", "replay", "--folder", "/dev/null", "--stem", "1", "--", "x"], 3, "error: cannot write"),
    ],
)
def test_failures_are_one_line_and_an_exit_code(
    words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(message)
    assert captured.err.count("\n") == 1


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help"], ["info", "--help"], ["shoot", "--help"], ["predict", "--help"]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0
        assert "usage: agent" in capsys.readouterr().out
