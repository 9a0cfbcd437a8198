"""CAMERAS: one still by the platform's own program; each gives the files it wrote, checked to be there and whole.

A camera is a function of the folder and stem of the files to write, of more words for the program's command line, and
of a time limit. A shot may be several files (a JPEG and its raw). Sources of the commands: raspberrypi/documentation
rpicam_still.adoc and rpicam_options_common.adoc; the kernel's V4L2 camera control reference and v4l2-ctl(1);
ffmpeg-devices(1); gphoto2(1); termux-api-package's scripts/termux-camera-photo.in. None of them was tried on hardware
by the authors.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence

from device_agents.errors import BadInput, CommandFailed, MissingExtra, TimedOut, Unreachable
from device_agents.shots import prepare_folder, whole_files

Camera = Callable[..., List[Path]]

_V4L2_FRAMES = ("--stream-mmap", "--stream-skip=20", "--stream-count=1")
# What programs say, in small letters, and what a person can do about it.
_ADVICE = {
    "no cameras available": "check the camera's cable; rpicam-hello --list-cameras (or libcamera-hello) must name it",
    "failed to acquire camera": "another program has the camera; end it (fuser -v /dev/media* /dev/video*)",
    "in use by another process": "another program has the camera; end it (fuser -v /dev/media* /dev/video*)",
    "device or resource busy": "another program has the camera; end it (fuser -v /dev/video*)",
    "cannot open device": "check that the camera is there: v4l2-ctl --list-devices",
    "could not claim the usb device": "another program has the camera; end the desktop's gvfs-gphoto2-volume-monitor",
    "no camera found": "switch the camera on, and check its cable and that gphoto2 --auto-detect names it",
    "out of focus": "set the lens to manual focus",
    "permission": "give the program leave to use the camera (on Linux: the group video; in Termux: Termux:API)",
    "no space left": "make room on the device",
}


def shoot_rpicam(folder: Path, stem: str, *, arguments: Sequence[str] = (), timeout_s: float) -> List[Path]:
    """Take stem.jpg with rpicam-still, or with libcamera-still as images before Bookworm call it.

    Useful arguments: --raw (adds stem.dng of the same exposure), and --shutter US --gain G --awbgains R,B, which switch
    the automatic exposure and white balance off.
    """
    program = find_program("rpicam-still", "libcamera-still", package="rpicam-apps")
    target = folder / f"{stem}.jpg"
    command = [program, "-n", "--immediate", *arguments, "-o", str(target)]
    return _shoot(command, folder, stem, needed=target, timeout_s=timeout_s)


def shoot_v4l2(folder: Path, stem: str, *, arguments: Sequence[str] = (), timeout_s: float) -> List[Path]:
    """Take stem.jpg as the camera's own MJPEG frame with v4l2-ctl, twenty frames after the stream's start.

    The arguments choose device, controls and format: -d /dev/video0 --set-ctrl=auto_exposure=1,...
    --set-fmt-video=width=1920,height=1080,pixelformat=MJPG (older kernels: exposure_auto).
    """
    program = find_program("v4l2-ctl", package="v4l-utils")
    target = folder / f"{stem}.jpg"
    command = [program, *arguments, *_V4L2_FRAMES, f"--stream-to={target}"]
    return _shoot(command, folder, stem, needed=target, timeout_s=timeout_s)


def shoot_ffmpeg(folder: Path, stem: str, *, arguments: Sequence[str] = (), timeout_s: float) -> List[Path]:
    """Take stem.jpg as the camera's own MJPEG frame with ffmpeg, one second after the stream's start.

    The arguments stand before the output: the input with its options; without any, /dev/video0 at 1920 x 1080.
    """
    program = find_program("ffmpeg", package="ffmpeg")
    target = folder / f"{stem}.jpg"
    source = arguments or ("-f", "v4l2", "-input_format", "mjpeg", "-video_size", "1920x1080", "-i", "/dev/video0")
    command = [program, "-nostdin", "-y", *source, "-ss", "1", "-frames:v", "1", "-c", "copy", str(target)]
    return _shoot(command, folder, stem, needed=target, timeout_s=timeout_s)


def shoot_gphoto2(folder: Path, stem: str, *, arguments: Sequence[str] = (), timeout_s: float) -> List[Path]:
    """Take a still with a camera on USB; its files get the stem and the suffixes that the camera gives them.

    Useful arguments: --set-config imageformat=RAW, with the names that gphoto2 --list-all-config shows.
    """
    program = find_program("gphoto2", package="gphoto2")
    # A percent sign in the path would be read as a format.
    pattern = str(folder / stem).replace("%", "%%") + ".%C"
    command = [program, *arguments, "--capture-image-and-download", "--filename", pattern, "--force-overwrite"]
    return _shoot(command, folder, stem, needed=None, timeout_s=timeout_s)


def shoot_termux(folder: Path, stem: str, *, arguments: Sequence[str] = (), timeout_s: float) -> List[Path]:
    """Take stem.jpg with a phone's camera through Termux:API; "-c 0" (the back camera) unless the arguments say else.

    After a long time in the background it writes empty files (termux/termux-api issue 514), which are refused here.
    """
    program = find_program("termux-camera-photo", package="termux-api")
    target = folder / f"{stem}.jpg"
    command = [program, *(arguments or ("-c", "0")), str(target)]
    return _shoot(command, folder, stem, needed=target, timeout_s=timeout_s)


def shoot_replay(folder: Path, stem: str, *, arguments: Sequence[str] = (), timeout_s: float) -> List[Path]:
    """Give the files named in the arguments as this shot's files: copies under the stem with their own suffixes."""
    if not arguments:
        raise BadInput("camera 'replay' needs the files to give out, got none; name them after --")
    sources = [Path(argument) for argument in arguments]
    targets = [folder / f"{stem}{source.suffix}" for source in sources]
    if len(set(targets)) != len(targets):
        raise BadInput(f"camera 'replay' needs files of different suffixes, got {', '.join(arguments)}")
    prepare_folder(folder, stem)
    for source, target in zip(sources, targets):
        try:
            shutil.copyfile(source, target)
        except OSError as problem:
            raise BadInput(f"camera 'replay' cannot give out {source}: {problem}") from problem
    return whole_files(folder, stem, needed=None)


def find_program(*names: str, package: str) -> str:
    """Give the path of the first of these programs that this machine has; raises MissingExtra naming the package."""
    found = [path for path in map(shutil.which, names) if path]
    if not found:
        raise MissingExtra(f"not on this machine: {' or '.join(names)}; install the package {package}")
    return found[0]


def cameras_here() -> List[str]:
    """Name the cameras whose program this machine has."""
    programs = {"ffmpeg": "ffmpeg", "gphoto2": "gphoto2", "termux": "termux-camera-photo", "v4l2": "v4l2-ctl"}
    present = {name for name, program in programs.items() if shutil.which(program)}
    rpicam = {"rpicam"} if shutil.which("rpicam-still") or shutil.which("libcamera-still") else set()
    return sorted(present | rpicam | {"replay"})


def _shoot(command: Sequence[str], folder: Path, stem: str, *, needed: Optional[Path], timeout_s: float) -> List[Path]:
    prepare_folder(folder, stem)
    try:
        # A session of its own: termux-camera-photo and gphoto2 start others, which go with it.
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "LC_ALL": "C"},  # programs are read in English
        )
    except OSError as problem:
        raise Unreachable(f"cannot run {command[0]}: {problem}") from problem
    with child:
        try:
            output, _ = child.communicate(timeout=timeout_s)
        except BaseException as problem:
            os.killpg(child.pid, signal.SIGKILL)
            if not isinstance(problem, subprocess.TimeoutExpired):
                raise
            raise TimedOut(f"{command[0]} took no picture within {timeout_s:g} s") from problem
    text = output.decode("utf-8", "replace")
    said = (text.strip().splitlines() or [""])[-1].strip()
    if child.returncode != 0:
        raise CommandFailed(f"{command[0]} ended with status {child.returncode}: {said or 'no message'}{_advice(text)}")
    return whole_files(folder, stem, needed=needed, said=f"{said}{_advice(text)}")


def _advice(text: str) -> str:
    """What to do about what a program said, behind a semicolon; "" where it is not known."""
    found = [advice for words, advice in _ADVICE.items() if words in text.lower()]
    return f"; {found[0]}" if found else ""


CAMERAS: Dict[str, Camera] = {
    "ffmpeg": shoot_ffmpeg,
    "gphoto2": shoot_gphoto2,
    "replay": shoot_replay,
    "rpicam": shoot_rpicam,
    "termux": shoot_termux,
    "v4l2": shoot_v4l2,
}
