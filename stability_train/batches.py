"""Batches: the stream of (stacked views, targets) that `fit` reads, from any step of any epoch on, made ahead."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from device_agents.errors import KitError
from stability_train.ahead import work_ahead
from stability_train.mixing import MIXINGS
from stability_train.pairs import Plan
from stability_train.views import View

Array = npt.NDArray[Any]
Load = Callable[[View], Array]
Batch = tuple[Array, Array]
_BATCHES_AHEAD = 3


class Batches:
    """The batches of a plan; ``waited_s`` is how long the training waited for them so far, ``problem`` why they ended.

    ``load`` gives a view's tensor or kept features. They are made ahead by ``workers`` threads; with ``within_epoch``
    never beyond the epoch, for features that are only there once their epoch has begun. A context manager: it ends
    its threads.
    """

    def __init__(
        self, plan: Plan, load: Load, *, shape: tuple[int, ...], classes: int, workers: int, within_epoch: bool
    ) -> None:
        """Start the threads; nothing is made yet. shape: of what load gives."""
        self._plan, self._load, self._shape = plan, load, shape
        self._targets = np.eye(classes, dtype=np.float32)[list(plan.targets)]
        self._pool = ThreadPoolExecutor(workers)
        self._within_epoch = within_epoch
        self.waited_s = 0.0
        self.problem: KitError | None = None

    def __enter__(self) -> Batches:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def steps(self) -> int:
        """The steps of an epoch; the last batch may be smaller."""
        return -(-len(self._plan) // self._plan.settings.batch)

    def signature(self) -> tuple[tuple[int | None, ...], tuple[int | None, ...]]:
        """Give the shapes of a batch's stacked views and of its targets, with None for the photos."""
        return (1 + self._plan.settings.noisy_views, None, *self._shape), (None, self._targets.shape[1])

    def stream(self, *, epoch: int, step: int, epochs: int) -> Iterator[Batch]:
        """Give the batches from a step of an epoch on: float32 (views, n, ...) and float32 (n, classes)."""
        each = [partial(self._steps, when, step if when == epoch else 0) for when in range(epoch, epochs)]
        # The features of a later epoch may not be there yet.
        groups = (one() for one in each) if self._within_epoch else [chain.from_iterable(one() for one in each)]
        for group in groups:
            made = work_ahead(self._pool, self._batch, group, depth=_BATCHES_AHEAD)
            while (batch := self._next(made)) is not None:
                yield batch

    def _next(self, made: Iterator[Batch]) -> Batch | None:
        started = time.perf_counter()
        try:
            return next(made, None)
        except KitError as problem:  # TensorFlow, which calls this, keeps only the text of what is raised
            self.problem = problem
            raise
        finally:
            self.waited_s += time.perf_counter() - started

    def _steps(self, epoch: int, step: int) -> Iterator[tuple[int, int, list[int]]]:
        for which, places in enumerate(self._places(epoch)):
            if which >= step:
                yield epoch, which, places

    def _places(self, epoch: int) -> list[list[int]]:
        order, size = self._plan.order(epoch), self._plan.settings.batch
        return [order[start : start + size] for start in range(0, len(order), size)]

    def _batch(self, step: tuple[int, int, list[int]]) -> Batch:
        epoch, which, places = step
        settings = self._plan.settings
        stacked = np.empty((1 + settings.noisy_views, len(places), *self._shape), np.float32)
        for row, place in enumerate(places):
            for number, view in enumerate(self._plan.views(place, epoch)):
                stacked[number, row] = self._load(view)
        rng = self._plan.mixing_rng(epoch, which)
        mix = MIXINGS[settings.mixing]
        mixed, targets = mix(stacked, self._targets[places], rng, alpha=settings.mixing_alpha)
        return mixed.astype(np.float32, copy=False), targets.astype(np.float32, copy=False)
