"""A device's variants through a strict fake of its agent: rounds, orders, times, and what it lacks."""

from dataclasses import replace

import pytest

from device_agents.errors import DeviceError
from device_agents.predict import predict
from hostctl.differences import on_device
from hostctl.differences.asked import read_models
from hostctl.differences.kept import Kept, Plan
from hostctl.differences.on_device import measure_on, variants_on_device
from hostctl.pictures.file_runs import run_of_files
from hostctl.printing import silent
from tests.device_agents.tiny_models import write_onnx, write_tflite
from tests.fakes.differing import with_sidecar, write_pictures

HAS = {"litert": "2.3.0", "litert-builtin": "2.3.0", "onnxruntime": "1.0"}


class Phone:
    """Predicts on this host in the phone's name, and remembers the jobs."""

    name = "phone"

    def __init__(self):
        self.jobs = []

    def info(self):
        return {"runtimes": HAS}

    def own(self, environment):
        if environment.runtime not in HAS:
            raise DeviceError(f"phone has not the runtime {environment.runtime}")
        return replace(environment, machine="phone", runtime_version=HAS[environment.runtime])

    def predict(self, job, *, limit_s=0.0):
        self.jobs.append(job)
        here = {one.environment: replace(one, machine="host", runtime_version="") for one in job.environments}
        back = {one.environment: name for name, one in here.items()}
        for one in predict(replace(job, environments=tuple(here.values()))):
            yield replace(one, environment=back[one.environment])


@pytest.fixture
def files(tmp_path):
    made = [with_sidecar(write_onnx(tmp_path / "tiny.onnx")), with_sidecar(write_tflite(tmp_path / "tiny.tflite"))]
    return read_models([str(one) for one in made], progress=silent)


def variants(files, *names):
    return variants_on_device(files, Phone(), names, decoder="pillow", view="whole", threads=1)


def test_a_device_has_its_own_usual_variants_and_says_what_it_lacks_of_those_named(files):
    found, left = variants(files)
    assert [one.variant for one in found] == [
        "tiny onnxruntime @ phone",
        "tiny litert @ phone",
        "tiny litert-builtin @ phone",
    ]
    assert {one.device for one in found} == {"phone"}
    assert left == []
    found, left = variants(files, "litert", "onnxruntime-none")
    assert [one.variant for one in found] == ["tiny litert @ phone"]
    assert left == ["tiny onnxruntime-none @ phone: phone has not the runtime onnxruntime-none"]


def test_rounds_are_jobs_in_changing_order_and_finished_blocks_are_not_asked_again(files, tmp_path, monkeypatch):
    monkeypatch.setattr(on_device, "BLOCK", 4)
    phone, (found, _) = Phone(), variants(files)
    with run_of_files(write_pictures(tmp_path / "pictures", 6), tmp_path / "run") as run:
        pictures = list(run.picture_records())
        names = tuple(one.variant for one in found)
        plan = Plan(
            names, tuple(one.environment.environment for one in found), tuple(p.picture for p in pictures), 3, 1
        )
        kept = Kept(run.folder, plan)
        for _ in range(2):
            measure_on(run, found, pictures, phone, kept=kept, plan=plan, progress=silent)
        table = run.predictions()
        assert len(table) == 6 * 3
        assert set(table["machine"]) == {"phone"}
    assert [len(job.pictures) for job in phone.jobs] == [4] * 6 + [2] * 6  # two files, three rounds, two blocks
    orders = {tuple(one.runtime for one in job.environments) for job in phone.jobs if job.model.endswith("tflite")}
    assert orders == {("litert", "litert-builtin"), ("litert-builtin", "litert")}
    times = kept.read("times")
    assert times.groupby("variant").size().to_dict() == dict.fromkeys(names, 3 * (3 + 1))  # the first is not timed
    assert (kept.read("marks")["output"] == "").all()
