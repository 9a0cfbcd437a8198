import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from device_agents.errors import BadInput, DeviceError, TimedOut, Unreachable
from hostctl.browsers.link import MOST_TIMES, Replaced, WebLink

PATIENCE_S = 60.0
FIRST, SECOND = "a" * 16, "b" * 16


def png(level=0):
    out = io.BytesIO()
    Image.fromarray(np.full((4, 6, 3), level, np.uint8)).save(out, "PNG")
    return out.getvalue()


def said(**values):
    return json.dumps(values).encode()


@pytest.fixture
def link(tmp_path):
    with WebLink("pixel", folder=tmp_path / "shots") as made:
        yield made


@pytest.fixture
def host():
    with ThreadPoolExecutor(1) as pool:
        yield pool


def ask(link, host, values, **options):
    """Give the page a job, and the future of the first answer to it."""
    link.next_job(FIRST, timeout_s=0)

    def first():
        for answer in link.do(values, silence_s=PATIENCE_S, **options):
            return answer

    return host.submit(first)


def take(link, page=FIRST):
    job = None
    while job is None:
        job = link.next_job(page, timeout_s=1)
    return job


def test_a_job_goes_out_and_its_answer_comes_back(link, host):
    asked = ask(link, host, {"kind": "info"})
    job = take(link)
    assert job["kind"] == "info"
    link.answer(FIRST, job["id"], said(info={"x": 1}))
    assert link.next_job(FIRST, timeout_s=0) is None  # though the host may not have taken the answer yet
    assert asked.result(PATIENCE_S) == ({"info": {"x": 1}}, None)


def test_a_photograph_lies_under_our_name(link, host):
    asked = ask(link, host, {"kind": "shoot"})
    job = take(link)
    link.photograph(FIRST, job["id"], png())
    link.answer(FIRST, job["id"], said(shot={"way": "canvas"}))
    _, path = asked.result(PATIENCE_S)
    assert path == link.folder / f"{job['id']}.png"
    assert path.read_bytes() == png()


def test_without_a_page_the_host_says_what_to_open(link):
    link.address = "http://127.0.0.1:1/?token=x"
    with pytest.raises(Unreachable, match="no page is open; open http://127.0.0.1:1"):
        next(link.do({"kind": "info"}, silence_s=1))


def test_a_silent_page_is_a_time_out_and_its_photograph_goes(link, host):
    link.next_job(FIRST, timeout_s=0)
    asked = host.submit(lambda: next(link.do({"kind": "shoot"}, silence_s=1.0)))
    job = take(link)
    link.photograph(FIRST, job["id"], png())
    with pytest.raises(TimedOut, match="pixel: the page gave no answer to 'shoot' within 1 s"):
        asked.result(PATIENCE_S)
    assert list(link.folder.iterdir()) == []
    with pytest.raises(BadInput, match="this one has ended"):
        link.answer(FIRST, job["id"], said(shot={}))


def test_the_pages_error_is_the_devices(link, host):
    asked = ask(link, host, {"kind": "shoot"})
    link.answer(FIRST, take(link)["id"], said(error="the camera was not allowed"))
    with pytest.raises(DeviceError, match="pixel: shoot failed in the page: the camera was not allowed"):
        asked.result(PATIENCE_S)


def test_the_newest_page_counts_and_ends_the_old_ones_job(link, host):
    asked = ask(link, host, {"kind": "shoot"})
    job = take(link)
    assert link.next_job(SECOND, timeout_s=0) is None
    with pytest.raises(DeviceError, match="loaded again"):
        asked.result(PATIENCE_S)
    for late in (
        lambda: link.next_job(FIRST, timeout_s=0),
        lambda: link.answer(FIRST, job["id"], said(shot={})),
        lambda: link.photograph(FIRST, job["id"], png()),
    ):
        with pytest.raises(Replaced):
            late()


def test_a_page_that_lost_its_job_gets_it_again_but_not_for_ever(link, host):
    asked = ask(link, host, {"kind": "info"})
    numbers = {take(link)["id"] for _ in range(MOST_TIMES + 1)}
    assert len(numbers) == 1
    with pytest.raises(DeviceError, match="never answered"):
        asked.result(PATIENCE_S)


def test_only_what_a_job_asks_for_is_taken(link, host, tmp_path):
    (tmp_path / "model").write_bytes(b"model")
    asked = ask(link, host, {"kind": "predict"}, files={"0" * 64: tmp_path / "model"})
    job = take(link)
    assert link.file(FIRST, "0" * 64) == tmp_path / "model"
    with pytest.raises(BadInput):
        link.file(FIRST, "../model")
    with pytest.raises(BadInput, match="only for a job that asks"):
        link.photograph(FIRST, job["id"], png())
    with pytest.raises(BadInput, match="has ended"):
        link.answer(FIRST, "0" * 16, said(done=1))
    for _ in range(MOST_TIMES):
        link.answer(FIRST, job["id"], said(done=0))
    asked.result(PATIENCE_S)
    with pytest.raises(BadInput):
        link.answer(FIRST, job["id"], said(done=0))


def test_a_page_that_is_closed_ends_its_job_and_is_gone_until_it_asks_again(link, host):
    asked = ask(link, host, {"kind": "predict"})
    take(link)
    link.leave(FIRST)
    with pytest.raises(DeviceError, match="pixel: predict failed in the page: the page was closed or loaded again"):
        asked.result(PATIENCE_S)
    with pytest.raises(Unreachable, match="no page is open"):
        link.wait_for_page(timeout_s=0)
    link.next_job(FIRST, timeout_s=0)
    link.wait_for_page(timeout_s=0)


def test_a_page_that_is_closed_takes_no_job_with_it(link, host):
    question = host.submit(lambda: link.next_job(FIRST, timeout_s=PATIENCE_S))
    link.wait_for_page(timeout_s=PATIENCE_S)
    link.leave(FIRST)
    assert question.result(PATIENCE_S) is None
    with pytest.raises(Replaced):
        link.leave(SECOND)


@pytest.mark.parametrize("data", [b"garbage", b"[1]", b'{"a": NaN}', b"{" + b" " * 70000 + b"}", b"\xff"], ids=repr)
def test_an_answer_that_is_garbage_ends_the_job_at_once(link, host, data):
    asked = ask(link, host, {"kind": "predict"})
    number = take(link)["id"]
    with pytest.raises(BadInput, match="expected"):
        link.answer(FIRST, number, data)
    with pytest.raises(DeviceError, match="pixel: predict failed in the page: its answer was refused: expected"):
        asked.result(PATIENCE_S)
    with pytest.raises(BadInput, match="has ended"):
        link.answer(FIRST, number, said(done=0))


def test_garbage_of_another_page_ends_nothing(link, host):
    asked = ask(link, host, {"kind": "info"})
    number = take(link)["id"]
    for page, job in ((SECOND, number), (FIRST, "0" * 16)):
        with pytest.raises((BadInput, Replaced)):
            link.answer(page, job, b"garbage")
    link.answer(FIRST, number, said(info={}))
    assert asked.result(PATIENCE_S) == ({"info": {}}, None)


def test_the_end_ends_open_questions(tmp_path):
    failures = []

    def wait():
        try:
            link.next_job(FIRST, timeout_s=PATIENCE_S)
        except Unreachable as problem:
            failures.append(str(problem))

    with WebLink("pixel", folder=tmp_path) as link:
        thread = threading.Thread(target=wait)
        thread.start()
    thread.join(PATIENCE_S)
    assert failures == ["pixel: the host has ended"]
