"""Notes of a run: small JSON values by name, newest wins, apart from the ledger's own values."""

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.run_folder.ledger import Ledger
from analysis.store import Run
from device_agents.errors import BadInput

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def make_run(folder: Path) -> Run:
    return Run.create(folder, settings={"seed": 1}, scenes=[])


def test_a_note_is_there_after_the_run_was_closed(tmp_path: Path) -> None:
    with make_run(tmp_path / "run") as run:
        assert run.note("models") is None
        run.set_note("models", {"m": {"bytes": 3, "parameters": None}, "rows": (1, 2)})
    with Run.open(tmp_path / "run", write=False) as run:
        assert run.note("models") == {"m": {"bytes": 3, "parameters": None}, "rows": [1, 2]}


def test_the_newest_note_wins_and_the_others_stay(tmp_path: Path) -> None:
    with make_run(tmp_path / "run") as run:
        run.set_note("a", 1)
        run.set_note("b", 2)
        run.set_note("a", {"x": "new"})
        assert (run.note("a"), run.note("b")) == ({"x": "new"}, 2)


def test_a_note_does_not_hide_the_ledgers_own_values(tmp_path: Path) -> None:
    with make_run(tmp_path / "run") as run:
        for name in ("settings", "writer", "session", "created_utc"):
            assert run.note(name) is None
            run.set_note(name, "other")
        assert run.settings == {"seed": 1}
        assert run.note("settings") == "other"
        run.renew_attempts()


@settings(deadline=None, max_examples=25)
@given(VALUES)
def test_any_json_value_comes_back(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    folder = tmp_path_factory.mktemp("notes") / "run"
    with make_run(folder) as run:
        run.set_note("n", value)
        assert run.note("n") == value


@pytest.mark.parametrize("value", [math.nan, {"x": math.inf}, {1, 2}, b"bytes", Path("x")])
def test_what_is_no_json_is_refused_and_changes_nothing(tmp_path: Path, value: object) -> None:
    with make_run(tmp_path / "run") as run:
        run.set_note("n", 1)
        with pytest.raises(BadInput, match="note 'n': expected a value that JSON can hold"):
            run.set_note("n", value)
        assert run.note("n") == 1


def test_a_run_open_for_reading_takes_no_note(tmp_path: Path) -> None:
    make_run(tmp_path / "run").close()
    with Run.open(tmp_path / "run", write=False) as run, pytest.raises(BadInput, match="opened for writing"):
        run.set_note("n", 1)


@pytest.mark.parametrize("write", [True, False])
def test_a_folder_without_a_run_is_refused_and_left_as_it_is(tmp_path: Path, write: bool) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(BadInput, match="expected a run folder with ledger.sqlite, got none"):
            Run.open(folder, write=write)
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_without_the_note_of_a_name_says_none(tmp_path: Path) -> None:
    make_run(tmp_path / "run").close()
    ledger = Ledger(tmp_path / "run", write=False)
    try:
        assert ledger.note("") is None
    finally:
        ledger.close()
