"""What every task is asked and answers, and how its settings are read from a sidecar and switched by name."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Type, TypeVar

from device_agents.errors import BadInput, pick
from device_agents.placed import Placed

if TYPE_CHECKING:
    from device_agents.sidecar import Sidecar

Settings = TypeVar("Settings")
JOINT = "+"


@dataclass(frozen=True)
class Asked:
    """What to make of one picture's outputs.

    ``labels`` name the model's classes, None where they are only counted; ``post`` are names of the task's POSTS joined
    by "+"; ``placed`` says where the viewed picture lies in the model's input, whose size stands in the sidecar.
    """

    sidecar: Sidecar
    labels: Optional[Tuple[str, ...]]
    post: str
    top_k: int
    placed: Placed


@dataclass(frozen=True)
class Answer:
    """A prediction's labels and scores, at most top_k of each, and its detail (tasks.answers), "" where that is all."""

    labels: Tuple[str, ...]
    scores: Tuple[float, ...]
    detail: str = ""


def settings_of(
    kind: Type[Settings], values: Mapping[str, Any], *, posts: Mapping[str, Callable[[Settings], Settings]], post: str
) -> Settings:
    """Make a task's Settings of a sidecar's values, then switch what ``post`` names, in its order; raises BadInput."""
    problems = settings_problems(kind, values)
    if problems:
        raise BadInput("; ".join(problems))
    settings = kind(**{name: _frozen(value) for name, value in values.items()})
    for name in post_names(post):
        settings = pick(posts, name, what="post")(settings)
    return settings


def post_names(post: str) -> Sequence[str]:
    """The names that stand in an environment's ``post``."""
    return post.split(JOINT) if post else ()


def settings_problems(kind: Type[Any], values: Any) -> List[str]:
    """Name everything that is wrong with the values for a task's Settings: unknown names, types, what they refuse."""
    if not isinstance(values, Mapping):
        return [f"post: expected an object of settings, got {str(values)[:80]!r}"]
    defaults: Dict[str, Any] = {one.name: getattr(kind(), one.name) for one in dataclasses.fields(kind)}
    known = ", ".join(defaults) or "none"
    unknown = [f"post: unknown setting '{name}'; known: {known}" for name in values if name not in defaults]
    wrong = [
        f"post: {name}: expected {_kind_name(defaults[name])}, got {str(value)[:80]!r}"
        for name, value in values.items()
        if name in defaults and not _same_kind(value, defaults[name])
    ]
    if unknown or wrong:
        return unknown + wrong
    try:
        kind(**{name: _frozen(value) for name, value in values.items()})
    except BadInput as problem:
        return [f"post: {problem}"]
    return []


def _same_kind(value: Any, default: Any) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, float):
        return isinstance(value, (int, float)) and abs(value) < 1e300 and math.isfinite(value)
    if isinstance(default, tuple):
        return isinstance(value, (list, tuple))
    return isinstance(value, type(default))


def _kind_name(default: Any) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text", tuple: "a list"}
    return names.get(type(default), type(default).__name__)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(part) for part in value) if isinstance(value, (list, tuple)) else value
