"""The proxy does to each connection what its script says, and nothing else, on the byte."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hostctl.virtual.fault_proxy import CALM, FaultProxy, Trouble, at_random, in_order, of_faults
from hostctl.virtual.faults import Fault
from hostctl.virtual.hosting import serving

ANSWER = bytes(range(256)) * 400
PATIENCE_S = 20.0


@contextmanager
def answering() -> Iterator[int]:
    """A server that says ANSWER to whoever connects, and then waits for the other's end."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.sendall(ANSWER)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        pass
                except OSError:
                    pass  # the proxy broke it

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def heard(port: int, *, timeout_s: float = PATIENCE_S) -> tuple[bytes, str]:
    """What comes over a connection, and how it ends: "end", "reset" or "silence"."""
    got = b""
    try:
        connection = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
    except ConnectionResetError:  # so soon that it was not even connected
        return got, "reset"
    with closing(connection):
        while True:
            try:
                data = connection.recv(65536)
            except ConnectionResetError:
                return got, "reset"
            except TimeoutError:
                return got, "silence"
            if not data:
                return got, "end"
            got += data


def flipped(at: int) -> bytes:
    changed = bytearray(ANSWER)
    changed[at] ^= 1
    return bytes(changed)


@pytest.mark.parametrize(
    ("trouble", "got", "end"),
    [
        (CALM, ANSWER, "end"),
        (Trouble(cut_after=1000), ANSWER[:1000], "end"),
        (Trouble(cut_after=0), b"", "end"),
        (Trouble(stall_after=70_000), ANSWER[:70_000], "silence"),
        (Trouble(flip_at=66_000), flipped(66_000), "end"),
        (Trouble(cut_after=100, stall_after=50), ANSWER[:50], "silence"),
        (Trouble(refused=True), b"", "reset"),
    ],
)
def test_each_trouble_on_the_byte(trouble: Trouble, got: bytes, end: str) -> None:
    with answering() as server, serving([FaultProxy(lambda: server, in_order(trouble))]) as [port]:
        assert heard(port, timeout_s=0.5 if end == "silence" else PATIENCE_S) == (got, end)
        assert heard(port) == (ANSWER, "end")  # the next connection has no trouble


def test_a_reset_is_one() -> None:
    trouble = Trouble(reset_after=5000)
    with answering() as server, serving([FaultProxy(lambda: server, in_order(trouble))]) as [port]:
        got, end = heard(port)
        assert end == "reset"
        assert ANSWER[:5000].startswith(got)  # a reset may overtake what was sent before it


def test_rate_and_latency_take_their_time() -> None:
    trouble = Trouble(bytes_per_s=len(ANSWER) / 0.4, latency_s=0.05)
    with answering() as server, serving([FaultProxy(lambda: server, in_order(trouble))]) as [port]:
        start = time.monotonic()
        assert heard(port) == (ANSWER, "end")
        assert time.monotonic() - start >= 0.45


def test_a_server_that_is_not_there_resets() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    with serving([FaultProxy(lambda: port, in_order())]) as [proxy]:
        assert heard(proxy) == (b"", "reset")


def test_the_same_seed_gives_the_same_connections() -> None:
    troubles = [Trouble(cut_after=1), Trouble(refused=True)]
    one, same, other = (at_random(troubles, rate=0.5, seed=seed) for seed in (1, 1, 2))
    drawn = [one(number) for number in range(1, 200)]
    assert drawn == [same(number) for number in range(1, 200)]
    assert drawn != [other(number) for number in range(1, 200)]
    assert 60 < sum(trouble != CALM for trouble in drawn) < 140
    assert set(drawn) == {CALM, *troubles}


def test_faults_of_a_link_become_a_script() -> None:
    assert of_faults([Fault("late-file")]) is None
    script = of_faults([Fault("link-cut", at_shot=2, times=2, after_bytes=7), Fault("late-file")])
    assert script is not None
    assert [script(number) for number in (1, 2, 3, 4)] == [CALM, Trouble(cut_after=7), Trouble(cut_after=7), CALM]


class Page(BaseHTTPRequestHandler):
    """Answers with a body whose length is told."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def test_http_behind_the_proxy_notices_a_cut_and_goes_on() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            script = in_order(Trouble(cut_after=5000))
            with serving([FaultProxy(lambda: server.server_address[1], script)]) as [port]:
                with pytest.raises(http.client.IncompleteRead):
                    fetched(port)
                assert fetched(port) == ANSWER
        finally:
            server.shutdown()
            thread.join()


def fetched(port: int) -> bytes:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection:
        connection.request("GET", "/")
        return connection.getresponse().read()
