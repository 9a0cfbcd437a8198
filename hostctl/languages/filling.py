"""The loop of a language run: what is missing in each condition, one model loaded at a time, committed in blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.records import Picture, Prediction
from hostctl.languages.asked import Way
from hostctl.printing import Progress
from stability_train.language.answers import Answered
from stability_train.language.models import LanguageModel
from stability_train.language.predictor import Predictor, load_predictor

# A model and pictures to what it answers to each, a BadInput where it cannot.
Answers = Callable[[Predictor, Sequence[Picture]], Iterator[tuple[Picture, Answered | BadInput]]]
Said = Callable[[int, int, str], None]
BLOCK = 256


def fill(
    run: Run,
    model: LanguageModel,
    found: Sequence[Way],
    answers: Answers,
    *,
    progress: Progress,
    block: int = BLOCK,
) -> None:
    """Answer what a run has not yet, condition by condition; killed at any time, it goes on where it was.

    A question that cannot be answered becomes a prediction with its reason, and never stops the rest.
    """
    for way in found:
        work = [pictures for pictures, _ in run.missing_predictions([way.environment], block=block)]
        if work:
            _fill_one(run, model, way, work, answers, partial(progress, way.told(found[0])))


def _fill_one(
    run: Run, model: LanguageModel, way: Way, work: Sequence[Sequence[Picture]], answers: Answers, said: Said
) -> None:
    """Answer blocks of pictures in one condition; its model is let go at the end, before the next is loaded."""
    total, done = sum(map(len, work)), 0
    said(0, total, "")
    predictor = load_predictor(model, way.file, runtime=way.runtime, threads=way.threads)
    for pictures in work:
        made = []
        for picture, answered in answers(predictor, pictures):
            made.append(_prediction(picture, way, answered))
            done += 1
            said(done, total, "")
        run.add_predictions(made)


def _prediction(picture: Picture, way: Way, answered: Answered | BadInput) -> Prediction:
    name = way.environment.environment
    if isinstance(answered, BadInput):
        return Prediction(picture.picture, name, error=str(answered), file_sha256=picture.sha256)
    return Prediction(
        picture.picture,
        name,
        answered.labels,
        answered.scores,
        latency_ms=answered.latency_ms,
        file_sha256=picture.sha256,
        tensor_sha256=answered.tensor_sha256,
        detail=answered.detail,
    )
