"""What an agent on a device said, checked: its machine, the files of a shot, its predictions; nothing is believed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from device_agents.errors import BadInput, CommandFailed, DeviceError
from device_agents.records import Prediction, from_dict
from device_agents.tasks.families import checked_detail
from hostctl.browsers.checks import MOST_TEXT, Asked, checked_prediction, checked_values
from hostctl.transports.bounds import check_file

MOST_FILES = 8  # of one shot
SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")


def checked_machine(values: dict[str, Any], *, name: str) -> dict[str, Any]:
    """Give what an agent says of its machine, everything in it bounded; raises DeviceError naming the device.

    ``runtimes`` (versions by name) and ``cameras`` (names) are what the host goes by; the rest is only kept and shown.
    """
    try:
        json.dumps(checked_values(values), allow_nan=False)
    except (BadInput, ValueError) as problem:
        raise DeviceError(f"{name}: what the agent says of its machine: {problem}") from problem
    runtimes, cameras = values.get("runtimes"), values.get("cameras")
    if not (isinstance(runtimes, dict) and all(isinstance(version, str) for version in runtimes.values())):
        raise DeviceError(f"{name}: expected the runtimes' versions from the agent, got {str(runtimes)[:80]!r}")
    if not (isinstance(cameras, list) and all(isinstance(camera, str) for camera in cameras)):
        raise DeviceError(f"{name}: expected the cameras' names from the agent, got {str(cameras)[:80]!r}")
    return values


def checked_shot(values: Mapping[str, Any], *, stem: str, device: str) -> tuple[str, int]:
    """Give name and size in bytes of a file that an agent wrote: "STEM.suffix", whatever folder it says.

    Raises DeviceError for another name, or a size that is none or too large.
    """
    name, size = PurePosixPath(str(values.get("path", ""))).name, values.get("size")
    good = name.startswith(stem) and SUFFIX.fullmatch(name[len(stem) :].lower())
    if not good or not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise DeviceError(f"{device}: expected the path and size of a file {stem}.*, got {str(dict(values))[:200]}")
    check_file(size, name=device, remote=name)
    return name, size


def checked_answer(values: dict[str, Any], asked: Asked, *, name: str) -> Prediction:
    """Give an agent's line as a prediction that was asked for; a long reason is cut, a detail written as here.

    Raises CommandFailed for a line of another form (another version of the agent), and for a prediction that was not
    asked for, or cannot be true: that is the agent's failure, and no use in asking again.
    """
    if isinstance(values.get("error"), str):
        values = {**values, "error": values["error"][:MOST_TEXT]}
    detail = values.get("detail", "")
    try:
        checked_values({name: value for name, value in values.items() if name != "detail"})
        one = from_dict(Prediction, values)
    except BadInput as problem:
        raise CommandFailed(f"{name}: {problem}") from problem
    answered = (str(one.picture), str(one.environment))
    if answered not in asked.cells:
        raise CommandFailed(f"{name}: expected one answer to each question, got another for {answered}")
    try:
        found = checked_prediction(values, asked, name=name)
    except DeviceError as problem:
        raise CommandFailed(str(problem)) from problem
    return replace(found, detail=checked_detail(asked.task, detail)[0]) if detail else found
