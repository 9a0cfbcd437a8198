"""Videos to a run and its numbers, with a model that can be computed by hand: its scores are the pixels."""

from __future__ import annotations

import dataclasses
import json
import re

import av
import numpy as np
import pytest

from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.predict import default_environment
from hostctl.command_line.video import COMMANDS
from hostctl.runs.reporting import report_run
from hostctl.videos.numbers import consecutive
from hostctl.videos.page import write_page
from hostctl.videos.text import video_text
from hostctl.videos.video import SYNTHETIC, Measured, measure_videos
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite


def bright(place, *, level=200, size=16):
    """A dark frame of which one of the 2 x 2 quarters is bright in red: the model says 0, 3, 6 or 9."""
    frame = np.full((size, size, 3), 40, np.uint8)
    row, column = divmod(place, 2)
    half = size // 2
    frame[row * half : (row + 1) * half, column * half : (column + 1) * half, 0] = level
    return frame


def written(path, frames):
    """Write frames without loss."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "bgr0"
        for rgb in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def model(tmp_path):
    """The tiny model and its sidecar; gives its path as text."""
    path = write_tflite(tmp_path / "tiny.tflite")
    (tmp_path / "tiny.tflite.json").write_text(json.dumps(dataclasses.asdict(tiny_sidecar())))
    return str(path)


@pytest.fixture
def videos(tmp_path):
    """A steady video, and one that goes from quarter 0 to 1 and back; with a list of their labels."""
    written(tmp_path / "steady.mkv", [bright(0)] * 6)
    written(tmp_path / "turning.mkv", [bright(place) for place in (0, 0, 1, 1, 0, 0)])
    (tmp_path / "videos.csv").write_text("file,labels\nsteady.mkv,0\nturning.mkv,0\n")
    return tmp_path / "videos.csv"


def measured(model, videos, out, **given):
    return measure_videos([model], videos, out=out, window=1, **given)


def test_the_numbers_of_two_labelled_videos(model, videos, tmp_path):
    found = measured(model, [videos], tmp_path / "run").result
    rows = {row["video"]: row for row in found["videos"]}
    assert (rows["steady"]["flips"], rows["steady"]["pairs"]) == (0, 5)
    assert (rows["turning"]["flips"], rows["turning"]["flip_rate"]) == (2, pytest.approx(0.4))
    # Anchors are frames 1 to 4: alone 1 and 4 are right, and none has three right frames in a row.
    assert (rows["turning"]["anchors"], rows["turning"]["accuracy"], rows["turning"]["pm_accuracy"]) == (4, 0.5, 0.0)
    assert rows["steady"]["pm_accuracy"] == 1.0
    assert found["summary"][0]["flip_rate"] == pytest.approx(0.2)
    assert found["summary"][0]["lag_s"] == pytest.approx(0.1)
    assert set(found["summary"][0]["synthetic"]) == set(SYNTHETIC)
    assert {row["over"] for row in found["correlations"]} == {"frames"}


def test_the_run_is_an_ordinary_one_and_goes_on_where_it_stopped(model, videos, tmp_path):
    first = measured(model, [videos], tmp_path / "run").result
    with Run.open(tmp_path / "run", write=False) as run:
        pictures, predictions = run.pictures(), len(run.predictions())
        assert set(pictures["device"]) == {"video"}
        assert sorted(set(pictures["repeat"])) == [0, 1, 2, 3, 4, 5]
        assert pictures["taken_utc"].iloc[1] == "1970-01-01T00:00:00.100000+00:00"
        assert len(run.environments()) == 11
        assert predictions == 12 * 11
    assert measured(model, [videos], tmp_path / "run").result == first
    with Run.open(tmp_path / "run", write=False) as run:
        assert len(run.predictions()) == predictions
    with pytest.raises(BadInput, match="other settings"):
        measured(model, [videos], tmp_path / "run", every=2)


def test_unlabelled_videos_have_flips_but_no_accuracy(model, videos, tmp_path):
    paths = [tmp_path / "steady.mkv", tmp_path / "turning.mkv"]
    found = measured(model, paths, tmp_path / "run", synthetic=False).result
    assert "accuracy" not in found["summary"][0]
    assert found["summary"][0]["flips"] == 2
    assert found["correlations"] == []


def test_the_report_of_unlabelled_videos_calls_no_answer_wrong(model, videos, tmp_path):
    paths = [tmp_path / "steady.mkv", tmp_path / "turning.mkv"]
    measured(model, paths, tmp_path / "run", synthetic=False)
    summary = report_run(tmp_path / "run")
    assert (summary["unlabelled"], summary["scenes"], summary["ambiguous"]) == (2, 2, 12)
    assert summary["accuracy_overall"]["accuracy"] is None
    with Run.open(tmp_path / "run", write=False) as run:
        assert set(run.predictions()["verdict"]) == {"ambiguous"}
    page = (tmp_path / "run" / "report" / "index.html").read_text()
    assert "No scene has a label, so that no answer is right or wrong" in page
    assert "Label agreement" in page


def test_every_second_frame_and_at_most_two(model, videos, tmp_path):
    found = measured(model, [tmp_path / "turning.mkv"], tmp_path / "run", every=2, most=2, synthetic=False)
    assert found.frames["repeat"].tolist() == [0, 2]
    assert found.result["summary"][0]["flips"] == 1
    assert found.result["summary"][0]["lag_s"] == pytest.approx(0.2)


def test_a_video_that_changes_size_is_one_record_and_the_others_go_on(model, videos, tmp_path):
    part = b""
    for size in (16, 32):
        with av.open(str(tmp_path / "part.ts"), "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.height, stream.width, stream.pix_fmt = size, size, "yuv420p"
            for place in (0, 1, 0):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(bright(place, size=size), format="rgb24")))
            container.mux(stream.encode())
        part += (tmp_path / "part.ts").read_bytes()
    (tmp_path / "grows.ts").write_bytes(part)
    (tmp_path / "text.mp4").write_text("no video " * 100)
    paths = [tmp_path / "steady.mkv", tmp_path / "grows.ts", tmp_path / "text.mp4"]
    for _ in range(2):  # the second time nothing is said twice
        found = measured(model, paths, tmp_path / "run", synthetic=False).result
        assert len(found["stopped"]) == 2
        assert "grows: " in found["stopped"][0]
        assert "one size, got 32 x 32 at frame 3" in found["stopped"][0]
        assert [row["frames"] for row in found["videos"]] == [6, 3]
        with Run.open(tmp_path / "run", write=False) as run:
            assert len(run.failures()) == 2


def test_bad_input_is_one_message(model, videos, tmp_path):
    (tmp_path / "text.mp4").write_text("no video " * 100)
    (tmp_path / "wrong.csv").write_text("file,labels\nsteady.mkv,99\n")
    (tmp_path / "labels.csv").write_text("label,name\n" + "\n".join(f"{n},{n}" for n in range(12)))
    labelled = tmp_path / "labelled.tflite"
    labelled.write_bytes((tmp_path / "tiny.tflite").read_bytes())
    named = dataclasses.asdict(tiny_sidecar(labels="labels.csv"))
    (tmp_path / "labelled.tflite.json").write_text(json.dumps(named))
    steady = tmp_path / "steady.mkv"
    for models, paths, said in (
        ([model], [tmp_path / "text.mp4"], "two frames or more"),
        ([model], [tmp_path / "none.mp4"], "there is no"),
        ([model], [videos, steady], "one CSV file"),
        ([model], [steady, steady], "different names"),
        ([model, model], [steady], "each of its own name"),
        ([str(labelled)], [tmp_path / "wrong.csv"], "no label 99"),
    ):
        with pytest.raises(BadInput, match=said):
            measure_videos(models, paths, out=tmp_path / "bad")
    with pytest.raises(BadInput, match="--every: expected 1 or more"):
        measured(model, [steady], tmp_path / "bad", every=0)


def test_a_model_of_one_class_is_refused(model, videos, tmp_path):
    (tmp_path / "one.csv").write_text("label,name\nonly,only\n")
    named = dataclasses.asdict(tiny_sidecar(labels="one.csv"))
    (tmp_path / "tiny.tflite.json").write_text(json.dumps(named))
    with pytest.raises(BadInput, match="two classes or more, got 1"):
        measured(model, [videos], tmp_path / "run")


def test_the_page_shows_the_flips_and_the_text_the_numbers(model, videos, tmp_path):
    found = measured(model, [videos], tmp_path / "run")
    written_to = write_page(found, tmp_path / "page")
    page = (tmp_path / "page" / "video.html").read_text()
    assert "tiny changes its answer at 20.0 % of frames" in page
    assert page.count('<figure class="turned">') == 1  # both flips stand in one strip
    assert "turning, after 0.10 s" in page
    assert not re.search(r"(?:src|href)=\"https?:", page)
    table = (tmp_path / "page" / "video.csv").read_text().splitlines()
    assert table[0] == "model,video,frame,time_s,label,score,verdict,error,flipped"
    assert len(table) == 1 + 12
    assert sum(line.endswith(",1") for line in table) == 2
    text = video_text({**found.result, **written_to})
    assert "2 of 10 pairs" in text
    assert "Spearman's rho over frames" in text
    assert "Intervals are of 95 % and run over videos (clusters)" in text


def test_the_page_shows_a_frame_without_an_answer(model, videos, tmp_path):
    found = measured(model, [tmp_path / "turning.mkv"], tmp_path / "run", synthetic=False)
    frames = found.frames.copy()
    frames.loc[3, ["label_1", "score_1", "error", "verdict"]] = [None, float("nan"), "infer: broken", "missing"]
    broken = Measured({**found.result, "failed": 1}, frames, consecutive(frames))
    write_page(broken, tmp_path / "page")
    assert "0.300 s: failed: infer: broken" in (tmp_path / "page" / "video.html").read_text()
    assert "frames that failed: 1" in video_text({**broken.result, "page": "", "csv": ""})


def test_a_model_that_answers_nothing_is_refused(model, videos, tmp_path, monkeypatch):
    monkeypatch.setattr("hostctl.videos.video.default_environment", broken_environment)
    with pytest.raises(BadInput, match="tiny: no frame could be predicted: not available"):
        measured(model, [videos], tmp_path / "run", synthetic=False)


def broken_environment(card, path):
    """An environment of a runtime's version that is not here."""
    return dataclasses.replace(default_environment(card, path), runtime_version="0.0")


def options(*given):
    import argparse

    parser = argparse.ArgumentParser()
    COMMANDS[0].options(parser)
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(quiet=True)
    return parser.parse_args(given)


def test_the_command_prints_json(model, videos, tmp_path, capsys):
    asked = options(model, str(videos), "--out", str(tmp_path / "run"), "--no-synthetic", "--workers", "1", "--json")
    assert COMMANDS[0].run(asked) == 0
    assert json.loads(capsys.readouterr().out)["summary"][0]["flips"] == 2


def test_the_command_writes_an_example(tmp_path, capsys):
    assert COMMANDS[0].run(options("--example", str(tmp_path / "a.mp4"), "--frames", "2")) == 0
    assert "2 frames by a virtual camera" in capsys.readouterr().out
    with pytest.raises(BadInput, match="a model and one video or more"):
        COMMANDS[0].run(options())
    with pytest.raises(BadInput, match="expected no model"):
        COMMANDS[0].run(options("mobilenet-v2", "--example", str(tmp_path / "b.mp4")))
    with pytest.raises(BadInput, match="there is no"):
        COMMANDS[0].run(options("--example", str(tmp_path / "b.mp4"), "--of", str(tmp_path / "none.png")))
