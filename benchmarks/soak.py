"""A soak: eight virtual devices with random faults for as long as asked, killed now and then, audited all the while.

Each session is the real `instability run` as its user calls it: phones old and new over ADB, boards over SSH, a page in
Chromium. Sessions alternate: long ones that nobody disturbs, whose memory is looked at from outside, and short ones
whose command is killed (SIGKILL) at random moments. Each is called again, as a person would, until nothing is missing,
at most ROUNDS times; then benchmarks.soak_audit reads the run. Everything follows from the seed, but the moments.

    python -m benchmarks.soak [--minutes 60] [--seed 1] [--rate 0.05] [--out FOLDER] [--real] [--json]    (make soak)
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from analysis.run_folder.ledger import is_made
from analysis.store import Run
from benchmarks.soak_audit import Audit, audit
from benchmarks.soak_lab import DEVICES, Planned, draw_scenes, tiny_model, write_lab
from benchmarks.soak_memory import Slope, slope_of
from benchmarks.soak_watch import Ended, run_command
from capture.scenes import read_scenes, write_scenes

ROUNDS = 3
SHORT, LONGEST = 12, 2400  # steps of a device in a session that is killed, and in the longest one that is not
SCENES = 60  # that are drawn; a long session shows them several times
STEP_S = 1.5  # a step's time before one was measured
STARTING_S = 25.0  # about what a command needs beside its steps
FIRST = 0.7  # of the time is the first session's, the one whose memory tells most
KILLS = 2  # of a session that is killed
LATER_S = 3.0  # at most, from the photograph that a kill waits for to the kill
UNREACHED = "expected at least one device, none can be reached"
SAID = 20  # mistakes that are printed
LIMIT_S = 3 * 3600.0  # for one command; the longest takes 40 minutes on a quiet machine


@dataclass
class Soak:
    """What a soak amounts to."""

    minutes: float
    seed: int
    rate: float
    sessions: int = 0
    commands: int = 0
    kills: int = 0
    audits: list[Audit] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    slopes: list[Slope] = field(default_factory=list)
    most_bytes: int = 0

    def total(self, name: str) -> int:
        """The sum of a count of the audits."""
        return sum(getattr(one, name) for one in self.audits)


def soak(
    root: Path,
    *,
    minutes: float,
    seed: int,
    rate: float,
    shoot_timeout_s: float = 15.0,
    real: bool = False,
    least: int = 1,
    said: Callable[[str], None] = lambda words: None,
) -> Soak:
    """Soak for about so many minutes below ``root``, and at least so many sessions; what has begun is finished."""
    found, rng, step_s = Soak(minutes, seed, rate), random.Random(seed), STEP_S
    until_s = time.monotonic() + 60 * minutes
    draw_scenes(root / "drawn", SCENES)
    model = tiny_model(root)
    while (left_s := until_s - time.monotonic()) > 0 or found.sessions < least:
        number, storm = found.sessions, found.sessions % 2 == 1
        fitting = int((0.8 * left_s - STARTING_S) / step_s)
        steps = SHORT if storm else max(SHORT, min(LONGEST, fitting if number else int(FIRST * fitting)))
        scenes = min(SCENES, steps)
        planned = Planned(
            number,
            scenes,
            max(1, steps // scenes),
            rate=rate,
            seed=seed,
            shoot_timeout_s=shoot_timeout_s,
            real=real,
            angles=(0, 10) if storm else (0,),
        )
        began_s = time.monotonic()
        commands = one_session(root, planned, model, kills=KILLS if storm else 0, rng=rng, found=found, said=said)
        if not storm:
            step_s = max(0.2, (commands[0].end_s - commands[0].begin_s - STARTING_S) / planned.steps)
        said(f"session {number}: {time.monotonic() - began_s:.0f} s, {len(commands)} commands, {step_s:.2f} s a step")
    return found


def one_session(
    root: Path,
    planned: Planned,
    model: Path,
    *,
    kills: int,
    rng: random.Random,
    found: Soak,
    said: Callable[[str], None],
) -> list[Ended]:
    """Do one session to its end, audit it, and add what was found; what is right is removed again."""
    home = root / f"session-{planned.number}"
    home.mkdir()
    faults = write_lab(planned, home / "lab.toml")
    write_scenes(read_scenes(root / "drawn")[: planned.scenes], home / "scenes.csv")
    words = ("run", home / "lab.toml", "--scenes", home / "scenes.csv", "--out", home / "run", "--model", model)
    commands: list[Ended] = []
    for number in range(kills + ROUNDS):
        its_time = moment(home / "run", planned, part=(number, kills), rng=rng) if number < kills else None
        ended = run_command([*words, "--json", "--quiet"], root=root, limit_s=LIMIT_S, its_time=its_time)
        commands.append(ended)
        said(f"  {'killed' if ended.killed else f'code {ended.code}'} after {ended.end_s - ended.begin_s:.0f} s")
        if ended.code == 0 and number >= kills:
            break
    problems = [words for one in commands for words in mistakes_of(one)]
    looked = audit(home / "run", planned, faults=faults, commands=commands)
    if commands[-1].out:
        told = json.loads(commands[-1].out)["photographs_missing"]
        looked.expect(told == looked.listed, f"{told} photographs missing by its own words, {looked.listed} by the run")
    wrong = [f"session {planned.number}: {problem}" for problem in (*problems, *looked.wrong)]
    for problem in wrong[:SAID]:
        said(f"WRONG {problem}")
    _add(found, commands, looked, wrong)
    if not wrong:
        shutil.rmtree(home)
    return commands


def moment(folder: Path, planned: Planned, *, part: tuple[int, int], rng: random.Random) -> Callable[[], bool]:
    """Tell when to kill a session's command: some moments after a photograph of this part (number, of so many).

    By photographs and not by the clock, so that a kill strikes work on a quick machine as on a slow one. If the run
    has the photograph already, the command dies while it starts.
    """
    number, parts = part
    total = planned.steps * len(DEVICES)
    wanted = rng.randrange(number * total // parts, (number + 1) * total // parts)
    later_s, reached_s = rng.uniform(0.0, LATER_S), list[float]()

    def its_time() -> bool:
        if not reached_s and (not wanted or photographs(folder) >= wanted):
            reached_s.append(time.monotonic())
        return bool(reached_s) and time.monotonic() - reached_s[0] >= later_s

    return its_time


def photographs(folder: Path) -> int:
    """How many a run has by now, which another process may be writing or about to make."""
    if not is_made(folder):
        return 0
    with Run.open(folder, write=False) as run:
        return int(run.summary()["pictures"])


def mistakes_of(ended: Ended) -> list[str]:
    """What is wrong with how a command ended and what it left; a killed one may leave temporary files."""
    made = [f"left behind: {words}" for words in ended.left]
    if ended.killed:
        return made
    refused = ended.code == 3 and not ended.out  # no device that still owes something could be reached
    if ended.code not in (0, 3) or (refused and UNREACHED not in ended.errors):
        made.append(f"exit code {ended.code}: {ended.errors.strip()[-300:]}")
    if "Traceback" in ended.errors:
        made.append(f"a traceback: {ended.errors.strip()[-600:]}")
    return made + [f"left in its temporary folder: {name}" for name in ended.files_left]


def _add(found: Soak, commands: Sequence[Ended], looked: Audit, wrong: Sequence[str]) -> None:
    found.sessions += 1
    found.commands += len(commands)
    found.kills += sum(one.killed for one in commands)
    found.audits.append(looked)
    found.wrong += wrong
    found.most_bytes = max([found.most_bytes, *(look.bytes for one in commands for look in one.looks)])
    for one in commands:
        shots_s = sorted(time_s for time_s in looked.shots_s if one.begin_s <= time_s <= one.end_s)
        slope = slope_of(one.looks, begin_s=shots_s[0], end_s=shots_s[-1], shot_s=shots_s) if shots_s else None
        if slope:
            found.slopes.append(slope)


def figures(found: Soak) -> dict[str, Any]:
    """The figures of a soak, to print or to keep as JSON."""
    struck = sum((one.struck for one in found.audits), Counter[str]())
    names = ("steps", "accepted", "listed", "refused", "failed", "predictions", "unpredicted")
    slopes = [{**asdict(one), "verdict": one.verdict} for one in found.slopes]
    return {
        **{name: getattr(found, name) for name in ("minutes", "seed", "rate", "sessions", "commands", "kills")},
        **{name: found.total(name) for name in names},
        "struck": dict(struck.most_common()),
        "most_mb": found.most_bytes / 1e6,
        "slopes": slopes,
        "wrong": found.wrong,
    }


def told(numbers: dict[str, Any]) -> str:
    """The figures for people."""
    struck = ", ".join(f"{kind} {count}" for kind, count in numbers["struck"].items())
    lines = [
        f"{numbers['sessions']} sessions, {numbers['commands']} commands, {numbers['kills']} of them killed",
        f"{numbers['steps']} steps: {numbers['accepted']} photographs, {numbers['listed']} listed as missing",
        f"{sum(numbers['struck'].values())} faults struck ({struck})",
        f"{numbers['refused']} attempts refused, {numbers['failed']} failed",
        f"{numbers['predictions']} predictions, {numbers['unpredicted']} photographs without one, and listed",
        f"controller: at most {numbers['most_mb']:.0f} MB",
    ]
    if not numbers["slopes"]:
        lines.append("  no session was long enough to tell whether it grows")
    lines += [
        f"  {one['minutes']:.1f} minutes, {one['photographs']} attempts: {one['mb_h']:+.1f} MB an hour "
        f"({one['low_mb_h']:+.1f} to {one['high_mb_h']:+.1f}), threads {one['threads'][0]:g} to {one['threads'][1]:g}, "
        f"open files {one['files'][0]:g} to {one['files'][1]:g}: {one['verdict']}"
        for one in numbers["slopes"]
    ]
    return "\n".join([*lines, f"wrong: {len(numbers['wrong'])}", *(f"  {words}" for words in numbers["wrong"][:SAID])])


def main(words: Sequence[str]) -> int:
    """Soak and print the figures; 1 if something is wrong or memory grows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.05, help="faults a photograph of a device (default: 0.05)")
    parser.add_argument("--timeout", type=float, default=15.0, help="seconds that a shot may take (default: 15)")
    parser.add_argument("--out", type=Path, help="an empty folder for runs with something wrong (default: temporary)")
    parser.add_argument("--real", action="store_true", help="simulate two of the cameras whole, one of them with raws")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    asked = parser.parse_args(words)
    root = Path(asked.out or tempfile.mkdtemp(prefix="soak-")).absolute()
    root.mkdir(parents=True, exist_ok=True)

    def said(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    found = soak(
        root, minutes=asked.minutes, seed=asked.seed, rate=asked.rate, shoot_timeout_s=asked.timeout, real=asked.real,
        said=said,
    )  # fmt: skip
    numbers = figures(found)
    print(json.dumps(numbers) if asked.json else told(numbers))
    if not asked.out and not found.wrong:
        shutil.rmtree(root)
    return int(bool(found.wrong) or any(one.verdict == "grows" for one in found.slopes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
