"""The mount of the cameras brought to an angle: by the virtual rack, by the lab's own command, or by a person."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from device_agents.errors import DeviceError
from hostctl.lab import Lab
from hostctl.transport import LocalTransport

if TYPE_CHECKING:
    from hostctl.virtual.rack import Rack

MOVE_TIMEOUT_S = 120.0
log = logging.getLogger("instability")


def turn(lab: Lab, rack: Rack | None, angle: int) -> None:
    """Bring the mount to an angle in degrees; a lab of one angle without a command has it already.

    Raises DeviceError if the lab's command fails, or nobody is there to ask.
    """
    log.info("mount to %d degrees", angle)
    if rack:
        rack.turn(angle)
    elif lab.session.move_command:
        command = [*lab.session.move_command, str(angle)]
        output = LocalTransport("mount").run(command, timeout_s=MOVE_TIMEOUT_S)
        if output.exit_code:
            words = output.stderr.decode("utf-8", "replace").strip()
            raise DeviceError(f"the mount: expected {command} to end well, got exit code {output.exit_code}: {words}")
    elif len(lab.session.angles) > 1:
        print(f"move the mount to {angle} degrees, then press Enter", file=sys.stderr, flush=True)
        if not sys.stdin.readline():
            raise DeviceError(
                f"the mount: expected a person to move it to {angle} degrees and press Enter, got the input's end; "
                "give [session] move_command, or run in a terminal"
            )
