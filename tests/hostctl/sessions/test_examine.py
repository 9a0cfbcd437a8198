"""A photograph is examined alike here and in a worker process; workers end with their parent, however it ends."""

import io
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from capture import screen
from hostctl.sessions.examine import Question, examine, examiners
from tests.fakes.rack import BOX, LAYOUT, picture_of


@pytest.fixture
def question(tmp_path):
    frame = screen.render_frame(picture_of("scene"), stimulus=7, layout=LAYOUT).rgb
    Image.fromarray(frame).save(tmp_path / "photo.jpg", quality=95)
    return Question(tmp_path / "photo.jpg", 7, LAYOUT, BOX, screen.Limits())


def test_a_good_photograph_gives_its_crop_and_thumbnail(question):
    found = examine(question)
    assert (found.reason, found.width, found.height, len(found.corners)) == ("", 640, 480, 4)
    crop, thumbnail = (Image.open(io.BytesIO(part)) for part in (found.crop, found.thumbnail))
    assert crop.size == (BOX[2] - BOX[0], BOX[3] - BOX[1])
    assert max(thumbnail.size) == 160


def test_bad_ones_give_their_reason_and_raise_nothing(question):
    assert examine(replace(question, stimulus=8)).reason == "wrong frame: expected 8, got 7"
    data = question.path.read_bytes()
    for content in (data[: len(data) // 2], b"hello", b""):
        question.path.write_bytes(content)
        assert examine(question).reason.startswith("not a whole picture: ")


def test_a_worker_finds_what_is_found_here(question):
    wrong = replace(question, stimulus=8)
    with examiners(2) as ask, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, [question, wrong, question, question, wrong]))
    assert answers == [examine(one) for one in (question, wrong, question, question, wrong)]


def test_a_worker_that_dies_is_replaced(question):
    before = children_of(os.getpid())  # others' children, such as joblib's, live on
    with examiners(1) as ask:
        whole = ask(question)
        for child in set(children_of(os.getpid())) - set(before):
            os.kill(child, signal.SIGKILL)
        assert ask(question) == whole  # another worker has taken its place


def test_workers_end_with_a_killed_parent(tmp_path):
    code = (
        "import sys, time\nfrom hostctl.sessions.examine import examiners\n"
        "with examiners(2):\n    print('ready', flush=True)\n    time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline() == "ready\n"
    workers = children_of(parent.pid)
    assert len(workers) == 2
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 30
    while any(Path(f"/proc/{worker}/cmdline").read_bytes() for worker in workers if Path(f"/proc/{worker}").exists()):
        assert time.monotonic() < end, "a worker outlived its parent"
        time.sleep(0.05)


def children_of(parent):
    """The processes whose parent this is, read from /proc as on Linux."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if int(fields[1]) == parent:
            found.append(int(status.parent.name))
    return found
