"""`instability search` on tiny photographs: closed, then opened; at random; and what it refuses."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from device_agents.errors import BadInput
from hostctl.command_line import search as cli_search
from hostctl.trainings import searching
from stability_train.attempts import read_attempts
from tests.fakes.tiny_study import tiny_study

# Keras 3.15 upon TensorFlow 2.21 asks numpy 2 for a copy in the old way whenever it reads a variable.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
Search = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("search")


@pytest.fixture
def search(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Search:
    study = tiny_study(folder)
    monkeypatch.setattr(searching, "read_photos", lambda source, devices: list(study.photos))

    def run(**changed: Any) -> dict[str, Any]:
        small: dict[str, Any] = {"epochs": 2, "draws": 2, "batch": 4, "learning_rate": 0.02, "threads": 0}
        asked: dict[str, Any] = {"device": "one", "partner": "two", "unseen": ("three",), "out": tmp_path / "out"}
        asked |= {"noises": ("two-images",), "losses": ("embedding",), "alphas": (0.1, 1.0), "seeds": 1, "folds": 2}
        asked |= {"model": str(study.base), "settings": small, "features": folder / "features", "workers": 1}
        return searching.search(tmp_path, **{**asked, **changed})

    return run


def test_closed_it_only_tells_what_was_validated_and_the_same_command_opens(search: Search, tmp_path: Path) -> None:
    closed = search(closed=True)
    assert (closed["attempts"], closed["made"], closed["failed"]) == (2 * 3, 6, 0)
    assert "table" not in closed
    assert not (tmp_path / "out" / "opened.json").exists()
    assert "the test objects stay sealed" in searching.search_text(closed)
    assert [row["tried"] for row in closed["choice"] if row["noise"] == "two-images"] == [2, 2]
    opened = search()
    assert opened["made"] == 0
    assert opened["table"]["openings"] == 1
    assert opened["choice"] == closed["choice"]
    text = searching.search_text(opened)
    assert "Table 6" in text
    assert str(tmp_path / "out" / "table6.html") in text
    assert len((tmp_path / "out" / "attempts.csv").read_text().splitlines()) == 7


def test_random_draws_are_attempts_like_others(search: Search, tmp_path: Path) -> None:
    found = search(engine="random", trials=2, closed=True)
    assert found["made"] == 2 + 2 * 2
    alphas = read_attempts(tmp_path / "out").query("noise == 'two-images'")["alpha"]
    assert alphas.nunique() == 2
    assert alphas.between(0.1, 1.0).all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"noises": ("gausian",)}, "noise: unknown gausian; known: .*gaussian"),
        ({"losses": ("kl",)}, "loss: unknown kl; known: relative-entropy"),
        ({"losses": ()}, "expected at least one loss and one alpha, got none"),
        ({"strengths": {"gaussian": (1.0,)}}, "strength: expected noises that are tried, got gaussian"),
        ({"seeds": 0}, "seeds: expected 1 or more, got 0"),
        ({"trials": 3}, "a grid takes no --trials"),
        ({"engine": "random"}, "random or optuna takes some"),
        ({"engine": "random", "trials": 2, "alphas": (0.0, 1.0)}, "logarithmic scale, expected above 0, got 0"),
        ({"alphas": (1e9,)}, "alpha: expected 0 to 1e"),
        ({"unseen": ("one",)}, "unseen: expected devices that are not trained on, got one"),
        ({"partner": "four"}, "expected pictures of four, got none"),
        ({"folds": 9}, "expected 2 to 6 folds"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_computed(
    search: Search, tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        search(**changed)
    assert not (tmp_path / "out" / "attempts").exists()


def test_numbers_and_strengths_of_the_command_line() -> None:
    assert cli_search._strengths(["gaussian=0.04,0.2", "subsample=5"]) == {"gaussian": (0.04, 0.2), "subsample": (5.0,)}
    with pytest.raises(BadInput, match="--strength: expected NOISE=NUMBER,... such as gaussian=0.04,0.2, got '3'"):
        cli_search._strengths(["3"])
    with pytest.raises(BadInput, match="--alpha: expected numbers such as 0.01,0.1,1, got '0.1;1'"):
        cli_search._numbers("0.1;1", "alpha")
    (command,) = cli_search.COMMANDS
    parser = argparse.ArgumentParser()
    command.options(parser)
    given = [*command.example.split()[1:], "--closed"]
    options = parser.parse_args(given)
    assert (options.device, options.partner, options.unseen) == ("flagship", "midrange", ("old",))
