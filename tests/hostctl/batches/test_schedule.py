"""The scheduler on a clock of numbers: every picture once, shards of equal time, retries on another device."""

import heapq

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostctl.batches.schedule import DONE, FAILED, FIRST, INFRA, MOST, TIMEOUT, Schedule, fit_pace

PICTURES = [f"p{number}" for number in range(1000)]


def simulate(schedule, paces, *, fixed_s=0.0, fails=lambda shard: None):
    """Let devices work on a clock of numbers; gives the shards with their start and end, and the end of all."""
    now, events, log = 0.0, [], []
    idle = list(paces)
    while True:
        for device in list(idle):
            shard = schedule.take(device)
            if shard is not None:
                idle.remove(device)
                seconds = fixed_s + paces[device] * len(shard.pictures)
                heapq.heappush(events, (now + seconds, shard.number, shard, seconds))
        if not events:
            assert all(schedule.over(device) for device in paces)
            return log, now
        now, _, shard, seconds = heapq.heappop(events)
        outcome = fails(shard) or DONE
        made = shard.pictures if outcome == DONE else shard.pictures[: len(shard.pictures) // 2]
        final = schedule.finish(shard, outcome, made=made, seconds=seconds)
        log.append((shard, outcome, made, final, now - seconds, now))
        idle.append(shard.device)


def made_of(log):
    return sorted(name for _, _, made, *_ in log for name in made)


def test_a_line_is_fitted_to_what_shards_took():
    assert fit_pace([(4, 2.08), (100, 4.0)]) == pytest.approx((2.0, 0.02))
    assert fit_pace([(4, 2.0)]) == (0.0, 0.5)
    assert fit_pace([(4, 3.0), (8, 2.0)]) == pytest.approx((0.0, 2.5 / 6)), "falling: all time is the pictures'"
    assert fit_pace([(4, 0.0)])[1] > 0


def test_shards_are_sized_by_time_and_not_by_count():
    schedule = Schedule({"row": PICTURES}, {"row": ["fast", "slow"]}, retries=0, aim_s=5.0)
    log, end = simulate(schedule, {"fast": 0.02, "slow": 0.2})
    assert made_of(log) == sorted(PICTURES)
    sizes = {name: [len(one[0].pictures) for one in log if one[0].device == name] for name in ("fast", "slow")}
    assert max(sizes["fast"]) > 4 * max(sizes["slow"][1:])
    assert max(finish - start for *_, start, finish in log) <= 6.0
    best = len(PICTURES) / (1 / 0.02 + 1 / 0.2)
    assert end <= 1.08 * best


def test_four_equal_devices_take_a_quarter_of_the_time():
    alone = simulate(Schedule({"row": PICTURES}, {"row": ["a"]}, retries=0, aim_s=20.0), {"a": 0.02})[1]
    names = list("abcd")
    four = simulate(Schedule({"row": PICTURES}, {"row": names}, retries=0, aim_s=20.0), dict.fromkeys(names, 0.02))[1]
    assert alone / four >= 3.8


def test_what_a_shard_costs_at_all_makes_shards_longer():
    schedule = Schedule({"row": PICTURES}, {"row": ["a"]}, retries=0, aim_s=2.0)
    log, end = simulate(schedule, {"a": 0.1}, fixed_s=1.0)
    assert [len(one[0].pictures) for one in log][:2] == [FIRST, 5], "one size says nothing of the fixed part"
    assert end <= 1.15 * (1000 * 0.1)
    assert max(len(one[0].pictures) for one in log) >= 150


def test_a_limit_keeps_shards_at_half_of_it_and_none_is_larger_than_a_card():
    limited = Schedule({"row": PICTURES}, {"row": ["a"]}, retries=0, aim_s=20.0, limit_s=4.0)
    assert max(finish - start for *_, start, finish in simulate(limited, {"a": 0.1})[0]) <= 2.0 + 1e-9
    quick = Schedule({"row": PICTURES}, {"row": ["a"]}, retries=0, aim_s=20.0)
    assert max(len(one[0].pictures) for one in simulate(quick, {"a": 1e-6})[0]) <= MOST


def test_an_infrastructure_failure_is_tried_on_another_device_and_only_what_is_missing():
    schedule = Schedule({"row": PICTURES[:4]}, {"row": ["a", "b"]}, retries=1, aim_s=5.0)
    first = schedule.take("a")
    assert schedule.finish(first, INFRA, made=first.pictures[:1], seconds=1.0) is False
    assert schedule.take("a") is None, "another device goes first"
    again = schedule.take("b")
    assert (again.pictures, again.attempt, again.tried) == (tuple(PICTURES[1:4]), 2, frozenset("a"))
    assert schedule.finish(again, INFRA, made=(), seconds=1.0) is True, "no retries are left"
    assert schedule.over("a")
    assert schedule.over("b")


@pytest.mark.parametrize("outcome", [FAILED, TIMEOUT])
def test_a_real_failure_is_never_tried_again(outcome):
    schedule = Schedule({"row": PICTURES[:4]}, {"row": ["a", "b"]}, retries=5, aim_s=5.0)
    assert schedule.finish(schedule.take("a"), outcome, made=(), seconds=1.0) is True
    assert schedule.take("b") is None
    assert schedule.over("b")


def test_a_device_alone_tries_again_itself_and_a_lost_one_leaves_its_work_to_others():
    alone = Schedule({"row": PICTURES[:4]}, {"row": ["a"]}, retries=1, aim_s=5.0)
    alone.finish(alone.take("a"), INFRA, made=(), seconds=1.0)
    assert alone.take("a").attempt == 2
    two = Schedule({"row": PICTURES[:4]}, {"row": ["a", "b"]}, retries=1, aim_s=5.0)
    two.finish(two.take("a"), INFRA, made=(), seconds=1.0)
    two.lose("b")
    assert two.take("a").attempt == 2, "nobody else is left"
    two.lose("a")
    assert two.over("a")


def test_rows_stay_with_their_devices():
    schedule = Schedule({"one": ["p"], "two": ["p"], "none": ["p"]}, {"one": ["a"], "two": ["b"]}, retries=0, aim_s=5.0)
    assert schedule.take("b").row == "two"
    assert schedule.take("b") is None
    assert schedule.take("a").row == "one"
    assert not schedule.over("a"), "its own shard is still under way"


@settings(deadline=None, max_examples=30)
@given(
    speeds=st.lists(st.sampled_from([0.01, 0.05, 0.3]), min_size=1, max_size=5),
    count=st.integers(0, 400),
    retries=st.integers(0, 2),
    outcomes=st.lists(st.sampled_from([DONE, DONE, DONE, INFRA, FAILED, TIMEOUT]), max_size=30),
)
def test_every_picture_is_made_once_or_given_up_once(speeds, count, retries, outcomes):
    left = list(outcomes)
    devices = {f"d{number}": speed for number, speed in enumerate(speeds)}
    schedule = Schedule({"row": PICTURES[:count]}, {"row": list(devices)}, retries=retries, aim_s=3.0)
    log, _ = simulate(schedule, devices, fixed_s=0.1, fails=lambda shard: left.pop(0) if left else DONE)
    given_up = [name for shard, _, made, final, *_ in log if final for name in set(shard.pictures) - set(made)]
    assert sorted(made_of(log) + given_up) == sorted(PICTURES[:count])
    assert max((shard.attempt for shard, *_ in log), default=1) <= retries + 1
    assert all(shard.device not in shard.tried or shard.tried.issuperset(devices) for shard, *_ in log)
