"""A strict stand-in for lm-evaluation-harness's LM interface, as lm_eval 0.4.13 has it in api/model.py."""

from __future__ import annotations

import abc
import sys
import types
from dataclasses import dataclass
from typing import Any


class LM(abc.ABC):
    """The three questions that a harness asks; a subclass that lacks one cannot be made."""

    def __init__(self) -> None:
        self.cache_hook = None

    @abc.abstractmethod
    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]: ...

    @abc.abstractmethod
    def loglikelihood_rolling(self, requests: list[Any]) -> list[float]: ...

    @abc.abstractmethod
    def generate_until(self, requests: list[Any]) -> list[str]: ...

    @property
    def rank(self) -> int:
        return 0

    @property
    def world_size(self) -> int:
        return 1


@dataclass(frozen=True)
class Instance:
    """One request; reading anything but its arguments fails."""

    args: tuple[Any, ...]


def install(monkeypatch: Any) -> None:
    """Put the stand-in where `lm_eval.api.model` is looked for, for one test."""
    model = types.ModuleType("lm_eval.api.model")
    model.LM = LM  # type: ignore[attr-defined]
    for name in ("lm_eval", "lm_eval.api"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "lm_eval.api.model", model)
