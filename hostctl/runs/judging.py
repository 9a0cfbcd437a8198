"""A page on which a person judges the answers of a run: right, clearly wrong, or neither; the verdicts stay in the run.

GET  /?token=JUDGE        the page           GET  /judge/questions      the questions and this judge's verdicts, as JSON
GET  /judge/page.js .css  its two files      GET  /judge/picture/N.jpg  what question N is about
POST /judge/verdict       {"question": N, "verdict": one of KINDS, or null to take it back}
POST /judge/end           the person has finished
"""

from __future__ import annotations

import io
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.run_folder.judgements import KINDS, NOTE, Question, agreement, count_kinds, questions, settled
from analysis.store import Run
from device_agents.errors import BadInput
from hostctl.predictions.label_names import read_names
from hostctl.printing import Progress, silent
from hostctl.sessions.page_files import add_page_files

if TYPE_CHECKING:
    from flask import Blueprint

PAGE = Path(__file__).parent / "judge_page"
NAME = "judge"
LONGEST_SIDE = 1280  # pixels of a picture as it is shown
LONGEST_NAME = 60  # of a judge


class Bench:
    """One judge's questions about a run and verdicts on them, each kept in the run as it is given."""

    def __init__(self, run: Run, *, judge: str, top_n: int, everything: bool) -> None:
        """Find the questions; raises BadInput where the run has no predictions or the judge no name."""
        if not judge.strip() or len(judge) > LONGEST_NAME:
            raise BadInput(f"expected a judge's name of 1 to {LONGEST_NAME} characters, got '{judge[:80]}'")
        table = run.predictions(["scene", "labels", *(f"label_{rank}" for rank in range(1, max(top_n, 1) + 1))])
        if table.empty:
            raise BadInput(f"{run.folder}: expected a run with predictions, got none; run `instability predict` first")
        self.run, self.judge = run, judge.strip()
        self.scenes = {scene.scene: scene for scene in run.scenes()}
        self._judged: dict[str, dict[str, dict[str, str]]] = run.note(NOTE) or {}
        mine = self._judged.setdefault(self.judge, {})
        # Labels that were judged right before are accepted by now, and stay questions for whoever wants to look again.
        asked = questions(self._as_given(table), top_n=top_n, everything=everything)
        self.questions: Sequence[Question] = asked
        self.mine = mine
        self._lock = threading.Lock()

    def _as_given(self, table: Any) -> Any:
        return table.assign(labels=[self.scenes[name].labels for name in table["scene"]])

    def verdict(self, number: int) -> str | None:
        """This judge's verdict on a question, None where there is none yet."""
        asked = self.questions[number]
        return self.mine.get(asked.scene, {}).get(asked.label)

    def judge_one(self, number: int, verdict: str | None) -> None:
        """Keep a verdict, one of KINDS, or take it back (None); raises BadInput for another word or number."""
        if not 0 <= number < len(self.questions) or verdict not in (*KINDS, None):
            raise BadInput(f"expected a question below {len(self.questions)} and one of {', '.join(KINDS)}, or none")
        asked = self.questions[number]
        with self._lock:
            labels = self.mine.setdefault(asked.scene, {})
            if verdict is None:
                labels.pop(asked.label, None)
            else:
                labels[asked.label] = verdict
            if not labels:
                del self.mine[asked.scene]
            self.run.set_note(NOTE, {name: scenes for name, scenes in self._judged.items() if scenes})

    def picture(self, number: int) -> bytes:
        """The scene of a question as a JPEG of at most LONGEST_SIDE pixels: its own file, else a photograph of it."""
        from PIL import Image

        from device_agents.decode import DECODERS

        rgb = DECODERS["pillow"](self._file(self.questions[number].scene).read_bytes())
        image = Image.fromarray(rgb)
        image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=92)
        return stream.getvalue()

    def _file(self, scene: str) -> Path:
        own = Path(self.scenes[scene].file)
        if own.is_file():
            return own
        for picture in self.run.picture_records({"scene": scene}):
            return self.run.file(picture.crop_sha256 or picture.sha256)
        raise BadInput(f"scene '{scene}': expected its file {own} or a photograph of it, got neither")

    def found(self) -> dict[str, Any]:
        """What has been judged, by everybody; keys as judge() says."""
        kept: dict[str, dict[str, dict[str, str]]] = self.run.note(NOTE) or {}
        told = [verdict for labels in settled(kept).values() for verdict in labels.values()]
        left = sum(self.verdict(number) is None for number in range(len(self.questions)))
        by = {name: sum(map(len, scenes.values())) for name, scenes in kept.items()}
        counts = {"questions": len(self.questions), "left": left, "judges": by, "verdicts": count_kinds(told)}
        return {"run": str(self.run.folder), "judge": self.judge, **counts, **agreement(kept)}


def judge(
    run: Path,
    *,
    by: str,
    top_n: int = 1,
    everything: bool = False,
    host: str = "127.0.0.1",
    port: int = 0,
    opened: Callable[[str], None] = lambda url: None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Serve the page until the person ends it or presses Ctrl-C; every verdict is in the run when it was given.

    Keys of the result: run, judge, questions, left (not judged by this judge), judges (name -> verdicts given),
    verdicts (kind -> labels), judged_by_several, alike, differing. ``opened`` is told the address.
    """
    from capture.display import DisplayServer

    ended = threading.Event()
    with Run.open(run) as one:
        bench = Bench(one, judge=by, top_n=top_n, everything=everything)
        pages = judge_blueprint(bench, names=read_names(run), end=ended.set)
        guests = {NAME: secrets.token_urlsafe(24)}
        with DisplayServer(host=host, port=port, blueprints=[pages], guests=guests) as server:
            opened(server.guest_url(NAME))
            try:
                while not ended.wait(0.5):
                    found = bench.found()
                    progress("judged", found["questions"] - found["left"], found["questions"], "")
            except KeyboardInterrupt:
                pass  # the other way to end; every verdict is kept already
        return bench.found()


def judge_blueprint(bench: Bench, *, names: Mapping[str, str], end: Callable[[], None]) -> Blueprint:
    """Make the page's addresses; the display's server checks host, origin and token. ``names``: words for labels."""
    from flask import Blueprint, Response, jsonify, request

    pages = Blueprint(NAME, __name__)

    def asked() -> Response:
        rows = [
            {
                "label": names.get(one.label, one.label),
                "answers": one.answers,
                "accepted": [names.get(label, label) for label in bench.scenes[one.scene].labels],
                "verdict": bench.verdict(number),
            }
            for number, one in enumerate(bench.questions)
        ]
        return jsonify(questions=rows, judge=bench.judge, run=bench.run.folder.name)

    def picture(number: int) -> Response | tuple[str, int]:
        if number >= len(bench.questions):
            return "no such question\n", 404
        return Response(bench.picture(number), mimetype="image/jpeg")

    def verdict() -> Response:
        values = request.get_json(force=True, silent=True)
        if not isinstance(values, dict) or type(values.get("question")) is not int:
            raise BadInput('expected {"question": number, "verdict": word or null}')
        given = values.get("verdict")
        bench.judge_one(values["question"], given if isinstance(given, str) else None)
        return jsonify(kept=True)

    def over() -> Response:
        answer = jsonify(ended=True)
        answer.call_on_close(end)
        return answer

    add_page_files(pages, PAGE)
    pages.add_url_rule(f"/{NAME}/questions", view_func=asked)
    pages.add_url_rule(f"/{NAME}/picture/<int:number>.jpg", view_func=picture)
    pages.add_url_rule(f"/{NAME}/verdict", view_func=verdict, methods=["POST"])
    pages.add_url_rule(f"/{NAME}/end", endpoint="end", view_func=over, methods=["POST"])
    return pages


def judged_text(result: Mapping[str, Any]) -> str:
    """Say what was judged, and how far judges agree."""
    counts, done = result["verdicts"], result["questions"] - result["left"]
    by = ", ".join(f"{name} {count}" for name, count in result["judges"].items()) or "nobody"
    lines = [
        f"{done} of {result['questions']} answers judged by {result['judge']}",
        f"kept: {counts['right']} right, {counts['wrong']} clearly wrong, {counts['ambiguous']} neither ({by})",
    ]
    if result["judged_by_several"]:
        lines.append(
            f"{result['judged_by_several']} judged by several, {100 * result['alike']:.0f} % of them alike; "
            "where judges disagree an answer counts as neither"
        )
    lines.append(f"the report counts them from now on: instability report {result['run']}")
    return "\n".join(lines)
