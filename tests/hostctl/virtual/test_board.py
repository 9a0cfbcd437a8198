"""The virtual board against the OpenSSH clients: logins, commands, files, the camera programs, the real agent."""

import asyncio
import hashlib
import json
import os
import shlex
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hostctl.agent import build_agent_zip
from hostctl.virtual.board import BoardFaults, VirtualBoard, make_key
from hostctl.virtual.board_commands import parse, run_command
from hostctl.virtual.board_files import BoardFiles
from hostctl.virtual.hosting import serving

JPEG = b"\xff\xd8\xff\xda\0\2" + b"jpeg" * 1000 + b"\xff\xd9"  # a start, a scan, an end
DNG = b"II*\0dng" * 2000
TIMEOUT_S = 120


class Client:
    """The OpenSSH programs with one key and one known_hosts file, and nothing of this user's own settings."""

    def __init__(self, board: VirtualBoard, folder: Path, key: Path) -> None:
        self.board, self.key, self.known_hosts = board, key, folder / "known_hosts"
        self.known_hosts.write_text(board.known_hosts_line + "\n")

    def _options(self) -> list[str]:
        options = {"UserKnownHostsFile": self.known_hosts, "StrictHostKeyChecking": "yes", "IdentitiesOnly": "yes"}
        options |= {"BatchMode": "yes", "GlobalKnownHostsFile": "/dev/null", "IdentityAgent": "none"}
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return ["-F", "/dev/null", "-i", str(self.key), *words]

    def ssh(self, *command: str, user: str = "pi") -> subprocess.CompletedProcess[bytes]:
        words = ["ssh", *self._options(), "-p", str(self.board.port), f"{user}@127.0.0.1", *command]
        return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S)

    def sftp(self, *lines: str) -> subprocess.CompletedProcess[bytes]:
        words = ["sftp", *self._options(), "-P", str(self.board.port), "-b", "-", "pi@127.0.0.1"]
        return subprocess.run(words, input="\n".join(lines).encode(), capture_output=True, timeout=TIMEOUT_S)


@contextmanager
def running(folder: Path, **settings: object) -> Iterator[Client]:
    public = make_key(folder / "key")
    board = VirtualBoard(folder / "board", lambda: {".jpg": JPEG, ".dng": DNG}, authorised_keys=[public], **settings)  # type: ignore[arg-type]
    with serving([board]):
        yield Client(board, folder, folder / "key")


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with running(tmp_path) as client:
        yield client


def test_openssh_runs_commands_and_gets_exit_codes(client: Client) -> None:
    done = client.ssh("echo", "'two  spaces'", "and $HOME * stay")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"two  spaces and $HOME * stay\n", b"")
    done = client.ssh("nosuch")
    assert (done.returncode, done.stdout) == (127, b"")
    assert done.stderr == b"bash: line 1: nosuch: command not found\n"
    assert client.ssh("test -e nothing").returncode == 1
    assert client.ssh().returncode == 1  # no interactive shell


def test_command_strings_never_reach_a_shell_of_this_machine(client: Client, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    for line in (f"echo a; touch {marker}", f"echo $(touch {marker})", f"echo `touch {marker}`", f"echo a > {marker}"):
        assert client.ssh(line).returncode == 2
    assert client.ssh(f"echo a && touch {marker}").returncode == 2
    assert client.ssh("sh", "-c", f"'touch {marker}'").returncode == 127
    assert not marker.exists()


def test_only_the_known_user_with_the_known_key_gets_in(client: Client, tmp_path: Path) -> None:
    assert client.ssh("pwd", user="root").returncode == 255
    make_key(tmp_path / "other")
    client.key = tmp_path / "other"
    done = client.ssh("pwd")
    assert done.returncode == 255
    assert b"Permission denied" in done.stderr


def test_another_host_key_after_a_restart_is_refused_by_openssh(tmp_path: Path) -> None:
    board = VirtualBoard(
        tmp_path / "board",
        lambda: {},
        authorised_keys=[make_key(tmp_path / "key")],
        faults=BoardFaults(fresh_host_key=True),
    )
    with serving([board]) as [port]:
        client = Client(board, tmp_path, tmp_path / "key")
        assert client.ssh("pwd").stdout == b"/home/pi\n"
    loop = asyncio.new_event_loop()
    loop.run_until_complete(board.start(port))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        done = client.ssh("pwd")
        assert done.returncode == 255
        assert b"Host key verification failed" in done.stderr
    finally:
        asyncio.run_coroutine_threadsafe(board.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_openssh_sftp_moves_files_whole(client: Client, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "up").write_bytes(data)
    done = client.sftp(
        "mkdir shots", f"put {tmp_path / 'up'} shots/x.bin", f"get shots/x.bin {tmp_path / 'down'}", "pwd"
    )
    assert done.returncode == 0, done.stderr
    assert b"/home/pi" in done.stdout
    assert (tmp_path / "down").read_bytes() == data
    assert client.ssh("sha256sum shots/x.bin").stdout.decode() == f"{hashlib.sha256(data).hexdigest()}  shots/x.bin\n"
    assert client.ssh("stat -c '%s %F' /home/pi/shots/x.bin").stdout == b"3000000 regular file\n"


def test_no_path_leads_out_of_the_board(client: Client, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    home = client.board.files.home
    (home / "link").symlink_to(tmp_path)
    for path in (f"{tmp_path}/secret", "../../../../secret", "link/secret"):
        done = client.ssh("cat", path)
        assert done.returncode == 1
        assert done.stdout == b""
        assert client.sftp(f"get {path} {tmp_path / 'stolen'}").returncode == 1
    assert client.sftp(f"ln -s {tmp_path} out").returncode == 1
    assert not (tmp_path / "stolen").exists()
    assert client.ssh("rm -rf /").returncode == 1
    assert home.is_dir()


def test_rpicam_still_writes_the_jpeg_and_the_raw_of_one_exposure(client: Client) -> None:
    options = "-n --immediate --raw --shutter 10000 --gain 1 --awbgains 2.0,1.6"
    done = client.ssh(f"rpicam-still {options} -o x.jpg")
    assert done.returncode == 0, done.stderr
    assert client.board.files.place("x.jpg").read_bytes() == JPEG
    assert client.board.files.place("/home/pi/x.dng").read_bytes() == DNG
    assert client.ssh("libcamera-still -n -o /tmp/y.jpg").returncode == 0
    assert client.ssh("ls -1 /tmp").stdout == b"y.jpg\n"


def test_rpicam_still_refuses_what_it_does_not_know(client: Client) -> None:
    for line in ("rpicam-still -n", "rpicam-still --huh -o x.jpg", "rpicam-still --gain much -o x.jpg"):
        done = client.ssh(line)
        assert done.returncode == 255
        assert done.stderr.startswith(b"ERROR: ***")
    assert b"gives no .heic" in client.ssh("rpicam-still -o x.heic").stderr
    assert client.ssh("rpicam-still -o nofolder/x.jpg").returncode == 255
    assert (
        client.ssh("rpicam-still -o ../../../x.jpg").returncode == 255
        or not (client.board.files.root.parent / "x.jpg").exists()
    )


def test_v4l2_ctl_writes_one_frame(client: Client) -> None:
    control = "--set-ctrl=auto_exposure=1,exposure_time_absolute=100,white_balance_automatic=0"
    form = "--set-fmt-video=width=1920,height=1080,pixelformat=MJPG"
    stream = "--stream-mmap --stream-skip=20 --stream-count=1 --stream-to=x.jpg"
    done = client.ssh(f"v4l2-ctl -d /dev/video0 {control} {form} {stream}")
    assert done.returncode == 0, done.stderr
    assert client.board.files.place("x.jpg").read_bytes() == JPEG
    done = client.ssh(f"v4l2-ctl -d /dev/video1 {stream}")
    assert (done.returncode, done.stderr) == (1, b"Cannot open device /dev/video1, exiting.\n")


def test_a_missing_camera_and_a_cut_photograph(tmp_path: Path) -> None:
    with running(tmp_path, faults=BoardFaults(no_camera=True)) as client:
        assert b"no cameras available" in client.ssh("rpicam-still -o x.jpg").stderr
    (tmp_path / "2").mkdir()
    with running(tmp_path / "2", faults=BoardFaults(truncated=True, shots=(2,))) as client:
        for _ in range(2):
            assert client.ssh("rpicam-still -o x.jpg").returncode == 0
        assert client.board.files.place("x.jpg").read_bytes() == JPEG[: len(JPEG) // 2]


def test_a_dropped_transfer_and_a_slow_one(tmp_path: Path) -> None:
    with running(tmp_path, faults=BoardFaults(drop_after_bytes=100_000)) as client:
        client.board.files.place("x").write_bytes(b"x" * 1_000_000)
        assert client.sftp(f"get x {tmp_path / 'x'}").returncode == 255
        assert client.sftp(f"get x {tmp_path / 'x'}").returncode == 0
        assert (tmp_path / "x").stat().st_size == 1_000_000
    (tmp_path / "2").mkdir()
    with running(tmp_path / "2", faults=BoardFaults(slow_bytes_s=5e6)) as client:
        client.board.files.place("x").write_bytes(b"x" * 100_000)
        assert client.sftp(f"get x {tmp_path / 'y'}").returncode == 0


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("uname -m", "aarch64\n"),
        ("uname", "Linux\n"),
        ("pwd", "/home/pi\n"),
        ("mkdir -p a/b", ""),
        ("rm -f none", ""),
        ("test -d /tmp", ""),
        ("ls -a /home", "pi\n"),
        ("date -u +%s.%N", None),
        ("df -Pk", None),
        ("ls -l /", None),
    ],
)
def test_table_commands(tmp_path: Path, line: str, expected: str | None) -> None:
    output = run_command(BoardFiles(tmp_path), parse(line))
    assert output.exit_code == 0, output.stderr
    assert expected is None or output.text == expected


def test_table_commands_fail_as_programs_do(tmp_path: Path) -> None:
    files = BoardFiles(tmp_path)
    for line, exit_code in (
        ("rm none", 1),
        ("ls none", 1),
        ("mkdir /tmp", 1),
        ("ls -Q", 2),
        ("test x", 2),
        ("cat /tmp", 1),
    ):
        output = run_command(files, parse(line))
        assert output.exit_code == exit_code, line
        assert output.stderr
        assert str(tmp_path).encode() not in output.stderr


def test_words_come_out_of_a_line_as_they_went_in() -> None:
    for words in (["a b", "c'd", 'e"f', "g\\h", ";", "&&", "$(x)", "`y`", "\n", "é", ""], ["x"]):
        assert parse(shlex.join(words)) == words
    for line in ("a;b", "a ; b", "a|b", "a\nb", 'a "b" & c'):
        with pytest.raises(ValueError, match="one command"):
            parse(line)


def test_python_runs_the_zipped_agent_and_nothing_else(client: Client, tmp_path: Path) -> None:
    archive = build_agent_zip(tmp_path / "agent.zip")
    assert client.sftp(f"put {archive} agent.zip").returncode == 0
    done = client.ssh("python3 agent.zip info")
    assert done.returncode == 0, done.stderr
    info = json.loads(done.stdout)
    assert info["cameras"] == ["replay", "rpicam", "v4l2"]
    assert "pillow" in info["libraries"]
    for line in ("python3 -c 'print(1)'", "python3", "python3 none.zip", f"python3 {archive}"):
        assert client.ssh(line).returncode == 2, line


def test_the_agent_shoots_with_the_boards_programs_in_the_boards_paths(client: Client, tmp_path: Path) -> None:
    assert client.sftp(f"put {build_agent_zip(tmp_path / 'agent.zip')} agent.zip").returncode == 0
    for camera, options, names in (("rpicam", "--raw", ["s.dng", "s.jpg"]), ("v4l2", "", ["s.jpg"])):
        done = client.ssh(f"python3 agent.zip shoot --camera {camera} --folder /home/pi/{camera} --stem s -- {options}")
        assert done.returncode == 0, done.stderr
        shots = [json.loads(line) for line in done.stdout.splitlines()]
        assert [shot["path"] for shot in shots] == [f"/home/pi/{camera}/{name}" for name in names]
        assert shots[-1]["sha256"] == hashlib.sha256(JPEG).hexdigest()
    done = client.ssh("python3 agent.zip shoot --camera rpicam --folder ../../../../../out --stem s")
    assert done.returncode == 0
    assert (client.board.files.root / "out" / "s.jpg").is_file()
    done = client.ssh("python3 agent.zip shoot --camera rpicam --folder=/home/pi/eq --stem s -- --huh")
    assert done.returncode == 3
    assert b"rpicam-still ended with status 255: ERROR: *** unrecognized arguments: --huh ***" in done.stderr


def test_a_child_ends_with_its_client(client: Client, tmp_path: Path) -> None:
    started, ended = client.board.files.home / "started", client.board.files.home / "ended"
    code = "import pathlib, time\npathlib.Path('started').touch()\ntime.sleep(120)\npathlib.Path('ended').touch()\n"
    with zipfile.ZipFile(client.board.files.home / "sleep.zip", "w") as archive:
        archive.writestr("__main__.py", code)
    words = ["ssh", *client._options(), "-p", str(client.board.port), "pi@127.0.0.1", "python3 sleep.zip"]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL) as process:
        while not started.exists():
            assert process.poll() is None
            threading.Event().wait(0.05)
        process.kill()
    # Leaving the fixture waits for the child: it would take two minutes had it not been ended.
    assert not ended.exists()
