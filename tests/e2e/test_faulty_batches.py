"""Whatever goes wrong in a batch: the right status, blame where it belongs, each picture once, the others unharmed."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis.store import Run
from hostctl import batch_work
from hostctl.batch import Request, batch
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite

PICTURES = 12
DISPLAY = '[display]\nscreen = "virtual"\nwidth = 640\nheight = 480\n'
DEVICE = '[[device]]\nname = "{}"\nkind = "{}"\ncamera = "instant"\npredicts = "agent"\n'
PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(batch_work, "LOOK_S", 0.1)


def write_inputs(folder: Path, *, faults: str = "", page: bool = False, pictures: int = PICTURES) -> dict[str, object]:
    """A lab with a faulty board and a good one, or a page, and what a batch on it is asked."""
    (folder / "in").mkdir()
    rng = np.random.default_rng(1)
    for number in range(pictures):
        pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "in" / f"p{number:03}.jpg", quality=80)
    rows = [f"p{number:03}.jpg,{number}" for number in range(pictures)]
    (folder / "in" / "labels.csv").write_text("\n".join(["file,label", *rows]) + "\n")
    model = write_tflite(folder / "tiny.tflite")
    card = tiny_sidecar(resizer="pillow-bilinear")
    (folder / "tiny.tflite.json").write_text(json.dumps(dataclasses.asdict(card)))
    faulty = DEVICE.format("faulty", "virtual-board") + (f"faults = [{faults}]\n" if faults else "")
    good = DEVICE.format("good", "virtual-board")
    others = DEVICE.format("page", "virtual-browser") if page else ""
    (folder / "lab.toml").write_text(DISPLAY + faulty + good + others)
    return {
        "models": (str(model),), "scenes": folder / "in" / "labels.csv", "lab": folder / "lab.toml",
        "out": folder / "run", "patience_s": 5.0,
    }  # fmt: skip


@dataclass(frozen=True)
class Case:
    """What a fault does to a batch of both boards, and to one of the faulty board alone: status and exit code.

    ``blamed``: the outcome of the shard that it struck, "" if none is lost; ``says``: words of its reason.
    """

    faults: str
    shared: tuple[str, int] = ("OK", 0)
    alone: tuple[str, int] = ("OK", 0)
    blamed: str = ""
    says: str = ""
    options: dict[str, object] = field(default_factory=dict)
    after: tuple[str, int] = ("OK", 0)  # the same command again, the fault over


def at(kind: str, shot: int = 1, **rest: object) -> str:
    return ", ".join(f"{key} = {json.dumps(value)}" for key, value in {"kind": kind, "at_shot": shot, **rest}.items())


PARTLY = ("PARTIAL", 11)
CASES = {
    # the agent's, or the model's: never tried again in the same command
    "agent-crash": Case(at("agent-crash"), PARTLY, PARTLY, "failed", "exit code 139: Fatal Python error"),
    "out-of-memory": Case(at("out-of-memory"), PARTLY, PARTLY, "failed", "exit code 137: Killed"),
    "stray-answer": Case(at("stray-answer"), PARTLY, PARTLY, "failed", "expected one answer to each question"),
    "double-answer": Case(at("double-answer"), PARTLY, PARTLY, "failed", "expected one answer to each question"),
    "agent-crash, always": Case(at("agent-crash", 0), PARTLY, ("PARTIAL", 11), "failed", "exit code 139"),
    "out-of-memory, always": Case(at("out-of-memory", 0), PARTLY, ("FAILED", 10), "failed", "exit code 137"),
    # nobody can know it from one answer
    "wrong-answer": Case(at("wrong-answer")),
    # the laboratory's: tried again, on another device where there is one
    "reboot": Case(at("reboot", seconds=0.5), blamed="infra"),
    "offline": Case(at("offline"), alone=("INFRA", 20), blamed="infra"),
    "offline, at the second shard": Case(at("offline", 2), alone=PARTLY, blamed="infra"),
    "offline, from the start": Case(at("offline", 0), alone=("OFFLINE", 13)),
    "full-disk": Case(at("full-disk"), alone=PARTLY, blamed="infra", says="No space left on device"),
    "link-cut": Case(at("link-cut", after_bytes=12_000), blamed="infra"),
    "link-reset": Case(at("link-reset", after_bytes=12_000), blamed="infra"),
    "link-flip": Case(at("link-flip", after_bytes=12_000), blamed="infra"),
    "link-stall": Case(at("link-stall", after_bytes=12_000), blamed="infra"),
    "link-slow": Case(at("link-slow", 0)),
    "link-refused, from the start": Case(at("link-refused", 0), alone=("OFFLINE", 13)),
    # time
    "too slow": Case(
        at("link-slow", 0), ("TIMEOUT", 12), ("TIMEOUT", 12), "timeout", options={"shard_timeout_s": 0.05}
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("alone", [False, True], ids=["shared", "alone"])
@pytest.mark.parametrize("name", CASES)
def test_a_board(tmp_path, name, alone):
    case = CASES[name]
    asked = write_inputs(tmp_path, faults=f"{{{case.faults}}}")
    wanted = "faulty" if alone else "faulty+good"
    first = batch(Request(**asked, devices=wanted, **case.options))
    print(json.dumps(first, indent=1))
    assert (first["status"], first["exit_code"]) == (case.alone if alone else case.shared)
    check(tmp_path / "run", first)


def check(folder: Path, result: dict) -> None:
    """What holds whatever went wrong: each picture once in each environment, and what is said of them is true."""
    with Run.open(folder, write=False) as run:
        table = run.predictions(["picture", "machine"])
    assert not table.duplicated().any()
    assert sum(row["good"] for row in result["rows"]) == len(table)
