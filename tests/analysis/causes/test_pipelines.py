import numpy as np
import pandas as pd
import pytest

from analysis.causes.pipelines import pipelines
from analysis.instability import instability
from device_agents.errors import BadInput
from tests.analysis.sample_conditions import with_raws


def test_the_same_steps_are_compared():
    shot, both = with_raws()
    found = pipelines(shot, both)
    before, after = found.whole.to_dict("records")
    kept = shot[shot["device"].isin(["pixel-6-like", "galaxy-s10-like"])]
    expected = instability(kept)
    assert (before["devices"], before["items"], before["unstable"]) == (2, expected.items, expected.unstable)
    assert before["rate"] > 0
    assert (after["rate"], after["change"]) == (0.0, pytest.approx(-before["rate"]))
    assert after["change_low"] <= after["change"] <= after["change_high"]
    assert np.isnan(before["change"])
    assert set(found.devices["device"]) == {"pixel-6-like", "galaxy-s10-like"}
    assert "0\u00a0% if the raws go through one pipeline (libraw-pinned, png)" in found.sentence


def test_what_is_lacking_is_named():
    shot, both = with_raws(devices=())
    with pytest.raises(BadInput, match="expected raws developed by one ISP, got none"):
        pipelines(shot, both)
    shot, both = with_raws(devices=("pixel-6-like",))
    with pytest.raises(BadInput, match="raws of two devices or more with their photographs, got developments of 1"):
        pipelines(shot, both)
    _, both = with_raws()
    only = both[both["isp"] != ""]
    with pytest.raises(BadInput, match="as their devices saved them beside the raws"):
        pipelines(only, only)
    with pytest.raises(BadInput, match="expected predictions with isp, codec"):
        pipelines(shot, shot.drop(columns=["isp", "codec"]))


def test_another_setup_does_not_count():
    shot, both = with_raws()
    other = both[both["isp"] != ""].assign(decoder="opencv")
    table = pd.concat([shot.assign(decoder="pillow"), other], ignore_index=True)
    with pytest.raises(BadInput, match="got none"):
        pipelines(shot.assign(decoder="pillow"), table)
