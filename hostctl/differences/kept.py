"""What a differential test keeps in its run: one part a block with times, output differences and marks; and the asked.

The parts lie in RUN/differences/KEY, where KEY follows from the variants, the pictures and the rounds: the same command
finds its parts again and makes those that are missing, another command has a folder of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.run_folder.files import write_whole
from device_agents.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "differences"
TABLES = {
    "times": {"variant": "str", "round": "int64", "place": "int64", "picture": "str", "ms": "float64"},
    "marks": {"picture": "str", "variant": "str", "output": "str", "finite": "bool", "unsteady": "int64"},
    "outputs": {
        **{"picture": "str", "a": "str", "b": "str", "comparable": "bool", "same_bits": "bool"},
        **{"max_abs": "float64", "mean_abs": "float64", "relative": "float64"},
    },
}


@dataclass(frozen=True)
class Plan:
    """The rounds of a test: variants by name, pictures by name, repeats of each block, and the order's seed."""

    variants: tuple[str, ...]
    environments: tuple[str, ...]
    pictures: tuple[str, ...]
    repeats: int
    seed: int

    @property
    def key(self) -> str:
        """16 hexadecimal digits of the sha256 of all of it."""
        told = json.dumps([self.variants, self.environments, self.pictures, self.repeats, self.seed])
        return hashlib.sha256(told.encode()).hexdigest()[:16]


class Kept:
    """The folder of one test within a run."""

    def __init__(self, run: Path, plan: Plan) -> None:
        """Open the folder, or make it; raises BadInput where it cannot be made."""
        self.folder = run / FOLDER / plan.key
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise BadInput(f"cannot make {self.folder}: {problem.strerror}; choose another --out") from problem

    def block_size(self, wanted: int) -> int:
        """The pictures a block, as it was when the test began: kept, since the rounds follow from it."""
        path = self.folder / "block"
        if not path.is_file():
            write_whole(path, str(wanted).encode())
        return int(path.read_text(encoding="ascii"))

    def has(self, block: int) -> bool:
        """Whether a block was finished; its last table is written last."""
        return self._path("outputs", block).is_file()

    def put(self, block: int, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Keep a block's rows, the names of TABLES with the columns there."""
        from io import BytesIO

        import pandas as pd

        for name, kinds in TABLES.items():
            frame = pd.DataFrame(list(tables[name]), columns=list(kinds)).astype(kinds)
            stream = BytesIO()
            frame.to_parquet(stream, index=False, compression="zstd")
            write_whole(self._path(name, block), stream.getvalue())

    def read(self, name: str) -> pd.DataFrame:
        """All rows of a table, block by block; raises BadInput for a part that is damaged."""
        import pandas as pd
        import pyarrow

        parts = []
        for path in sorted(self.folder.glob(f"{name}-*.parquet")):
            try:
                parts.append(pd.read_parquet(path))
            except (OSError, pyarrow.ArrowInvalid) as problem:
                raise BadInput(f"{path}: expected a whole part, got: {problem}; delete it and run again") from problem
        empty = pd.DataFrame(columns=list(TABLES[name])).astype(TABLES[name])
        return pd.concat(parts, ignore_index=True) if parts else empty

    def _path(self, name: str, block: int) -> Path:
        return self.folder / f"{name}-{block:05d}.parquet"
