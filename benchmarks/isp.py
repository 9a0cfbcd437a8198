"""The kit's own ISP against LibRaw's AHD on 12 megapixels: CPU seconds, one thread each, both warm."""

import dataclasses
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np

HEIGHT, WIDTH = 3024, 4032
RUNS = 5
MATRIX = np.array([[0.7228, -0.0893, -0.0975], [-0.4792, 1.3481, 0.1381], [-0.1137, 0.2680, 0.5604]])


def bench() -> Iterator[str]:
    """Give the medians of five runs each, in turn, and the ratio, from a process that OpenMP gives one thread."""
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.isp"]
    done = subprocess.run(command, env=one_thread, check=True, stdout=subprocess.PIPE, text=True)
    yield from done.stdout.splitlines()


def _compare() -> Iterator[str]:
    import cv2

    from capture.isp import ISPS
    from capture.raw import Raw, write_dng

    cv2.setNumThreads(1)
    raw = Raw(_mosaic(), (256.0,) * 4, 4095, "RGGB", (0.55, 1.0, 0.62), MATRIX)
    raw = dataclasses.replace(raw, source=write_dng(raw))  # so that LibRaw's time holds no writing of ours
    names = ("libraw-pinned", "plain", "soft", "crisp")
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(RUNS + 1):
        for name in names:
            start = time.process_time()
            ISPS[name](raw)
            if turn:  # the first one is the warming
                times[name].append(time.process_time() - start)
    medians = {name: statistics.median(spans) for name, spans in times.items()}
    yield f"{HEIGHT * WIDTH / 1e6:.0f} megapixels, CPU seconds: " + ", ".join(
        f"{name} {seconds:.2f}" for name, seconds in medians.items()
    )
    ahd = medians["libraw-pinned"]
    yield f"ratio of plain to LibRaw's AHD: {medians['plain'] / ahd:.2f} (limit: 1.00)"
    yield f"with noise reduction and sharpening: soft {medians['soft'] / ahd:.2f}, crisp {medians['crisp'] / ahd:.2f}"


def _mosaic() -> np.ndarray:
    """Waves, edges and noise, 12 bits: content that AHD has to decide about."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    waves = 2000 + 1500 * np.sin(x / 37) * np.cos(y / 53) + 300 * ((x // 16 + y // 16) % 2)
    noise = np.random.default_rng(1).normal(0, 40, x.shape)
    return np.asarray((waves + noise).clip(256, 4095), dtype=np.uint16)


if __name__ == "__main__":
    for line in _compare():
        print(line, flush=True)
