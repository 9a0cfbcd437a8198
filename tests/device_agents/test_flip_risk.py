from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from device_agents.__main__ import main
from device_agents.errors import BadInput
from device_agents.flip_risk import (
    FEATURES,
    FlipRisk,
    feature_values,
    perturbed_environments,
    predict_with_risk,
    read_flip_risk,
    risk_of,
    write_flip_risk,
)
from device_agents.predict import Job, JobPicture, default_environment, write_job
from device_agents.records import Prediction, from_line
from tests.device_agents.tiny_models import png, tiny_sidecar, write_onnx

RISK = FlipRisk("tiny", ("gain-80", "hue-10"), ("margin", "changed"), (0.5, 0.25), (0.2, 0.5), (-1.0, 2.0), 0.1)


def answer(*pairs: tuple[str, float], error: str = "") -> Prediction:
    return Prediction("p", "e", tuple(name for name, _ in pairs), tuple(score for _, score in pairs), error=error)


BASE = answer(("cat", 0.6), ("dog", 0.2))
TRIES = [answer(("cat", 0.5), ("dog", 0.3)), answer(("dog", 0.6), ("cow", 0.2))]


def test_features_by_hand() -> None:
    found = feature_values(BASE, TRIES)
    assert found is not None
    assert set(found) == set(FEATURES)
    assert found["margin"] == pytest.approx(0.4)
    assert found["changed"] == 0.5
    # In the second try the cat is unlisted: half of 0.2 for the margin, 0.2 at most for the lead.
    assert found["mean-margin"] == pytest.approx((0.2 + (0.1 - 0.6)) / 2)
    assert found["mean-lead"] == pytest.approx((math.log(0.5 / 0.3) + math.log(0.2 / 0.6)) / 2)
    assert found["entropy"] == pytest.approx(-(0.6 * math.log(0.6) + 2 * 0.2 * math.log(0.2)))
    entropies = [-sum(p * math.log(p) for p in some) for some in ((0.5, 0.3, 0.2), (0.6, 0.2, 0.2))]
    assert found["mean-entropy"] == pytest.approx(sum(entropies) / 2)


def test_a_single_score_is_against_all_the_rest() -> None:
    found = feature_values(answer(("cat", 0.9)), [answer(("cat", 0.7))])
    assert found is not None
    assert (found["margin"], found["mean-margin"]) == (pytest.approx(0.8), pytest.approx(0.4))


def test_failures_have_no_features() -> None:
    assert feature_values(answer(error="decode: no"), TRIES) is None
    assert feature_values(BASE, [TRIES[0], answer(error="decode: no")]) is None
    assert feature_values(BASE, []) is None


def test_the_risk_by_hand() -> None:
    total = 0.1 - (0.4 - 0.5) / 0.2 + 2 * (0.5 - 0.25) / 0.5
    assert risk_of({"margin": 0.4, "changed": 0.5}, RISK) == pytest.approx(1 / (1 + math.exp(-total)))
    assert risk_of({"margin": -1e6, "changed": 1.0}, RISK) == 1.0
    assert risk_of({"margin": 1e6, "changed": 0.0}, RISK) == 0.0


def test_a_file_is_read_back(tmp_path: Path) -> None:
    told = replace(RISK, about={"fitted_on": ["a", "b"]})
    write_flip_risk(tmp_path / "risk.json", told)
    assert read_flip_risk(tmp_path / "risk.json") == told


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 2}, "expected a flip risk of format 1, got 2; use a newer kit"),
        ({"features": ["margin", "colour"]}, "unknown features colour; known: margin, entropy"),
        ({"weights": [1.0]}, "expected a centre, a spread above 0 and a weight for each of 2"),
        ({"spread": [1.0, 0.0]}, "expected a centre, a spread above 0"),
        ({"centre": [1.0, "x"]}, "expected a centre"),
        ({"colour": 1}, "unknown keys"),
    ],
)
def test_files_that_are_none(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    path = tmp_path / "risk.json"
    write_flip_risk(path, RISK)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(BadInput, match=said):
        read_flip_risk(path)
    with pytest.raises(BadInput, match="cannot read the flip risk"):
        read_flip_risk(tmp_path / "absent.json")


def make_job(folder: Path) -> Job:
    model = write_onnx(folder / "tiny.onnx")
    (folder / "a.png").write_bytes(png(np.arange(0, 240, 20).reshape(2, 2, 3)))
    sidecar = tiny_sidecar()
    pictures = (JobPicture("a", str(folder / "a.png")), JobPicture("b", str(folder / "b.png")))
    return Job(str(model), sidecar, pictures, (default_environment(sidecar, model),))


def test_a_job_with_risks(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    (good, risk), (bad, none) = predict_with_risk(job, RISK)
    assert (good.picture, bad.picture, bad.labels, none) == ("a", "b", (), None)
    assert risk is not None
    assert 0 < risk < 1
    (other,) = (one for one, _ in predict_with_risk(replace(job, pictures=job.pictures[:1]), RISK))
    assert replace(other, latency_ms=0.0) == replace(good, latency_ms=0.0)  # the tries change nothing


def test_tries_come_after_what_an_environment_does_already(tmp_path: Path) -> None:
    environment = replace(make_job(tmp_path).environments[0], perturbation="blur-5")
    assert [one.perturbation for one in perturbed_environments(environment, RISK.perturbations)] == [
        *("blur-5+gain-80", "blur-5+hue-10")
    ]


def test_the_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="fitted for other, the job is for tiny"):
        list(predict_with_risk(make_job(tmp_path), replace(RISK, model="other")))


def test_the_agent_adds_a_key_only_where_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_job(tmp_path / "job.json", make_job(tmp_path))
    write_flip_risk(tmp_path / "risk.json", RISK)
    assert main(["predict", str(tmp_path / "job.json")]) == 0
    plain = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert main(["predict", str(tmp_path / "job.json"), "--flip-risk", str(tmp_path / "risk.json")]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    risks = [one.pop("flip_risk") for one in told]
    assert 0 < risks[0] < 1
    assert risks[1] is None
    for one in (*plain, *told):
        one["latency_ms"] = 0.0
    assert told == plain
    from_line(Prediction, json.dumps(told[0]))
