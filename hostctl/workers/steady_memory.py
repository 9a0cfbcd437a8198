"""Keeps the memory of a long session flat: few heaps for its many threads."""

from __future__ import annotations

import ctypes

M_ARENA_MAX = -8  # glibc's malloc.h
HEAPS = 2


def use_few_heaps() -> bool:
    """Let glibc's malloc use two heaps for all threads of this process; says whether it does (only glibc has this).

    By itself it gives threads up to eight heaps a core (mallopt(3)), each of which fills and hardly ever shrinks: the
    session's resident memory creeps up for hours although nothing leaks. Threads that have a heap keep it, so call this
    before they start.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(M_ARENA_MAX, HEAPS))
