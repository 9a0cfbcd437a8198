"""The camera programs of a virtual board: rpicam-still, libcamera-still and v4l2-ctl, with their options and messages.

Options as in raspberrypi/documentation (rpicam_still.adoc) and v4l2-ctl(1); exposure and white balance are read and
checked, but the camera behind decides what it sees.
"""

from __future__ import annotations

import argparse
import errno
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from device_agents.errors import KitError
from hostctl.transport import Output
from hostctl.virtual.agent_faults import SPOILED
from hostctl.virtual.board_commands import done, failed
from hostctl.virtual.board_files import BoardFaults, BoardFiles
from hostctl.virtual.faults import AWAY, Fault, hitting, tell

Shoot = Callable[[], Mapping[str, bytes]]
Program = Callable[[list[str]], Output]
V4L2_DEVICE = "/dev/video0"


class BoardCamera:
    """One camera; ``shoot`` gives the files of a photograph by suffix, and is asked for one at a time."""

    def __init__(self, files: BoardFiles, shoot: Shoot, faults: BoardFaults, strike: Callable[[Fault], None]) -> None:
        """``strike`` lets a fault befall the whole board; called in a thread."""
        self._files, self._shoot, self._faults, self._strike = files, shoot, faults, strike
        self._former: Mapping[str, bytes] = {}
        self._turn = threading.Lock()
        self._shots = 0
        programs = {"rpicam-still": self._still, "libcamera-still": self._still, "v4l2-ctl": self._v4l2}
        self.programs: Mapping[str, Program] = {name: self._guarded(program) for name, program in programs.items()}

    def _guarded(self, program: Program) -> Program:
        """The program with its failures printed as programs do."""

        def run(words: list[str]) -> Output:
            try:
                return program(words)
            except (OSError, ValueError, KitError) as problem:
                return failed(self._files.on_board(f"ERROR: *** {problem} ***"), exit_code=255)

        return run

    def _still(self, words: list[str]) -> Output:
        """Write x.jpg, and with --raw x.dng of the same exposure beside it."""
        options = _still_options(words)
        if self._faults.no_camera:
            return failed("ERROR: *** no cameras available ***", exit_code=255)
        target = self._files.place(options.output)
        wanted = {target.suffix: target} | ({".dng": target.with_suffix(".dng")} if options.raw else {})
        self._write(wanted)
        return done()

    def _v4l2(self, words: list[str]) -> Output:
        """Write one MJPEG frame, which is a JPEG file."""
        options = _v4l2_options(words)
        if self._faults.no_camera or options.device != V4L2_DEVICE:
            return failed(f"Cannot open device {options.device}, exiting.")
        if not options.stream_to:
            return done()
        self._write({".jpg": self._files.place(options.stream_to)})
        return done("<\n")

    def _write(self, wanted: Mapping[str, Path]) -> None:
        """Take a photograph and write those of its files that are wanted; raises ValueError for one that it has not."""
        with self._turn:
            self._shots += 1
            shot, files = self._shots, self._shoot()
            plan = hitting(self._faults.plan, shot)
            tell(self._files.name, sorted(set(plan) - set(SPOILED)), shot)
            for fault in plan.values():
                if fault.kind in AWAY and fault.at_shot == shot:
                    self._strike(fault)
            if "previous-frame" in plan and self._former:
                files, self._former = self._former, files
            else:
                self._former = files
        if "no-camera" in plan:
            raise ValueError("no cameras available")
        if any(fault.kind == "full-disk" and fault.at_shot <= shot for fault in self._faults.plan):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if "no-new-file" in plan:
            return
        short = "truncated" in plan or self._faults.truncates(shot)
        for suffix, place in wanted.items():
            if suffix not in files:
                raise ValueError(f"this camera gives no {suffix}, only {', '.join(sorted(files))}")
            data = files[suffix]
            place.write_bytes(data[: len(data) // 2] if short else data)


class _Options(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def _still_options(words: list[str]) -> argparse.Namespace:
    parser = _Options(add_help=False, allow_abbrev=False)
    for flags in (("-n", "--nopreview"), ("--immediate",), ("-r", "--raw")):
        parser.add_argument(*flags, action="store_true")
    for name in ("--shutter", "--gain", "--ev"):
        parser.add_argument(name, type=float)
    for flags in (("-t", "--timeout"), ("-q", "--quality"), ("--width",), ("--height",), ("--camera",)):
        parser.add_argument(*flags, type=int)
    parser.add_argument("--awbgains", type=_two_numbers)
    parser.add_argument("-o", "--output", required=True)
    return parser.parse_args(words)


def _v4l2_options(words: list[str]) -> argparse.Namespace:
    parser = _Options(add_help=False, allow_abbrev=False)
    parser.add_argument("-d", "--device", default=V4L2_DEVICE)
    parser.add_argument("-c", "--set-ctrl")
    parser.add_argument("-v", "--set-fmt-video")
    parser.add_argument("--stream-mmap", nargs="?", const=3, type=int)
    for name in ("--stream-skip", "--stream-count"):
        parser.add_argument(name, type=int)
    parser.add_argument("--stream-to", default="")
    return parser.parse_args(words)


def _two_numbers(text: str) -> tuple[float, float]:
    red, blue = text.split(",")
    return float(red), float(blue)
