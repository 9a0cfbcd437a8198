"""Features of a frozen front: computed once a view, kept in memory and, if asked, on disk for later trainings.

A feature is computed in a batch of one, so that it follows from its view alone and not from its neighbours.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import io
import json
import os
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from device_agents import noise
from device_agents.sidecar import Sidecar
from stability_train import views
from stability_train.ahead import work_ahead
from stability_train.cache import write_whole
from stability_train.views import View, ViewMaker

Tensor = npt.NDArray[Any]
Said = Callable[[int, int], None]


def _to_nobody(done: int, total: int) -> None:
    """Tell nobody how far it is."""


class Features:
    """The features of views behind one frozen front; ``computed`` counts those that had to be computed here.

    ``front`` gives the features (...) of one tensor (height, width, 3). With a folder, what add() computes is written
    there as a part of its own, and read by the next one with the same ``digest``.
    """

    def __init__(
        self, front: Callable[[Tensor], Tensor], maker: ViewMaker, *, digest: str = "", folder: Path | None = None
    ) -> None:
        """Read what the folder holds for this digest."""
        self._front, self._maker = front, maker
        self._folder = folder / digest if folder is not None else None
        self._kept: dict[str, Tensor] = {}
        self.computed = 0
        if self._folder is not None and self._folder.is_dir():
            for part in sorted(self._folder.glob("*.npz")):
                self._read(part)

    def add(self, wanted: Sequence[View], *, workers: int = 1, said: Said = _to_nobody) -> None:
        """Compute what is missing of these views' features, the pictures made ahead by ``workers`` threads.

        They are written as they come, some at a time, so that little is lost where it is stopped. ``said`` is told how
        many of how many are there then; what it raises ends the work.
        """
        missing = {view_digest(view): view for view in wanted if view_digest(view) not in self._kept}
        fresh: list[str] = []
        with ThreadPoolExecutor(workers) as pool:
            tensors = work_ahead(pool, self._maker.tensor, missing.values(), depth=_AHEAD)
            for done, (digest, tensor) in enumerate(zip(missing, tensors, strict=True), start=1):
                self._kept[digest] = self._front(tensor)
                fresh.append(digest)
                self.computed += 1
                if len(fresh) == _PART or done == len(missing):
                    if self._folder is not None:
                        self._write(fresh)
                    fresh = []
                    said(done, len(missing))

    def feature(self, view: View) -> Tensor:
        """Give the features of a view that was added."""
        return self._kept[view_digest(view)]

    def _write(self, digests: Sequence[str]) -> None:
        assert self._folder is not None
        stream = io.BytesIO()
        np.savez(stream, keys=np.array(digests), values=np.stack([self._kept[digest] for digest in digests]))
        name = hashlib.sha256("".join(digests).encode()).hexdigest()[:16]
        write_whole(self._folder / f"{name}-{os.getpid()}.npz", stream.getvalue())

    def _read(self, part: Path) -> None:
        try:
            with part.open("rb") as stream, np.load(stream) as held:
                self._kept.update(zip(held["keys"].tolist(), held["values"], strict=True))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            part.unlink()  # it can be computed again


_AHEAD = 16
_PART = 64  # features that are written together: a second or two of a backbone's work


def front_digest(front: Any, sidecar: Sidecar) -> str:
    """Give a sha256 of what features follow from but their views: layers, weights, sidecar, libraries, noises' code."""
    versions = [importlib.metadata.version(name) for name in ("numpy", "pillow", "keras")]
    digest = hashlib.sha256(json.dumps([front.to_json(), asdict(sidecar), versions], sort_keys=True).encode())
    for module in (noise, views):
        digest.update(inspect.getsource(module).encode())
    for weight in front.get_weights():
        digest.update(np.ascontiguousarray(weight).data)
    return digest.hexdigest()[:32]


def view_digest(view: View) -> str:
    """Give a view's name: the start of the sha256 of its fields."""
    return hashlib.sha256(repr(view).encode()).hexdigest()[:32]
