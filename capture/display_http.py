"""A threaded HTTP server that ends cleanly: its threads are joined, and its log is a logger's and holds no token."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

logger = logging.getLogger("capture.display")


class _Handler(WSGIRequestHandler):
    """One connection; small writes leave at once (Nagle's algorithm would hold a server-sent event for 40 ms)."""

    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log the request without its query, where the token may stand."""
        logger.debug("%s %s %s", self.command, self.path.split("?")[0], code)

    def log(self, type: str, message: str, *args: Any) -> None:
        """Send everything else to the logger, too, instead of werkzeug's own handler on standard error."""
        logger.log(getattr(logging, type.upper(), logging.INFO), message, *args)


class CleanServer(ThreadedWSGIServer):
    """Werkzeug's threaded server, which also ends the connections that are open and joins their threads.

    Browsers keep connections open without asking anything, and a stream of events never ends by itself.
    """

    daemon_threads = False
    block_on_close = True

    def __init__(self, host: str, port: int, app: Any) -> None:
        """Listen; raises OSError where the port is taken (werkzeug by itself prints and exits)."""
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        with socket.create_server((host, port), backlog=128) as listener:
            super().__init__(host, listener.getsockname()[1], app, handler=_Handler, fd=listener.fileno())

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection and remember it."""
        connection, address = super().get_request()
        with self._open_lock:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """End a connection and forget it."""
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def log(self, type: str, message: str, *args: Any) -> None:
        """Send the server's own words to the logger."""
        logger.log(getattr(logging, type.upper(), logging.INFO), message, *args)

    def drop_connections(self) -> None:
        """Cut every open connection; those who want to come back connect again."""
        with self._open_lock:
            for connection in self._open:
                with contextlib.suppress(OSError):  # it may have ended by itself in this moment
                    connection.shutdown(socket.SHUT_RDWR)

    def server_close(self) -> None:
        """Cut what is open, then wait for the threads; werkzeug calls this itself when it stops serving."""
        self.drop_connections()
        super().server_close()
