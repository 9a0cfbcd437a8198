"""A plan holds every cell once, in blocks of angle, in an order that follows from the seed alone."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.errors import BadInput
from hostctl.plans import session_length_s, sweep


@settings(max_examples=40, deadline=None)
@given(
    scenes=st.integers(1, 6),
    angles=st.lists(st.integers(-40, 40), min_size=1, max_size=4, unique=True),
    repeats=st.integers(1, 3),
    devices=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_every_cell_stands_once_and_angles_are_blocks(scenes, angles, repeats, devices, seed):
    names, phones = [f"s{n}" for n in range(scenes)], [f"d{n}" for n in range(devices)]
    steps = list(sweep(names, angles=angles, repeats=repeats, devices=phones, seed=seed))
    cells = {(step.scene, step.angle, step.repeat, step.device) for step in steps}
    assert cells == set(itertools.product(names, angles, range(repeats), phones))
    assert len(steps) == len(cells)
    assert [angle for angle, _ in itertools.groupby(step.angle for step in steps)] == angles
    # A stimulus names (scene, angle, repeat) whatever the order, and its devices stand together.
    stimuli = {step.stimulus: (step.scene, step.angle, step.repeat) for step in steps}
    assert len(stimuli) == len(set(stimuli.values())) == len(steps) // devices
    assert [step.order for step in steps] == [n // devices for n in range(len(steps))]


def test_the_stimulus_number_does_not_depend_on_the_seed_but_the_order_does():
    def plan(seed):
        return list(sweep(["a", "b", "c", "d"], angles=[0, 10], repeats=3, devices=["x"], seed=seed))

    def number(seed):
        return {(step.scene, step.angle, step.repeat): step.stimulus for step in plan(seed)}

    assert number(1) == number(2)
    assert plan(1) == plan(1)
    assert [step.stimulus for step in plan(1)] != [step.stimulus for step in plan(2)]


def test_a_session_beyond_the_frame_code_is_refused():
    with pytest.raises(BadInput, match="at most 16777215"):
        next(sweep(["a"] * 5000, angles=range(60), repeats=100, devices=["x"], seed=1))


def test_session_length_counts_steps_and_moves():
    assert session_length_s(100, step_s=2.0, angles=5, move_s=20.0) == 280.0
