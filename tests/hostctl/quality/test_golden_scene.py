"""The golden scene among the steps, and in a run: photographed, never counted."""

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.run_folder.golden import GOLDEN
from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.records import Environment, Picture, Scene
from hostctl.plans import MOST_STIMULI, sweep
from hostctl.quality.golden_scene import golden_scene, golden_taken, with_golden

DEVICES = ("a", "b")


def plan(scenes=5, angles=(0, 10), repeats=2):
    return list(sweep([f"s{n}" for n in range(scenes)], angles=angles, repeats=repeats, devices=DEVICES, seed=3))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(1, 3), st.integers(1, 9))
def test_between_two_golden_photographs_are_at_most_n_others(scenes, repeats, every):
    steps = plan(scenes, (0, 10), repeats)
    made = with_golden(steps, every=every, first_stimulus=len(steps) + 1)
    assert {s.key for s in made if s.scene != GOLDEN} == {s.key for s in steps}
    for angle in (0, 10):
        shown = sorted({(s.order, s.scene) for s in made if s.angle == angle})
        assert len({order for order, _ in shown}) == len(shown)
        golden = [at for at, (_, scene) in enumerate(shown) if scene == GOLDEN]
        assert golden[0] == 0
        assert golden[-1] == len(shown) - 1
        assert all(b - a - 1 <= every for a, b in pairwise(golden))
    stimuli = [(s.stimulus, s.device) for s in made]
    assert len(set(stimuli)) == len(stimuli)
    order = [s.key for s in sorted(made, key=lambda s: s.order) if s.scene != GOLDEN]
    assert order == [s.key for s in sorted(steps, key=lambda s: s.order)]


def test_without_the_setting_a_plan_stays_as_it_is():
    assert with_golden(plan(), every=0, first_stimulus=1) == plan()


def test_a_later_part_of_a_plan_goes_on_counting():
    steps = plan(scenes=4, angles=(0,), repeats=1)
    first, second = ([s for s in steps if s.scene in names] for names in (("s0", "s1"), ("s2", "s3")))
    one = with_golden(first, every=2, first_stimulus=100)
    two = with_golden(second, every=2, first_stimulus=100, taken=2)
    assert len({s.key for s in (*one, *two)}) == len(one) + len(two)
    assert {s.stimulus for s in one if s.scene == GOLDEN} == {100, 101}
    assert {s.stimulus for s in two if s.scene == GOLDEN} == {102, 103}
    assert not {s.order for s in one} & {s.order for s in two}


def test_more_stimuli_than_the_frame_code_holds_are_refused():
    with pytest.raises(BadInput, match="split the session"):
        with_golden(plan(), every=1, first_stimulus=MOST_STIMULI)


def picture(scene, device, repeat=0):
    data = f"{scene}{device}{repeat}".encode()
    sha256 = hashlib.sha256(data).hexdigest()
    key = f"{scene}|0|{repeat}|{device}|png"
    return Picture(key, sha256, ".png", len(data), 4, 3, scene, repeat=repeat, device=device), {sha256: data}


def test_a_run_keeps_golden_photographs_and_counts_none(tmp_path):
    scenes = [Scene(f"s{n}", f"s{n}.png", f"{n:064x}", ("cup",)) for n in range(5)]
    golden = golden_scene(tmp_path)
    fields = ["m", "0" * 64, "pillow", "whole", "rgb", "squash", "pillow-bilinear", "lite", "litert", "1", 1, "host"]
    with Run.create(tmp_path / "run", settings={}, scenes=scenes) as run:
        run.add_golden(golden)
        run.add_golden(golden)
        steps = plan(angles=(0,), repeats=1)
        run.add_steps(with_golden(steps, every=2, first_stimulus=50))
        assert golden_taken(run) == 4
        run.add_picture(*picture("s0", "a"))
        run.add_picture(*picture(GOLDEN, "a", 1))
        assert [one.scene for one in run.scenes()] == [f"s{n}" for n in range(5)]
        assert list(run.pictures()["scene"]) == ["s0"]
        assert [one.scene for one in run.picture_records()] == ["s0"]
        assert [one.scene for one in run.picture_records({"device": "a"})] == ["s0"]
        assert [one.repeat for one in run.picture_records({"scene": GOLDEN})] == [1]
        missing = list(run.missing_predictions([Environment(*fields)]))
        assert [one.scene for block, _ in missing for one in block] == ["s0"]
        assert (run.summary()["scenes"], run.summary()["pictures"]) == (5, 1)
        assert len(run.steps_missing()) == 2 * (5 + 4) - 2
        with pytest.raises(BadInput, match="expected the golden scene"):
            run.add_golden(scenes[0])
    with Run.open_or_create(tmp_path / "run", settings={}, scenes=scenes) as again:
        assert golden_taken(again) == 4
