"""A session that stops when the instability is known well enough: scenes in random blocks, a look after each block."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.instability import ITEM, instability
from analysis.intervals.sequential import sequential_interval
from analysis.run_folder.golden import GOLDEN
from analysis.run_folder.homes import at_home
from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.records import Scene, Step

if TYPE_CHECKING:
    import pandas as pd

NOTE = "until_width"
BLOCK = 20  # scenes between two looks; each look costs a prediction and, with several angles, the moves of the mount


@dataclass(frozen=True)
class UntilWidth:
    """When to stop: the width (low to high, 0..1) that the interval shall have, chosen before the first photograph.

    The interval is a confidence sequence (analysis.intervals.sequential), so that stopping by it does not break its
    promise.
    """

    width: float
    block: int = BLOCK
    level: float = 0.95

    def begin(self, run: Run, plan: Sequence[Step], *, seed: int) -> list[Step]:
        """Give the steps to add before the session starts: the first block, or none if what is planned is not done.

        Raises BadInput where the run was begun for another width or level: who changes the goal after looking has no
        valid interval.
        """
        if not 0 < self.width < 1 or self.block < 1:
            raise BadInput(
                f"expected a width between 0 and 1 and blocks of one scene or more, got {self.width}, {self.block}"
            )
        known = run.note(NOTE)
        if known and (known["width"], known["level"]) != (self.width, self.level):
            raise BadInput(
                f"{run.folder}: expected --until-width {known['width']:g}, with which this run was begun, "
                f"got {self.width:g}; the goal cannot be changed after looking"
            )
        if not known and run.steps():
            raise BadInput(
                f"{run.folder}: expected a new run, got one whose scenes are all planned; choose another name"
            )
        if not known:
            run.set_note(NOTE, {"width": self.width, "level": self.level, "block": self.block, "looks": []})
        return [] if run.steps_missing() else self.more(run, plan, seed=seed)

    def more(self, run: Run, plan: Sequence[Step], *, seed: int) -> list[Step]:
        """Look at what is predicted, and give the steps of the next block; none where the width or the end is reached.

        plan: the steps of all scenes; those of a block keep their stimulus numbers and their order. seed: of the lab.
        """
        planned = {step.scene for step in run.steps() if step.scene != GOLDEN}
        blocks = random_blocks(run.scenes(), size=self.block, seed=seed)
        if planned:
            look = self.look(run, blocks)
            kept = run.note(NOTE) or {}
            if not kept["looks"] or kept["looks"][-1] != look:
                run.set_note(NOTE, {**kept, "looks": [*kept["looks"], look]})
            if look["high"] is not None and look["high"] - look["low"] <= self.width:
                return []
        left = [names for names in blocks if not planned.issuperset(names)]
        wanted = set(left[0]) if left else set()
        return [step for step in plan if step.scene in wanted and step.scene not in planned]

    def look(self, run: Run, blocks: Sequence[Sequence[str]]) -> dict[str, Any]:
        """Give the instability so far: scenes, rate, low and high (None before there is an item)."""
        place = {scene: number for number, scene in enumerate(name for block in blocks for name in block)}
        planned = {step.scene for step in run.steps() if step.scene != GOLDEN}
        look: dict[str, Any] = {"scenes": len(planned), "rate": None, "low": None, "high": None}
        predictions = _one_setup(run.predictions())
        if predictions.empty:
            return look
        counted = instability(predictions).counted
        counted = counted.assign(place=counted["scene"].map(place)).sort_values("place", kind="stable")
        if counted.empty:
            return look
        found = sequential_interval(counted["unstable"], counted["cluster"], width=self.width, level=self.level)
        return look | {"rate": float(counted["unstable"].mean()), "low": found.low, "high": found.high}


def random_blocks(scenes: Sequence[Scene], *, size: int, seed: int) -> list[list[str]]:
    """Put scenes in random order, those of a cluster together, and cut it into blocks of size scenes or a few more.

    The order follows from seed and scenes alone. Every cluster lies in one block, so that it is looked at whole.
    """
    clusters: dict[str, list[str]] = {}
    for scene in scenes:
        clusters.setdefault(scene.cluster or scene.scene, []).append(scene.scene)
    names = sorted(clusters)
    random.Random(f"{seed}|until-width").shuffle(names)
    blocks: list[list[str]] = [[]]
    for name in names:
        if len(blocks[-1]) >= size:
            blocks.append([])
        blocks[-1] += clusters[name]
    return blocks


def _one_setup(predictions: pd.DataFrame) -> pd.DataFrame:
    """The predictions at home of the commonest setup; a session has one."""
    if predictions.empty:
        return predictions
    home = at_home(predictions)
    chosen = home["environment"].value_counts(sort=False).idxmax()
    kept = home[home["environment"] == chosen]
    return kept[~kept.duplicated([*ITEM, "device"])]
