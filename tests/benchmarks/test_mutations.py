from __future__ import annotations

import pytest

from benchmarks import mutations


def test_damaged_files_are_counted_and_none_crashes() -> None:
    *lines, sums = mutations.bench(60, ("dali", "libjpeg-9f", "opencv", "pillow"))
    assert lines[0] == "dali: not installed here"
    assert [line.split(":")[0] for line in lines[1:]] == ["libjpeg-9f", "opencv", "pillow"]
    assert all(line.endswith("refused; 0 crashes, 0 hangs") for line in lines[1:])
    assert sums.startswith("180 damaged files in")
    assert sums.endswith("0 crashes and hangs (limit: 0)")


def test_the_same_number_makes_the_same_file_again() -> None:
    assert mutations.damaged("pillow", 7) == mutations.damaged("pillow", 7)
    assert len({mutations.damaged("pillow", number) for number in range(100)}) == 100


def test_a_crash_and_a_hang_are_told_with_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "import os, sys, time\n"
        "for number in range(int(sys.argv[-2]), int(sys.argv[-1])):\n"
        "    print('started', number, flush=True)\n"
        "    if number in (2, 4): os.abort()\n"
        "    if number == 5: time.sleep(300)\n"
        "    print('refused' if number % 2 else 'picture', flush=True)\n"
    )
    popen = mutations.subprocess.Popen

    def start(words, **options):
        return popen([words[0], "-c", script, *words[3:]], **options)

    monkeypatch.setattr(mutations.subprocess, "Popen", start)
    monkeypatch.setattr(mutations, "LIMIT_S", 2.0)
    told = str(mutations._survey("any", 8))
    assert told == "any: 5 damaged files: 2 pictures, 3 refused; 2 crashes, 1 hangs; crash at [2, 4]; hang at [5]"
