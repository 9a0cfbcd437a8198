"""The agent's commands: info, shoot, predict JOB; JSON lines out, one a result; one line on stderr when it fails.

python agent.zip info
python agent.zip shoot --camera rpicam --folder shots --stem 0001 -- --raw --shutter 10000
python agent.zip predict job.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Iterator, List, Optional

# A small board reads each module anew at every shot: what only the other commands need is imported by them.
from device_agents.camera import CAMERAS
from device_agents.errors import KitError, pick
from device_agents.hashing import hash_file
from device_agents.shots import camera_settings


def main(arguments: Optional[List[str]] = None) -> int:
    """Run one command; gives the exit code: 0 good, 2 bad input, 3 the device failed, 130 interrupted."""
    options = _parser().parse_args(arguments)
    try:
        for line in options.command(options):
            print(line, flush=True)
    except KitError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return problem.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def info(options: argparse.Namespace) -> Iterator[str]:
    """Describe this machine in one line, the fields of machine.Machine."""
    from device_agents.machine import read_machine
    from device_agents.records import to_line

    yield to_line(read_machine())


def shoot(options: argparse.Namespace) -> Iterator[str]:
    """Take one still; one line a file: path, size, sha256, when and how long, and the settings that the JPEG tells."""
    camera = pick(CAMERAS, options.camera, what="camera")
    started, start_s = datetime.now(timezone.utc), time.monotonic()
    files = camera(
        Path(options.folder).absolute(), options.stem, arguments=options.arguments, timeout_s=options.timeout_s
    )
    taken = {"utc": started.isoformat(timespec="microseconds"), "duration_s": time.monotonic() - start_s}
    told = {**taken, "settings": camera_settings(files)}
    for file in files:
        shot = {"path": str(file), "size": file.stat().st_size, "sha256": hash_file(file), **told}
        yield json.dumps(shot, sort_keys=True)


def predict_job(options: argparse.Namespace) -> Iterator[str]:
    """Predict a job's pictures in its environments; one records.Prediction a line, with "flip_risk" if asked for."""
    from device_agents.predict import predict, read_job
    from device_agents.records import to_line

    job = read_job(Path(options.job))
    if options.flip_risk:
        from device_agents.flip_risk import read_flip_risk, risk_lines

        yield from risk_lines(job, read_flip_risk(Path(options.flip_risk)))
        return
    for prediction in predict(job):
        yield to_line(prediction)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="agent", description=(__doc__ or "").split("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("info", help="describe this machine", description=info.__doc__)
    command.set_defaults(command=info)
    command = commands.add_parser("shoot", help="take one still", description=shoot.__doc__)
    command.add_argument("--camera", required=True, help=f"one of {', '.join(sorted(CAMERAS))}")
    command.add_argument("--folder", required=True, help="where the files go; made if it is not there")
    command.add_argument("--stem", required=True, help="the files' name without suffix")
    command.add_argument("--timeout-s", type=float, default=30.0, help="time limit in seconds (default 30)")
    command.add_argument("arguments", nargs="*", help="after --: more words for the camera's program")
    command.set_defaults(command=shoot)
    command = commands.add_parser("predict", help="predict pictures", description=predict_job.__doc__)
    command.add_argument("job", help="the job's JSON file")
    risk = "a file of `instability flip-risk`: add the risk that another device answers otherwise"
    command.add_argument("--flip-risk", metavar="FILE", help=risk)
    command.set_defaults(command=predict_job)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
