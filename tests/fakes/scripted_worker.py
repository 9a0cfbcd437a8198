"""A strict scripted worker of a batch: it expects exactly as many jobs as its script has, and says how each ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from device_agents.errors import KitError
from device_agents.predict import Job
from device_agents.records import Prediction


@dataclass(frozen=True)
class Does:
    """One job: sleep for each picture, make at most so many, then raise the problem or wait for an event."""

    makes: int | None = None
    raises: KitError | None = None
    before: Callable[[], object] = lambda: None


@dataclass
class ScriptedWorker:
    """Use as a context manager; after its script, with ``then``, it does that for ever (None: a job is a mistake).

    ``alive_answers`` are given in turn; the last stays.
    """

    name: str
    script: list[Does] = field(default_factory=list)
    then: Does | None = None
    alive_answers: list[bool] = field(default_factory=lambda: [True])
    picture_s: float = 0.0
    sleep: Callable[[float], None] = lambda _: None
    error_of: Callable[[str], str] = lambda _: ""
    jobs: list[tuple[str, ...]] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)

    def predict(self, job: Job, *, limit_s: float) -> Iterator[Prediction]:
        does = self.script.pop(0) if self.script else self.then
        assert does is not None, f"{self.name}: the script is used up"
        names = tuple(one.picture for one in job.pictures)
        self.jobs.append(names)
        self.limits.append(limit_s)
        does.before()
        made = names if does.makes is None else names[: does.makes]
        self.sleep(self.picture_s * len(made))
        for name in made:
            yield self._prediction(name, job)
        if does.raises is not None:
            raise does.raises

    def _prediction(self, name: str, job: Job) -> Prediction:
        environment = job.environments[0].environment
        error = self.error_of(name)
        if error:
            return Prediction(name, environment, error=error)
        return Prediction(name, environment, ("a",), (0.9,), self.picture_s * 1000)

    def alive(self) -> bool:
        return self.alive_answers.pop(0) if len(self.alive_answers) > 1 else self.alive_answers[0]

    def __enter__(self) -> ScriptedWorker:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        assert kind is not None or not self.script, f"{self.name}: never asked for {len(self.script)} jobs"

    @property
    def pictures(self) -> Sequence[str]:
        return [name for names in self.jobs for name in names]
