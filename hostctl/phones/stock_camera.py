"""Drives the stock camera app of an Android phone by shell commands: wake, open, press the key, wait for the file."""

from __future__ import annotations

import posixpath
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from device_agents.errors import CommandFailed, DeviceError, TimedOut, Unauthorised, Unreachable
from hostctl.labs.shutter import RemoteFile
from hostctl.phones.changed_settings import ChangedSettings
from hostctl.phones.logcat import LOG_MARK, Logcat
from hostctl.phones.remote_folder import check_plain, file_format, listed_sizes
from hostctl.transport import Output, Transport

COMMAND_TIMEOUT_S = 15.0
OPEN_TIMEOUT_S = 10.0
FIRST_PAUSE_S = 0.005
AWAKE_MS = "1800000"
OPEN = ("am", "start", "-W", "-a", "android.media.action.STILL_IMAGE_CAMERA")
# (namespace, key) of the settings that prepare() changes and release() puts back.
REMEMBERED = (("global", "stay_on_while_plugged_in"), ("system", "screen_off_timeout"))
FRONT = re.compile(r"(?:topResumedActivity|mResumedActivity)[=:]\s*ActivityRecord\{\S+ \S+ ([\w.]+)/")


class NoPhotograph(TimedOut):
    """The phone answers, and its photograph did not come in time."""


class StockCamera:
    """The shutter of a phone that has only its maker's camera app.

    ``key`` is the key, or several pressed in order, that takes a photograph in this app: KEYCODE_CAMERA, often
    KEYCODE_VOLUME_DOWN or _UP, or "KEYCODE_FOCUS KEYCODE_CAMERA". ``formats`` are the files that each photograph must
    bring, the picture first: ("jpg",), ("heic",), ("jpg", "dng"); other files are left alone. A file counts as whole
    when its final name has shown the same size, not zero, at two looks ``poll_s`` seconds apart. Until a name appears,
    the looks come closer together at first, so that a fast camera is not kept waiting.

    With ``state``, a folder of this user, the settings that are changed are on disk too, and the next session puts them
    back if this one is killed. With ``logcat`` the phone's log of a failed shot is kept, and its reason names the file.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        key: str = "KEYCODE_CAMERA",
        folder: str = "/sdcard/DCIM/Camera",
        formats: Sequence[str] = ("jpg",),
        name: str = "",
        poll_s: float = 0.05,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        state: Path | None = None,
        logcat: Logcat | None = None,
    ) -> None:
        self.name = name or str(getattr(transport, "name", "phone"))
        self._transport = transport
        self.use_key(key)
        self._folder = folder.rstrip("/")
        self._formats = tuple(file_format(suffix) for suffix in formats)
        self._poll_s = poll_s
        self._clock = clock
        self._sleep = sleep
        self._changed = ChangedSettings(transport, name=self.name, state=state)
        self._stayed_on = ""
        self._logcat = logcat
        self._package = ""
        self._closed = False  # perhaps: the last shot failed
        self._failed_before = False

    def use_key(self, key: str) -> None:
        """Press this key, or these in order, from now on."""
        self._keys = tuple(key.split())

    @property
    def package(self) -> str:
        """The package of the camera app that was opened, "" before."""
        return self._package

    def prepare(self) -> None:
        """Remember the settings, keep the phone awake, open the camera and check that it is in front.

        Raises DeviceError if another app (often the lock screen) stays in front, or another command holds the phone.
        """
        self._changed.remember(REMEMBERED)
        self._stayed_on = self._changed.values[REMEMBERED[0]]
        self._text("svc", "power", "stayon", "true")
        self._text("settings", "put", "system", "screen_off_timeout", AWAKE_MS)
        self._open(self._clock() + OPEN_TIMEOUT_S)

    def _open(self, end: float) -> None:
        """Wake the phone, open the camera and wait until it is in front."""
        self._text("input", "keyevent", "KEYCODE_WAKEUP", end=end)
        self._text("wm", "dismiss-keyguard", end=end)
        self._text("mkdir", "-p", self._folder, end=end)
        opened = self._text(*OPEN, end=end)
        self._package = next(iter(re.findall(r"Activity: ([\w.]+)/", opened)), "")
        while (front := self._front()) != self._package or not front:
            if self._clock() > end:
                raise DeviceError(
                    f"{self.name}: expected the camera ({self._package or 'none opened'}) in front, "
                    f"got {front or 'nothing'}; unlock the phone and close what covers it"
                )
            self._sleep(self._poll_s)
        self._closed = False

    def shoot(self, *, timeout_s: float) -> list[RemoteFile]:
        """Press the key and wait for one new, whole file of each format; its files in the order of ``formats``.

        After a failure the next call first opens the camera again: it may have crashed, or the phone been restarted.
        Raises TimedOut if they do not come, DeviceError if a name leads out of the folder or two of a format come.
        """
        end = self._clock() + timeout_s
        if self._closed:
            self._open(min(end, self._clock() + OPEN_TIMEOUT_S))
        try:
            files = self._shoot(end, timeout_s)
        except DeviceError as problem:
            self._failed_before = True
            self._closed = bool(self._package)
            told = self._explained(problem, end - timeout_s)
            raise told from (None if told is problem else problem)
        if self._failed_before:
            self._check_pair(files)
        return files

    def _shoot(self, end: float, timeout_s: float) -> list[RemoteFile]:
        before = frozenset(self._listed(end))
        self._text("input", "keyevent", *self._keys, end=end)
        former: dict[str, int] = {}
        pause_s = FIRST_PAUSE_S
        while True:
            fresh = self._fresh(before, end)
            complete = {file_format(name) for name in fresh} == set(self._formats)
            if complete and all(size > 0 and size == former.get(name) for name, size in fresh.items()):
                return [self._one(kind, fresh) for kind in self._formats]
            if self._clock() > end:
                raise self._nothing(fresh, timeout_s)
            former = fresh
            pause_s = self._poll_s if fresh else min(self._poll_s, 1.5 * pause_s)
            self._sleep(pause_s)

    def _explained(self, problem: DeviceError, began: float) -> DeviceError:
        """The same failure with the file of the phone's log added; a phone that does not answer is not asked again."""
        silent = isinstance(problem, (Unreachable, Unauthorised)) or (
            isinstance(problem, TimedOut) and not isinstance(problem, NoPhotograph)
        )
        kept = "" if silent or self._logcat is None else self._logcat.keep(began=began, reason=str(problem))
        return type(problem)(f"{problem}{LOG_MARK}{kept}") if kept else problem

    def release(self) -> None:
        """Put the settings back, leave the camera and close it; a phone that is gone is left as it is."""
        prepared = bool(self._changed.values)
        try:
            self._changed.put_back()
            if prepared and self._stayed_on in ("0", "null", ""):
                self._text("svc", "power", "stayon", "false")
            if self._package:
                self._text("input", "keyevent", "KEYCODE_HOME")
                self._text("am", "force-stop", self._package)
        except (Unreachable, TimedOut):
            pass  # nobody is there to be put in order; what matters was said when it went away
        self._package = ""
        self._closed = False

    def _listed(self, end: float, *, changing: bool = False) -> dict[str, int]:
        """Give the size of each file of the folder by its name, without those that are not finished.

        Raises CommandFailed if the phone cannot list all of it; ``changing``: a file that goes while it is listed
        (renamed, for example) is left out.
        """
        command = ("ls", "-l", self._folder + "/")  # with the slash a folder that is a link is listed too
        output = self._run(*command, end=end)
        if output.exit_code and not (changing and b"No such file" in output.stderr + output.stdout):
            raise self._failed(command, output)
        return listed_sizes(output.text, device=self.name)

    def _fresh(self, before: Collection[str], end: float) -> dict[str, int]:
        """Give the sizes of the new files of the wanted formats; raises DeviceError if one has no plain name."""
        fresh = {name: size for name, size in self._listed(end, changing=True).items() if name not in before}
        for name in fresh:
            check_plain(name, folder=self._folder, device=self.name)
        return {name: size for name, size in fresh.items() if file_format(name) in self._formats}

    def _one(self, kind: str, sizes: Mapping[str, int]) -> RemoteFile:
        files = sorted(name for name in sizes if file_format(name) == kind)
        if len(files) > 1:
            raise DeviceError(
                f"{self.name}: expected one new {kind}, got {len(files)}: {', '.join(files)}; "
                "switch off burst, HDR pairs and 'keep original'"
            )
        return RemoteFile(posixpath.join(self._folder, files[0]), sizes[files[0]])

    def _check_pair(self, files: Sequence[RemoteFile]) -> None:
        """Refuse a picture and a raw whose names tell of two photographs: the raw of a failed shot may come this late.

        Asked only after a failure: names of one photograph have the same digits before the first dot on the phones
        known to us (PXL_20260101_101112345.RAW-01.COVER.jpg), and others should not be refused without a reason.
        """
        names = [posixpath.basename(file.path) for file in files]
        if len({re.sub(r"\D", "", name.split(".")[0]) for name in names}) > 1:
            raise DeviceError(f"{self.name}: expected files of one photograph, got {' and '.join(names)}")

    def _nothing(self, fresh: Mapping[str, int], timeout_s: float) -> NoPhotograph:
        wanted = " and ".join(self._formats)
        if fresh:
            got = ", ".join(f"{name} ({size} bytes, not whole)" for name, size in fresh.items())
        else:
            got = (
                f"none in {self._folder} with {self._front() or 'no app'} in front; is the storage full, "
                f"does the app react to {' '.join(self._keys)}?"
            )
        return NoPhotograph(f"{self.name}: expected a new {wanted} within {timeout_s:g} s, got {got}")

    def _front(self) -> str:
        """Give the package of the app in front, "" if the phone does not say."""
        return next(iter(FRONT.findall(self._text("dumpsys", "activity", "activities"))), "")

    def _run(self, *command: str, end: float | None = None) -> Output:
        limit_s = COMMAND_TIMEOUT_S if end is None else min(COMMAND_TIMEOUT_S, max(0.5, end - self._clock()))
        return self._transport.run(command, timeout_s=limit_s)

    def _text(self, *command: str, end: float | None = None) -> str:
        """Run a command and give its output; raises CommandFailed with the phone's words if its status is not zero."""
        output = self._run(*command, end=end)
        if output.exit_code:
            raise self._failed(command, output)
        return output.text.strip()

    def _failed(self, command: Sequence[str], output: Output) -> CommandFailed:
        return CommandFailed(f"{self.name}: {' '.join(command)}: {_last_words(output)}")


def remote_sha256(transport: Transport, path: str, *, timeout_s: float = 60.0) -> str:
    """Give the sha256 of a file on a device, 64 hexadecimal digits; raises CommandFailed if it has no such file."""
    output = transport.run(["sha256sum", path], timeout_s=timeout_s)
    digest = output.text.split(maxsplit=1)[0].lstrip("\\") if output.text.split() else ""
    if output.exit_code or not re.fullmatch(r"[0-9a-f]{64}", digest):
        name = getattr(transport, "name", "device")
        raise CommandFailed(f"{name}: sha256sum {path}: {_last_words(output)}")
    return digest


def _last_words(output: Output) -> str:
    """Give the last line that a failed command printed, of its errors if there are any, with its status."""
    lines = (output.stderr.strip() or output.stdout).decode("utf-8", "replace").strip().splitlines()
    return f"{lines[-1] if lines else 'no message'} (exit status {output.exit_code})"
