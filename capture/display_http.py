"""A threaded HTTP(S) server that ends cleanly: its threads are joined, and its log is a logger's and holds no token."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

logger = logging.getLogger("capture.display")
HANDSHAKE_S = 15.0
SILENCE_S = 60.0  # the longest time without a byte where one is waited for; a page asks again well before
HEAD_S = 75.0  # for a whole request without its body, however steadily its bytes drip
MOST_CONNECTIONS = 512  # each takes a thread; a browser opens six at most, 32 devices' pages and a screen some 200


class _Handler(WSGIRequestHandler):
    """One connection; small writes leave at once (Nagle's algorithm would hold a server-sent event for 40 ms)."""

    disable_nagle_algorithm = True
    timeout = SILENCE_S
    server: CleanServer

    def handle_one_request(self) -> None:
        """Answer one request, whose head must be there in time."""
        self.server.awaits(self.connection)
        super().handle_one_request()

    def parse_request(self) -> bool:
        """Read a request's head; what comes after it is read only for those who have a token."""
        try:
            return super().parse_request()
        finally:
            self.server.awaits(self.connection, over=True)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log the request without its query, where the token may stand."""
        logger.debug("%s %s %s", self.command, self.path.split("?")[0], code)

    def log(self, type: str, message: str, *args: Any) -> None:
        """Send everything else to the logger, too, instead of werkzeug's own handler on standard error."""
        logger.log(getattr(logging, type.upper(), logging.INFO), message, *args)


class CleanServer(ThreadedWSGIServer):
    """Werkzeug's threaded server, which also ends the connections that are open and joins their threads.

    Browsers keep connections open without asking anything, and a stream of events never ends by itself. With
    ``context`` it speaks TLS; each connection's handshake is done in its own thread and within 15 s, so that one that
    says nothing holds up nobody else (werkzeug's own way does it where connections are accepted).
    """

    daemon_threads = False
    block_on_close = True

    def __init__(self, host: str, port: int, app: Any, *, context: ssl.SSLContext | None = None) -> None:
        """Listen; raises OSError where the port is taken (werkzeug by itself prints and exits)."""
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        self._awaited: dict[socket.socket, float] = {}  # since when a request's head is waited for
        with socket.create_server((host, port), backlog=128) as listener:
            super().__init__(host, listener.getsockname()[1], app, handler=_Handler, fd=listener.fileno())
        self.ssl_context = context  # werkzeug reads from it whether the scheme is https

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection and remember it."""
        connection, address = super().get_request()
        with self._open_lock:
            if len(self._open) >= MOST_CONNECTIONS:
                connection.close()
                raise ConnectionAbortedError(f"more than {MOST_CONNECTIONS} connections")  # socketserver passes it over
        if self.ssl_context is not None:
            connection = self.ssl_context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._open_lock:
            self._open.add(connection)
        return connection, address

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection, after its handshake if it is to be one of TLS; one that fails is only logged."""
        if isinstance(request, ssl.SSLSocket):
            try:
                request.settimeout(HANDSHAKE_S)
                request.do_handshake()
                request.settimeout(None)
            except OSError as problem:  # plain http, a browser that does not trust the certificate, or nothing said
                logger.debug("no TLS with %s: %s", client_address[0], problem)
                return
        super().finish_request(request, client_address)

    def awaits(self, connection: socket.socket, *, over: bool = False) -> None:
        """Note that the head of a request is waited for from now on, or no longer."""
        with self._open_lock:
            if over:
                self._awaited.pop(connection, None)
            else:
                self._awaited[connection] = time.monotonic()

    def service_actions(self) -> None:
        """Cut connections whose next request has not begun, or has not come to the end of its head, for too long."""
        with self._open_lock:
            late = [one for one, since in self._awaited.items() if time.monotonic() - since > HEAD_S]
            for connection in late:
                del self._awaited[connection]
                _cut(connection)

    def shutdown_request(self, request: Any) -> None:
        """End a connection and forget it."""
        with self._open_lock:
            self._open.discard(request)
            self._awaited.pop(request, None)
        super().shutdown_request(request)

    def log(self, type: str, message: str, *args: Any) -> None:
        """Send the server's own words to the logger."""
        logger.log(getattr(logging, type.upper(), logging.INFO), message, *args)

    def drop_connections(self) -> None:
        """Cut every open connection; those who want to come back connect again."""
        with self._open_lock:
            for connection in self._open:
                _cut(connection)

    def server_close(self) -> None:
        """Cut what is open, then wait for the threads; werkzeug calls this itself when it stops serving."""
        self.drop_connections()
        super().server_close()


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may have ended by itself in this moment
        # Not SSLSocket's own, which would have another thread go on in plain text.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


@contextlib.contextmanager
def serving(host: str, port: int, app: Any, *, context: ssl.SSLContext | None = None) -> Iterator[CleanServer]:
    """Serve an application in a thread for the length of a with block; raises OSError where the port is taken."""
    server = CleanServer(host, port, app, context=context)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="display-server")
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
