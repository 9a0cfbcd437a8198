from pathlib import Path

import pandas as pd
import pytest

from analysis.run_folder.judgements import NOTE, Question, accepted, agreement, questions, settled
from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.records import Environment, Picture, Prediction, Scene

ANNA = {"s1": {"bubble": "wrong", "red wine": "right"}}
BEN = {"s1": {"bubble": "wrong", "red wine": "wrong"}, "s2": {"cup": "ambiguous"}}


def test_judges_who_disagree_make_an_answer_ambiguous() -> None:
    assert settled({"anna": ANNA}) == ANNA
    assert settled({"anna": ANNA, "ben": BEN}) == {
        "s1": {"bubble": "wrong", "red wine": "ambiguous"},
        "s2": {"cup": "ambiguous"},
    }


def test_a_verdict_outdoes_what_the_scene_came_with() -> None:
    told = {"red wine": "right", "bottle": "wrong", "cup": "right", "glass": "ambiguous"}
    assert accepted(("wine bottle", "bottle"), ("cup", "jug"), told) == (
        ("wine bottle", "red wine", "cup"),
        ("jug", "glass"),
    )


def test_agreement_counts_pairs_that_several_judged() -> None:
    found = agreement({"anna": ANNA, "ben": BEN})
    assert (found["judged_by_several"], found["alike"]) == (2, 0.5)
    assert found["differing"] == [{"scene": "s1", "label": "red wine", "anna": "right", "ben": "wrong"}]
    assert agreement({"anna": ANNA})["alike"] is None


def answers() -> pd.DataFrame:
    rows = [
        ("calm", "cat", "dog", ("lynx",)),
        ("calm", "cat", "dog", ("lynx",)),
        ("calm", "cat", "dog", ("lynx",)),
        ("torn", "bottle", "bubble", ("bottle",)),
        ("torn", "bubble", "bottle", ("bottle",)),
    ]
    return pd.DataFrame(rows, columns=["scene", "label_1", "label_2", "labels"])


def test_scenes_whose_answers_differ_are_asked_about_first_and_accepted_labels_only_on_request() -> None:
    assert questions(answers()) == [Question("torn", "bubble", 1), Question("calm", "cat", 3)]
    everything = questions(answers(), everything=True)
    assert everything[:2] == [Question("torn", "bottle", 1), Question("torn", "bubble", 1)]
    assert questions(answers(), top_n=2) == [
        Question("torn", "bubble", 2),
        Question("calm", "cat", 3),
        Question("calm", "dog", 3),
    ]


@pytest.mark.parametrize("top_n", [0, 3])
def test_a_rank_that_is_not_there_is_bad_input(top_n: int) -> None:
    with pytest.raises(BadInput, match="expected to judge 1 to 5 labels"):
        questions(answers(), top_n=top_n)


def test_a_runs_tables_follow_its_judgements_and_its_scenes_stay(tmp_path: Path) -> None:
    scenes = [Scene(name, f"{name}.png", "0" * 64, ("wine bottle",)) for name in ("s1", "s2")]
    environment = Environment(
        model="m",
        model_sha256="0" * 64,
        decoder="pillow",
        view="whole",
        colour="rgb",
        fit="squash",
        resizer="pillow-bilinear",
        scaling="zero-one",
        runtime="litert",
    )
    with Run.create(tmp_path / "run", settings={}, scenes=scenes) as run:
        digest = run.put_file(b"a picture")
        run.add_environment(environment)
        pictures = [Picture(name, digest, ".png", 9, 1, 1, name, 0, 0, "phone", 1, "") for name in ("s1", "s2")]
        for picture in pictures:
            run.add_pictures([picture], {digest: b"a picture"})
        run.add_predictions(
            [
                Prediction(picture.picture, environment.environment, ("red wine",), (0.9,), 1.0, {}, "")
                for picture in pictures
            ]
        )
        before = run.predictions(["scene", "verdict"])
        run.set_note(NOTE, {"anna": {"s1": {"red wine": "right"}}})
        after = run.predictions(["scene", "verdict", "labels"])
        assert list(before["verdict"]) == ["wrong", "wrong"]
        assert list(after["verdict"]) == ["right", "wrong"]
        assert list(after["labels"]) == [("wine bottle", "red wine"), ("wine bottle",)]
        assert list(run.pictures()["labels"]) == [("wine bottle", "red wine"), ("wine bottle",)]
        assert [scene.labels for scene in run.scenes()] == [("wine bottle",)] * 2
