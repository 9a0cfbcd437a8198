"""Scenes shown outside a session, on the real display server and a virtual screen; and the command itself."""

import contextlib
import io
import re
import signal
import subprocess
import threading

import numpy as np
import pytest
from PIL import Image

from capture.display import DisplayServer
from device_agents.errors import BadInput, Unreachable
from device_agents.records import Scene
from hostctl.labs.showing import show_scenes
from hostctl.virtual.screen import ScreenModel, VirtualScreen
from tests.fakes.command import PROGRAM, instability

HEIGHT, WIDTH = 480, 640
PATIENCE_S = 60.0


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for number, label in enumerate(("cat", "dog", "cow")):
        (folder / label).mkdir(parents=True)
        pixels = np.random.default_rng(number).integers(0, 256, (30, 40, 3), np.uint8)
        Image.fromarray(pixels).save(folder / label / f"{label}.png")
    return folder


@pytest.fixture
def scenes(photos):
    files = sorted(photos.rglob("*.png"))
    return [Scene(file.stem, str(file), "0" * 64, (file.stem,)) for file in files]


class Screen(ScreenModel):
    """Remembers the scenes that were painted on it."""

    def __init__(self):
        super().__init__(height=HEIGHT, width=WIDTH)
        self.painted = []

    def paint(self, rgb, *, at_s, stimulus=-1, scene=""):
        super().paint(rgb, at_s=at_s, stimulus=stimulus, scene=scene)
        self.painted.append((stimulus, scene))


@contextlib.contextmanager
def display_with_screen(model):
    with DisplayServer(settle_ms=1) as server, VirtualScreen(server.url, model):
        yield server


def show(scenes, *, typed="", every_s=None):
    """Show them on a screen of their own; give what was painted, what was printed, and the problem that ended it."""
    model, said, problem = Screen(), io.StringIO(), None
    try:
        streams = {"stdin": io.StringIO(typed), "stdout": said}
        show_scenes(scenes, display_with_screen(model), every_s=every_s, connect_s=PATIENCE_S, **streams)
    except BadInput as caught:
        problem = caught
    return model.painted, said.getvalue(), problem


def test_each_scene_is_shown_once_in_its_order(scenes):
    painted, said, problem = show(scenes, every_s=0)
    assert problem is None
    assert painted == [(1, "cat"), (2, "cow"), (3, "dog")]
    first, *rest = said.splitlines()
    assert re.fullmatch(
        r"open http://127\.0\.0\.1:\d+/\?token=\S+ on the screen, in full screen; waiting for it", first
    )
    assert rest == ["1/3 cat (cat)", "2/3 cow (cow)", "3/3 dog (dog)"]


def test_without_a_time_enter_goes_on(scenes):
    painted, said, problem = show(scenes, typed="\n\n\n")
    assert problem is None
    assert [scene for _, scene in painted] == ["cat", "cow", "dog"]
    assert said.count("Enter shows the next one ") == 2
    assert said.count("Enter ends ") == 1


def test_the_inputs_end_is_no_enter(scenes):
    painted, said, problem = show(scenes, typed="\n")
    assert "got the input's end; give --every SECONDS" in str(problem)
    assert [scene for _, scene in painted] == ["cat", "cow"]
    assert said.endswith("\n")


def test_a_screen_that_never_connects_ends_the_wait(scenes):
    server = DisplayServer()
    with pytest.raises(Unreachable, match=r"within 0\.05 s: no screen is connected; open http://127"):
        show_scenes(scenes, server, every_s=0, stdin=io.StringIO(), stdout=io.StringIO(), connect_s=0.05)


@pytest.mark.parametrize("every_s", [-1, float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused_before_anything_starts(every_s):
    with pytest.raises(BadInput, match="--every: expected 0 seconds or more"):
        show_scenes([], contextlib.nullcontext(), every_s=every_s, stdin=io.StringIO(), stdout=io.StringIO())


@contextlib.contextmanager
def command(*words):
    """The program, its output so far by lines, and killed whatever happens."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([str(PROGRAM), "show", *map(str, words)], text=True, **pipes) as process:
        guard = threading.Timer(PATIENCE_S, process.kill)  # so that no read below waits for ever
        guard.start()
        try:
            yield process
        finally:
            guard.cancel()
            process.kill()


def address(process):
    return process.stdout.readline().split()[1]


def test_the_command_shows_a_folder_and_says_what_it_misses(photos):
    model = Screen()
    with command(photos) as process:
        with VirtualScreen(address(process), model):
            said, wrong = process.communicate("\n", timeout=PATIENCE_S)
    assert [scene for _, scene in model.painted] == ["cat/cat", "cow/cow"]
    assert said.count("Enter shows the next one") == 2
    assert process.returncode == 2
    assert wrong.startswith("instability: expected Enter after each scene, got the input's end")
    assert len(wrong.splitlines()) == 1


def test_ctrl_c_ends_the_command_in_one_line(photos):
    with command(photos, "--every", "600") as process:
        with VirtualScreen(address(process), Screen()):
            assert process.stdout.readline().startswith("1/3 ")
            process.send_signal(signal.SIGINT)
            _, wrong = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert wrong.splitlines() == ["instability: stopped; run the same command again to go on where it stopped"]


def test_a_wrong_time_is_one_line(photos, tmp_path):
    done = instability("show", photos, "--every", "-3", cwd=tmp_path, timeout_s=PATIENCE_S)
    assert (done.returncode, done.stderr) == (2, "instability: --every: expected 0 seconds or more, got -3\n")
