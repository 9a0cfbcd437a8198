"""The power goes at any write of a session or a batch: the run is whole, holds what was committed, and resumes.

A sample of what `python -m benchmarks.power_loss` does for every write.
"""

import pytest

from benchmarks.power_loss import compiler, explore
from benchmarks.power_sessions import SESSIONS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not compiler(), reason="no C compiler (cc) to make the recorder of writes with"),
]


@pytest.mark.parametrize("name", SESSIONS)
def test_a_power_loss_leaves_a_run_that_resumes(tmp_path, name):
    judged = list(explore(name, every=25, randoms=1, seed=6, place=tmp_path, step=4))
    assert {how for _, how, _ in judged} >= {"dropped", "random"}
    assert len(judged) > 15
    assert [one for one in judged if one[2]] == []
