"""ANDROID_COMMANDS: the commands of a virtual phone that are Android's own: am, input, dumpsys, settings and so on."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable

from hostctl.virtual.phone_commands import Command, Result, Shell, done, failed
from hostctl.virtual.phone_state import BROWSER, HOME_SCREEN, KEYS, PhoneState

CAMERA_ACTIONS = ("android.media.action.STILL_IMAGE_CAMERA", "android.media.action.STILL_IMAGE_CAMERA_SECURE")
FIRST_SDK_WITH_THERMAL_SERVICE = 29
FIRST_SDK_WITH_EPOCH = 24  # logcat -v epoch
NAMESPACES = ("system", "secure", "global")


def _getprop(shell: Shell, words: list[str]) -> Result:
    properties = shell.phone.properties
    if words:
        return done(properties.get(words[0], "") + "\n")
    return done("".join(f"[{key}]: [{value}]\n" for key, value in sorted(properties.items())))


async def _am(shell: Shell, words: list[str]) -> Result:
    phone, verb = shell.phone, words[0] if words else ""
    if verb == "start":
        return await _start(phone, words[1:])
    if verb == "force-stop" and len(words) == 2:
        if phone.front.split("/")[0] == words[1]:
            phone.front = HOME_SCREEN
        return Result()
    if verb == "broadcast":
        return done("Broadcasting: Intent {}\nBroadcast completed: result=0\n")
    return failed(f"Error: Unknown command: {verb}", status=255)


async def _start(phone: PhoneState, words: list[str]) -> Result:
    """Start an activity by -a ACTION or -n COMPONENT; the camera, a browser and the home screen are installed."""
    values = {flag: value for flag, value in itertools.pairwise(words) if flag in ("-a", "-d", "-n")}
    action, component = values.get("-a", ""), values.get("-n", "")
    if action in CAMERA_ACTIONS or component == phone.profile.camera_app:
        target = phone.profile.camera_app
    elif action == "android.intent.action.MAIN":
        target = HOME_SCREEN
    elif action == "android.intent.action.VIEW" and values.get("-d", "").startswith(("http://", "https://")):
        target, phone.page = BROWSER, values["-d"]
    else:
        text = f"Starting: Intent {{ act={action} cmp={component} }}\n"
        reason = "Error: Activity not started, unable to resolve Intent\n"
        return Result(text.encode(), reason.encode(), 1)
    await asyncio.sleep(phone.profile.open_s)
    phone.front = target
    phone.touch()
    text = f"Starting: Intent {{ act={action} }}\n"
    took = int(1000 * phone.profile.open_s)
    waited = f"Status: ok\nLaunchState: COLD\nActivity: {target}\nTotalTime: {took}\nWaitTime: {took}\nComplete\n"
    return done(text + (waited if "-W" in words else ""))


def _input(shell: Shell, words: list[str]) -> Result:
    if words[:1] == ["keyevent"] and len(words) > 1:
        for word in words[1:]:
            key = int(word) if word.isdigit() else KEYS.get(word, KEYS.get(f"KEYCODE_{word}", 0))
            shell.phone.press(key)
        return Result()
    if words[:1] in (["tap"], ["swipe"], ["text"]) and len(words) > 1:
        shell.phone.touch()
        return Result()
    return failed("Error: Invalid arguments for command: " + " ".join(words), status=255)


def _settings(shell: Shell, words: list[str]) -> Result:
    if len(words) < 3 or words[1] not in NAMESPACES:
        return failed("Invalid namespace or too few arguments", status=255)
    verb, space, key = words[:3]
    values = shell.phone.settings
    if verb == "get":
        return done(values.get((space, key), "null") + "\n")
    if verb == "delete":
        return done(f"Deleted {int(values.pop((space, key), None) is not None)} rows\n")
    if verb == "put" and len(words) == 4:
        if key == "screen_off_timeout" and not words[3].isdigit():
            return failed(f"Invalid value: {words[3]}", status=255)
        values[(space, key)] = words[3]
        return Result()
    return failed(f"Unknown command: {verb}", status=255)


def _svc(shell: Shell, words: list[str]) -> Result:
    if words[:2] == ["power", "stayon"] and len(words) == 3:
        shell.phone.stay_on = words[2] != "false"
        shell.phone.settings[("global", "stay_on_while_plugged_in")] = "7" if shell.phone.stay_on else "0"
        return Result()
    return Result() if words[:1] in (["wifi"], ["data"]) else failed("Available commands: power, wifi, data")


def _wm(shell: Shell, words: list[str]) -> Result:
    if words == ["dismiss-keyguard"]:
        shell.phone.unlock()
        return Result()
    known = {"size": "Physical size: 1080x2400\n", "density": "Physical density: 420\n"}
    return done(known[words[0]]) if words and words[0] in known else failed("Unknown command", status=255)


def _content(shell: Shell, words: list[str]) -> Result:
    if words[:1] == ["call"]:
        return done("Result: Bundle[{}]\n")
    return done("No result found.\n") if words[:1] == ["query"] else failed("[ERROR] Unsupported operation")


def _pm(shell: Shell, words: list[str]) -> Result:
    packages = [shell.phone.profile.camera_app.split("/")[0], HOME_SCREEN.split("/")[0]]
    packages += ["com.termux"] if shell.phone.profile.termux else []
    if words[:2] == ["list", "packages"]:
        return done("".join(f"package:{name}\n" for name in packages))
    if words[:1] == ["path"] and len(words) == 2:
        return done(f"package:/data/app/{words[1]}/base.apk\n") if words[1] in packages else Result(status=1)
    return failed(f"Unknown command: {' '.join(words[:1])}", status=255)


def _dumpsys(shell: Shell, words: list[str]) -> Result:
    text = DUMPS.get(" ".join(words))
    if text is _thermal and shell.phone.profile.sdk < FIRST_SDK_WITH_THERMAL_SERVICE:
        text = None
    return done(text(shell.phone)) if text else failed(f"Can't find service: {' '.join(words)}", status=0)


def _battery(phone: PhoneState) -> str:
    profile = phone.profile
    return (
        "Current Battery Service state:\n  AC powered: false\n  USB powered: true\n  status: 2\n  health: 2\n"
        f"  present: true\n  level: {profile.battery_percent}\n  scale: 100\n  voltage: 4123\n"
        f"  temperature: {round(10 * profile.battery_c)}\n  technology: Li-ion\n"
    )


def _thermal(phone: PhoneState) -> str:
    profile = phone.profile
    return (
        f"IsStatusOverride: false\nThermal Status: {profile.thermal_status}\nCached temperatures:\n"
        f"\tTemperature{{mValue={profile.battery_c}, mType=2, mName=battery, mStatus=0}}\nHAL Ready: true\n"
    )


def _power(phone: PhoneState) -> str:
    awake = phone.awake
    stay = str(phone.stay_on).lower()
    return (
        f"POWER MANAGER (dumpsys power)\n  mWakefulness={'Awake' if awake else 'Asleep'}\n  mStayOn={stay}\n"
        f"Display Power: state={'ON' if awake else 'OFF'}\n"
    )


def _media_camera(phone: PhoneState) -> str:
    return (
        "== Camera service: ==\nNumber of camera devices: 1\nNumber of normal camera devices: 1\n"
        '    Device 0 maps to "0"\n== Camera device 0 dynamic info: ==\n  Facing: Back\n'
    )


def _window_policy(phone: PhoneState) -> str:
    locked, secure = str(phone.locked).lower(), str(phone.pin).lower()
    head = "WINDOW MANAGER POLICY STATE (dumpsys window policy)\n    KeyguardServiceDelegate\n"
    return f"{head}      showing={locked}\n      secure={secure}\n"


def _logcat(shell: Shell, words: list[str]) -> Result:
    """Print the log once: -d, -t COUNT and -v epoch or time are known; -v epoch came with Android 7."""
    values = {flag: value for flag, value in itertools.pairwise(words) if flag in ("-t", "-v")}
    phone, form = shell.phone, values.get("-v", "time")
    if "-d" not in words or not values.get("-t", "1").isdigit():
        return failed("logcat: this phone offers only -d, -t COUNT and -v FORMAT")
    if form not in ("time", "epoch") or (form == "epoch" and phone.profile.sdk < FIRST_SDK_WITH_EPOCH):
        return failed(f"Invalid parameter {form} to -v", status=255)
    rows = list(phone.log)[-int(values.get("-t", "5000")) :]
    moments = (
        f"{now:17.3f}  1000  1001" if form == "epoch" else time.strftime("%m-%d %H:%M:%S", time.gmtime(now))
        for now, _, _ in rows
    )
    lines = [f"{moment} I {tag}: {text}\n" for moment, (_, tag, text) in zip(moments, rows, strict=True)]
    return done("--------- beginning of main\n" + "".join(lines))


def _activities(phone: PhoneState) -> str:
    record = f"ActivityRecord{{1a2b3c4 u0 {phone.shown} t12}}"
    name = "topResumedActivity" if phone.profile.sdk >= 29 else "mResumedActivity"
    separator = "=" if phone.profile.sdk >= 29 else ": "
    return f"ACTIVITY MANAGER ACTIVITIES (dumpsys activity activities)\nDisplay #0:\n  {name}{separator}{record}\n"


DUMPS: dict[str, Callable[[PhoneState], str]] = {
    "battery": _battery,
    "thermalservice": _thermal,
    "power": _power,
    "media.camera": _media_camera,
    "activity activities": _activities,
    "window policy": _window_policy,
}
ANDROID_COMMANDS: dict[str, Command] = {
    "getprop": _getprop,
    "am": _am,
    "input": _input,
    "settings": _settings,
    "svc": _svc,
    "wm": _wm,
    "content": _content,
    "pm": _pm,
    "dumpsys": _dumpsys,
    "logcat": _logcat,
    "whoami": lambda shell, words: done("shell\n"),
    "id": lambda shell, words: done("uid=2000(shell) gid=2000(shell) groups=2000(shell)\n"),
    "uname": lambda shell, words: done("Linux localhost 5.10.0-virtual aarch64\n" if words else "Linux\n"),
}
