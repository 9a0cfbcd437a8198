"""A strict scripted Transport: it expects exactly the commands of its script, in order, and fails if any is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hostctl.transport import Output, Stream


@dataclass
class ScriptedTransport:
    """Use as a context manager; each line of the script is (command as one text, answer).

    An answer is text for standard output, an Output, or an exception to raise. Pushes and pulls are the commands
    "push REMOTE" and "pull REMOTE"; a pull writes its text into the local file.
    """

    script: list[tuple[str, str | Output | Exception]]
    name: str = "fake"
    done: list[str] = field(default_factory=list)

    def run(self, command: Sequence[str], *, timeout_s: float) -> Output:
        assert timeout_s > 0
        answer = self._next(" ".join(command))
        return Output(answer.encode(), b"", 0) if isinstance(answer, str) else answer

    def stream(self, command: Sequence[str], *, timeout_s: float) -> Stream:
        output = self.run(command, timeout_s=timeout_s)
        yield output.stdout
        return Output(b"", output.stderr, output.exit_code)

    def push(self, local: Path, remote: str) -> None:
        assert local.is_file()
        self._next(f"push {remote}")

    def pull(self, remote: str, local: Path) -> None:
        answer = self._next(f"pull {remote}")
        assert isinstance(answer, str)
        local.write_text(answer)

    def close(self) -> None:
        self.done.append("close")

    def _next(self, command: str) -> str | Output:
        assert self.script, f"the script is used up, got: {command}"
        expected, answer = self.script.pop(0)
        assert command == expected
        self.done.append(command)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def __enter__(self) -> ScriptedTransport:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        assert kind is not None or not self.script, f"never asked for: {self.script}"
