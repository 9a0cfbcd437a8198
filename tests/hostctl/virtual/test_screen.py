"""The virtual screen against the real display server: honest, lying, hidden, dropped and locked out."""

import threading
import time

import numpy as np
import pytest
from PIL import Image

from capture.display import DisplayServer
from capture.screen import Limits, judge, read_proof
from device_agents.errors import BadInput, TimedOut, Unauthorised
from device_agents.records import Scene
from hostctl.virtual.screen import ScreenModel, VirtualScreen, _read_events

HEIGHT, WIDTH = 480, 640
PATIENCE_S = 30.0


@pytest.fixture
def scenes(tmp_path):
    made = []
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (30, 40, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        made.append(Scene(f"scene{number}", str(tmp_path / f"{number}.png"), f"hash{number}", ("label",)))
    return made


@pytest.fixture
def server():
    with DisplayServer(settle_ms=80) as made:
        yield made


def make_screen(server, **options):
    return VirtualScreen(server.url, ScreenModel(height=HEIGHT, width=WIDTH), **options)


def look(screen):
    """A short exposure of what is on the screen now."""
    start_s = time.monotonic()
    time.sleep(0.002)
    return screen.exposed(start_s, 0.001, 0.001)


def reasons(exposure, shown, stimulus):
    light = sum(rgb.astype(np.float32) * weights[:, None, None] for rgb, weights in exposure.layers)
    proof = read_proof(np.rint(light).astype(np.uint8), layout=shown.layout, box=shown.box)
    return judge(proof, stimulus=stimulus, limits=Limits())


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_honest_screen_shows_what_it_acknowledges(server, scenes):
    with make_screen(server) as screen:
        report = server.wait_for_screen(timeout_s=PATIENCE_S)
        assert (report.height, report.width, report.agent) == (HEIGHT, WIDTH, "virtual screen")
        assert server.layout(timeout_s=1.0) == screen.model.layout
        for number, scene in enumerate(scenes):
            following = (scenes[number + 1], number + 1) if number + 1 < len(scenes) else None
            shown = server.show(scene, number, next_scene=following, timeout_s=PATIENCE_S)
            exposure = look(screen)
            assert (exposure.stimulus, exposure.scene, len(exposure.layers)) == (number, scene.scene, 1)
            assert reasons(exposure, shown, number) == ()


def test_a_screen_that_acknowledges_before_it_paints_is_caught_by_its_pixels(server, scenes):
    with make_screen(server, fault="acknowledges-early", early_s=3600.0) as screen:
        shown = server.show(scenes[0], 1, timeout_s=PATIENCE_S)
        assert reasons(look(screen), shown, 1)[0].startswith("no markers")  # still the ground


def test_the_frame_before_shows_as_a_wrong_frame(server, scenes):
    now_s = [100.0]
    with make_screen(server, fault="acknowledges-early", early_s=1.0, clock=lambda: now_s[0]) as screen:
        server.show(scenes[0], 1, timeout_s=PATIENCE_S)
        now_s[0] = 110.0
        shown = server.show(scenes[1], 2, timeout_s=PATIENCE_S)
        assert reasons(screen.exposed(110.5, 0.01, 0.01), shown, 2) == ("wrong frame: expected 2, got 1",)
        torn = screen.exposed(111.008 + 0.5 / 60, 1e-6, 0.0)
        assert reasons(torn, shown, 2) == ("torn: expected 2, got 2 above and 1 below",)
        assert reasons(screen.exposed(111.2, 0.01, 0.01), shown, 2) == ()


def test_a_hidden_screen_refuses_and_goes_on_when_it_is_back(server, scenes):
    with make_screen(server) as screen:
        server.wait_for_screen(timeout_s=PATIENCE_S)
        screen.set_visible(False)
        with pytest.raises(TimedOut, match="the page is hidden"):
            server.show(scenes[0], 1, timeout_s=0.3)
        screen.set_visible(True)
        assert server.show(scenes[0], 2, timeout_s=PATIENCE_S).stimulus == 2
        assert look(screen).stimulus == 2


def test_a_lost_connection_comes_back_and_the_session_goes_on(server, scenes):
    with make_screen(server) as screen:
        for number in range(3):
            assert server.show(scenes[number], number, timeout_s=PATIENCE_S).stimulus == number
            screen.drop()
            server.drop_connections()
        assert server.show(scenes[3], 3, timeout_s=PATIENCE_S).stimulus == 3
        assert look(screen).stimulus == 3


def test_a_server_started_again_gets_its_screen_back(server, scenes):
    with make_screen(server) as screen:
        server.show(scenes[0], 1, timeout_s=PATIENCE_S)
        server.__exit__(None, None, None)
        with DisplayServer(port=server.port, token=server.token, settle_ms=80) as again:
            again.show(scenes[1], 2, timeout_s=PATIENCE_S)
            assert look(screen).stimulus == 2


def test_a_wrong_token_is_final(server):
    with VirtualScreen(server.url + "x", ScreenModel(height=HEIGHT, width=WIDTH)) as screen:
        wait_until(lambda: screen.problem is not None)
        assert isinstance(screen.problem, Unauthorised)
        assert "token" in str(screen.problem)


def test_no_thread_stays_behind(scenes):
    before = threading.active_count()
    with DisplayServer(settle_ms=0) as server, make_screen(server) as screen:
        server.show(scenes[0], 1, next_scene=(scenes[1], 2), timeout_s=PATIENCE_S)
    assert threading.active_count() == before
    assert screen.problem is None


def test_an_unknown_fault_is_refused(server):
    with pytest.raises(BadInput, match="unknown screen fault 'asleep'; known: acknowledges-early"):
        make_screen(server, fault="asleep")


def test_events_are_read_as_the_standard_says():
    lines = b"retry: 5\n\n: still here\n\nevent: show\ndata: {\ndata:}\n\ndata: x\r\n\r\nevent: lost\n\n"
    assert list(_read_events(lines.splitlines(keepends=True))) == [("show", "{\n}"), ("message", "x")]
