"""The soak of benchmarks.soak, scaled to minutes: eight devices of all kinds, random faults, kills, and an audit."""

import pytest

from benchmarks.soak import figures, soak, told
from benchmarks.soak_lab import DEVICES
from hostctl.browsers.pages import is_built


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.skipif(not is_built(), reason="device_agents/web is not built: npm ci && npm run build there")
def test_nothing_is_lost_doubled_or_wrong_and_memory_is_flat(tmp_path):
    said = []
    found = soak(tmp_path, minutes=1.0, seed=6, rate=0.1, shoot_timeout_s=8.0, least=2, said=said.append)
    numbers = figures(found)
    words = "\n".join([*said, told(numbers)])
    assert found.wrong == [], words
    assert found.sessions >= 2, words
    assert found.kills >= 1, words
    assert numbers["accepted"] + numbers["listed"] == numbers["steps"] >= 30 * len(DEVICES), words
    assert numbers["accepted"] >= 0.8 * numbers["steps"], words
    assert numbers["predictions"] + numbers["unpredicted"] == numbers["accepted"], words
    assert sum(numbers["struck"].values()) >= 5, words
    assert numbers["most_mb"] < 400, words
    assert not [one for one in found.slopes if one.verdict == "grows"], words
