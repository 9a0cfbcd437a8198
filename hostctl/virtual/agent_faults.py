"""SPOILED: what a faulty board's agent answers instead of what it computed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from hostctl.transport import Output

KILLED, SEGMENTATION_FAULT = 128 + 9, 128 + 11  # the exit status that a shell gives for these signals


def spoil(output: Output, kinds: Iterable[str]) -> Output:
    """Give the answer with these faults; kinds that are not an agent's change nothing."""
    for kind in kinds:
        output = SPOILED[kind](output) if kind in SPOILED else output
    return output


def _crash(output: Output) -> Output:
    half = output.stdout[: len(output.stdout) // 2]
    return Output(half, b"Fatal Python error: Segmentation fault\n", SEGMENTATION_FAULT)


def _kill(output: Output) -> Output:
    return Output(b"", b"Killed\n", KILLED)


def _reverse(output: Output) -> Output:
    """The same scores with their labels the other way round, as a broken runtime may give them."""
    return _changed(output, lambda values: [{**values, "labels": values["labels"][::-1]}])


def _stray(output: Output) -> Output:
    return _changed(output, lambda values: [{**values, "picture": f"{values['picture']}x"}])


def _double(output: Output) -> Output:
    return _changed(output, lambda values: [values, values])


def _changed(output: Output, change: Callable[[dict[str, Any]], list[dict[str, Any]]]) -> Output:
    """Change each line that is a prediction; the others stay."""
    lines: list[str] = []
    for line in output.text.splitlines():
        try:
            values = json.loads(line)
        except json.JSONDecodeError:
            values = None
        predicted = isinstance(values, dict) and "environment" in values
        lines += [json.dumps(one) for one in change(values)] if predicted else [line]
    return Output("".join(f"{line}\n" for line in lines).encode(), output.stderr, output.exit_code)


SPOILED: dict[str, Callable[[Output], Output]] = {
    "agent-crash": _crash,
    "out-of-memory": _kill,
    "wrong-answer": _reverse,
    "stray-answer": _stray,
    "double-answer": _double,
}
