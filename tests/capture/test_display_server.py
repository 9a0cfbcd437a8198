"""The display's server: it starts, answers, and ends without a trace."""

import logging
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image

from capture.display import DisplayServer
from device_agents.errors import BadInput
from device_agents.records import Scene

PATIENCE_S = 20.0


@pytest.fixture
def scenes(tmp_path):
    made = []
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 60, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        made.append(Scene(f"scene{number}", str(tmp_path / f"{number}.png"), f"hash{number}", ("label",)))
    return made


def fetch(server, path, **options):
    address = f"http://127.0.0.1:{server.port}{path}"
    asked = urllib.request.Request(address, headers={"X-Display-Token": server.token}, **options)
    with urllib.request.urlopen(asked, timeout=PATIENCE_S) as answer:
        return answer.read()


def test_the_server_starts_answers_and_leaves_no_thread_behind(scenes, caplog):
    before = threading.active_count()
    with caplog.at_level(logging.DEBUG, logger="capture.display"), DisplayServer(settle_ms=0) as server:
        assert server.url == f"http://127.0.0.1:{server.port}/?token={server.token}"
        assert len(server.token) >= 32
        assert b"page.js" in fetch(server, f"/?token={server.token}")
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{server.port}/state", timeout=PATIENCE_S)
        refused.value.close()
        stream = urllib.request.urlopen(f"{server.url.replace('/?', '/events?')}&client=x", timeout=PATIENCE_S)
        assert stream.readline().startswith(b"retry:")  # left open: the server has to end it
    assert stream.read() is not None
    stream.close()
    assert threading.active_count() == before
    assert "GET / 200" in caplog.text
    assert server.token not in caplog.text


def test_a_connection_that_never_asks_does_not_hold_up_the_end():
    with DisplayServer() as server:
        connection = urllib.request.socket.create_connection(("127.0.0.1", server.port))
        begun = time.monotonic()
    assert time.monotonic() - begun < PATIENCE_S
    connection.close()


def test_a_taken_port_is_bad_input():
    with DisplayServer() as server:
        second = DisplayServer(port=server.port)
        with pytest.raises(BadInput, match=f"cannot listen on 127.0.0.1:{server.port}"):
            second.__enter__()


def test_the_same_port_and_token_can_be_taken_again():
    with DisplayServer() as first:
        pass
    with DisplayServer(port=first.port, token=first.token) as second:
        assert second.url == first.url
