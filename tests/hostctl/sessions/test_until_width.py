"""Blocks of scenes, looks between them, and the stop: on a run whose predictions are made up."""

from dataclasses import replace

import pytest

from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.records import Environment, Picture, Prediction
from hostctl.plans import sweep
from hostctl.sessions.until_width import NOTE, UntilWidth, random_blocks
from tests.fakes.rack import scenes

DEVICES = ("a", "b")


def plan_of(shown):
    return list(sweep([one.scene for one in shown], angles=(0, 10), repeats=2, devices=DEVICES, seed=3))


def environment():
    values = {"model": "m", "model_sha256": "0" * 64, "machine": "host", "runtime": "litert", "runtime_version": "1"}
    values |= {"decoder": "pillow", "view": "whole", "colour": "rgb", "fit": "squash", "resizer": "pillow-bilinear"}
    return Environment(**values, scaling="zero-one", threads=1)


def photograph(run, steps, verdict):
    """Take every step's photograph and predict it: verdict(scene, device) says whether the answer is right."""
    name = run.add_environment(environment())
    predictions = []
    for step in steps:
        data = step.key.encode()
        digest = run.put_file(data)
        picture = Picture(
            picture=step.key,
            scene=step.scene,
            angle=step.angle,
            repeat=step.repeat,
            device=step.device,
            sha256=digest,
            suffix=".jpg",
            size=len(data),
            width=1,
            height=1,
            taken_utc="2026-01-01T00:00:00",
        )
        run.add_picture(picture, {digest: data})
        label = f"label{step.scene[1:]}" if verdict(step.scene, step.device) else "other"
        predictions.append(Prediction(step.key, name, (label,), (0.9,)))
    run.add_predictions(predictions)


def test_blocks_hold_every_scene_once_and_clusters_whole():
    shown = [replace(one, cluster=f"object {number // 3}") for number, one in enumerate(scenes(20))]
    blocks = random_blocks(shown, size=4, seed=1)
    assert sorted(name for block in blocks for name in block) == sorted(one.scene for one in shown)
    again = random_blocks(shown[::-1], size=4, seed=1)
    assert [sorted(block) for block in blocks] == [sorted(block) for block in again]
    assert blocks != random_blocks(shown, size=4, seed=2)
    of = {one.scene: one.cluster for one in shown}
    where = {}
    for number, block in enumerate(blocks):
        assert len(block) >= 4 or number == len(blocks) - 1
        for name in block:
            assert where.setdefault(of[name], number) == number


def test_a_session_goes_on_block_by_block_and_stops_at_the_width(tmp_path):
    shown, until = scenes(60), UntilWidth(0.45, block=12)
    plan, looks = plan_of(shown), []
    with Run.create(tmp_path / "run", settings={}, scenes=shown) as run:
        steps = until.begin(run, plan, seed=3)
        while steps:
            assert len(steps) == 12 * 2 * 2 * 2
            assert {step.key for step in steps}.isdisjoint(step.key for step in run.steps())
            run.add_steps(steps)
            photograph(run, steps, lambda scene, device: device == "a" or int(scene[1:]) % 6 > 0)
            steps = until.more(run, plan, seed=3)
        looks = run.note(NOTE)["looks"]
        known = {step.key: step for step in plan}
        assert all(known[step.key] == step for step in run.steps())  # the same numbers and order as in one go
        assert until.begin(run, plan, seed=3) == []  # run again: there is nothing to do
    widths = [look["high"] - look["low"] for look in looks]
    assert [look["scenes"] for look in looks] == [12 * (n + 1) for n in range(len(looks))]
    assert widths[-1] <= 0.45 < widths[-2]
    assert len(looks) < 5
    assert looks[-1]["low"] < looks[-1]["rate"] < looks[-1]["high"]


def test_an_interrupted_block_is_finished_before_the_next_look(tmp_path):
    shown, until = scenes(12), UntilWidth(0.05, block=4)
    plan = plan_of(shown)
    with Run.create(tmp_path / "run", settings={}, scenes=shown) as run:
        steps = until.begin(run, plan, seed=3)
        run.add_steps(steps)
        photograph(run, steps[:5], lambda scene, device: True)
        assert until.begin(run, plan, seed=3) == []
        photograph(run, steps[5:], lambda scene, device: True)
        assert len(until.begin(run, plan, seed=3)) == len(steps)


def test_the_goal_is_chosen_beforehand(tmp_path):
    shown = scenes(6)
    plan = plan_of(shown)
    with Run.create(tmp_path / "run", settings={}, scenes=shown) as run:
        run.add_steps(UntilWidth(0.1, block=2).begin(run, plan, seed=3))
        with pytest.raises(BadInput, match=r"--until-width 0.1, with which this run was begun, got 0.2"):
            UntilWidth(0.2).begin(run, plan, seed=3)
    with Run.create(tmp_path / "other", settings={}, scenes=shown) as run:
        run.add_steps(plan)
        with pytest.raises(BadInput, match="all planned"):
            UntilWidth(0.2).begin(run, plan, seed=3)
        with pytest.raises(BadInput, match="a width between 0 and 1"):
            UntilWidth(3.0).begin(run, plan, seed=3)
