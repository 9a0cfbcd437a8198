"""One sitting at a lab: open the run, take the photographs that are missing, predict what is not predicted, sum up."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from analysis.store import Run, check_space
from capture.raw import RAW_SUFFIXES
from device_agents.errors import DeviceError
from device_agents.hashing import hash_file
from device_agents.predict import default_environment
from device_agents.records import Scene, Step
from device_agents.sidecar import Sidecar
from hostctl.dashboard import Live
from hostctl.grid import Assignment, predict_run
from hostctl.lab import Lab
from hostctl.labs.asked import asked
from hostctl.labs.device import Device, clock_offset_s
from hostctl.labs.holding import FOLDER, held, identity
from hostctl.labs.laboratory import Laboratory, opened, state_folder
from hostctl.labs.same_device import Roll
from hostctl.plain_words import PlainFormatter
from hostctl.printing import Progress
from hostctl.quality.drifting import note_drift
from hostctl.runner import Session, run_session
from hostctl.runs.reporting import summarise
from hostctl.sessions.examine import examiners
from hostctl.sessions.progress_board import Board
from hostctl.sessions.session_plan import add_planned, counted_scenes, plan_of, shown_scenes, standing
from hostctl.sessions.space_needed import needed_bytes
from hostctl.sessions.timeline import written_timeline
from hostctl.sessions.until_width import UntilWidth
from hostctl.workers.steady_memory import use_few_heaps

VIEW = "rectified-pillow"  # what the model sees of a photograph; the one view that a board without OpenCV has too
log = logging.getLogger("instability")


@dataclass(frozen=True)
class Chosen:
    """The model of a sitting: its file and its sidecar."""

    path: Path
    sidecar: Sidecar


def sit(
    lab: Lab,
    *,
    scenes: Sequence[Scene],
    out: Path,
    model: str | None,
    progress: Progress,
    until: UntilWidth | None = None,
    wait_s: float | None = None,
) -> dict[str, Any]:
    """Do a lab's session into the run at ``out`` and predict; what is done already is not done again.

    With ``until``, scenes are photographed in random blocks until the instability is known as well as it asks. With
    ``wait_s`` its devices are held (hostctl.labs.holding), and those that another command holds are waited for so long.
    Gives the summary; raises BadInput, or DeviceError if the screen, every device or a held one is out of reach.
    """
    from stability_train.zoo import resolve_model

    use_few_heaps()
    needed = needed_bytes(lab, counted_scenes(lab, len(scenes)))
    check_space(out, needed_bytes=needed, reserve_bytes=lab.session.reserve_mb * 1_000_000)
    chosen = Chosen(*resolve_model(model, progress=partial(progress, "model", 0, 0))) if model else None
    with Run.open_or_create(out, settings=asked(lab), scenes=scenes) as run, _logged(run):
        plan = plan_of(lab, scenes)
        begun = until.begin(run, plan, seed=lab.session.seed) if until and chosen else plan
        add_planned(run, lab, scenes, begun, further=bool(until and chosen))
        run.renew_attempts()
        missing = run.steps_missing()
        owing = _owing(run, lab, chosen)
        if not (missing or owing or (chosen and _unpredicted(run, _host(lab, chosen)))):
            return summarise(run)
        by_name = shown_scenes(run, lab, scenes)
        model_name = chosen.sidecar.name if chosen else ""
        shooting = bool(missing or owing)
        names = sorted({step.device for step in (plan if until else missing)} | set(owing)) if shooting else []
        with (
            _held(run, lab, names, wait_s, progress),
            Live(run, lab, model=model_name, scenes=by_name, photographing=shooting, progress=progress) as live,
        ):
            if shooting:
                _with_devices(run, lab, chosen, scenes, missing, names, live, until)
            if chosen:
                _predict(run, chosen, [_host(lab, chosen)], "predictions", live.progress)
            result = summarise(run)
            live.end(result)
        return result


def _held(
    run: Run, lab: Lab, names: Sequence[str], wait_s: float | None, progress: Progress
) -> AbstractContextManager[object]:
    """Hold the named devices for a block, if devices are held at all."""
    if wait_s is None or not names:
        return nullcontext()
    wants = [(1, {device.name: identity(device, lab)}) for device in lab.devices if device.name in names]
    name, said = f"instability run into {run.folder}", partial(progress, "devices", 0, 0)
    return held(wants, name=name, folder=state_folder() / FOLDER, wait_s=wait_s, said=said)


def _with_devices(
    run: Run,
    lab: Lab,
    chosen: Chosen | None,
    scenes: Sequence[Scene],
    missing: Sequence[Step],
    names: Sequence[str],
    live: Live,
    until: UntilWidth | None,
) -> None:
    """Do what needs the named devices: the missing photographs, and the predictions that they make themselves."""
    opening = opened(
        lab,
        folder=run.folder / "lab",
        waiting=partial(live.progress, "screen", 0, 0),
        names=names,
        display=live.display,
        said=partial(live.progress, "devices", 0, 0),
    )
    with opening as laboratory:
        devices = _note_devices(run, lab, laboratory, live.board)
        agents = _agents(run, devices, chosen, live.board) if chosen else []
        while True:
            if missing:
                with live.watching(devices):
                    _photograph(run, lab, laboratory, devices, scenes, missing, live.progress, live.board)
            if chosen:
                _predict(run, chosen, agents, "on devices", live.progress)
            if chosen is None or until is None:
                return
            _predict(run, chosen, [_host(lab, chosen)], "predictions", live.progress)
            more = until.more(run, plan_of(lab, scenes), seed=lab.session.seed)
            if not more:
                return
            add_planned(run, lab, scenes, more, further=True)
            missing = run.steps_missing()


def _owing(run: Run, lab: Lab, chosen: Chosen | None) -> list[str]:
    """Devices that predict by themselves and have photographs whose predictions by this model are missing."""
    agents = [device.name for device in lab.devices if device.predicts == "agent"]
    if not agents or chosen is None:
        return []
    table = run.predictions(["picture", "device", "machine", "model_sha256"])
    table = table[(table["machine"] == table["device"]) & (table["model_sha256"] == hash_file(chosen.path))]
    done = set(table["picture"])
    return [name for name in agents if any(one.picture not in done for one in run.picture_records({"device": name}))]


def _unpredicted(run: Run, assignment: Assignment) -> bool:
    """Whether any photograph of an assignment has no prediction in its environments."""
    if not assignment.devices:
        return False
    blocks = run.missing_predictions(assignment.environments, where={"device": assignment.devices})
    return any(picture.suffix not in RAW_SUFFIXES for block, _ in blocks for picture in block)


def _note_devices(run: Run, lab: Lab, laboratory: Laboratory, board: Board | None = None) -> list[Device]:
    """Record what each device says of itself, and those that are out of reach; give those that answer.

    Raises DeviceError if none does.
    """
    by_name = {device.name: device for device in lab.devices}
    known = run.devices()
    roll = Roll(dict(zip(known["device"], known["info"], strict=True)))

    def note(device: Device) -> None:
        said = device.identify()
        roll.check(device.name, said)
        settings = {key: getattr(by_name[device.name], key) for key in ("kind", "camera", "phone", "place")}
        run.add_device(device.name, {**settings, **said}, clock_offset_s(device.transport))

    for name, reason in laboratory.failures.items():
        _fail(run, name, reason, board)
    able, failures = _able(run, laboratory.devices, note, board)
    if not able:
        reasons = "\n".join(f"  - {name}: {reason}" for name, reason in {**laboratory.failures, **failures}.items())
        raise DeviceError(f"expected at least one device, none can be reached:\n{reasons}")
    return able


def _able(
    run: Run, devices: Sequence[Device], deed: Callable[[Device], object], board: Board | None = None
) -> tuple[list[Device], dict[str, str]]:
    """Do something with each device; give those that it worked with, and the reasons of the others, also recorded."""
    able, failures = [], {}
    for device in devices:
        try:
            deed(device)
        except DeviceError as problem:
            failures[device.name] = str(problem)
            _fail(run, device.name, str(problem), board)
        else:
            able.append(device)
    return able, failures


def _fail(run: Run, name: str, reason: str, board: Board | None) -> None:
    run.add_failure(f"device {name}", reason)
    if board:
        board.trouble(name, reason)
    log.warning("%s: %s", name, reason)


def _photograph(
    run: Run,
    lab: Lab,
    laboratory: Laboratory,
    devices: Sequence[Device],
    scenes: Sequence[Scene],
    missing: Sequence[Step],
    progress: Progress,
    board: Board | None = None,
) -> None:
    """Take the missing photographs with the devices whose cameras open; each is left as it was found."""
    spool = run.folder / "lab" / "spool"
    shutil.rmtree(spool, ignore_errors=True)
    spool.mkdir(parents=True)
    timeline = written_timeline(run.folder / "lab" / "timeline.csv")
    with examiners(os.cpu_count() or 1) as examine, timeline as noted:
        session = Session(
            run=run,
            scenes=shown_scenes(run, lab, scenes),
            devices=devices,
            display=laboratory.display,
            settings=lab.session,
            spool=spool,
            display_timeout_s=lab.display.timeout_s,
            examine=examine,
            progress=partial(_report, progress),
            noted=noted,
        )
        session.station, session.move = standing(run, lab, laboratory.rack)
        if board:
            session.told, session.standing = board.tell, board.trouble
        try:
            _, session.unready = _able(run, devices, lambda device: device.shutter.prepare(), board)
            reached = {device.name for device in devices}
            run_session(session, [step for step in missing if step.device in reached])
        finally:
            _able(run, devices, lambda device: device.shutter.release())
    note_drift(run, progress=progress)


def _report(progress: Progress, done: int, total: int, note: str) -> None:
    if note:
        log.warning("%s", note)
    progress("photographs", done, total, note)


def _agents(run: Run, devices: Sequence[Device], chosen: Chosen, board: Board) -> list[Assignment]:
    """One assignment for each device that predicts by itself, in the runtime that it has."""
    made = []

    def assign(device: Device) -> None:
        if device.agent is not None:
            environment = default_environment(chosen.sidecar, chosen.path, view=VIEW)
            made.append(Assignment((device.agent.own(environment),), (device.name,), device.agent))

    _able(run, devices, assign, board)
    return made


def _host(lab: Lab, chosen: Chosen) -> Assignment:
    """The host predicts the photographs of all devices that do not do it themselves."""
    hosted = tuple(device.name for device in lab.devices if device.predicts == "host")
    return Assignment((default_environment(chosen.sidecar, chosen.path, view=VIEW),), hosted)


def _predict(run: Run, chosen: Chosen, assignments: Sequence[Assignment], stage: str, progress: Progress) -> None:
    assignments = [assignment for assignment in assignments if assignment.devices]
    if not assignments:
        return
    workers = os.cpu_count() or 1
    said = partial(progress, stage)
    for failure in predict_run(run, chosen.path, chosen.sidecar, assignments, workers=workers, progress=said):
        log.warning("%s", failure)
        progress(stage, 0, 0, failure)


@contextmanager
def _logged(run: Run) -> Iterator[None]:
    """Write the kit's log to the run's own file for as long as the block runs."""
    handler = logging.FileHandler(run.log_path, encoding="utf-8")
    formatter = PlainFormatter("%(asctime)s %(levelname)s %(message)s")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.info("%s", " ".join(sys.argv))
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()
