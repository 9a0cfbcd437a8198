"""The pages: self-contained, escaped, one for each flip and one for all, and the terminal's text."""

import io
import math
import re

import numpy as np
import pytest

from analysis.bisect import Cause, Search, Trial
from device_agents.records import Environment
from hostctl.causes.explain_page import headline, remarks, write_index, write_page
from hostctl.causes.explained import Explained, explain_text, flip_row, variant_text
from hostctl.causes.flips import Flip, Side
from hostctl.causes.ways import Way
from hostctl.explain import Answer, Stages

ENVIRONMENT = Environment(
    "m", "a" * 64, "pillow", "whole", "rgb", "squash", "pillow-box", "lite", "litert", "2", 1, "host"
)


def found(*trials, cause, item="<b>scene|0|0", complete_to=2):
    recorded = {"label_1": "n1", "score_1": 0.75, "verdict": "right"}
    way = Way("p", "", "", ENVIRONMENT)
    sides = Side("base", way, recorded), Side("decoder=x", way, {**recorded, "label_1": "n2", "verdict": "wrong"})
    rng = np.random.default_rng(1)
    big, small = (rng.integers(0, 256, (size, size, 3), dtype=np.uint8) for size in (50, 8))
    stages = Stages(b"", big, big, small, small[None].astype(np.float32))
    other = Stages(b"", big, big[:40], small // 2, small[None].astype(np.float32))
    rows = [{"stage": "pixels", "equal": False, "mean": 1.5, "largest": 9.0, "share": 0.5}]
    return Explained(
        flip=Flip(item, "c", ("n1",), (), *sides),
        cause=cause,
        stages=("decoder", "resizer", "runtime"),
        variants=({"decoder": "pillow", "resizer": "a", "runtime": ("r", "1", 1, "host")},
                  {"decoder": "x", "resizer": "b", "runtime": ("r", "2", 1, "phone")}),
        fixed=("runtime",),
        answers=(Answer(("n1", "n2"), (0.75, 0.2)), Answer(("n2",), (0.6,))),
        growth=rows,
        first="pixels",
        again=({"differs": "", "label": True}, {"differs": "resized", "label": True}),
        tested=trials,
        searches={"to A": Search((), 3, complete_to)},
        norms={"decoder": ("pixels", 12.5)},
        pictures=(stages, other),
        inferences=5,
        seconds=0.5,
    )  # fmt: skip


def make_trial(direction="to A", swap=("decoder",), same=0, lost=0, draws=39):
    return Trial(direction, swap, "n1", 0.7, "pixels", 12.5, same, lost, draws)


PAIR = ("decoder", "resizer")
BLAMED = Cause("stage", (("decoder",),))


def write(tmp_path, one):
    (tmp_path / "labels.csv").write_text('label,name\nn1,"tabby <cat>"\nn2,tiger\n')
    path = write_page(tmp_path / "explain", one, tmp_path)
    return path, path.read_text(encoding="utf-8")


def test_a_page_is_whole_escaped_and_says_the_answer(tmp_path):
    _, page = write(tmp_path, found(make_trial(), make_trial("to B"), cause=BLAMED))
    assert "Swapping decoder alone turns the answer over; of random changes of that size 0 % do the same" in page
    assert "tabby &lt;cat&gt;" in page
    assert "<b>scene" not in page
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert "<script" not in page
    assert page.count("<img") == 6
    assert "after both were reduced to one size" in page
    assert "alone, both ways" in page
    assert "not swappable here" in page


def test_two_flips_of_one_item_have_pages_of_their_own(tmp_path):
    one, _ = write(tmp_path, found(cause=Cause("nothing restores")))
    two, _ = write(tmp_path, found(cause=Cause("nothing restores"), item="<b>scene|0|1"))
    assert one != two
    assert re.fullmatch(r"[A-Za-z0-9.-]+", one.name)


@pytest.mark.parametrize(
    ("trials", "cause", "words"),
    [
        ([make_trial(same=9)], Cause("fragile"), "so do random changes of the same size"),
        ([make_trial(lost=39)], Cause("fragile"), "bears no random change of that size"),
        ([make_trial(swap=PAIR)], Cause("interaction", (PAIR,)), "decoder together with resizer"),
        ([], Cause("nothing restores"), "No swap of stages that was tried"),
        ([make_trial(draws=0)], Cause("untested"), "could not be compared"),
        ([], Cause("not reproduced"), "does not get the answer that was recorded"),
    ],
)  # fmt: skip
def test_headlines(trials, cause, words):
    assert words in headline(found(*trials, cause=cause))


def test_remarks_say_what_was_not_done():
    lines = " ".join(remarks(found(cause=Cause("fragile"), complete_to=1)))
    assert "same file" in lines
    assert "B: what was recorded is not what this host computes, from its resized on" in lines
    assert "other machines or versions: runtime" in lines
    assert "completely up to swaps of 1 stages" in lines
    assert "searched" not in " ".join(remarks(found(cause=Cause("fragile"), complete_to=2)))


def test_the_rows_and_the_text_for_the_terminal(tmp_path):
    one = found(make_trial(), make_trial("to B", ("decoder", "resizer")), cause=BLAMED)
    row = flip_row(one, tmp_path / "x.html")
    decoder, resizer, runtime = row["stages"]
    assert decoder == {"stage": "decoder", "a": "pillow", "b": "x", "restores": "alone, to A", "measured": "pixels",
                       "norm": 12.5, "share": 0.0, "lost": 0.0}  # fmt: skip
    assert (resizer["restores"], resizer["norm"], resizer["share"]) == ("with decoder", None, None)
    assert (runtime["a"], runtime["restores"]) == ("r 1 1 host", "not swappable here")
    result = {"flips": [row], "table": [], "failed": [], "page": "all.html"}
    assert "cause: decoder" in explain_text(result)
    assert "to B: decoder + resizer" in explain_text(result)
    many = explain_text({**result, "flips": [row, row], "failed": ["s: decode: bad"]})
    assert many.count("<b>scene") == 2
    assert "1 could not be computed here" in many
    assert variant_text(("m", "a" * 64)) == "m aaaaaaaaaaaa"
    assert variant_text("") == "as shot"


def test_the_page_of_all_flips(tmp_path):
    row = flip_row(found(make_trial(), cause=BLAMED), tmp_path / "x.html")
    table = [{"stage": "decoder", "differs": 1, "restores": 1, "blamed": 1, "shared": 0}]
    rule = {"draws": 39, "level": 0.05, "seed": 0, "most_tried": 256, "most_tested": 8}
    path = write_index(tmp_path, [row], table, ["s1: decode: bad"], tmp_path, rule)
    page = path.read_text(encoding="utf-8")
    assert 'href="x.html"' in page
    assert "1 explained, 1 not computed" in page
    assert "&lt;b&gt;scene" in page
    assert io.StringIO(page).readline() == "<!doctype html>\n"
    assert not math.isnan(row["swaps"][0]["score"])
