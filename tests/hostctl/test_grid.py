"""The grid: shared work gives what single predictions give; a kill loses nothing; a device and a cluster do it too."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analysis.store import Run
from device_agents.errors import BadInput, DeviceError, Unreachable
from device_agents.predict import default_environment, predict
from device_agents.records import Picture, Scene
from hostctl import grid
from hostctl.grid import Assignment, predict_run
from hostctl.predictions.conditions import Condition
from hostctl.predictions.designs import factorial, parse_vary
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite

SIDECAR = tiny_sidecar(labels="")
VARY = ["resizer=pillow-*,opencv-*", "colour=rgb,bt601-*", "decoder=pillow,opencv"]


def make_run(folder, count=11, device=""):
    """A run of random pictures, the last of which is none."""
    rng = np.random.default_rng(5)
    files = []
    for _ in range(count - 1):
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)).save(file, "PNG")
        files.append(file.getvalue())
    files.append(b"no picture")
    scenes = [Scene(f"s{n}", f"s{n}.png", "", (str(n),)) for n in range(count)]
    run = Run.create(folder, settings={}, scenes=scenes)
    for scene, data in zip(scenes, files, strict=True):
        sha256 = run.put_file(data)
        record = Picture(scene.scene, sha256, ".png", len(data), 7, 9, scene.scene, device=device)
        run.add_picture(record, {sha256: data})
    return run


@pytest.fixture
def model(tmp_path):
    return write_tflite(tmp_path / "tiny.tflite")


def environments(model):
    names = {family: [{family: name} for name in some] for family, some in parse_vary(VARY).items()}
    return tuple(one.environment for one in factorial(Condition(default_environment(SIDECAR, model)), names))


def work(run, model, some, **options):
    said = []
    options = {"workers": 1, "progress": lambda *told: said.append(told), **options}
    predict_run(run, model, SIDECAR, [Assignment(tuple(some))], **options)
    return said


def everything(run):
    """The whole table; fingerprints by their hashes, since their numbers are given in the order of the commits."""
    table = run.predictions().drop(columns="latency_ms")
    for name in [column for column in table.columns if column.endswith("_sha256") and table[column].dtype == "int64"]:
        table[name] = table[name].map({0: "", **run.fingerprints(table[name].unique())})
    return table.sort_values(["picture", "environment"], ignore_index=True)


def test_the_grid_gives_what_one_environment_at_a_time_gives(tmp_path, model):
    some = environments(model)
    assert len(some) > 60
    with make_run(tmp_path / "grid") as together, make_run(tmp_path / "nested") as apart:
        said = work(together, model, some)
        for one in some[::9]:
            work(apart, model, [one])
        assert said[0][:2] == (0, 11)
        assert said[-1][:2] == (11, 11)
        assert [done for done, _, _ in said] == sorted({done for done, _, _ in said})
        whole, part = everything(together), everything(apart)
        assert len(whole) == 11 * len(some)
        assert set(whole.loc[whole["error"] != "", "picture"]) == {"s10"}
        chosen = whole[whole["environment"].isin([one.environment for one in some[::9]])]
        pd.testing.assert_frame_equal(chosen.reset_index(drop=True), part)


def test_a_grid_that_was_cut_short_goes_on_to_the_same_table(tmp_path, model, monkeypatch):
    some = environments(model)
    with make_run(tmp_path / "whole", count=16) as run:
        work(run, model, some)
        expected = everything(run)
    with make_run(tmp_path / "cut", count=16) as run:
        work(run, model, some[3:5])

        def stop_at_the_second(done, total, note):
            if done >= 8:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            work(run, model, some, progress=stop_at_the_second)
        assert len(some) * 4 < len(run.predictions(["picture"])) < len(expected)
        asked = []
        monkeypatch.setattr(grid, "predict", lambda job: asked.append(job) or predict(job))
        said = work(run, model, some)
        assert said[0][:2] == (8, 16)
        assert sum(len(job.pictures) for job in asked) == 8
        pd.testing.assert_frame_equal(everything(run), expected)
        assert work(run, model, some) == [(16, 16, "")]


def test_worker_processes_and_a_cluster_give_the_same_table(tmp_path, model):
    from distributed import LocalCluster

    some = environments(model)[:12]
    with make_run(tmp_path / "here") as run:
        work(run, model, some)
        expected = everything(run)
    with make_run(tmp_path / "processes") as run:
        work(run, model, some, workers=2)
        pd.testing.assert_frame_equal(everything(run), expected)
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", local_directory=str(tmp_path / "dask")
    )
    with make_run(tmp_path / "cluster") as run, cluster:
        work(run, model, some, cluster=cluster.scheduler_address)
        pd.testing.assert_frame_equal(everything(run), expected)


def test_a_cluster_that_is_not_there_is_one_clear_error(tmp_path, model, monkeypatch):
    monkeypatch.setattr(grid, "CONNECT_TIMEOUT_S", 0.2)
    with make_run(tmp_path / "run", count=2) as run:
        some = environments(model)[:1]
        with pytest.raises(BadInput, match="expected an address such as tcp://host:8786, got 'somewhere'"):
            work(run, model, some, cluster="somewhere")
        with pytest.raises(Unreachable, match="no Dask scheduler answers at tcp://127.0.0.1:1"):
            work(run, model, some, cluster="tcp://127.0.0.1:1")


def test_a_picture_file_that_is_gone_stops_parallel_work_with_its_error(tmp_path, model):
    with make_run(tmp_path / "run", count=24) as run:
        gone = list(run.picture_records())[20]
        run.file(gone.sha256).unlink()
        with pytest.raises(BadInput, match="expected the file"):
            work(run, model, environments(model), workers=2)


class FakeAgent:
    """Predicts on this machine under a device's name, and stops as scripted after a number of jobs."""

    def __init__(self, *, good):
        self.good = good
        self.jobs = []

    def predict(self, job):
        self.jobs.append(job)
        if len(self.jobs) > self.good:
            raise DeviceError("the board is gone")
        return predict(job)


def test_a_devices_agent_takes_the_grid_too_and_what_it_owes_stays_missing(tmp_path, model):
    some = tuple(replace(one, machine="board") for one in environments(model))
    agent = FakeAgent(good=2)
    with make_run(tmp_path / "run", count=16, device="board") as run:
        said = []
        options = {"workers": 2, "progress": lambda *told: said.append(told)}
        failures = predict_run(run, model, SIDECAR, [Assignment(some, ("board",), agent)], **options)
        assert failures == ["predictions of board: the board is gone"]
        assert said[-1] == (8, 16, "")
        assert all(job.environments == some for job in agent.jobs)
        agent.good = 9
        assert predict_run(run, model, SIDECAR, [Assignment(some, ("board",), agent)], **options) == []
        assert len(run.predictions(["picture"])) == 16 * len(some)


def test_jobs_are_made_as_they_are_needed(tmp_path, model, monkeypatch):
    made, waiting = [], []
    with make_run(tmp_path / "run", count=30) as run:
        monkeypatch.setattr(grid, "_predict_block", lambda job: made.append(job) or list(predict(job)))
        said = lambda done, total, note: waiting.append((done, len(made)))  # noqa: E731
        work(run, model, environments(model), progress=said)
    assert waiting[1] == (4, 1)
    assert len(made) == 8


@pytest.mark.parametrize(
    ("pictures", "environments", "size"),
    [(200, 88, 4), (200, 1, 32), (10, 1000, 4), (1_000_000, 20, 250), (50_000, 400, 12), (1_000_000, 1, 250)],
)
def test_a_shard_is_small_in_a_small_run_and_grows_with_a_large_one(pictures, environments, size):
    assert grid._block(pictures, environments) == size
    assert pictures / size < 1.1 * grid.MOST_SHARDS


@pytest.mark.parametrize(
    ("size", "pictures", "even"),
    [(4, 20, 5), (4, 4, 4), (4, 5, 3), (4, 12, 6), (4, 28, 7), (4, 44, 6), (32, 900, 33), (32, 1057, 32), (4, 0, 4)],
)
def test_few_blocks_divide_among_two_or_four_processes(size, pictures, even):
    assert grid._even(size, pictures) == even


def test_two_processes_have_as_many_pictures_each(tmp_path, model, monkeypatch):
    """Twenty pictures in many environments would be five blocks of four, three of them for one process."""
    some = [replace(one, threads=threads) for one in environments(model) for threads in range(1, 9)]
    made = []
    monkeypatch.setattr(grid, "_predict_block", lambda job: made.append(len(job.pictures)) or list(predict(job)))
    with make_run(tmp_path / "run", count=20) as run:
        work(run, model, some[:70])
    assert made == [5, 5, 5, 5]
