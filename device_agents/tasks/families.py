"""TASKS: a model's raw outputs -> what it answers; each task has a file with its heads, settings and switches.

A task's file holds ``HEADS`` (the forms of raw outputs that it reads), a frozen dataclass ``Settings`` (every switch of
its post-processing with its default), ``POSTS`` (named changes of the settings, which an environment asks for) and
``answer``. Asked, Answer and settings_of are in ``asked``, which those files import; they do not import this one.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Tuple

from device_agents.errors import BadInput, pick
from device_agents.runtime_libraries import Array
from device_agents.tasks import classification, detection, segmentation
from device_agents.tasks.answers import detections_text, mask_text, read_detections, read_mask
from device_agents.tasks.asked import Answer, Asked, post_names, settings_of, settings_problems

if TYPE_CHECKING:
    from device_agents.sidecar import Sidecar

__all__ = ["POSTS", "TASKS", "Answer", "Asked", "check_post", "checked_detail", "settings_of", "task_problems"]

CLASSIFICATION = "classification"
_FILES: Dict[str, ModuleType] = {
    CLASSIFICATION: classification,
    "detection": detection,
    "segmentation": segmentation,
}


def task_problems(values: Mapping[str, Any]) -> List[str]:
    """Name everything that is wrong with the task, head, post and outputs of a sidecar's JSON values."""
    task = values.get("task", CLASSIFICATION)
    if not isinstance(task, str) or task not in _FILES:
        return [f"task: expected one of {', '.join(sorted(_FILES))}, got {task!r}"]
    file = _FILES[task]
    return [
        *_output_problems(task, values.get("outputs", "")),
        *_head_problems(task, values.get("head", ""), file.HEADS),
        *settings_problems(file.Settings, values.get("post", {})),
    ]


def check_post(post: str, *, sidecar: Sidecar) -> None:
    """Raise BadInput where an environment's ``post`` names what a model's task or head cannot switch, or one twice."""
    file, names = _FILES[sidecar.task], post_names(post)
    for name in names:
        pick(file.POSTS, name, what=f"post of the task {sidecar.task}")
    if len(set(names)) != len(names):
        raise BadInput(f"expected each post once, got '{post}'")
    if sidecar.task == "detection":
        detection.head_settings(sidecar.head, sidecar.post, post)
    else:
        settings_of(file.Settings, sidecar.post, posts=file.POSTS, post=post)


def checked_detail(task: str, text: str) -> Tuple[str, Tuple[str, ...]]:
    """Read a detail that came from elsewhere, and give it as this machine writes it, with the labels that it names.

    Written anew, equal answers are equal texts: builds of zlib pack the same mask differently. Raises BadInput for what
    is no detail of the task.
    """
    if task not in _DETAILS:
        if text:
            raise BadInput(f"expected no detail for the task {task}, got {text[:40]!r}")
        return "", ()
    read, write = _DETAILS[task]
    found = read(text)
    return write(found), found.labels


def _output_problems(task: str, outputs: Any) -> List[str]:
    if outputs == "" or (outputs == "raw") != (task == CLASSIFICATION):
        return []
    wanted = "other than 'raw'" if task == CLASSIFICATION else "'raw'"
    return [f"outputs: expected {wanted} for the task {task}, got {outputs!r}"]


def _head_problems(task: str, head: Any, heads: Mapping[str, Any]) -> List[str]:
    if (head in heads) if heads and isinstance(head, str) else head == "":
        return []
    known = f"one of {', '.join(sorted(heads))}" if heads else "none"
    return [f"head: expected {known} for the task {task}, got {head!r}"]


_DETAILS: Dict[str, Tuple[Callable[[str], Any], Callable[[Any], str]]] = {
    "detection": (read_detections, detections_text),
    "segmentation": (read_mask, mask_text),
}
# Every task's switches; where two tasks have one of the same name, a model's own task counts.
POSTS: Dict[str, Callable[[Any], Any]] = {name: post for file in _FILES.values() for name, post in file.POSTS.items()}
TASKS: Dict[str, Callable[[Tuple[Array, ...], Asked], Answer]] = {name: file.answer for name, file in _FILES.items()}
