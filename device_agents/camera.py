"""CAMERAS: one still by the platform's own program; each gives the files it wrote, checked to be there and not empty.

A camera is a function of the folder and stem of the files to write, of more words for the program's command line, and
of a time limit. A shot may be several files (a JPEG and its raw). Sources of the commands: raspberrypi/documentation
rpicam_still.adoc; the kernel's V4L2 camera control reference and v4l2-ctl(1); ffmpeg-devices(1); gphoto2(1);
termux-api's termux-camera-photo. None of them was tried on hardware by the authors.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence

from device_agents.errors import BadInput, CommandFailed, DeviceError, MissingExtra, TimedOut, Unreachable

Camera = Callable[..., List[Path]]

_V4L2_FRAMES = ("--stream-mmap", "--stream-skip=20", "--stream-count=1")


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
    _remove_old(folder, stem)
    for source, target in zip(sources, targets):
        try:
            shutil.copyfile(source, target)
        except OSError as problem:
            raise BadInput(f"camera 'replay' cannot give out {source}: {problem}") from problem
    return _written(folder, stem, needed=None)


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
    _remove_old(folder, stem)
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout_s
        )
    except subprocess.TimeoutExpired as problem:
        raise TimedOut(f"{command[0]} took no picture within {timeout_s:g} s") from problem
    except OSError as problem:
        raise Unreachable(f"cannot run {command[0]}: {problem}") from problem
    if done.returncode != 0:
        said = done.stdout.decode("utf-8", "replace").strip().splitlines()
        raise CommandFailed(f"{command[0]} ended with status {done.returncode}: {said[-1] if said else 'no message'}")
    return _written(folder, stem, needed=needed)


def _remove_old(folder: Path, stem: str) -> None:
    if not stem.strip(".") or Path(stem).name != stem:
        raise BadInput(f"expected a file name without folders as the stem, got '{stem}'")
    # What lies there from an earlier try must not pass for this shot.
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in _files(folder, stem):
            old.unlink()
    except OSError as problem:
        raise DeviceError(f"cannot write pictures into {folder}: {problem}") from problem


def _written(folder: Path, stem: str, *, needed: Optional[Path]) -> List[Path]:
    files = _files(folder, stem)
    empty = [file.name for file in files if file.stat().st_size == 0]
    if not files or (needed is not None and needed not in files):
        raise DeviceError(f"the camera wrote no {needed.name if needed else stem} into {folder}")
    if empty:
        raise DeviceError(f"the camera wrote empty files: {', '.join(empty)}; wake the device and try again")
    return files


def _files(folder: Path, stem: str) -> List[Path]:
    return sorted(file for file in folder.iterdir() if file.is_file() and file.name.startswith(f"{stem}."))


CAMERAS: Dict[str, Camera] = {
    "ffmpeg": shoot_ffmpeg,
    "gphoto2": shoot_gphoto2,
    "replay": shoot_replay,
    "rpicam": shoot_rpicam,
    "termux": shoot_termux,
    "v4l2": shoot_v4l2,
}
