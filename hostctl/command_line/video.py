"""The command that asks whether a model's answer holds from frame to frame: video.

Only what parsing needs is imported here; the command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from device_agents.errors import BadInput
from hostctl.command_line.command import Command, add_workers, comma_list, print_result


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", help="a zoo model's name or a file; several joined by commas")
    parser.add_argument(
        "videos", nargs="*", type=Path, help="video files, or one CSV file with the columns file and labels"
    )
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="take every n-th frame (default: %(default)s)"
    )
    parser.add_argument(
        "--frames", type=int, default=100, metavar="N", help="of each video, at most (default: %(default)s)"
    )
    parser.add_argument(
        "--window", type=int, default=10, metavar="K", help="frames on either side, for pm-k (default: %(default)s)"
    )
    parser.add_argument("--no-synthetic", action="store_true", help="leave out the synthetic changes to compare with")
    parser.add_argument("--out", type=Path, help="the run's folder (default: runs/video-NAME)")
    add_workers(parser)
    parser.add_argument(
        "--example", type=Path, metavar="FILE", help="only write an example video (.mp4) by the virtual camera"
    )
    parser.add_argument("--of", type=Path, metavar="PICTURE", help="with --example: of this picture, not a drawn one")
    parser.add_argument(
        "--seed", type=int, default=0, help="with --example: of the hand's shake (default: %(default)s)"
    )


def _run(options: argparse.Namespace) -> int:
    if options.example is not None:
        return _write_example(options)
    if not options.model or not options.videos:
        raise BadInput("expected a model and one video or more, or --example FILE; see instability video --help")
    from hostctl import printing
    from hostctl.videos.page import write_page
    from hostctl.videos.text import video_text
    from hostctl.videos.video import measure_videos

    with printing.progress(options) as progress:
        measured = measure_videos(
            comma_list(options.model),
            options.videos,
            out=options.out,
            every=options.every,
            most=options.frames,
            window=options.window,
            synthetic=not options.no_synthetic,
            workers=options.workers,
            progress=progress,
        )
    result = measured.result | write_page(measured, Path(measured.result["run"]) / "report")
    return print_result(options, result, video_text)


def _write_example(options: argparse.Namespace) -> int:
    from analysis.run_folder.files import explained
    from capture.video_example import write_example
    from device_agents.decode import decode_pillow

    if options.model or options.videos:
        raise BadInput(f"--example writes a video and measures none: expected no model, got {options.model}")
    if options.of and not options.of.is_file():
        raise BadInput(f"--of: expected a picture, there is no {options.of}")
    scene = decode_pillow(options.of.read_bytes()) if options.of else None
    with explained(options.example):
        frames = write_example(options.example, scene=scene, frames=options.frames, seed=options.seed)
    return print_result(options, {"video": str(options.example), "frames": frames}, _example_text)


def _example_text(result: dict[str, Any]) -> str:
    written = f"wrote {result['video']}: {result['frames']} frames by a virtual camera"
    return f"{written}; now: instability video mobilenet-v2 {result['video']}"


COMMANDS = (
    Command(
        "video",
        "say how often a model changes its answer from one frame of a video to the next",
        "video mobilenet-v2 line.mp4 --frames 200",
        _options,
        _run,
    ),
)
