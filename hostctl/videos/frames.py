"""Videos to a run: each video is a scene, each frame taken of it a picture by one device, at its time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from analysis.store import Run
from capture.encode import encode_png
from capture.scenes import read_scenes
from capture.video import Frame, read_frames, recorded_at
from device_agents.errors import BadInput
from device_agents.hashing import hash_file
from device_agents.records import UNLABELLED, Picture, Scene, step_key

DEVICE = "video"
NOTE = "videos"  # of each scene: how many frames were taken, and what stopped the reading
NO_DATE = datetime(1970, 1, 1, tzinfo=UTC)  # of videos that do not say when they were recorded: times count from here

Said = Callable[[int, int, str], None]


def video_scenes(videos: Sequence[Path]) -> list[Scene]:
    """Give a scene for each video: those of one CSV file with labels, or the files, whose right answer nobody knows.

    Raises BadInput for files that are not there, or of one name.
    """
    if len(videos) == 1 and videos[0].suffix.lower() == ".csv":
        return read_scenes(videos[0])
    lists = [path for path in videos if path.suffix.lower() == ".csv"]
    if lists:
        raise BadInput(
            f"expected videos, or one CSV file with the columns file and labels; got {lists[0]} among others"
        )
    absent = [str(path) for path in videos if not path.is_file()]
    if absent:
        raise BadInput(f"expected video files, there is no {', '.join(absent)}")
    stems = [path.stem.replace("|", "_") for path in videos]
    names = stems if len(set(stems)) == len(stems) else [path.name.replace("|", "_") for path in videos]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInput(f"expected videos of different names, got {', '.join(twice)} twice; name them in a CSV file")
    return [Scene(name, str(path), hash_file(path), (UNLABELLED,)) for name, path in zip(names, videos, strict=True)]


def run_of_videos(scenes: Sequence[Scene], folder: Path, *, every: int, most: int, progress: Said) -> Run:
    """Make or reopen the run of some videos' frames, every n-th and at most ``most`` of each, as lossless PNG.

    A video is read once and committed whole; one that stops half-way gives the frames before, and its reason is a
    failure of the run and stands in its note. Raises BadInput where no video gives two frames.
    """
    settings = {"pictures": "video frames", "every": every, "frames": most}
    run = Run.open_or_create(folder, settings=settings, scenes=scenes)
    try:
        for done, scene in enumerate(scenes):
            progress(done, len(scenes), "")
            if not read_note(run).get(scene.scene, {}).get("frames"):
                _add_frames(run, scene, every=every, most=most)
        progress(len(scenes), len(scenes), "")
        told = read_note(run)
        if all(told[scene.scene]["frames"] < 2 for scene in scenes):
            reasons = [told[scene.scene]["problem"] or f"{scene.file}: a single frame" for scene in scenes]
            raise BadInput("\n  ".join(["expected a video with two frames or more to compare, got none", *reasons]))
    except BaseException:
        run.close()
        raise
    return run


def read_note(run: Run) -> dict[str, dict[str, Any]]:
    """What is known of each video: "frames" taken and "problem", "" where it was read as asked."""
    return run.note(NOTE) or {}


def _add_frames(run: Run, scene: Scene, *, every: int, most: int) -> None:
    records, problem = [], ""
    start = recorded_at(Path(scene.file)) or NO_DATE
    try:
        for frame in read_frames(Path(scene.file), every=every, most=most):
            records.append(_record(run, scene, frame, start))
    except BadInput as stopped:
        problem = str(stopped)
        if problem not in set(run.failures()["reason"]):
            run.add_failure(f"video {scene.scene}", problem)
    run.add_pictures(records, {})
    run.set_note(NOTE, {**read_note(run), scene.scene: {"frames": len(records), "problem": problem}})


def _record(run: Run, scene: Scene, frame: Frame, start: datetime) -> Picture:
    data = encode_png(frame.rgb)
    sha256 = run.put_file(data)
    height, width = frame.rgb.shape[:2]
    taken = (start + timedelta(seconds=frame.time_s)).isoformat(timespec="microseconds")
    name = f"{step_key(scene.scene, 0, frame.number, DEVICE)}|png"
    return Picture(
        name,
        sha256,
        ".png",
        len(data),
        width,
        height,
        scene.scene,
        repeat=frame.number,
        device=DEVICE,
        taken_utc=taken,
    )
