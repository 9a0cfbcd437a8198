"""The corruptions on 224 x 224: CPU time against the reference package's, glass blur against its loop, memory.

CORRUPTIONS_REFERENCE names a Python that has imagecorruptions 1.1.2 and what it still works with (numpy 1.24,
scikit-image 0.19, setuptools below 70); without it that comparison is left out. Both run in turn, one thread each.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from device_agents.decode import RGB
from device_agents.perturbations.corruptions import CORRUPTIONS
from device_agents.perturbations.corruptions_filters import gaussian, levels, plasma
from device_agents.perturbations.families import generator
from device_agents.perturbations.sequences import SEQUENCES

SIDE, RUNS, SEVERITIES, PICTURES = 224, 5, range(1, 6), 200
REFERENCE = "CORRUPTIONS_REFERENCE"
LIMIT = 10  # how many times faster than the loop glass blur has to be

# reads ["name", severity] line by line, says how many CPU seconds the reference took
_SERVER = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import cv2, numpy
from imagecorruptions import corrupt
cv2.setNumThreads(1)
picture = numpy.load(sys.argv[1])
for line in sys.stdin:
    name, severity = json.loads(line)
    start = time.process_time()
    corrupt(picture, severity=severity, corruption_name=name)
    print(time.process_time() - start, flush=True)
"""


def bench() -> Iterator[str]:
    """Give the figures, from a process that numerical libraries give one thread."""
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.corruptions"]
    with subprocess.Popen(command, env=one_thread, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield from (line.rstrip("\n") for line in process.stdout)
    if process.returncode:
        raise SystemExit(process.returncode)


def _figures() -> Iterator[str]:
    import cv2

    cv2.setNumThreads(1)
    picture = levels(np.stack([plasma(256, np.random.default_rng(seed), decay=1.5) for seed in range(3)], axis=2))
    picture = np.ascontiguousarray(picture[:SIDE, :SIDE])
    yield from _memory(picture)
    yield from _glass(picture)
    interpreter = os.environ.get(REFERENCE)
    if interpreter:
        yield from _against_reference(picture, interpreter)
    else:
        yield f"the reference package is left out: {REFERENCE} names no Python that has it"
        yield from _lines({name: ([_ours(f"{name}-3", picture) for _ in range(RUNS)], []) for name in _names()})


def _names() -> list[str]:
    return list(dict.fromkeys(name[:-2] for name in CORRUPTIONS if name[-2:] == "-3"))


def _ours(name: str, picture: RGB) -> float:
    one = CORRUPTIONS[name]
    rng = generator("a picture's hash", one.stream)
    return _seconds(lambda: one.apply(picture, rng))


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _against_reference(picture: RGB, interpreter: str) -> Iterator[str]:
    """Ours and the reference's in turn, the means of five severities' medians."""
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in _names()}
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file.name, picture)
        command = [interpreter, "-c", _SERVER, file.name]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            for name in _names():
                for severity in SEVERITIES:
                    pairs = []
                    for turn in range(RUNS + 1):
                        server.stdin.write(json.dumps([name.replace("-", "_"), severity]) + "\n")
                        server.stdin.flush()
                        pair = float(server.stdout.readline()), _ours(f"{name}-{severity}", picture)
                        if turn:  # the first one is the warming
                            pairs.append(pair)
                    for place, spans in ((1, times[name][0]), (0, times[name][1])):
                        spans.append(statistics.median(pair[place] for pair in pairs))
    yield from _lines(times)


def _lines(times: dict[str, tuple[list[float], list[float]]]) -> Iterator[str]:
    for name, (ours, theirs) in times.items():
        line = f"{name:18} {1000 * statistics.mean(ours):7.2f} ms"
        if theirs:
            ratio = sum(ours) / sum(theirs)
            line += f", reference {1000 * statistics.mean(theirs):7.2f} ms, ratio {ratio:.3f} (limit: 1.00)"
        yield line


def _glass(picture: RGB) -> Iterator[str]:
    """Glass blur at severity 1 to 5 against the reference's loop in plain numpy, and whether the results are equal."""
    ratios, equal = [], True
    for severity in SEVERITIES:
        one = CORRUPTIONS[f"glass-blur-{severity}"]
        assert isinstance(one.apply, partial)
        loops, spans = [], []
        for turn in range(3):
            start = time.process_time()
            expected = _looped(picture, generator("ab", one.stream), **one.apply.keywords)
            middle = time.process_time()
            got = one.apply(picture, generator("ab", one.stream))
            if turn:
                loops.append(middle - start)
                spans.append(time.process_time() - middle)
            equal = equal and np.array_equal(got, expected)
        ratios.append(statistics.median(loops) / statistics.median(spans))
    yield (
        f"glass blur, times faster than the loop at severities 1 to 5: {', '.join(f'{ratio:.0f}' for ratio in ratios)} "
        f"(limit: {LIMIT}), results {'equal' if equal else 'DIFFERENT'}"
    )


def _looped(picture: RGB, rng: np.random.Generator, *, sigma: float, reach: int, rounds: int) -> RGB:
    """Glass blur as the reference writes it, pixel by pixel."""
    changed = (gaussian(picture / 255.0, (sigma, sigma)) * 255).astype(np.uint8)
    height, width = picture.shape[:2]
    for _ in range(rounds):
        for row in range(height - reach, reach, -1):
            for column in range(width - reach, reach, -1):
                right, down = rng.integers(-reach, reach, 2)
                there = row + down, column + right
                changed[row, column], changed[there] = changed[there], changed[row, column]
    return levels(gaussian(changed / 255.0, (sigma, sigma)))


def _memory(picture: RGB) -> Iterator[str]:
    """The peak of memory after every operator has been used ten times, and after all of the pictures."""
    operators = [one for one in [*CORRUPTIONS.values(), *SEQUENCES.values()] if one.of == "resized"]
    peaks = []
    for number in range(PICTURES):
        if number in (10, PICTURES - 1):
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        for place, one in enumerate(operators):
            if number < 2 or place % 50 == number % 50:
                one.apply(picture, generator(str(number), one.stream))
    growth = 100 * (peaks[1] / peaks[0] - 1)
    yield f"peak memory after 10 pictures {peaks[0]:.0f} MiB, after {PICTURES} {growth:+.1f} % (limit: 10 %)"


if __name__ == "__main__":
    for line in _figures():
        print(line, flush=True)
