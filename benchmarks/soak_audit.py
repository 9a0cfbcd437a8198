"""Reads a run after its commands have ended and says what is wrong with it: nothing of this asks the code that made it.

What holds whatever went wrong: each planned step has one photograph or is listed with a reason; no photograph stands
there twice; its file has the hash and the size that the run says, and its frame code, read again, is its step's; it has
its predictions, once. Each fault that struck shows as an attempt that was not good, and no attempt was bad without one.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from analysis.store import Run
from benchmarks.soak_lab import DEVICES, HEIGHT, SCENE, STAYS, WIDTH, Planned
from benchmarks.soak_watch import Ended
from capture import screen
from capture.raw import RAW_SUFFIXES
from device_agents.decode import DECODERS
from device_agents.records import Picture, Step
from hostctl.virtual.faults import Fault

# What need not cost a shot: it may come in time, or the former frame be the same one, when a shot is taken again.
HARMLESS = (
    "hot", "flat-battery", "late-file", "late-raw", "half-written", "previous-frame", "stray-answer", "double-answer",
)  # fmt: skip
LINGERS_S = 60.0  # so long after a fault an attempt may still be bad for it: it was away, or its link is dead
SLACK_S = 2.0
PREDICTING = "predictions of "
STRUCK = re.compile(r"^(\d+\.\d+) INFO struck (\S+) (\S+) (\d+)$", re.MULTILINE)


class Strike(NamedTuple):
    """A fault that struck a device, as the rack said it: when (seconds since 1970), its name here, kind, which shot.

    ``lasts_s``: how long an attempt may be bad for it.
    """

    time_s: float
    device: str
    kind: str
    number: int
    lasts_s: float


class Try(NamedTuple):
    """An attempt at a step: its device, when it began and ended (seconds since 1970), how and why."""

    device: str
    begin_s: float
    end_s: float
    status: str
    reason: str


@dataclass
class Audit:
    """What was counted in one run, and what is wrong with it."""

    wrong: list[str] = field(default_factory=list)
    steps: int = 0
    accepted: int = 0
    listed: int = 0
    refused: int = 0
    failed: int = 0
    predictions: int = 0
    unpredicted: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    shots_s: list[float] = field(default_factory=list)  # when attempts began, in seconds since 1970

    def expect(self, holds: bool, words: str) -> None:
        """Note what is wrong if it does not hold."""
        if not holds:
            self.wrong.append(words)


def audit(folder: Path, planned: Planned, *, faults: Mapping[str, Sequence[Fault]], commands: Sequence[Ended]) -> Audit:
    """Audit a run that nobody writes any more, made by these commands; ``faults``: those of each device."""
    found = Audit()
    killed_s = [one.end_s for one in commands if one.killed]
    with Run.open(folder, write=False) as run:
        steps, records = run.steps(), list(run.picture_records())
        _steps(found, run, steps, records, planned)
        _pictures(found, run, {(one.scene, one.angle, one.repeat, one.device): one for one in steps}, records)
        _predictions(found, run, records)
        tries = _tries(run)
        strikes = _strikes(folder / "lab" / "rack.log", run, faults, commands)
    found.shots_s = [one.begin_s for one in tries if one.status != PREDICTING]
    _faults(found, tries, strikes, killed_s)
    for one in tries:
        if not faults[one.device]:
            found.expect(one.status == "ok", f"{one.device} has no fault, and lost a shot: {one.reason}")
    return found


def _steps(found: Audit, run: Run, steps: Sequence[Step], records: Sequence[Picture], planned: Planned) -> None:
    """Each planned step has one photograph, or stands in the list of those that are missing, with a reason."""
    found.steps = len(steps)
    found.expect(len(steps) == planned.steps * len(DEVICES), f"{len(steps)} steps planned")
    count = Counter((one.scene, one.angle, one.repeat, one.device) for one in records if not _is_raw(one))
    keys = {(one.scene, one.angle, one.repeat, one.device): one.key for one in steps}
    found.accepted = sum(place in keys for place in count)
    found.expect(not set(count) - set(keys), "a photograph of a step that nobody planned")
    for place, times in count.items():
        found.expect(times == 1, f"{times} photographs of {place}")
    told = {key for entry in run.note("missing photographs") or () for key in entry["steps"] if entry["reason"]}
    unreached = {row.where.removeprefix("device ") for row in _rows(run.failures()) if row.reason}
    for place, key in keys.items():
        if place not in count:
            found.listed += 1
            found.expect(key in told or place[-1] in unreached, f"{key} is missing, and nothing says why")


def _pictures(
    found: Audit, run: Run, steps: Mapping[tuple[str, int, int, str], Step], records: Sequence[Picture]
) -> None:
    """Each file is whole and there once, and each picture shows the frame of its step."""
    layout = screen.layout_for(HEIGHT, WIDTH)
    box = screen.scene_box(*SCENE, layout)
    found.expect(len({one.picture for one in records}) == len(records), "a picture's name stands there twice")
    seen: defaultdict[str, list[str]] = defaultdict(list)
    for record in records:
        data = run.file(record.sha256).read_bytes()
        found.expect(hashlib.sha256(data).hexdigest() == record.sha256, f"{record.picture}: another hash")
        found.expect(len(data) == record.size, f"{record.picture}: {len(data)} bytes, expected {record.size}")
        seen[record.sha256].append(record.device)
        if not _is_raw(record):
            step = steps[(record.scene, record.angle, record.repeat, record.device)]
            proof = screen.read_proof(DECODERS["pillow"](data), layout=layout, box=box)
            got = proof.stimulus_top, proof.stimulus_bottom
            found.expect(got == (step.stimulus,) * 2, f"{record.picture}: shows {got}, expected {step.stimulus}")
    for digest, devices in seen.items():  # instant cameras of several devices give the same file for one frame
        found.expect(
            len(set(devices)) == len(devices), f"{digest[:12]}: a file stands for two photographs of {devices}"
        )


def _predictions(found: Audit, run: Run, records: Sequence[Picture]) -> None:
    """Each photograph has its predictions once; those of an agent that failed are missing, and listed."""
    wanted = {one.picture: one.device for one in records if not _is_raw(one)}
    table = run.predictions(["picture", "environment", "device", "machine", "error"])
    found.predictions = len(table)
    found.expect(not bool(table.duplicated(["picture", "environment"]).any()), "a prediction stands there twice")
    found.expect(bool((table["error"].fillna("") == "").all()), "a prediction is an error")
    found.expect(set(table["picture"]) <= set(wanted), "a prediction of a picture that is not there")
    found.expect(bool((table.groupby("picture").size() == 1).all()), "a picture has several predictions")
    told = " ".join(row.where for row in _rows(run.failures()))
    for picture, device in wanted.items():
        if picture not in set(table["picture"]):
            found.unpredicted += 1
            found.expect(
                f"{PREDICTING}{device}" in told or f"device {device}" in told,
                f"{picture} has no prediction, and nothing says why",
            )


def _faults(found: Audit, tries: Sequence[Try], strikes: Sequence[Strike], killed_s: Sequence[float]) -> None:
    """Each fault that loses a shot shows as a bad attempt, and each bad attempt has a fault."""
    found.struck = Counter(strike.kind for strike in strikes)
    bad: defaultdict[str, list[Try]] = defaultdict(list)
    for one in tries:
        found.refused += one.status == "rejected"
        found.failed += one.status == "failed"
        if one.status != "ok":
            bad[one.device].append(one)
    for strike in strikes:
        lost = any(0 <= killed - strike.time_s <= LINGERS_S for killed in killed_s)  # not recorded yet when it died
        if strike.kind in HARMLESS or strike.kind.startswith("link-") or lost:
            continue
        shown = any(one.begin_s - SLACK_S <= strike.time_s <= one.end_s + SLACK_S for one in bad[strike.device])
        found.expect(shown, f"{strike.kind} struck {strike.device} at shot {strike.number}, and no attempt tells of it")
    for device, attempts in bad.items():
        own = [strike for strike in strikes if strike.device == device]
        for one in attempts:
            known = any(
                strike.time_s - SLACK_S <= one.end_s and one.begin_s <= strike.time_s + strike.lasts_s for strike in own
            )
            found.expect(known, f"{device}: {one.status} without a fault: {one.reason}")


def _tries(run: Run) -> list[Try]:
    """The attempts at steps, and the predictions that an agent failed to make."""
    made = []
    for row in _rows(run.attempts()):
        begin_s = datetime.fromisoformat(row.started_utc).timestamp()
        spent_s = sum(row.durations.get(name, 0.0) for name in ("shoot_s", "pull_s"))
        made.append(Try(row.device, begin_s, begin_s + spent_s, row.status, row.reason))
    for row in _rows(run.failures()):
        if row.where.startswith(PREDICTING):
            end_s = datetime.fromisoformat(row.recorded_utc).timestamp()
            made.append(Try(row.where.removeprefix(PREDICTING), end_s - LINGERS_S, end_s, PREDICTING, row.reason))
    return made


def _strikes(log: Path, run: Run, faults: Mapping[str, Sequence[Fault]], commands: Sequence[Ended]) -> list[Strike]:
    """What the rack said of faults, with the lab's names of its devices."""
    known = run.devices()
    names = {info.get("hashed_serial"): name for name, info in zip(known["device"], known["info"], strict=True)}
    for_good = {
        (name, fault.kind, fault.at_shot)
        for name, own in faults.items()
        for fault in own
        if not fault.seconds and any(fault.kind in kinds for kinds in STAYS.values())
    }
    made = []
    for time, said, kind, number in STRUCK.findall(log.read_text("utf-8", "replace")):
        device = names.get(hashlib.sha256(said.encode()).hexdigest()[:16], said)
        ends = [one.end_s for one in commands if one.begin_s <= float(time) <= one.end_s]
        lasts_s = max(ends, default=0.0) - float(time) if (device, kind, int(number)) in for_good else LINGERS_S
        made.append(Strike(float(time), device, kind, int(number), lasts_s))
    return made


def _rows(table: Any) -> list[Any]:
    """The rows of a data frame, whose columns have types that only it knows."""
    return list(table.itertuples())


def _is_raw(record: Picture) -> bool:
    return record.suffix in RAW_SUFFIXES
