import asyncio
import hashlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostctl.virtual.phone_files import PhoneFiles
from hostctl.virtual.phone_profiles import PHONES
from hostctl.virtual.phone_shell import COMMANDS, run_line
from hostctl.virtual.phone_state import PhoneState

NOW = 1795305600.25  # 2026-11-22 00:00:00.25 UTC


def phone_at(root: Path, name: str = "modern", **state: object) -> PhoneState:
    files = PhoneFiles(root, capacity=10_000_000, now=lambda: NOW)
    return PhoneState(PHONES[name], "KIT1", files, lambda: NOW, on_key=lambda key: None, **state)


@pytest.fixture
def phone(tmp_path: Path) -> PhoneState:
    return phone_at(tmp_path / "phone")


def shell(phone: PhoneState, line: str) -> tuple[str, str, int]:
    async def collect() -> list:
        return [result async for result in run_line(phone, line)]

    results = asyncio.run(collect())
    out = b"".join(result.stdout for result in results).decode()
    return out, b"".join(result.stderr for result in results).decode(), results[-1].status


NONE = "No such file or directory\n"
LINES: dict[str, tuple[str, str, int]] = {
    "echo hi": ("hi\n", "", 0),
    "": ("", "", 0),
    "true && echo a || echo b; false && echo c || echo d": ("a\nd\n", "", 0),
    "false; echo $?; exit 9; echo never": ("1\n", "", 9),
    "echo a > /sdcard/f; echo b >> /sdcard/f; cat /sdcard/f": ("a\nb\n", "", 0),
    "cat < /nope": ("", f"/system/bin/sh: can't create: /nope: {NONE}", 1),
    "ls /nope 2>/dev/null || echo none": ("none\n", "", 0),
    "ls /nope 2>&1": (f"ls: /nope: {NONE}", "", 1),
    "cat /nope /sdcard 2>&1": (f"cat: /nope: {NONE}cat: /sdcard: Is a directory\n", "", 1),
    "nonsense x": ("", "/system/bin/sh: nonsense: inaccessible or not found\n", 127),
    "python --version": ("", "/system/bin/sh: python: inaccessible or not found\n", 127),
    "sh -c 'echo in; exit 4'; echo $?": ("in\n4\n", "", 0),
    "cd /sdcard && mkdir -p a/b && cd a && pwd": ("/storage/emulated/0/a\n", "", 0),
    "mkdir /system/x": ("", "mkdir: /system/x: Read-only file system\n", 1),
    "date +%s; date -u +%Y-%m-%dT%H:%M:%S.%N": ("1795305600\n2026-11-22T00:00:00.250000000\n", "", 0),
    "[ -d /sdcard ] && test -f /nope || echo no": ("no\n", "", 0),
    "test 3 -lt 12 && [ a != b ] && [ -z '' ] && echo yes": ("yes\n", "", 0),
    "touch /sdcard/p.jpg /sdcard/.hid; ls /sdcard; ls -d /sdcard/*.jpg": (
        "DCIM\nDownload\nPictures\np.jpg\n/sdcard/p.jpg\n",
        "",
        0,
    ),
    "ls /sdcard/*.z": ("", f"ls: /sdcard/*.z: {NONE}", 1),
    "settings put system a 96; settings get system a; settings get global b": ("96\nnull\n", "", 0),
    "getprop ro.product.model; getprop sys.boot_completed": ("Modern One\n1\n", "", 0),
    "am start -a x.VIEW >/dev/null": ("", "Error: Activity not started, unable to resolve Intent\n", 1),
    "pm path com.termux": ("", "", 1),
    "echo -n x > /sdcard/x && mv /sdcard/x /sdcard/DCIM && cp /sdcard/DCIM/x /sdcard/y && cat /sdcard/y": ("x", "", 0),
    "rm /sdcard/none; rm -f /sdcard/none && echo ok": ("ok\n", f"rm: /sdcard/none: {NONE}", 0),
    "stat -c '%s %Y %n' /sdcard/s.bin": ("", f"stat: /sdcard/s.bin: {NONE}", 1),
    "wm size; whoami": ("Physical size: 1080x2400\nshell\n", "", 0),
}


@pytest.mark.parametrize("line", LINES)
def test_lines(phone: PhoneState, line: str) -> None:
    assert shell(phone, line) == LINES[line]


def test_listing_hides_pending_files_and_sorts_by_time(phone: PhoneState) -> None:
    for second, name in enumerate(["b.jpg", ".pending-1-c.jpg", "a.jpg"]):
        phone.files.write(f"/sdcard/DCIM/Camera/{name}", b"x", mtime=NOW + second)
    assert shell(phone, "ls -t /sdcard/DCIM/Camera")[0] == "a.jpg\nb.jpg\n"
    assert shell(phone, "ls -1A /sdcard/DCIM/Camera")[0] == ".pending-1-c.jpg\na.jpg\nb.jpg\n"
    found = shell(phone, "find /sdcard/DCIM -newer /sdcard/DCIM/Camera/b.jpg -type f -name '*.jpg'")[0]
    assert found == "/sdcard/DCIM/Camera/.pending-1-c.jpg\n/sdcard/DCIM/Camera/a.jpg\n"


def test_a_long_listing_is_toyboxs_or_the_older_toolboxs(phone: PhoneState, tmp_path: Path) -> None:
    ancient = phone_at(tmp_path / "ancient", "ancient")
    for each in (phone, ancient):
        for name, data in (("a b.jpg", bytes(12345)), ("c.jpg", b"x"), (".pending-1-d.jpg", b"x")):
            each.files.write(f"/sdcard/DCIM/Camera/{name}", data, mtime=NOW + 61)
            each.files.host_path(f"/sdcard/DCIM/Camera/{name}").chmod(0o660)
    blocks = sum(each.stat().st_blocks for each in phone.files.host_path("/sdcard/DCIM/Camera").glob("[ac]*"))
    assert shell(phone, "ls -l /sdcard/DCIM/Camera/")[0] == (
        f"total {blocks}\n"
        "-rw-rw---- 1 root media_rw 12345 2026-11-22 00:01 a b.jpg\n"
        "-rw-rw---- 1 root media_rw     1 2026-11-22 00:01 c.jpg\n"
    )
    assert shell(ancient, "ls -l /sdcard/DCIM/Camera/")[0] == (
        "-rw-rw---- root     sdcard_rw    12345 2026-11-22 00:01 a b.jpg\n"
        "-rw-rw---- root     sdcard_rw        1 2026-11-22 00:01 c.jpg\n"
    )
    assert shell(phone, "ls -l /sdcard/DCIM/Camera/c.jpg")[0] == (
        "-rw-rw---- 1 root media_rw 1 2026-11-22 00:01 /sdcard/DCIM/Camera/c.jpg\n"
    )
    assert shell(ancient, "ls -ld /sdcard/DCIM")[0].split()[:3] == ["drwxr-xr-x", "root", "sdcard_rw"]
    assert shell(phone, "ls -l /sdcard/Download") == ("total 0\n", "", 0)
    phone.files.planted["/storage/emulated/0/Download"] = ["../x.jpg"]
    assert shell(phone, "ls -l /sdcard/Download")[0] == (
        "total 8\n-rw-rw---- 1 root media_rw 4096 1970-01-01 00:00 ../x.jpg\n"
    )


def test_the_last_result_of_a_line_says_so(phone: PhoneState) -> None:
    async def marks(line: str) -> list[bool]:
        return [result.last async for result in run_line(phone, line)]

    lines = {"echo a; echo b": [False, True], "": [True], "exit 3; echo": [True], "true || echo": [False]}
    assert {line: asyncio.run(marks(line)) for line in lines} == lines


def test_hashes_and_space(phone: PhoneState) -> None:
    phone.files.write("/sdcard/x", b"abc" * 100)
    digest = hashlib.sha256(b"abc" * 100).hexdigest()
    assert shell(phone, "sha256sum /sdcard/x")[0] == f"{digest}  /sdcard/x\n"
    assert shell(phone, "df /sdcard")[0].splitlines()[1].split()[1:4] == ["9765", "1", "9764"]
    assert shell(phone, "stat -c '%s %Y' /sdcard/x")[0] == "300 1795305600\n"
    assert shell(phone, "head -c 2 /sdcard/x; tail -c 1 /sdcard/x")[0] == "abc"


def test_the_screen_times_out_unless_told_to_stay_on(tmp_path: Path) -> None:
    now = [NOW]
    files = PhoneFiles(tmp_path, capacity=1000, now=lambda: now[0])
    phone = PhoneState(PHONES["modern"], "KIT1", files, lambda: now[0], on_key=lambda key: None)
    assert "mWakefulness=Asleep" in shell(phone, "dumpsys power")[0]
    shell(phone, "input keyevent KEYCODE_WAKEUP; wm dismiss-keyguard")
    assert "state=ON" in shell(phone, "dumpsys power")[0]
    now[0] += 31
    assert "state=OFF" in shell(phone, "dumpsys power")[0]
    shell(phone, "input keyevent 224; svc power stayon true")
    now[0] += 3600
    assert "mWakefulness=Awake" in shell(phone, "dumpsys power")[0]


def test_only_the_camera_in_front_of_an_open_lock_gets_keys(tmp_path: Path) -> None:
    keys: list[int] = []
    phone = phone_at(tmp_path)
    phone.on_key = keys.append
    shell(phone, "am start -W -a android.media.action.STILL_IMAGE_CAMERA; input keyevent 27")
    assert "com.android.systemui" in shell(phone, "dumpsys activity activities")[0]
    shell(phone, "input keyevent 224; input keyevent CAMERA; input keyevent 82; input keyevent KEYCODE_CAMERA 24")
    assert keys == [27, 24]
    shell(phone, "input keyevent HOME; input keyevent 27; am force-stop com.android.camera2")
    assert keys == [27, 24]


def test_the_log_tells_keys_with_their_times_and_the_lock_screen_is_told(tmp_path: Path) -> None:
    phone, old = phone_at(tmp_path / "a"), phone_at(tmp_path / "b", "ancient")
    for one in (phone, old):
        shell(one, "input keyevent KEYCODE_WAKEUP 27")
    lines = shell(phone, "logcat -d -t 1 -v epoch")[0].splitlines()
    assert lines[0] == "--------- beginning of main"
    assert lines[1].endswith("I InputReader: key 27")
    assert float(lines[1].split()[0]) == pytest.approx(phone.clock(), abs=60)
    assert len(shell(phone, "logcat -d -t 2000 -v epoch")[0].splitlines()) == 3
    assert shell(old, "logcat -d -t 2000 -v epoch") == ("", "Invalid parameter epoch to -v\n", 255)
    assert "InputReader: key 224" in shell(old, "logcat -d -t 2000 -v time")[0]
    assert shell(phone, "logcat -v epoch")[2] == 1
    assert "showing=true" in shell(phone, "dumpsys window policy")[0]
    shell(phone, "wm dismiss-keyguard")
    assert "showing=false" in shell(phone, "dumpsys window policy")[0]


def test_python_runs_the_agent_only_on_termux_with_its_paths_here(tmp_path: Path) -> None:
    calls: list[list[str]] = []

    def agent(words: list[str]) -> tuple[bytes, bytes, int]:
        calls.append(words)
        return b"line\n", b"warned\n", 5

    phone = phone_at(tmp_path, "termux", agent=agent)
    phone.files.write("/data/local/tmp/agent.zip", b"zip")
    assert shell(phone, "cd /data/local/tmp && python3 agent.zip info /sdcard/x") == ("line\n", "warned\n", 5)
    assert calls == [[str(tmp_path / "data/local/tmp/agent.zip"), "info", str(tmp_path / "storage/emulated/0/x")]]
    stock = phone_at(tmp_path / "stock", "modern", agent=agent)
    assert shell(stock, "python3 x")[2] == 127


@pytest.mark.parametrize("line", ["touch {0}", "echo x > {0}", "cp /sdcard/f {0}", "cat {1}", "sh -c 'cat {1}'"])
def test_nothing_outside_the_phone_is_touched(phone: PhoneState, tmp_path: Path, line: str) -> None:
    outside, secret = tmp_path / "made", tmp_path / "secret"
    secret.write_text("secret")
    phone.files.write("/sdcard/f", b"x")
    for climb in ("", "/sdcard/../../../.."):
        out, _, status = shell(phone, line.format(f"{climb}{outside}", f"{climb}{secret}"))
        assert status != 0
        assert "secret" not in out
    assert not outside.exists()


@pytest.mark.parametrize("line", ["echo $(touch {0})", "echo `touch {0}`", "true | touch {0}", "touch {0} &"])
def test_no_line_reaches_the_shell_of_this_machine(phone: PhoneState, tmp_path: Path, line: str) -> None:
    _, error, status = shell(phone, line.format(tmp_path / "made"))
    assert status == 1
    assert "syntax error" in error
    assert not (tmp_path / "made").exists()


def test_every_command_answers_without_words(phone: PhoneState) -> None:
    for name in COMMANDS:
        _, _, status = shell(phone, name)
        assert 0 <= status < 256, name


COMMANDS_OF_BOTH = ["true", "false", "echo a", "echo b$?", "sh -c 'exit 3'"]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.sampled_from([";", "&&", "||"]), st.sampled_from(COMMANDS_OF_BOTH)), max_size=6))
def test_connectors_and_statuses_as_in_the_shell_of_this_machine(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[str, str]]
) -> None:
    line = "true " + " ".join(f"{connector} {command}" for connector, command in parts)
    real = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=False)
    out, err, status = shell(phone_at(tmp_path_factory.mktemp("phone")), line)
    assert (out, err, status) == (real.stdout.decode(), "", real.returncode)
