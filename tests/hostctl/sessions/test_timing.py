"""How long the others wait for a device follows from how long it usually takes."""

from hostctl.sessions.timing import PLUS_S, TIMES, UNKNOWN_S, Timing


def test_a_devices_own_usual_time_decides_and_one_slow_photograph_does_not():
    known = Timing(limit_s=30.0)
    for duration_s in (0.5, 0.4, 0.6, 8.0, 0.5):
        known.add("a", duration_s)
    assert known.patience_s("a") == TIMES * 0.5 + PLUS_S


def test_before_its_first_photograph_the_racks_slowest_decides():
    known = Timing(limit_s=30.0)
    assert known.patience_s("new") == 30.0  # nobody knows anything yet
    known.add("a", 0.2)
    assert known.patience_s("new") == UNKNOWN_S
    known.add("b", 4.0)
    assert known.patience_s("new") == TIMES * 4.0 + PLUS_S


def test_nobody_is_waited_for_beyond_the_limit():
    known = Timing(limit_s=10.0)
    known.add("a", 9.0)
    assert known.patience_s("a") == 10.0
