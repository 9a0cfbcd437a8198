"""Executors by their words, and what an agent or a page is asked for, without starting any."""

import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from device_agents.errors import BadInput, DeviceError, MissingExtra
from hostctl.decodings import executor_environments, executors
from hostctl.decodings.executors import Asked, executor_of, opened_executors, parse_executors
from hostctl.printing import silent
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite


@dataclass
class Told:
    """A predictor that only says what it is."""

    name: str = "old"
    told: dict = field(default_factory=lambda: {"runtimes": {"tflite-runtime": "2.14.0"}})
    installed: bool = False

    def install(self):
        self.installed = True

    def info(self):
        return self.told


PAGE = {
    "runtimes": {"litert-js": "2.5"},
    "decoders": ["create-image-bitmap", "image-element"],
    "fits": ["squash"],
    "resizers": ["pillow-nearest", "canvas-low"],
    "scalings": ["zero-one"],
    "views": ["whole"],
    "colours": ["rgb"],
}


@pytest.fixture
def model(tmp_path):
    (tmp_path / "tiny.tflite").write_bytes(b"model")
    return tmp_path / "tiny.tflite"


def test_words_name_executors_and_their_variants():
    assert parse_executors("host, chromium,legacy-tflite:pillow,host:opencv/pillow-box/litert-builtin") == [
        Asked("host"),
        Asked("chromium"),
        Asked("legacy-tflite", "pillow"),
        Asked("host", "opencv", "pillow-box", "litert-builtin"),
    ]
    names = [one.name for one in parse_executors("arm,host:opencv/pillow-box,host:/pillow-box")]
    assert names == ["arm", "host-opencv-pillow-box", "host-pillow-box"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hosts", "unknown executor 'hosts'"),
        ("host,host", "expected each once, got host twice"),
        ("host:a/b/c/d", "expected NAME:DECODER/RESIZER/RUNTIME at most"),
    ],
)
def test_wrong_words_are_refused(text, message):
    with pytest.raises(BadInput, match=message):
        parse_executors(text)


def test_an_agent_decodes_png_with_pillow_where_its_decoder_reads_jpeg_only(model):
    predictor = Told()
    found = executor_of(predictor, Asked("legacy-tflite", "ffmpeg"), model, tiny_sidecar())
    assert predictor.installed
    jpeg, png = found.environments["jpeg"], found.environments["png"]
    assert (jpeg.decoder, png.decoder) == ("ffmpeg", "pillow")
    assert {one.runtime for one in (jpeg, png)} == {"tflite-runtime"}
    assert (jpeg.runtime_version, jpeg.machine, jpeg.resizer) == ("2.14.0", "old", "pillow-nearest")
    same = executor_of(predictor, Asked("legacy-tflite", "opencv"), model, tiny_sidecar()).environments
    assert same["jpeg"] == same["png"]


def test_a_page_has_variants_of_its_own(model):
    predictor = Told("phone", PAGE)
    one = executor_of(predictor, Asked("chromium"), model, tiny_sidecar()).environments["jpeg"]
    assert (one.decoder, one.runtime, one.machine) == ("create-image-bitmap", "litert-js", "phone")
    other = executor_of(predictor, Asked("chromium", "image-element", "canvas-low"), model, tiny_sidecar())
    assert {(one.decoder, one.resizer) for one in other.environments.values()} == {("image-element", "canvas-low")}
    with pytest.raises(BadInput, match="unknown decoder 'pillow' for the page of phone"):
        executor_of(predictor, Asked("chromium", "pillow"), model, tiny_sidecar())


def test_a_runtime_that_is_not_there_is_said(model, tmp_path):
    (tmp_path / "tiny.onnx").write_bytes(b"model")
    words = r"old: expected a runtime for tiny.onnx \(onnxruntime\), got tflite-runtime 2.14.0"
    with pytest.raises(DeviceError, match=words):
        executor_of(Told(), Asked("legacy-tflite"), tmp_path / "tiny.onnx", tiny_sidecar())
    with pytest.raises(BadInput, match="unknown decoder 'nothing'"):
        executor_of(Told(), Asked("legacy-tflite", "nothing"), model, tiny_sidecar())


def test_an_executor_that_cannot_be_had_is_listed_with_its_reason(model, monkeypatch):
    def broken(asked, model, sidecar, folder, progress):
        raise DeviceError("no such thing here")

    monkeypatch.setitem(executors.EXECUTORS, "arm", broken)
    said = []
    with opened_executors([Asked("arm")], model, tiny_sidecar(), progress=lambda *words: said.append(words[-1])) as (
        found,
        lacking,
    ):
        assert (found, lacking) == ([], {"arm": "no such thing here"})
    assert said == ["arm: opening", "arm cannot be had: no such thing here"]


def test_an_environment_is_made_once_and_whole_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    made = []

    def make(folder):
        made.append(folder.name)
        (folder / "bin").mkdir(parents=True)
        if len(made) == 1:
            raise DeviceError("the network is gone")

    with pytest.raises(DeviceError, match="the network is gone"):
        executor_environments._made("old", ("a==1",), make, silent)
    place = tmp_path / "instability-kit" / "executors"
    assert list(place.iterdir()) == []
    first = executor_environments._made("old", ("a==1",), make, silent)
    assert executor_environments._made("old", ("a==1",), make, silent) == first
    assert executor_environments._made("old", ("a==2",), make, silent) != first
    assert len(made) == 3
    monkeypatch.setenv("INSTABILITY_OFFLINE", "1")
    assert executor_environments._made("old", ("a==1",), make, silent) == first
    with pytest.raises(DeviceError, match="--offline forbids to fetch"):
        executor_environments._made("old", ("a==3",), make, silent)
    assert all(folder.name.startswith("old-") and not folder.name.endswith(".part") for folder in place.iterdir())


def test_what_the_host_lacks_for_an_environment_is_said(monkeypatch):
    monkeypatch.setattr(executor_environments.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(executor_environments.shutil, "which", lambda name: None)
    with pytest.raises(DeviceError, match="arm needs apt-get and dpkg-deb to fetch Debian's ARM packages"):
        executor_environments.made_arm(progress=silent)
    monkeypatch.setattr(executor_environments.platform, "machine", lambda: "aarch64")
    with pytest.raises(DeviceError, match="'host' does the same"):
        executor_environments.made_arm(progress=silent)
    monkeypatch.setattr(executor_environments, "LEGACY_PYTHONS", ("python3.1",))
    with pytest.raises(MissingExtra, match="needs one of python3.1, found none"):
        executor_environments.made_legacy(progress=silent)


def test_a_program_that_fails_is_told_by_its_last_words(tmp_path):
    with pytest.raises(DeviceError, match=r"cannot do it: sh ended with exit code 3: first \| second"):
        executor_environments._run(["sh", "-c", "echo first >&2; echo second >&2; exit 3"], what="do it")
    with pytest.raises(DeviceError, match="cannot do it: "):
        executor_environments._run([str(Path(tmp_path) / "nothing")], what="do it")


def test_a_thread_still_at_work_does_not_keep_the_executors_from_closing(tmp_path):
    """After a mistake or Ctrl-C its program goes on writing into the folder that is to go: it is ended before."""
    model = write_tflite(tmp_path / "tiny.tflite")
    code = "import pathlib, sys\nn = 0\nwhile True:\n    pathlib.Path(sys.argv[1], str(n)).touch()\n    n += 1"

    def write_on(agent):
        agent.transport.run([sys.executable, "-c", code, agent.folder], timeout_s=60)

    def fail():
        with opened_executors([Asked("host")], model, tiny_sidecar(), progress=silent) as (found, _):
            agent = found[0].predictor.agent
            folders.append(Path(agent.folder))
            thread = threading.Thread(target=write_on, args=(agent,))
            threads.append(thread)
            thread.start()
            while not (Path(agent.folder) / "9").exists():
                time.sleep(0.01)
            raise ZeroDivisionError

    folders, threads = [], []
    with pytest.raises(ZeroDivisionError):
        fail()
    threads[0].join(10)
    assert not threads[0].is_alive()
    assert not folders[0].exists()
