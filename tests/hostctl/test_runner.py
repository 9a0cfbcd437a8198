"""A session takes every photograph once, proves each, retakes the bad ones, and goes on without devices that fail."""

import hashlib
import io
import threading
import time

import pytest
from PIL import Image

import tests.fakes.rack as fakes
from analysis.store import Run
from device_agents.errors import BadInput
from hostctl.lab import SessionSettings
from hostctl.plans import sweep
from hostctl.runner import Session, run_session
from hostctl.sessions import attendance, floor, gates, timing
from hostctl.sessions.timeline import Event
from tests.fakes.rack import BOX, FakeDisplay, device, scenes


class Rack:
    """A fake rack with its run and session."""

    def __init__(self, tmp_path, *, scripts, count=4, late=(), angles=(0,), repeats=1, settings=()):
        self.display = FakeDisplay(late=set(late))
        self.scenes = scenes(count)
        self.devices = [device(name, self.display, tmp_path / "phones", list(s)) for name, s in scripts.items()]
        self.run = Run.create(tmp_path / "run", settings={"seed": 1}, scenes=self.scenes)
        self.steps = list(
            sweep([scene.scene for scene in self.scenes], angles=angles, repeats=repeats, devices=list(scripts), seed=1)
        )
        self.run.add_steps(self.steps)
        self.moves: list[int] = []
        self.timeline: list[Event] = []
        (tmp_path / "spool").mkdir()
        self.session = Session(
            run=self.run,
            scenes={scene.scene: scene for scene in self.scenes},
            devices=self.devices,
            display=self.display,
            settings=SessionSettings(
                **{"angles": tuple(angles), "repeats": repeats, "health_every_s": 0.0, **dict(settings)}
            ),
            spool=tmp_path / "spool",
            display_timeout_s=10.0,
            move=self.moves.append,
            noted=self.timeline.append,
        )

    def do(self):
        run_session(self.session, self.run.steps_missing())

    def shutter(self, name):
        return next(one.shutter for one in self.devices if one.name == name)

    def attempts(self):
        table = self.run.attempts()
        return [(row.step.split("|")[3], row.status, row.reason) for row in table.itertuples()]


def wait_until(true, timeout_s=30.0):
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


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


def test_a_device_that_stays_away_does_not_stop_the_others(rack):
    one = rack(scripts={"a": ["unreachable"], "b": []}, settings={"patience_s": 0.0})
    one.shutter("a").away = lambda: True
    one.do()
    assert list(one.run.pictures()["device"]) == ["b"] * 4
    assert [entry for entry in one.attempts() if entry[0] == "a"] == [("a", "failed", "phone: no answer")]
    assert len(one.run.steps_missing()) == 4
    assert one.session.out["a"].startswith("left out: ")
    assert one.session.out["a"].endswith("phone: still away")
    assert one.shutter("a").prepared >= 2  # once at its failure, and a last time when the others were done
    assert [one.step.device for one in one.session.missing] == ["a"] * 4
    assert {one.reason.split(": ")[0] for one in one.session.missing} == {"phone", "left out"}
    (listed, *rest) = one.run.note("missing photographs")
    assert sum(len(entry["steps"]) for entry in [listed, *rest]) == 4


def test_a_device_that_comes_back_does_what_it_missed(rack):
    one = rack(scripts={"a": ["good", "unreachable"], "b": []}, count=3, angles=(-10, 10))
    told, display = [], one.display
    one.session.standing = lambda device, reason: told.append((device, reason))
    one.shutter("a").away = lambda: len(display.shown) < 6 or one.shutter("a").prepared < 4
    one.do()
    assert len(one.run.pictures()) == 12
    assert one.moves == [-10, 10, -10]  # back for what was missed: first what is left at this angle
    assert [entry for entry in one.attempts() if entry[1] != "ok"] == [("a", "failed", "phone: no answer")]
    (left_out, back) = told
    assert left_out[1].startswith("left out after 3 failures in a row, the last: phone: still away")
    assert back == ("a", "")
    (absence,) = one.run.note("absences")
    assert (absence["device"], absence["kind"]) == ("a", "left out")
    assert absence["from_utc"] < absence["to_utc"]
    assert one.session.out == {}
    assert one.session.missing == []
    assert one.run.note("missing photographs") == []


def test_a_device_that_comes_back_and_fails_again_is_not_waited_for_for_ever(rack):
    one = rack(scripts={"a": ["unreachable"] * 3, "b": []}, count=4, settings={"patience_s": 0.0, "attempts": 1})
    one.do()
    assert sum(entry[:2] == ("a", "failed") for entry in one.attempts()) == 3
    assert len(one.run.pictures()) in (5, 4)  # its last chance is the fourth scene, or none
    one.shutter("a").script.clear()


def test_nobody_waits_for_a_device_that_hangs(rack, monkeypatch):
    monkeypatch.setattr(timing, "PLUS_S", 0.2)
    one = rack(scripts={"a": ["good", "hangs"], "b": []}, count=6)
    show = one.display.show

    def showing(scene, stimulus, **rest):
        if len(one.display.shown) == 5:  # all others have been shown without it
            one.shutter("a").hung.set()
        return show(scene, stimulus, **rest)

    monkeypatch.setattr(one.display, "show", showing)
    one.do()
    assert len(one.run.pictures()) == 12
    bad = [entry for entry in one.attempts() if entry[1] != "ok"]
    assert [entry[:2] for entry in bad] in ([("a", "rejected")], [])  # it saw another frame, which its photograph shows
    assert all("wrong frame" in entry[2] or "torn" in entry[2] for entry in bad)
    assert one.display.shown[:6] == [step.stimulus for step in one.steps if step.device == "b"]
    assert set(one.display.shown[6:]) <= set(one.display.shown[1:6])  # only what it missed is shown again


def test_a_photograph_that_comes_after_the_mount_has_moved_is_not_taken(rack, monkeypatch):
    monkeypatch.setattr(timing, "PLUS_S", 0.2)
    one = rack(scripts={"a": ["good", "hangs"], "b": []}, count=2, angles=(-10, 10))

    def move(angle):
        one.moves.append(angle)
        if angle == 10:
            one.shutter("a").hung.set()

    one.session.move = move
    one.do()
    assert len(one.run.pictures()) == 8
    bad = [entry for entry in one.attempts() if entry[1] != "ok"]
    assert bad == [("a", "failed", "a: its photograph came after the mount had moved")]
    assert one.moves == [-10, 10, -10]


def test_a_hot_device_rests_and_does_its_steps_later(rack):
    one = rack(scripts={"a": [], "b": []}, count=8, settings={"health_every_s": 0.05})
    asked, told = [], []

    def ask(device):
        asked.append(device.name)
        hot = device.name == "a" and asked.count("a") < 4
        return gates.Condition(battery_percent=80, temperature_c=46.0 if hot else 30.0, thermal_status=0)

    show = one.display.show

    def showing(scene, stimulus, **rest):
        if len(one.display.shown) == 1:  # it rests from the second scene on
            wait_until(lambda: told)
        return show(scene, stimulus, **rest)

    one.display.show = showing
    one.session.ask = ask
    one.session.standing = lambda device, reason: told.append((device, reason))
    one.do()
    assert len(one.run.pictures()) == 16
    assert told == [("a", "rests: at 46.0 C, expected at most 42"), ("a", "")]
    (absence,) = one.run.note("absences")
    assert (absence["device"], absence["kind"]) == ("a", "rests")
    assert absence["from_utc"] < absence["to_utc"]
    assert {status for _, status, _ in one.attempts()} == {"ok"}
    assert one.shutter("a").released == 1  # its camera was closed meanwhile
    assert one.shutter("a").prepared == 1


def test_a_device_that_stays_hot_is_waited_for_for_a_while_and_listed(rack):
    settings = {"health_every_s": 0.05, "rest_s": 0.3}
    one = rack(scripts={"a": [], "b": []}, count=3, settings=settings)
    one.session.ask = lambda device: gates.Condition(battery_percent=4 if device.name == "a" else 90)
    one.do()
    assert list(one.run.pictures()["device"]).count("b") == 3
    assert one.session.out == {"a": "rests: battery at 4 %, expected at least 10"}
    assert all(missing.reason == one.session.out["a"] for missing in one.session.missing)
    assert one.session.missing


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


def test_a_device_that_could_not_be_made_ready_at_the_start_is_fetched_later(rack):
    one = rack(scripts={"a": [], "b": []})
    one.session.unready = {"a": "a: expected the camera in front, got the lock screen"}
    one.shutter("a").away = lambda: len(one.display.shown) < 4
    one.do()
    assert len(one.run.pictures()) == 8
    assert {status for _, status, _ in one.attempts()} == {"ok"}


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


def test_a_device_that_is_cool_again_and_cannot_be_made_ready_is_left_out(rack):
    one = rack(scripts={"a": [], "b": []}, count=2, settings={"health_every_s": 0.05, "patience_s": 1.0})
    conditions = {"a": [gates.Condition(temperature_c=50.0)] * 2}
    one.session.ask = lambda device: (conditions.get(device.name) or [gates.Condition()]).pop(0)
    show = one.display.show

    def showing(scene, stimulus, **rest):
        wait_until(lambda: not conditions["a"])
        return show(scene, stimulus, **rest)

    one.display.show = showing
    one.shutter("a").away = lambda: True
    one.do()
    assert list(one.run.pictures()["device"]).count("b") == 2
    assert one.session.out["a"].startswith("left out: ")
    (rested, out) = one.run.note("absences")
    assert (rested["kind"], out["kind"]) == ("rests", "left out")
    assert rested["to_utc"]
    assert out["to_utc"] == ""
