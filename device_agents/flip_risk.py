"""The risk that another device would answer otherwise, from one picture alone: cheap perturbations and a few weights.

A file that `instability flip-risk` wrote says which perturbations to try, and how much each feature of the answers
weighs. A prediction has the risk 1 / (1 + exp(-(intercept + sum of weight x (feature - centre) / spread))).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional, Sequence, Tuple

from device_agents.errors import BadInput
from device_agents.perturbations.chains import JOINED
from device_agents.predict import Job, predict
from device_agents.records import Environment, Prediction, from_dict, to_values

FORMAT = 1
FLOOR = 1e-6  # of a score: what a quantised model calls 0 is not known to be less

Feature = Callable[[Prediction, Sequence[Prediction]], float]


@dataclass(frozen=True)
class FlipRisk:
    """What a file says: the model it is for, the perturbations to try, and the weights of the features of FEATURES.

    ``centre`` and ``spread`` are the features' means and deviations where it was fitted. ``about`` tells people what
    it was fitted on and how well it did; nothing is computed from it.
    """

    model: str
    perturbations: Tuple[str, ...]
    features: Tuple[str, ...]
    centre: Tuple[float, ...]
    spread: Tuple[float, ...]
    weights: Tuple[float, ...]
    intercept: float
    about: Any = None
    format: int = FORMAT


def read_flip_risk(path: Path) -> FlipRisk:
    """Read a file of `instability flip-risk`; raises BadInput where it is none, or of a newer kit."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as problem:
        raise BadInput(f"cannot read the flip risk {path}: {problem}") from problem
    if isinstance(values, dict) and values.get("format", FORMAT) != FORMAT:
        raise BadInput(f"{path}: expected a flip risk of format {FORMAT}, got {values['format']}; use a newer kit")
    about = values.pop("about", None) if isinstance(values, dict) else None
    found = replace(from_dict(FlipRisk, values), about=about)
    unknown = sorted(set(found.features) - set(FEATURES))
    if unknown:
        raise BadInput(f"{path}: unknown features {', '.join(unknown)}; known: {', '.join(FEATURES)}")
    lengths = {len(one) for one in (found.features, found.centre, found.spread, found.weights)}
    numbers = (*found.centre, *found.spread, *found.weights, found.intercept)
    good = all(isinstance(one, (int, float)) and math.isfinite(one) for one in numbers)
    if len(lengths) > 1 or not good or not all(one > 0 for one in found.spread):
        raise BadInput(f"{path}: expected a centre, a spread above 0 and a weight for each of {len(found.features)}")
    return found


def write_flip_risk(path: Path, risk: FlipRisk) -> None:
    """Write the file that read_flip_risk reads."""
    path.write_text(json.dumps(to_values(risk), indent=1), encoding="utf-8")


def perturbed_environments(environment: Environment, perturbations: Sequence[str]) -> Tuple[Environment, ...]:
    """Give the environments of the tries: as the given one, each perturbation after what it already does."""
    before = [environment.perturbation] if environment.perturbation else []
    return tuple(replace(environment, perturbation=JOINED.join([*before, name])) for name in perturbations)


def feature_values(base: Prediction, tries: Sequence[Prediction]) -> Optional[Dict[str, float]]:
    """Give every feature of FEATURES of an answer and the answers to its perturbed tries; None where one failed."""
    if not tries or any(one.error or not one.labels for one in (base, *tries)):
        return None
    return {name: feature(base, tries) for name, feature in FEATURES.items()}


def risk_of(found: Dict[str, float], risk: FlipRisk) -> float:
    """Give the risk, 0 to 1, of an answer with these features."""
    parts = zip(risk.features, risk.centre, risk.spread, risk.weights)
    total = risk.intercept + sum(weight * (found[name] - centre) / spread for name, centre, spread, weight in parts)
    return 1 / (1 + math.exp(-total)) if total >= 0 else 1 - 1 / (1 + math.exp(total))


def predict_with_risk(job: Job, risk: FlipRisk) -> Iterator[Tuple[Prediction, Optional[float]]]:
    """Predict a job; gives each prediction with its risk, None where it or one of its tries failed.

    The tries share decoding and resizing with the prediction itself; each costs one inference more. Raises BadInput
    where the job's model is another than the file's.
    """
    for environment in job.environments:
        if environment.model != risk.model:
            raise BadInput(
                f"this flip risk was fitted for {risk.model}, the job is for {environment.model}: scores of another "
                f"model mean something else; run `instability flip-risk` on a run of {environment.model}"
            )
    tries = len(risk.perturbations)
    groups = [(one, *perturbed_environments(one, risk.perturbations)) for one in job.environments]
    answers = predict(replace(job, environments=tuple(one for group in groups for one in group)))
    for base in answers:
        others = [next(answers) for _ in range(tries)]
        found = feature_values(base, others)
        yield base, None if found is None else risk_of(found, risk)


def risk_lines(job: Job, risk: FlipRisk) -> Iterator[str]:
    """Give predict_with_risk as JSON lines: the prediction's own keys, and "flip_risk", null where there is none."""
    for prediction, value in predict_with_risk(job, risk):
        told = {**to_values(prediction), "flip_risk": None if value is None else round(value, 6)}
        yield json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def margin(base: Prediction, tries: Sequence[Prediction]) -> float:
    """The first score less the second."""
    return _ahead(base, base.labels[0])


def entropy(base: Prediction, tries: Sequence[Prediction]) -> float:
    """Shannon's entropy of the stored scores in nats, what they leave of 1 being one class more."""
    shares = [*base.scores, max(0.0, 1 - sum(base.scores))]
    return -sum(one * math.log(one) for one in shares if one > 0)


def changed(base: Prediction, tries: Sequence[Prediction]) -> float:
    """The share of the tries with another first label, 0 to 1."""
    return sum(one.labels[0] != base.labels[0] for one in tries) / len(tries)


def mean_margin(base: Prediction, tries: Sequence[Prediction]) -> float:
    """How far the answer is ahead of the best other label among the tries, on average; below 0: it mostly lost."""
    return sum(_ahead(one, base.labels[0]) for one in tries) / len(tries)


def mean_entropy(base: Prediction, tries: Sequence[Prediction]) -> float:
    """The mean of the tries' entropies."""
    return sum(entropy(one, ()) for one in tries) / len(tries)


def mean_lead(base: Prediction, tries: Sequence[Prediction]) -> float:
    """As mean_margin, of the logarithms of the scores."""
    return sum(_lead(one, base.labels[0]) for one in tries) / len(tries)


def _ahead(one: Prediction, label: str) -> float:
    """A label's score less the best other's; unlisted, it is taken as half of the last score that is."""
    mine, other = _against(one, label, unlisted=0.5)
    return mine - other


def _lead(one: Prediction, label: str) -> float:
    """A label's score over the best other's, in logarithms; unlisted, it has at most the last score that is."""
    mine, other = _against(one, label, unlisted=1.0)
    return math.log(max(mine, FLOOR)) - math.log(max(other, FLOOR))


def _against(one: Prediction, label: str, *, unlisted: float) -> Tuple[float, float]:
    """A label's score, or that share of the last stored one, and the best other label's; of one score, the rest."""
    known = dict(zip(one.labels, one.scores))
    mine = float(known.get(label, unlisted * min(one.scores)))
    others = [float(score) for name, score in known.items() if name != label]
    return mine, max(others) if others else 1 - mine


FEATURES: Dict[str, Feature] = {
    "margin": margin,
    "entropy": entropy,
    "changed": changed,
    "mean-margin": mean_margin,
    "mean-entropy": mean_entropy,
    "mean-lead": mean_lead,
}
