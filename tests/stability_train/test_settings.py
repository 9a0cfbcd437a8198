"""Settings: one message names all mistakes."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from device_agents.errors import BadInput
from stability_train.settings import Settings, changed_settings, settings_from


def test_the_defaults_are_good_and_come_back_from_json() -> None:
    settings = Settings(noise="two-images", device="one", partner="two", mix=("decoder", "resizer"))
    assert settings_from(json.loads(json.dumps(dataclasses.asdict(settings)))) == settings
    assert (settings.weight, settings.units, settings.noisy_views) == (0.01, 0, 1)
    assert (Settings(loss="embedding").weight, Settings(loss="embedding").units) == (0.001, 128)
    assert Settings(loss="jensen-shannon").noisy_views == 2
    assert Settings(noise="none", loss="jensen-shannon").noisy_views == 0


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(BadInput) as problem:
        settings_from({"noise": "gausian", "alpha": math.inf, "epochs": 0, "mix": ["decoders"], "learningrate": 1})
    text = str(problem.value)
    for part in (
        "noise: unknown 'gausian' (did you mean 'gaussian'?)",
        "alpha: expected 0 to 1e+06, got inf",
        "epochs: expected 1 to 1e+06, got 0",
        "mix: unknown 'decoders' (did you mean 'decoder'?)",
        "unknown setting 'learningrate' (did you mean 'learning_rate'?)",
    ):
        assert part in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"alpha": math.nan}, "alpha: expected"),
        ({"alpha": -1.0}, "alpha: expected"),
        ({"alpha": "1"}, "alpha: expected float"),
        ({"epochs": True}, "epochs: expected int, got True"),
        ({"batch": 2.5}, "batch: expected int"),
        ({"decoders": ()}, "decoders: expected at least one"),
        ({"noise": "two-images"}, "needs device and partner"),
        ({"noise": "subsample", "device": "one", "partner": "one"}, "expected two devices, got 'one' twice"),
        ({"loss": "embedding", "embedding_units": 0}, "a gradient of zero"),
        ({"loss": "embedding", "head": "keep"}, "no room for the extra dense layer"),
        ({"keep": "best", "validation_share": 0.0}, "validation_share above 0"),
        ({"noise": "none", "monitor": "val_instability"}, "needs a noise"),
        ({"batch_norm": "apart"}, "choose last-block or all"),
        ({"noise": "environments", "isps": ("crips",)}, "isps: unknown 'crips'"),
        ({"isps": ("crisp",)}, "drawn from by noise environments"),
        ({"noise": "environments", "sensors": ("fresh-noise",)}, "name isps, without ''"),
        ({"mix": ("isp",), "isps": ()}, "isps: expected at least one"),
        ({"trainable": "from:"}, "trainable: unknown 'from:'"),
    ],
)
def test_what_is_refused(values: dict[str, object], match: str) -> None:
    with pytest.raises(BadInput, match=match):
        settings_from(values)


def test_what_changed_is_said() -> None:
    assert changed_settings(Settings(), Settings(alpha=0.5, seed=1)) == [
        "alpha: None before, 0.5 now",
        "seed: 0 before, 1 now",
    ]
