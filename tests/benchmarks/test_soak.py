"""The soak's tools: its audit finds what is planted, growth is told from noise, labs are right, nothing hides."""

import hashlib
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from analysis.store import Run
from benchmarks import soak, soak_watch
from benchmarks.soak_audit import audit
from benchmarks.soak_lab import DEVICES, HEIGHT, PASSES, SCENE, STAYS, WIDTH, Planned, write_lab
from benchmarks.soak_memory import slope_of
from benchmarks.soak_watch import Ended, Look, run_command
from capture import screen
from device_agents.records import Environment, Picture, Prediction, Scene, Step
from hostctl.lab import read_lab
from hostctl.plans import sweep
from hostctl.virtual.faults import Fault, parse_faults

PLANNED = Planned(0, scenes=2, repeats=1)
START_S = 1_800_000_000.0
ENVIRONMENT = Environment("m", "0" * 64, "pillow", "whole", "rgb", "squash", "pillow-bilinear", "zero-one", "litert")
Files = dict[Step, tuple[bytes, int]]


def painted(stimulus: int) -> bytes:
    """What an instant camera saves of a frame."""
    layout = screen.layout_for(HEIGHT, WIDTH)
    scene = np.full((*SCENE, 3), 90, np.uint8)
    rgb = screen.render_frame(scene, stimulus=stimulus, layout=layout).rgb
    return cv2.imencode(".png", rgb[..., ::-1])[1].tobytes()


class Made:
    """A whole run of eight devices and two scenes, to be spoiled: files by step, predictions, log, faults, commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = ["a", "b"]
        self.scenes = [Scene(name, f"{name}.png", f"{number:064x}", ("x",)) for number, name in enumerate(names)]
        self.steps = list(sweep(names, angles=(0,), repeats=1, devices=list(DEVICES), seed=1))
        self.files = {step: painted(step.stimulus) for step in self.steps}
        self.bad: list[tuple[Step, str, str, float]] = []
        self.failures: list[tuple[str, str]] = []
        self.missing: list[dict[str, object]] = []
        self.unpredicted: set[str] = set()
        self.log = ""
        self.faults: dict[str, Sequence[Fault]] = {name: (Fault("truncated", at_shot=1),) for name in DEVICES}
        self.commands = [Ended(0, START_S - 10, START_S + 500, False, "", "")]
        self.after: Callable[[Run], object] = lambda run: None

    def step(self, device: str, scene: str = "a") -> Step:
        return next(step for step in self.steps if (step.device, step.scene) == (device, scene))

    def strike(self, kind: str, device: str, at_s: float) -> None:
        self.log += f"{START_S + at_s:.3f} INFO struck {device} {kind} 1\n"

    def wrong(self) -> list[str]:
        """Write it and audit it."""
        with Run.create(self.folder, settings={}, scenes=self.scenes) as run:
            run.add_steps(self.steps)
            for step, status, reason, at_s in self.bad:
                when = datetime.fromtimestamp(START_S + at_s, UTC).isoformat()
                run.add_attempt(step.key, status, reason=reason, started_utc=when, durations={"shoot_s": 1.0})
            pictures = [self.picture(run, step, data) for step, data in self.files.items()]
            list(run.missing_predictions([ENVIRONMENT]))
            name = ENVIRONMENT.environment
            known = [one.picture for one in pictures if one.picture not in self.unpredicted]
            run.add_predictions([Prediction(one, name, ("x",), (1.0,)) for one in known])
            for where, reason in self.failures:
                run.add_failure(where, reason)
            run.set_note("missing photographs", self.missing)
            self.after(run)
        (self.folder / "lab").mkdir()
        (self.folder / "lab" / "rack.log").write_text(self.log)
        return audit(self.folder, PLANNED, faults=self.faults, commands=self.commands).wrong

    def picture(self, run: Run, step: Step, data: bytes) -> Picture:
        digest = hashlib.sha256(data).hexdigest()
        made = Picture(
            f"{step.key}|png", digest, ".png", len(data), WIDTH, HEIGHT, step.scene, device=step.device, attempt=1
        )
        when = datetime.fromtimestamp(START_S + 20 * step.stimulus, UTC).isoformat()
        run.add_picture(made, {digest: data}, started_utc=when, durations={"shoot_s": 1.0})
        return made


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "run")


def test_a_good_run_has_nothing_wrong(made: Made) -> None:
    made.bad.append((made.step("board"), "failed", "no file", 0.0))
    made.strike("truncated", "board", 0.5)
    assert made.wrong() == []


def test_it_finds_a_wrong_frame(made: Made) -> None:
    made.files[made.step("heic")] = painted(99)
    (words,) = made.wrong()
    assert "shows (99, 99), expected" in words


def test_it_finds_a_file_that_stands_for_two_photographs(made: Made) -> None:
    made.files[made.step("heic", "a")] = made.files[made.step("heic", "b")]
    assert any("a file stands for two photographs" in words for words in made.wrong())


def test_it_finds_a_changed_file(made: Made) -> None:
    def change(run: Run) -> None:
        record = next(iter(run.picture_records()))
        run.file(record.sha256).write_bytes(painted(1) + b"x")

    made.after = change
    assert any("another hash" in words for words in made.wrong())


def test_a_missing_photograph_must_be_listed(made: Made, tmp_path: Path) -> None:
    step = made.step("modern")
    del made.files[step]
    (words,) = made.wrong()
    assert words == f"{step.key} is missing, and nothing says why"
    listed = Made(tmp_path / "listed")
    del listed.files[step]
    listed.missing.append({"device": "modern", "reason": "offline", "steps": [step.key]})
    assert listed.wrong() == []


def test_a_missing_prediction_must_be_told(made: Made, tmp_path: Path) -> None:
    name = f"{made.step('thinker').key}|png"
    made.unpredicted = {name}
    assert made.wrong() == [f"{name} has no prediction, and nothing says why"]
    told = Made(tmp_path / "told")
    told.unpredicted = {name}
    told.failures = [("predictions of thinker", "the agent's predict ended with exit code 137: Killed")]
    told.strike("out-of-memory", "thinker", time.time() - START_S)
    assert told.wrong() == []


def test_a_bad_attempt_needs_a_fault_and_a_fault_a_bad_attempt(made: Made, tmp_path: Path) -> None:
    made.bad.append((made.step("ancient"), "failed", "no answer", 0.0))
    assert made.wrong() == ["ancient: failed without a fault: no answer"]
    silent = Made(tmp_path / "silent")
    silent.strike("truncated", "board", 0.5)
    assert silent.wrong() == ["truncated struck board at shot 1, and no attempt tells of it"]
    killed = Made(tmp_path / "killed")
    killed.strike("truncated", "board", 0.5)
    killed.commands = [Ended(-9, START_S - 10, START_S + 2, True, "", "")]
    assert killed.wrong() == [], "the command died before it could write"


def test_a_device_without_faults_loses_nothing(made: Made) -> None:
    made.faults["page"] = ()
    made.bad.append((made.step("page"), "rejected", "torn", 0.0))
    assert "page has no fault, and lost a shot: torn" in made.wrong()


@pytest.mark.parametrize(("mb_h", "verdict"), [(0.0, "flat"), (300.0, "grows")])
def test_growth_is_told_from_noise(mb_h: float, verdict: str) -> None:
    rng = np.random.default_rng(1)
    looks = [Look(s, int(2e8 + mb_h * 1e6 * s / 3600 + rng.normal(0, 2e5)), 30, 60) for s in range(1200)]
    found = slope_of(looks, begin_s=0, end_s=1200, shot_s=[float(s) for s in range(1200)], warm_s=300.0)
    assert found is not None
    assert found.verdict == verdict
    assert found.low_mb_h <= mb_h <= found.high_mb_h
    assert found.photographs == 720
    assert replace(found, threads=(30.0, 60.0)).verdict == "grows"
    assert slope_of(looks, begin_s=0, end_s=50, shot_s=[]) is None


def test_labs_are_right_and_follow_from_the_seed(tmp_path: Path) -> None:
    for number in range(6):
        planned = Planned(number, scenes=20, repeats=2, rate=0.1, seed=4, real=number > 3)
        faults = write_lab(planned, tmp_path / "lab.toml")
        lab = read_lab(tmp_path / "lab.toml")
        assert {one.name: parse_faults(one.faults) for one in lab.devices} == faults
        assert sum(not own for own in faults.values()) == 3, "the page and two others"
        assert write_lab(planned, tmp_path / "again.toml") == faults
    assert set(PASSES) == set(STAYS)


def test_a_kill_waits_for_a_photograph_and_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen photographs are planned; the first of two kills waits for one of the first eight, and up to 3 s more."""
    now_s, have = [100.0], [0]
    monkeypatch.setattr(soak.time, "monotonic", lambda: now_s[0])
    monkeypatch.setattr(soak, "photographs", lambda folder: have[0])
    seen: list[set[int]] = [set(), set()]
    for number, found in enumerate(seen):
        for seed in range(100):
            have[0] = 0
            its_time = soak.moment(tmp_path, PLANNED, part=(number, 2), rng=random.Random(seed))
            while not its_time():  # each photograph has long been there when the next one comes
                now_s[0] += soak.LATER_S + 0.1
                if not its_time():
                    have[0] += 1
            found.add(have[0])
    assert seen == [set(range(8)), set(range(8, 16))]


def test_a_kill_comes_some_moments_after_its_photograph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    monkeypatch.setattr(soak.time, "monotonic", lambda: now_s[0])
    monkeypatch.setattr(soak, "photographs", lambda folder: 16)
    waited = set()
    for seed in range(30):
        began_s = now_s[0]
        its_time = soak.moment(tmp_path, PLANNED, part=(0, 2), rng=random.Random(seed))
        while not its_time():
            now_s[0] += 0.5
        waited.add(now_s[0] - began_s)
    assert waited == {0.5, 1.0, 1.5, 2.0, 2.5, 3.0}


def test_the_photographs_of_a_run_are_counted_from_outside(tmp_path: Path) -> None:
    assert soak.photographs(tmp_path / "run") == 0, "nobody has made it"
    made, counted = Made(tmp_path / "run"), list[int]()
    made.after = lambda run: counted.append(soak.photographs(run.folder))
    assert made.wrong() == []
    assert counted == [16], "while it is written"


def test_what_a_command_leaves_behind_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "program"
    lines = [f"#!{sys.executable}", "import subprocess, sys, tempfile, time", "tempfile.mkdtemp(prefix='rest-')"]
    lines += ["child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])", "print(child.pid)"]
    program.write_text("\n".join([*lines, "sys.stdout.flush()", "time.sleep(float(sys.argv[1]))"]))
    program.chmod(0o755)
    monkeypatch.setattr(soak_watch, "PROGRAM", program)
    monkeypatch.setattr(soak_watch, "GONE_S", 0.2)
    root = tmp_path / "root"
    root.mkdir()
    for words, its_time in ((("0",), None), (("600",), lambda: bool((root / "out").read_text().strip()))):
        ended = run_command(words, root=root, limit_s=60, its_time=its_time)
        try:
            assert ended.killed == bool(its_time)
            assert [words.split(":")[0] for words in ended.left] == [f"process {ended.out.strip()}"]
            assert [name[:5] for name in ended.files_left] == ["rest-"]
        finally:
            subprocess.run(["kill", ended.out.strip()], check=True)
