"""A grid on the virtual board, through SSH and the real zipped agent, against the same grid on this host."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from analysis.measures.cells import count_stages, first_difference
from analysis.store import Run
from device_agents.predict import Job, JobPicture, default_environment, write_job
from device_agents.records import Picture
from hostctl.agent import MAIN, Agent, build_agent_zip
from hostctl.grid import Assignment, predict_run
from hostctl.predictions.comparing import failures
from hostctl.ssh import SshTransport
from hostctl.virtual.board import VirtualBoard, make_key
from hostctl.virtual.hosting import serving
from stability_train.zoo import photographs, resolve_model

DECODERS = ("pillow", "opencv", "jpeg-fast-dct", "jpeg-plain-upsampling", "libjpeg-9f", "ffmpeg")
RESIZERS = ("pillow-bilinear", "opencv-area", "half-pixel-bilinear")
COLOURS = ("rgb", "bt601-nv12-nearest")
BOARD = "board"
LACKING = {"dali": "decoder 'dali' needs NVIDIA DALI", "opencv": "decoder 'opencv' needs opencv-python-headless"}

Start = Callable[[str], Agent]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a board with the real agent, whose main program does some words first: what makes this board another."""
    board = VirtualBoard(tmp_path / "board", lambda: {}, authorised_keys=[make_key(tmp_path / "key")])
    with contextlib.ExitStack() as stack:
        [port] = stack.enter_context(serving([board]))
        (tmp_path / "known_hosts").write_text(board.known_hosts_line)

        def started(first: str) -> Agent:
            ssh = SshTransport(
                "127.0.0.1", port, user="pi", key=tmp_path / "key", known_hosts=tmp_path / "known_hosts", name=BOARD
            )
            stack.enter_context(contextlib.closing(ssh))
            agent = Agent(ssh, with_main(build_agent_zip(tmp_path / "agent.zip"), first))
            agent.install()
            return agent

        yield started


def with_main(archive: Path, first: str) -> Path:
    """Write the agent's zip with other words before its main program's."""
    if not first:
        return archive
    changed = archive.with_name("changed.zip")
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            if name != "__main__.py":
                target.writestr(name, source.read(name))
        target.writestr("__main__.py", f"{first}\n{MAIN}")
    return changed


def both(
    folder: Path, agent: Agent, count: int, varied: list[dict[str, str]], spoil: Callable[[Run], None] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predict the first packaged photographs on the host and on the board; give the two tables."""
    model, sidecar = resolve_model("mobilenet-v2")
    base = default_environment(sidecar, model)
    base = replace(base, runtime_version=agent.runtime_version(base.runtime))
    host = [replace(base, **one) for one in varied]
    device = [replace(one, machine=BOARD) for one in host]
    scenes = list(photographs().scenes[:count])
    with Run.create(folder / "run", settings={}, scenes=scenes) as run:
        for scene in scenes:
            data = Path(scene.file).read_bytes()
            run.add_picture(
                Picture(scene.scene, scene.sha256, ".jpg", len(data), 0, 0, scene.scene), {scene.sha256: data}
            )
        if spoil is not None:
            predict_run(run, model, sidecar, [Assignment(tuple(device[:1]), (), agent)], workers=1, progress=silent)
            spoil(run)
            device = device[1:]
        assignments = [Assignment(tuple(host)), Assignment(tuple(device), (), agent)]
        assert predict_run(run, model, sidecar, assignments, workers=1, progress=silent) == []
        table = run.predictions()
    here, there = (table[table["machine"] == name].reset_index(drop=True) for name in ("host", BOARD))
    assert len(there) == len(here) == count * len(varied)
    return here, there


def silent(done: int, total: int, note: str) -> None:
    pass


@pytest.mark.slow
def test_a_grid_on_the_board_equals_the_hosts_cell_by_cell(tmp_path: Path, start: Start) -> None:
    varied = [
        {"decoder": decoder, "resizer": resizer, "colour": colour}
        for decoder in DECODERS
        for resizer in RESIZERS
        for colour in COLOURS
    ]
    host, device = both(tmp_path, start(""), 12, varied)
    found = first_difference(host, device)
    assert found.empty, count_stages(found, by=["decoder", "resizer", "colour"]).to_string()
    assert (host["error"] == "").all()
    assert host["label_1"].notna().all()
    # These variants do differ from one another, and a table that belongs to another variant is told apart.
    assert host.groupby("decoder")["pixels_fingerprint"].agg(frozenset).nunique() >= 4
    assert host.groupby("picture")["tensor_fingerprint"].nunique().min() > len(RESIZERS) * len(COLOURS)
    names = {"opencv": "ffmpeg", "ffmpeg": "opencv"}
    swapped = device.assign(decoder=device["decoder"].replace(names), environment=device["environment"] + "'")
    counts = count_stages(first_difference(host, swapped), by=["decoder"])
    assert set(counts["stage"]) == {"pixels"}
    assert set(counts["decoder"]) == {"opencv", "ffmpeg"}


ANOTHER = {
    "pixels": "from device_agents.decode import DECODERS as family\nname = 'opencv'",
    "resized": "from device_agents.resize import RESIZERS as family\nname = 'opencv-area'",
    "tensor": "from device_agents.preprocess import SCALINGS as family\nname = 'zero-one'",
    "scores": "from device_agents.runtimes import RUNTIMES as family\nname = 'litert-reference'",
}
ONE_OFF = """
import numpy as np
usual = family[name]
def one_off(*given):
    made = usual(*given)
    if callable(made):
        return lambda tensor: made(tensor) * np.float32(1.25)
    made = np.array(made)
    made.flat[::7] += 1
    return made
family[name] = one_off
"""
CHANGED = {
    "pixels": {"decoder": "opencv"},
    "resized": {"resizer": "opencv-area"},
    "tensor": {"scaling": "zero-one"},
    "scores": {"runtime": "litert-reference"},
}


@pytest.mark.parametrize("stage", ANOTHER)
def test_the_first_fingerprint_that_differs_names_the_stage_of_another_board(
    tmp_path: Path, start: Start, stage: str
) -> None:
    usual = {"resizer": "pillow-bilinear"}
    agent = start(ANOTHER[stage] + ONE_OFF)
    host, device = both(tmp_path, agent, 2, [usual, usual | CHANGED[stage]])
    found = first_difference(host, device)
    assert found["stage"].tolist() == [stage] * 2, found.to_string()
    assert (found[list(CHANGED[stage])] == pd.Series(CHANGED[stage])).all(axis=None)
    assert (found["host_error"] + found["device_error"] == "").all()


def test_a_file_that_went_bad_on_the_board_is_named_as_such(tmp_path: Path, start: Start) -> None:
    agent = start("")

    def spoil(run: Run) -> None:
        # The board's card loses a bit among the pixels of the first photograph, after it was sent.
        [picture, *_] = run.picture_records()
        there = tmp_path / "board" / "files" / "home" / "pi" / agent.folder / "files"
        if not there.is_dir():
            [there] = (tmp_path / "board").rglob(f"{agent.folder}/files")
        [file] = there.glob(f"{picture.sha256}*")
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(bytes(data))

    host, device = both(tmp_path, agent, 2, [{}, {"resizer": "opencv-area"}, {"decoder": "opencv"}], spoil)
    found = first_difference(host, device)
    assert found["stage"].tolist() == ["file", "file"]
    assert found["picture"].nunique() == 1


def test_what_the_board_lacks_is_not_available_and_no_failure(tmp_path: Path, start: Start) -> None:
    agent = start("import sys\nsys.modules['cv2'] = None")
    varied = [
        {},
        *({"decoder": name} for name in LACKING),
        {"resizer": "opencv-area"},
        {"threads": 2, "runtime_version": "0.0.1"},
    ]
    host, device = both(tmp_path, agent, 2, varied)
    errors = device.groupby("environment", sort=False)["error"].unique().map(list).tolist()
    assert errors[0] == [""]
    for [error], lacking in zip(errors[1:3], LACKING.values(), strict=True):
        assert error.startswith(f"not available: {lacking}")
    assert errors[3][0].startswith("not available: resizers 'opencv-...' need opencv-python-headless"), errors[3]
    assert "0.0.1 was asked for, this machine has" in errors[4][0]
    assert errors[4][0].startswith("not available: ")
    assert failures(device) == {"failed": 8, "not_available": 8}
    assert failures(host) == {"failed": 4, "not_available": 4}  # no DALI here, and no runtime of that version
    # What both lack is no difference between them.
    found = first_difference(host, device)
    assert found["stage"].unique().tolist() == ["not available"]
    assert count_stages(found, by=["decoder", "resizer"])["cells"].tolist() == [2, 2]


def test_the_agent_prints_what_it_lacks_as_predictions_and_ends_well(tmp_path: Path) -> None:
    """The agent's own contract, without a transport: one line a cell, whatever is absent."""
    model, sidecar = resolve_model("mobilenet-v2")
    environments = [replace(default_environment(sidecar, model), decoder=name) for name in ("pillow", *LACKING)]
    picture = JobPicture("one", str(photographs().scenes[0].file))
    labels = tuple(f"n{number:08d}" for number in range(1000 + sidecar.background))
    write_job(tmp_path / "job.json", Job(str(model), sidecar, (picture,), tuple(environments), labels))
    archive = with_main(build_agent_zip(tmp_path / "agent.zip"), "import sys\nsys.modules['cv2'] = None")
    words = [sys.executable, "-I", str(archive), "predict", str(tmp_path / "job.json")]
    done = subprocess.run(words, capture_output=True, check=True, timeout=240)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]
    assert [line["environment"] for line in lines] == [one.environment for one in environments]
    assert [line["error"].split(":")[0] for line in lines] == ["", "not available", "not available"]
    assert len({line["file_sha256"] for line in lines}) == 1
    assert [len(line["labels"]) for line in lines] == [5, 0, 0]
