"""Draws a run of millions of predictions for the bench of the analysis: its ledger, and its parts as shards write them.

A scene has a margin, an environment a bias, and each cell some noise; the first label is right where their sum is
positive. The parts go past Run.add_predictions, which takes one record a prediction and would need an hour.
"""

import hashlib
from pathlib import Path

import numpy as np

from analysis.run_folder.parts import COLUMNS, FINGERPRINTS, LABELS, SCORES, part_schema
from analysis.run_folder.shards import part_path
from analysis.store import Run
from device_agents.records import Environment, Picture, Scene
from hostctl.grid import SMALLEST_BLOCK

CLASSES = 1000
PICTURES_A_SCENE = 2  # a scene is a cluster
RIVALS = 7  # labels, besides the right one, that a picture's answers are drawn from


def draw_run(
    folder: Path, *, pictures: int, environments: int, pictures_a_part: int = SMALLEST_BLOCK, seed: int = 1
) -> int:
    """Write a run with every picture predicted in every environment; give the bytes of its parts."""
    rng = np.random.default_rng(seed)
    scenes = [
        Scene(f"scene-{n:07}", f"scene-{n:07}.jpg", f"{n:064x}", (_label(n % CLASSES),))
        for n in range(-(-pictures // PICTURES_A_SCENE))
    ]
    with Run.create(folder, settings={}, scenes=scenes) as run:
        sha256 = run.put_file(b"one file for all pictures")
        names = [f"scene-{n // PICTURES_A_SCENE:07}|0|{n % PICTURES_A_SCENE}|camera" for n in range(pictures)]
        records = (
            Picture(name, sha256, ".jpg", 25, 224, 224, name.split("|")[0], 0, n % PICTURES_A_SCENE, "camera")
            for n, name in enumerate(names)
        )
        run.add_pictures(list(records), {})
        made = [
            Environment("drawn", "0" * 64, f"decoder-{n}", "whole", "rgb", "squash", "r", "s", "litert")
            for n in range(environments)
        ]
        ids = [run.add_environment(one) for one in made]
        bias = rng.normal(0, 0.4, environments)
        rows = []
        (run.folder / "predictions").mkdir(exist_ok=True)
        for start in range(0, pictures, pictures_a_part):
            block = range(start, min(start + pictures_a_part, pictures))
            content = _part(block, names, ids, bias, rng)
            shard = hashlib.sha256(f"{seed} {start}".encode()).hexdigest()[:32]
            part_path(run.folder / "predictions", shard).write_bytes(content)
            rows.append((shard, len(block) * environments, len(content), hashlib.sha256(content).hexdigest()))
        _book(run, rows, pictures_a_part)
        return sum(row[2] for row in rows)


def _book(run: Run, shards: list[tuple[str, int, int, str]], pictures_a_part: int) -> None:
    """Write the ledger's rows of the shards, and of each prediction in them."""
    with run._ledger.transaction() as connection:
        connection.executemany("INSERT INTO shards (shard, rows, errors, size, sha256) VALUES (?, ?, 0, ?, ?)", shards)
        connection.execute(
            "INSERT INTO predicted SELECT p.number, e.number, (p.number - 1) / ? + 1 FROM pictures p, environments e"
            " ORDER BY p.number, e.number",
            (pictures_a_part,),
        )


def _part(block: range, names: list[str], ids: list[str], bias: np.ndarray, rng: np.random.Generator) -> bytes:
    """Write one part: rows by picture and environment name, its columns as analysis.run_folder.parts has them."""
    import pyarrow
    import pyarrow.parquet

    count, order = len(block), np.argsort(ids)
    shape = (count, len(ids))
    scenes = np.array(block) // PICTURES_A_SCENE
    margin = 1.2 + 1.5 * np.sin(scenes * 12.9898)[:, None] + bias[order] + rng.normal(0, 0.3, shape)
    right = scenes % CLASSES
    pool = np.stack([right, *((right + step * step + 1) % CLASSES for step in range(1, RIVALS + 1))], axis=1)
    ranks = np.broadcast_to(np.arange(len(SCORES)), (*shape, len(SCORES))).copy()
    lost = margin <= 0
    ranks[lost] = (ranks[lost] + 1 + rng.integers(0, 2, int(lost.sum()))[:, None]) % (RIVALS + 1)
    codes = (ranks + np.arange(count)[:, None, None] * (RIVALS + 1)).reshape(-1, len(SCORES)).astype(np.int32)
    first = (1 / (1 + np.exp(-np.abs(margin)))).astype(np.float32).astype(float).ravel()
    labels = pyarrow.array([_label(one) for one in pool.ravel()])
    columns = {
        "picture": _dictionary(np.repeat(np.arange(count), len(ids)), pyarrow.array([names[n] for n in block])),
        "environment": _dictionary(np.tile(np.arange(len(ids)), count), pyarrow.array([ids[n] for n in order])),
        "latency_ms": pyarrow.array(rng.normal(4, 0.2, first.size)),
        "error": _dictionary(np.zeros(first.size), pyarrow.array([""])),
    }
    columns |= {name: _dictionary(codes[:, rank], labels) for rank, name in enumerate(LABELS)}
    columns |= {name: pyarrow.array(first * 0.3**rank) for rank, name in enumerate(SCORES)}
    columns |= {name: pyarrow.array(rng.integers(1, 2**63, first.size)) for name in FINGERPRINTS}
    buffer = pyarrow.BufferOutputStream()
    table = pyarrow.Table.from_pydict({name: columns[name] for name in COLUMNS}, schema=part_schema())
    pyarrow.parquet.write_table(table, buffer, compression="zstd")
    return bytes(buffer.getvalue())


def _dictionary(codes: np.ndarray, names: object) -> object:
    import pyarrow

    return pyarrow.DictionaryArray.from_arrays(pyarrow.array(codes.astype(np.int32)), names)


def _label(number: int) -> str:
    return f"n{number:08}"
