"""A disk that loses what was not synced: from a record of changes to what may be on it when the power goes.

The rules are those of POSIX and of "All File Systems Are Not Created Equal" (Pillai et al., OSDI 2014): fsync of a file
makes its content durable, not its name; fsync of a folder makes the names in it durable; what was not synced may be
there or not, in any order; a rename is whole or not at all, and durable with its target's folder.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

HEAD = struct.Struct("<cQQII")
SECTOR = 512  # bytes that a disk writes whole
NAMES = "CRUM"


class Change(NamedTuple):
    """One record: its kind, the file (its inode), where or how long, the path, a second path or the bytes written."""

    op: str
    inode: int
    offset: int
    path: str
    data: bytes


def read_record(path: Path) -> list[Change]:
    """Read what benchmarks/power_recorder.c wrote."""
    raw, at, found = path.read_bytes(), 0, []
    while at < len(raw):
        op, inode, offset, path_length, more = HEAD.unpack_from(raw, at)
        at += HEAD.size
        name = raw[at : at + path_length].decode()
        found.append(Change(op.decode(), inode, offset, name, raw[at + path_length : at + path_length + more]))
        at += path_length + more
    return found


class State(NamedTuple):
    """What is on a disk: folders, and files with their content; paths relative to its root."""

    folders: frozenset[str]
    files: tuple[tuple[str, bytes], ...]

    def write(self, root: Path) -> None:
        """Lay the state out in an empty folder."""
        for name in sorted(self.folders):
            (root / name).mkdir(parents=True, exist_ok=True)
        for name, content in self.files:
            (root / name).write_bytes(content)


@dataclass
class _Step:
    """A change that may be lost: bound to the file object it is about, so that it can be replayed without others."""

    change: Change
    thing: int  # number of the file or folder made by a C or M, or that a W, T or R is about
    durable_at: int | None = None  # index of the sync that made it safe


@dataclass
class Disk:
    """Changes replayed; ``state`` gives what may be there if the power goes after so many of them."""

    changes: Sequence[Change]
    steps: dict[int, _Step] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Find what each change is about and which sync makes it durable."""
        names: dict[str, int] = {}
        by_inode: dict[int, int] = {}
        open_data: dict[int, list[_Step]] = {}
        open_names: dict[str, list[_Step]] = {}
        for at, change in enumerate(self.changes):
            if change.op == "F":
                thing = by_inode.get(change.inode, -1)
                synced = open_data.pop(thing, [])
                if change.path in names or change.path == "":  # a folder's sync is told by its path too
                    synced = synced + open_names.pop(change.path, [])
                for step in synced:
                    step.durable_at = at
                continue
            if change.op in "CM" and not (change.op == "C" and change.path in names):
                thing = at
                names[change.path] = by_inode[change.inode] = thing
            elif change.op == "R":
                thing = names.pop(change.path)
                names[change.data.decode()] = thing
            elif change.op == "U":
                thing = names.pop(change.path)
            else:
                thing = by_inode[change.inode]
            step = self.steps[at] = _Step(change, thing)
            if change.op in NAMES and not self._is_cut(at, thing):
                target = change.data.decode() if change.op == "R" else change.path
                parent = str(PurePosixPath(target).parent)
                open_names.setdefault("" if parent == "." else parent, []).append(step)
            else:
                open_data.setdefault(thing, []).append(step)

    def _is_cut(self, at: int, thing: int) -> bool:
        """Whether a C opened a file that was there and emptied it: a change of content, not of names."""
        return self.changes[at].op == "C" and thing != at

    def points(self) -> Iterator[int]:
        """The moments to lose power at: before the first change, and after each."""
        return iter(range(len(self.changes) + 1))

    def state(self, count: int, how: str, rng: np.random.Generator) -> State:
        """What may be there after ``count`` changes: how is dropped, names-kept, random, or kept (nothing lost)."""
        names: dict[str, int] = {}
        folders: set[int] = set()
        content: dict[int, bytearray] = {}
        for at in range(count):
            step = self.steps.get(at)
            if step is None:
                continue
            change, thing = step.change, step.thing
            durable = step.durable_at is not None and step.durable_at < count
            is_name = change.op in NAMES and not self._is_cut(at, thing)
            kept = durable or how == "kept" or (how == "names-kept" and is_name)
            if not kept and how == "random":
                kept = bool(rng.random() < 0.5)
            if not kept:
                continue
            if is_name:
                if change.op == "R" and names.get(change.path) == thing:
                    del names[change.path]
                if change.op == "U":
                    if names.get(change.path) == thing:
                        del names[change.path]
                    continue
                names[change.data.decode() if change.op == "R" else change.path] = thing
                if change.op == "M":
                    folders.add(thing)
                continue
            torn = how == "random" and not durable and rng.random() < 0.3
            _apply(content.setdefault(thing, bytearray()), change, int(rng.integers(1, 64)) if torn else None)
        return _reachable(names, folders, content)


def _apply(content: bytearray, change: Change, sectors: int | None) -> None:
    if change.op in "CT":
        length = 0 if change.op == "C" else change.offset
        content[length:] = b""
        content.extend(bytes(length - len(content)))
        return
    data = change.data if sectors is None else change.data[: sectors * SECTOR]
    content.extend(bytes(max(0, change.offset - len(content))))
    content[change.offset : change.offset + len(data)] = data


def _reachable(names: dict[str, int], folders: set[int], content: dict[int, bytearray]) -> State:
    """Only what hangs on the root by folders that are there."""
    there: set[str] = set()
    for name in sorted(name for name, thing in names.items() if thing in folders):
        parent = str(PurePosixPath(name).parent)
        if parent == "." or parent in there:
            there.add(name)
    files = []
    for name, thing in sorted(names.items()):
        parent = str(PurePosixPath(name).parent)
        if thing not in folders and (parent == "." or parent in there):
            files.append((name, bytes(content.get(thing, b""))))
    return State(frozenset(there), tuple(files))
