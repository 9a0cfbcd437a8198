"""A session takes every photograph once, proves each, retakes the bad ones, and goes on without devices that fail."""

import hashlib
import io
import threading
import time

import pytest
from PIL import Image

import tests.fakes.rack as fakes
from device_agents.errors import BadInput
from hostctl.sessions import attendance, floor
from tests.fakes.rack import BOX
from tests.fakes.run_rack import Rack


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(attendance, "RETRY_S", (0.0, 0.02, 0.05))
    monkeypatch.setattr(attendance, "REST_EVERY_S", 0.05)


@pytest.fixture
def rack(tmp_path):
    made = []

    def make(**options):
        made.append(Rack(tmp_path, **options))
        return made[0]

    yield make
    for one in made:
        one.run.close()
        assert all(device.shutter.used_up() for device in one.devices)
        assert not list((tmp_path / "spool").iterdir())


def test_every_step_is_photographed_once(rack):
    one = rack(scripts={"a": [], "b": []}, count=3, angles=(-10, 10), repeats=2)
    one.do()
    pictures = one.run.pictures()
    assert len(pictures) == 3 * 2 * 2 * 2
    assert pictures["picture"].is_unique
    assert one.moves == [-10, 10]
    assert one.display.shown == sorted(set(one.display.shown), key=one.display.shown.index)
    assert {status for _, status, _ in one.attempts()} == {"ok"}
    assert one.run.steps_missing() == []
    one.do()  # again: nothing left, nothing shown
    assert len(one.run.pictures()) == 24
    assert len(one.display.shown) == 12


def test_the_committed_picture_carries_its_crop_thumbnail_and_corners(rack):
    one = rack(scripts={"a": []}, count=1)
    one.do()
    (record,) = one.run.picture_records()
    corners = [(x - 0.5, y - 0.5) for x, y in [(BOX[0], BOX[1]), (BOX[2], BOX[1]), (BOX[2], BOX[3]), (BOX[0], BOX[3])]]
    for (x, y), (u, v) in zip(record.corners, corners, strict=True):
        assert abs(x - u) < 0.7
        assert abs(y - v) < 0.7
    for digest in (record.sha256, record.crop_sha256, record.thumb_sha256):
        assert one.run.file(digest).is_file()
    assert (record.width, record.height, record.suffix) == (640, 480, ".jpg")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("truncated", "not a whole picture"),
        ("not a picture", "not a whole picture"),
        ("torn", "torn: expected"),
    ],
)
def test_a_bad_photograph_is_recorded_and_retaken_at_the_end(rack, fault, reason):
    one = rack(scripts={"a": ["good", fault], "b": []})
    one.do()
    bad = [entry for entry in one.attempts() if entry[1] != "ok"]
    assert [(name, status) for name, status, _ in bad] == [("a", "rejected")]
    assert bad[0][2].startswith(reason)
    assert len(one.run.pictures()) == 8
    assert len(one.display.shown) == 5
    assert one.display.shown[4] == one.display.shown[1]


def test_a_display_that_acknowledges_too_early_is_caught_by_the_photographs(rack):
    one = rack(scripts={"a": []}, late=[2])
    one.do()
    (bad,) = [entry for entry in one.attempts() if entry[1] != "ok"]
    assert bad[2].startswith("wrong frame: expected 2, got") or "no markers" in bad[2]
    assert len(one.run.pictures()) == 4


def test_few_photographs_wait_to_be_verified(rack, monkeypatch):
    monkeypatch.setattr(floor, "WAITING", 2)
    one = rack(scripts={"a": [], "b": []}, count=12)
    examined, most = one.session.examine, []

    def slow(question):
        most.append(len(list(one.session.spool.iterdir())))
        time.sleep(0.03)
        return examined(question)

    one.session.examine = slow
    one.do()
    assert len(one.run.pictures()) == 24
    assert max(most) <= 2 * 2


def test_a_single_failure_is_forgiven(rack):
    one = rack(scripts={"a": ["good", "no file", "good", "unreachable"], "b": []})
    one.do()
    assert len(one.run.pictures()) == 8
    assert one.session.out == {}


def test_after_three_attempts_a_step_is_left_for_the_next_call(rack):
    one = rack(scripts={"a": ["truncated"] * 3, "b": []}, count=1)
    one.do()
    assert [status for name, status, _ in one.attempts() if name == "a"] == ["rejected"] * 3
    assert one.run.steps_missing() == []  # no attempts left for now
    one.run.renew_attempts()
    one.do()
    assert len(one.run.pictures()) == 2


def test_the_next_scene_is_shown_while_photographs_come_home(rack, monkeypatch):
    one = rack(scripts={"a": []}, count=2)
    shown_twice = threading.Event()
    show, pull = one.display.show, type(one.devices[0].transport).pull
    waited = []

    def showing(scene, stimulus, **rest):
        painted = show(scene, stimulus, **rest)
        if len(one.display.shown) == 2:
            shown_twice.set()
        return painted

    def pulling(transport, remote, local):
        waited.append(shown_twice.wait(timeout=30))  # the pull of the first photograph outlasts the second show
        pull(transport, remote, local)

    monkeypatch.setattr(one.display, "show", showing)
    monkeypatch.setattr(type(one.devices[0].transport), "pull", pulling)
    one.do()
    assert waited == [True, True]
    assert {event.what for event in one.timeline} == {"show", "shoot", "home", "verify"}


def test_a_run_that_cannot_be_written_stops_the_session(rack, monkeypatch):
    one = rack(scripts={"a": []}, count=3)

    def full(*_arguments, **_options):
        raise BadInput("not enough space")

    monkeypatch.setattr(one.run, "add_pictures", full)
    with pytest.raises(BadInput, match="not enough space"):
        one.do()
    assert len(one.run.pictures()) == 0


def test_progress_counts_accepted_steps(rack):
    one = rack(scripts={"a": ["torn"]}, count=2)
    seen = []
    one.session.progress = lambda done, total, note: seen.append((done, total, note))
    one.do()
    assert seen[-1] == (2, 2, "")
    assert any("torn" in note or "no markers" in note for _, _, note in seen)


def test_ctrl_c_keeps_what_came_home(rack, monkeypatch):
    one = rack(scripts={"a": []}, count=4)
    show = one.display.show

    def interrupted(scene, stimulus, **rest):
        if len(one.display.shown) == 2:
            raise KeyboardInterrupt
        return show(scene, stimulus, **rest)

    monkeypatch.setattr(one.display, "show", interrupted)
    with pytest.raises(KeyboardInterrupt):
        one.do()
    assert len(one.run.pictures()) == 2
    monkeypatch.undo()
    one.do()
    assert len(one.run.pictures()) == 4


@pytest.mark.parametrize("keep", [False, True])
def test_the_place_stays_out_of_the_run_unless_it_is_asked_for(rack, monkeypatch, keep):
    def located(rgb):
        tags, stream = Image.Exif(), io.BytesIO()
        tags.get_ifd(34853)[2] = (51.0, 30.0, 26.53)
        Image.fromarray(rgb).save(stream, "JPEG", quality=95, exif=tags.tobytes())
        taken.append(stream.getvalue())
        return taken[-1]

    taken = []
    monkeypatch.setattr(fakes, "_jpeg", located)
    one = rack(scripts={"a": ["good", "torn"]}, count=2, settings={"keep_place": keep})
    one.do()
    places = []
    for record in one.run.picture_records():
        data = one.run.file(record.sha256).read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            places.append(bool(image.getexif().get_ifd(34853)))
        original = next(whole for whole in taken if whole[whole.index(b"\xff\xda") :] in data)
        note = one.run.note(f"with its place {record.sha256}")
        assert note == (None if keep else {"sha256": hashlib.sha256(original).hexdigest()})
        assert record.size == len(data)
    assert places == [keep] * 2
    refused = [row.sha256 for row in one.run.attempts().itertuples() if row.status == "rejected"]
    for digest in refused:
        with Image.open(one.run.file(digest)) as image:
            assert bool(image.getexif().get_ifd(34853)) == keep
    assert refused
