"""A timeline stands in its file as it comes, each span whole, whichever thread tells of it."""

from concurrent.futures import ThreadPoolExecutor

from hostctl.sessions.timeline import HEAD, Event, written_timeline


def test_each_span_is_a_row_and_a_former_timeline_is_gone(tmp_path):
    path = tmp_path / "timeline.csv"
    path.write_text("of the session before\n", encoding="utf-8")
    with written_timeline(path) as add:
        add(Event("show", "", 3, 1.0, 1.25))
        add(Event("shoot", "phone-1", 3, 1.25, 2.00004))
    assert path.read_text("utf-8") == f"{HEAD}\nshow,,3,1.0000,1.2500\nshoot,phone-1,3,1.2500,2.0000\n"


def test_rows_of_many_threads_stay_whole(tmp_path):
    path = tmp_path / "timeline.csv"
    with written_timeline(path) as add, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: add(Event("home", f"phone-{number % 8}", number, 0.0, number)), range(2000)))
    rows = path.read_text("utf-8").splitlines()[1:]
    assert sorted(rows) == sorted(f"home,phone-{number % 8},{number},0.0000,{number:.4f}" for number in range(2000))


def test_what_was_told_before_a_failure_is_kept(tmp_path):
    path = tmp_path / "timeline.csv"
    try:
        with written_timeline(path) as add:
            add(Event("verify", "a", 1, 0.5, 0.75))
            raise RuntimeError
    except RuntimeError:
        pass
    assert path.read_text("utf-8").splitlines()[1] == "verify,a,1,0.5000,0.7500"
