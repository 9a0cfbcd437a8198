"""Worker processes end with the process that started them, however that ends."""

from __future__ import annotations

import os
import threading
import time
from functools import cache

_LOOK_S = 1.0


@cache
def end_with(parent: int) -> None:
    """End this process soon after its parent ``parent`` (a process id) has; nothing where that is not its parent.

    A killed parent cannot tell its children, and they wait for jobs from, or for room for results in, a pipe of which
    they hold the other end themselves: for ever. To be called in the child, as often as one likes.
    """
    if os.getppid() != parent:  # this is no child: the work is done in its own process, or on a cluster
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
