import platform
import subprocess
import sys

import pytest

from hostctl.workers.steady_memory import use_few_heaps

# Twelve threads that each fill and empty a heap; glibc tells how many heaps there are.
COUNT = """
import ctypes, os, sys, threading, tempfile
if sys.argv[1] == "few":
    from hostctl.workers.steady_memory import use_few_heaps
    assert use_few_heaps()
gate = threading.Barrier(12)
def fill():
    gate.wait()
    kept = [bytes(1000) for _ in range(2000)]
    gate.wait()
threads = [threading.Thread(target=fill) for _ in range(12)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
with tempfile.NamedTemporaryFile() as file:
    stream = ctypes.c_void_p(libc.fopen(file.name.encode(), b"w"))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    print(file.read().count(b"<heap nr="))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has heaps for threads")
def test_many_threads_share_two_heaps():
    counts = {
        how: int(subprocess.run([sys.executable, "-c", COUNT, how], capture_output=True, check=True, text=True).stdout)
        for how in ("few", "many")
    }
    assert counts["few"] <= 2 < counts["many"]


def test_it_says_whether_it_could():
    assert use_few_heaps() is (platform.libc_ver()[0] == "glibc")
