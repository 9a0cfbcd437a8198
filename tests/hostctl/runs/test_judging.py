import io

import numpy as np
import pytest
from PIL import Image

from analysis.run_folder.judgements import NOTE
from analysis.store import Run
from capture.display import create_app
from capture.display_state import Display
from device_agents.errors import BadInput
from hostctl.runs.judging import NAME, Bench, judge_blueprint, judged_text
from hostctl.runs.reporting import summarise
from tests.hostctl.drawn_runs import draw_run

TOKEN = "judge-token"
# Scene 0: both right. 1: one says lynx. 2: both say dog.
ANSWERS = {"one": {0: "cat", 1: "cat", 2: "dog"}, "two": {0: "cat", 1: "lynx", 2: "dog"}}


@pytest.fixture
def run(tmp_path):
    draw_run(tmp_path / "run", ANSWERS)
    with Run.open(tmp_path / "run") as opened:
        yield opened


@pytest.fixture
def bench(run):
    return Bench(run, judge="anna", top_n=1, everything=False)


@pytest.fixture
def client(bench):
    ended = []
    pages = judge_blueprint(bench, names={"lynx": "the lynx"}, end=lambda: ended.append(True))
    app = create_app(Display(), token="screen", blueprints=[pages], guests={NAME: TOKEN})
    client = app.test_client()
    client.ended = ended
    client.get(f"/?token={TOKEN}")  # sets the cookie
    return client


def test_a_verdict_is_in_the_run_when_it_is_given_and_changes_its_result(run, bench):
    assert [one[:2] for one in bench.questions] == [("s001", "lynx"), ("s002", "dog")]
    assert summarise(run)["instability"]["rate"] == pytest.approx(1 / 3)
    bench.judge_one(0, "right")
    assert run.note(NOTE) == {"anna": {"s001": {"lynx": "right"}}}
    assert summarise(run)["instability"]["rate"] == 0
    bench.judge_one(0, None)
    assert run.note(NOTE) == {}
    assert summarise(run)["instability"]["rate"] == pytest.approx(1 / 3)


def test_a_second_judge_is_asked_the_same_and_a_disagreement_counts_as_neither(run, bench):
    bench.judge_one(0, "right")
    ben = Bench(run, judge="ben", top_n=1, everything=False)
    assert ben.questions == bench.questions
    assert ben.verdict(0) is None
    ben.judge_one(0, "wrong")
    table = run.predictions(["scene", "device", "verdict"])
    assert list(table.query("scene == 's001' and device == 'two'")["verdict"]) == ["ambiguous"]
    found = ben.found()
    assert (found["judges"], found["alike"], found["left"]) == ({"anna": 1, "ben": 1}, 0.0, 1)
    text = judged_text(found)
    assert "1 of 2 answers judged by ben" in text
    assert "1 judged by several, 0 % of them alike" in text


def test_all_labels_are_asked_about_on_request(run):
    everything = Bench(run, judge="anna", top_n=1, everything=True)
    assert {one[:2] for one in everything.questions} == {
        ("s000", "cat"),
        ("s001", "cat"),
        ("s001", "lynx"),
        ("s002", "dog"),
    }


@pytest.mark.parametrize("name", ["", "  ", "x" * 61])
def test_a_judge_needs_a_name(run, name):
    with pytest.raises(BadInput, match="a judge's name"):
        Bench(run, judge=name, top_n=1, everything=False)


def test_a_run_without_predictions_says_what_to_do(tmp_path):
    with Run.create(tmp_path / "empty", settings={}, scenes=[]) as empty:
        with pytest.raises(BadInput, match="instability predict"):
            Bench(empty, judge="anna", top_n=1, everything=False)


def test_the_page_asks_with_words_and_keeps_what_is_posted(client, bench, run):
    asked = client.get("/judge/questions").get_json()
    assert asked["questions"][0] == {
        "label": "the lynx",
        "answers": 1,
        "accepted": ["cat"],
        "verdict": None,
    }
    assert client.post("/judge/verdict", json={"question": 1, "verdict": "ambiguous"}).status_code == 200
    assert run.note(NOTE) == {"anna": {"s002": {"dog": "ambiguous"}}}
    assert client.get("/judge/questions").get_json()["questions"][1]["verdict"] == "ambiguous"
    ending = client.post("/judge/end", json={})
    assert (ending.status_code, client.ended) == (200, [])
    ending.close()  # the last byte is out
    assert client.ended == [True]


@pytest.mark.parametrize(
    "values",
    [[], {"question": 9, "verdict": "right"}, {"question": -1}, {"question": 0, "verdict": "maybe"}, {"question": "0"}],
)
def test_a_wrong_verdict_is_refused_and_nothing_kept(client, run, values):
    assert client.post("/judge/verdict", json=values).status_code == 400
    assert run.note(NOTE) is None


def test_who_has_no_token_and_another_site_get_nothing(client, bench):
    stranger = client.application.test_client()
    assert stranger.get("/judge/questions").status_code == 401
    assert client.post("/judge/verdict", json={"question": 0}, headers={"Origin": "http://evil"}).status_code == 403


def test_the_scenes_own_file_is_shown_and_else_a_photograph(client, bench, run, tmp_path):
    assert client.get("/judge/picture/0.jpg").status_code == 400  # the drawn run's pictures are no pictures
    assert client.get("/judge/picture/7.jpg").status_code == 404
    own = tmp_path / "own.png"
    Image.fromarray(np.full((30, 3000, 3), 200, np.uint8)).save(own)
    bench.scenes["s001"] = bench.scenes["s001"].__class__("s001", str(own), "0" * 64, ("cat",))
    shown = client.get("/judge/picture/0.jpg")
    assert Image.open(io.BytesIO(shown.data)).size == (1280, 13)
