"""A batch's matrix into a real run, with scripted workers: statuses, retries, resuming, and nothing hidden."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from analysis.store import Run
from device_agents.errors import BadInput, CommandFailed, TimedOut, Unreachable
from device_agents.predict import default_environment
from device_agents.records import Prediction
from hostctl.batches.rows import NOTE, Limits, Matrix, Network, Row
from hostctl.pictures.file_runs import run_of_files
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite
from tests.fakes.scripted_worker import Does, ScriptedWorker

PICTURES = 24
QUICK = Limits(retries=1, patience_s=0.2, look_s=0.02)
GONE, DEAD = (
    Unreachable("a: the connection broke"),
    CommandFailed("a: the agent's predict ended with exit code 1: boom"),
)


@pytest.fixture
def run(tmp_path):
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(1)
    for number in range(PICTURES):
        Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)).save(tmp_path / "in" / f"p{number:02}.png")
    rows = [f"p{number:02}.png,{number}" for number in range(PICTURES)]
    (tmp_path / "in" / "labels.csv").write_text("\n".join(["file,label", *rows]) + "\n")
    with run_of_files(tmp_path / "in" / "labels.csv", tmp_path / "run") as run:
        yield run


@pytest.fixture
def network(tmp_path):
    path = write_tflite(tmp_path / "tiny.tflite")
    environment = replace(default_environment(tiny_sidecar(), path), machine="", runtime_version="")
    return Network("tiny", "as given", path, tiny_sidecar(), environment)


def row_of(network, *devices, group="any:2", machines=None):
    return Row(group, network, devices, machines or devices)


def worked(run, rows, workers, limits=QUICK, lost=None):
    runtimes = {worker.name: {"litert": "1"} for worker in workers}
    result = Matrix(run, rows, runtimes, lost=lost).work(workers, limits)
    table = run.predictions(("picture", "environment"))
    assert not table.duplicated().any()
    return result, table


def test_devices_share_the_pictures_and_each_is_made_once(run, network):
    gate = threading.Barrier(2, timeout=30)  # both have begun, so both have a share
    with (
        ScriptedWorker("a", [Does(before=gate.wait)], Does()) as a,
        ScriptedWorker("b", [Does(before=gate.wait)], Does()) as b,
    ):
        result, table = worked(run, [row_of(network, "a", "b")], [a, b])
    assert (result["status"], result["exit_code"]) == ("OK", 0)
    assert sorted([*a.pictures, *b.pictures]) == sorted(table["picture"]) == [f"p{n:02}" for n in range(PICTURES)]
    assert {one.machine for one in run.environments()} == {"a", "b"}
    assert sum(one["made"] for one in result["attempts"]) == PICTURES
    assert run.note(NOTE)["attempts"] == result["attempts"]


def test_named_devices_each_do_everything(run, network):
    with ScriptedWorker("a", then=Does()) as a, ScriptedWorker("b", then=Does()) as b:
        rows = [row_of(network, "a", group="a"), row_of(network, "b", group="b")]
        result, table = worked(run, rows, [a, b])
    assert len(table) == 2 * PICTURES
    assert [one["good"] for one in result["rows"]] == [PICTURES, PICTURES]


def test_an_infrastructure_failure_goes_to_the_other_device_and_stays_in_the_record(run, network):
    broken = threading.Event()
    with (
        ScriptedWorker("a", [Does(makes=1, raises=GONE)], alive_answers=[False]) as a,
        ScriptedWorker("b", [Does(before=lambda: broken.wait(30))], Does()) as b,
    ):
        a.alive = lambda: broken.set() and False
        result, table = worked(run, [row_of(network, "a", "b")], [a, b])
    assert result["status"] == "OK"
    assert len(table) == PICTURES
    first = next(one for one in result["attempts"] if one["device"] == "a")
    assert (first["outcome"], first["made"], first["final"]) == ("infra", 1, False)
    assert "the connection broke" in first["reason"]
    retried = [one for one in result["attempts"] if one["attempt"] == 2]
    assert [one["device"] for one in retried] == ["b"]
    assert {one["device"]: one["status"] for one in result["devices"]} == {"a": "INFRA", "b": "OK"}


@pytest.mark.parametrize(
    ("problem", "status", "code"),
    [(DEAD, "FAILED", 10), (BadInput("a: no prediction"), "FAILED", 10)],
)
def test_a_real_failure_is_not_tried_again_by_anyone(run, network, problem, status, code):
    with ScriptedWorker("a", then=Does(makes=0, raises=problem)) as a:
        result, _ = worked(run, [row_of(network, "a", group="a")], [a])
    assert (result["status"], result["exit_code"]) == (status, code)
    assert len(a.pictures) == len(set(a.pictures)) == PICTURES
    assert all(one["final"] and one["attempt"] == 1 for one in result["attempts"])


def test_an_agent_that_dies_with_its_device_is_infrastructure(run, network):
    with ScriptedWorker("a", then=Does(makes=0, raises=DEAD), alive_answers=[False]) as a:
        result, _ = worked(run, [row_of(network, "a", group="a")], [a])
    assert (result["status"], result["exit_code"]) == ("INFRA", 20)
    assert [one["outcome"] for one in result["attempts"]] == ["infra"]
    assert "exit code 1" in result["devices"][0]["problem"]


def test_a_shard_past_its_limit_is_a_timeout_where_the_device_still_answers(run, network):
    late = TimedOut("a: python3 did not end within 0.01 s")
    with ScriptedWorker("a", then=Does(makes=0, raises=late, before=threading.Event().is_set)) as a:
        a.sleep = lambda _: threading.Event().wait(0.02)
        result, _ = worked(run, [row_of(network, "a", group="a")], [a], replace(QUICK, shard_s=0.01))
    assert (result["status"], result["exit_code"]) == ("TIMEOUT", 12)
    assert set(a.limits) == {0.01}
    assert {one["outcome"] for one in result["attempts"]} == {"timeout"}


def test_a_silent_device_that_comes_back_goes_on(run, network):
    with ScriptedWorker("a", [Does(makes=2, raises=GONE)], Does(), alive_answers=[False, False, True]) as a:
        result, table = worked(run, [row_of(network, "a", group="a")], [a], replace(QUICK, patience_s=60))
    assert (result["status"], len(table)) == ("OK", PICTURES)
    assert result["rows"][0]["retries"] == 1


def test_a_device_that_fails_again_and_again_is_left_out_and_the_others_are_unharmed(run, network):
    with (
        ScriptedWorker("a", then=Does(makes=0, raises=GONE)) as a,
        ScriptedWorker("b", then=Does()) as b,
    ):
        result, table = worked(run, [row_of(network, "a", "b")], [a, b], replace(QUICK, retries=5))
    assert (result["status"], len(table)) == ("OK", PICTURES)
    assert len(a.jobs) <= 3
    assert all(one["outcome"] == "ok" for one in result["attempts"] if one["device"] == "b")


def test_pictures_that_fail_are_results_and_not_tried_again(run, network):
    with ScriptedWorker("a", then=Does(), error_of=lambda name: "decode: bad" * (name == "p03")) as a:
        result, table = worked(run, [row_of(network, "a", group="a")], [a])
    assert (result["status"], result["exit_code"]) == ("PARTIAL", 11)
    assert (result["rows"][0]["good"], result["rows"][0]["errors"], len(table)) == (PICTURES - 1, 1, PICTURES)
    assert result["rows"][0]["reasons"] == ["a: 1 of 4 pictures failed, such as p03: decode: bad"]
    with ScriptedWorker("a") as a:
        again, _ = worked(run, [row_of(network, "a", group="a")], [a])
    assert (again["status"], again["rows"][0]["reasons"]) == ("PARTIAL", ["p03: decode: bad"])


def test_a_device_out_of_reach_is_offline_and_one_without_the_runtime_fails(run, network):
    result, _ = worked(run, [row_of(network, "a", group="a")], [], lost={"a": "a: no answer"})
    assert (result["status"], result["exit_code"]) == ("OFFLINE", 13)
    assert result["rows"][0]["reasons"] == ["a: a: no answer"]
    matrix = Matrix(run, [row_of(network, "a", group="a")], {"a": {"onnxruntime": "1"}})
    with ScriptedWorker("a") as a:
        result = matrix.work([a], QUICK)
    assert result["status"] == "FAILED"
    assert result["rows"][0]["reasons"] == ["a has no runtime litert"]


def test_a_batch_goes_on_where_it_stopped_also_on_another_device(run, network):
    pool = ("a", "b")
    with ScriptedWorker("a", [Does(makes=3, raises=GONE)], alive_answers=[False]) as a:
        first, _ = worked(run, [row_of(network, "a", machines=pool)], [a])
    assert (first["status"], first["rows"][0]["good"]) == ("PARTIAL", 3)
    with ScriptedWorker("b", then=Does()) as b:
        second, table = worked(run, [row_of(network, "b", machines=pool)], [b])
    assert (second["status"], len(table)) == ("OK", PICTURES)
    assert len(b.pictures) == PICTURES - 3
    assert second["attempts_before"] == 1
    shards = [one["shard"] for one in run.note(NOTE)["attempts"]]
    assert len(set(shards)) == len(shards) == 1 + len(second["attempts"])
    with ScriptedWorker("b") as b:
        assert worked(run, [row_of(network, "b", machines=pool)], [b])[0]["attempts"] == []


class Liar(ScriptedWorker):
    """A device that answers for a picture nobody asked about."""

    def predict(self, job, *, limit_s):
        yield from super().predict(job, limit_s=limit_s)
        yield Prediction("p99", job.environments[0].environment, ("a",), (1.0,))


def test_what_nobody_asked_for_is_not_taken(run, network):
    with Liar("a", then=Does()) as a:
        result, table = worked(run, [row_of(network, "a", group="a")], [a])
    assert "p99" not in set(table["picture"])
    assert {one["outcome"] for one in result["attempts"]} == {"failed"}
    assert result["status"] == "OK", "what was asked for came, and is kept"


def test_a_run_that_cannot_be_written_ends_the_batch_with_its_reason(run, network, monkeypatch):
    def full(self, predictions):
        raise BadInput("the disk is full")

    monkeypatch.setattr(Run, "add_predictions", full)
    with (
        ScriptedWorker("a", then=Does()) as a,
        ScriptedWorker("b", then=Does()) as b,
        pytest.raises(BadInput, match="the disk is full"),
    ):
        worked(run, [row_of(network, "a", "b")], [a, b])


def test_a_page_shares_the_pictures_in_an_environment_of_its_own(run, network):
    own = replace(network.environment, decoder="create-image-bitmap", runtime="litert-js")
    row = replace(row_of(network, "a", "page"), own={"page": own})
    gate = threading.Barrier(2, timeout=30)
    begun = [Does(before=gate.wait)]
    with ScriptedWorker("a", begun, Does()) as a, ScriptedWorker("page", list(begun), Does()) as page:
        runtimes = {"a": {"litert": "1"}, "page": {"litert-js": "2"}}
        result = Matrix(run, [row], runtimes).work([a, page], QUICK)
    assert (result["status"], result["rows"][0]["good"]) == ("OK", PICTURES)
    made = {one.machine: (one.decoder, one.runtime, one.runtime_version) for one in run.environments()}
    assert made == {"a": ("pillow", "litert", "1"), "page": ("create-image-bitmap", "litert-js", "2")}
    with ScriptedWorker("a", [], Does()) as a:
        again = Matrix(run, [row], {"a": {"litert": "1"}}, lost={"page": "closed"}).work([a], QUICK)
    assert (again["attempts"], again["rows"][0]["good"]) == ([], PICTURES), "what a page has made counts without it"


def test_a_page_without_the_runtime_is_said(run, network):
    own = replace(network.environment, runtime="litert-js")
    row = replace(row_of(network, "page"), own={"page": own})
    with ScriptedWorker("page", [], Does()) as page:
        result = Matrix(run, [row], {"page": {"onnxruntime-web": "1"}}).work([page], QUICK)
    assert result["rows"][0]["reasons"] == ["page has no runtime litert-js"]
