"""The state of a virtual phone that its commands read and change: screen, settings, what is in front, battery."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from hostctl.virtual.phone_files import PhoneFiles
from hostctl.virtual.phone_profiles import PhoneProfile

HOME_SCREEN = "com.android.launcher3/.uioverrides.QuickstepLauncher"
BROWSER = "com.android.chrome/com.google.android.apps.chrome.Main"
LOCK_SCREEN_KEYS = (82,)
LOCK_SCREEN = "com.android.systemui/.keyguard.LockScreen"
KEYS = {
    "KEYCODE_HOME": 3,
    "KEYCODE_BACK": 4,
    "KEYCODE_VOLUME_UP": 24,
    "KEYCODE_VOLUME_DOWN": 25,
    "KEYCODE_POWER": 26,
    "KEYCODE_CAMERA": 27,
    "KEYCODE_ENTER": 66,
    "KEYCODE_FOCUS": 80,
    "KEYCODE_MENU": 82,
    "KEYCODE_SLEEP": 223,
    "KEYCODE_WAKEUP": 224,
}
LOGGED = 5000  # lines that the log holds
Agent = Callable[[list[str]], tuple[bytes, bytes, int]]


@dataclass
class PhoneState:
    """A phone between two commands. ``clock`` is the phone's own clock, in seconds since 1970.

    ``page`` is what the browser was last told to open. ``cover`` is what lies over the app in front, such as a dialog;
    with ``pin`` only a person opens the lock screen.
    """

    profile: PhoneProfile
    serial: str
    files: PhoneFiles
    clock: Callable[[], float]
    on_key: Callable[[int], None]
    agent: Agent | None = None
    front: str = HOME_SCREEN
    page: str = ""
    cover: str = ""
    locked: bool = True
    pin: bool = False
    stay_on: bool = False
    settings: dict[tuple[str, str], str] = field(default_factory=dict)
    log: deque[tuple[float, str, str]] = field(default_factory=lambda: deque(maxlen=LOGGED))
    _lit: bool = False
    _last_input: float = 0.0

    def __post_init__(self) -> None:
        self.settings.setdefault(("system", "screen_off_timeout"), "30000")
        self.settings.setdefault(("system", "screen_brightness_mode"), "1")
        self.settings.setdefault(("system", "screen_brightness"), "102")
        self.settings.setdefault(("global", "stay_on_while_plugged_in"), "0")

    @property
    def awake(self) -> bool:
        """Whether the screen is on: somebody woke it, and it has not timed out since the last input."""
        timeout_s = float(self.settings.get(("system", "screen_off_timeout"), "30000")) / 1000
        return self._lit and (self.stay_on or self.clock() - self._last_input < timeout_s)

    @property
    def camera_ready(self) -> bool:
        """Whether the camera app would take a photograph now."""
        return self.awake and self.shown == self.profile.camera_app

    @property
    def shown(self) -> str:
        """What a person sees: the lock screen, what covers the app in front, or that app."""
        return LOCK_SCREEN if self.locked else self.cover or self.front

    def unlock(self) -> None:
        """Swipe the lock screen away, if the screen is on and no PIN is asked for."""
        self.locked = self.locked and (self.pin or not self.awake)

    @property
    def properties(self) -> dict[str, str]:
        """What getprop prints."""
        profile = self.profile
        build = (
            f"{profile.manufacturer}/{profile.device}/{profile.device}:{profile.android}/VIRTUAL/1:user/release-keys"
        )
        return {
            "ro.product.manufacturer": profile.manufacturer,
            "ro.product.brand": profile.manufacturer,
            "ro.product.model": profile.model,
            "ro.product.name": profile.device,
            "ro.product.device": profile.device,
            "ro.board.platform": profile.soc.lower(),
            "ro.soc.model": profile.soc,
            "ro.build.version.release": profile.android,
            "ro.build.version.sdk": str(profile.sdk),
            "ro.build.fingerprint": build,
            "ro.product.cpu.abilist": "arm64-v8a,armeabi-v7a,armeabi",
            "ro.serialno": self.serial,
            "sys.boot_completed": "1",
        }

    def press(self, key: int) -> None:
        """Do what a key does; the shutter keys reach the camera app only while it is in front of an awake screen."""
        self.note("InputReader", f"key {key}")
        if key == KEYS["KEYCODE_WAKEUP"] or (key == KEYS["KEYCODE_POWER"] and not self.awake):
            self._lit = True
        elif key in (KEYS["KEYCODE_SLEEP"], KEYS["KEYCODE_POWER"]):
            self.switch_off()
        elif self.awake and key in LOCK_SCREEN_KEYS:
            self.unlock()
        elif self.awake and key in (KEYS["KEYCODE_HOME"], KEYS["KEYCODE_BACK"]):
            self.front = HOME_SCREEN
        elif self.camera_ready:
            self.on_key(key)
        self.touch()

    def note(self, tag: str, text: str) -> None:
        """Write a line into the phone's log, which logcat prints."""
        self.log.append((self.clock(), tag, text))

    def switch_off(self) -> None:
        """Turn the screen off, which locks it."""
        self._lit, self.locked = False, True

    def touch(self) -> None:
        """Note that somebody used the screen, which keeps it on for a while."""
        if self._lit:
            self._last_input = self.clock()
