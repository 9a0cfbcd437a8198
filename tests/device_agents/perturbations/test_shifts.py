"""The one-pixel protocols: places, shifts, sizes and refusals."""

from __future__ import annotations

import io
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from device_agents.errors import BadInput
from device_agents.fit import FITS
from device_agents.perturbations.families import VIEWED
from device_agents.perturbations.shifts import SHIFTS
from device_agents.resize import RESIZERS

RESIZER = RESIZERS["pillow-bilinear"]
sizes = st.tuples(st.integers(40, 200), st.integers(40, 200))
few = settings(max_examples=25, deadline=None)


def picture(height, width, *, seed=0):
    """Noise over a gradient: no two places look alike, and no pixel is black."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(20, 200, height * width).reshape(height, width, 1)
    return (ramp + rng.integers(0, 50, (height, width, 3))).astype(np.uint8)


def done(name, viewed, *, height=64, width=64, seed=1, resizer=RESIZER):
    return SHIFTS[name].apply(viewed, resizer, height, width, np.random.default_rng(seed))


def box(canvas):
    """Rows and columns of what is not black."""
    seen = canvas.any(axis=2)
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def test_every_name_is_of_the_viewed_picture_and_streams_are_shared():
    assert all(one.of == VIEWED for one in SHIFTS.values())
    assert {"shift-crop-0", "shift-black-32", "shift-inpaint-1", "scale-black-101", "consistency-1"} <= set(SHIFTS)
    assert SHIFTS["shift-crop-0"].stream == SHIFTS["shift-crop-9"].stream
    assert SHIFTS["shift-black-1"].stream == SHIFTS["shift-inpaint-0"].stream == SHIFTS["scale-black-101"].stream


@few
@given(sizes, st.sampled_from(sorted(SHIFTS)), st.sampled_from([(64, 64), (48, 80)]))
def test_the_output_has_the_models_size_and_repeats(size, name, wanted):
    viewed = picture(*size)
    try:
        first = done(name, viewed, height=wanted[0], width=wanted[1])
    except BadInput:  # too narrow; the words are tested below
        return
    assert first.shape == (*wanted, 3)
    assert first.dtype == np.uint8
    assert (done(name, viewed, height=wanted[0], width=wanted[1]) == first).all()


@few
@given(sizes, st.integers(1, 5), st.integers(0, 99))
def test_crop_moves_the_same_square_diagonally_in_the_viewed_picture(size, shift, seed):
    viewed = picture(*size)
    seen = []

    def note(cut, height, width):
        seen.append(cut)
        return RESIZER(cut, height, width)

    for name in ("shift-crop-0", f"shift-crop-{shift}"):
        done(name, viewed, seed=seed, resizer=note)
    plain, moved = seen
    assert plain.shape == moved.shape
    assert abs(plain.shape[0] - plain.shape[1]) <= 1
    assert (plain[shift:, shift:] == moved[:-shift, :-shift]).all()
    share = plain.shape[0] * plain.shape[1] / (size[0] * size[1])
    assert share < 1
    assert share >= min(0.08, (min(size) * 7 / 8 / max(size)) ** 2) * 0.8  # whole pixels of small squares


def test_crops_areas_are_uniform_from_eight_percent():
    """Of a 400 x 400 picture the largest square with room has 368 pixels: (368 / 400)^2 = 84.64 %."""
    viewed, shares = picture(400, 400), []

    def note(cut, height, width):
        shares.append(cut.shape[0] * cut.shape[1] / 400**2)
        return np.zeros((height, width, 3), np.uint8)

    for seed in range(400):
        done("shift-crop-0", viewed, seed=seed, resizer=note)
    assert 0.075 < min(shares) < 0.1
    assert 0.82 < max(shares) <= 0.8464
    assert np.mean(shares) == pytest.approx((0.08 + 0.8464) / 2, abs=0.03)


@few
@given(sizes, st.integers(1, 9), st.integers(0, 99))
def test_embedded_on_black_the_overlap_is_identical(size, shift, seed):
    viewed = picture(*size)
    try:
        moved = done(f"shift-black-{shift}", viewed, seed=seed)
    except BadInput:
        return
    plain = done("shift-black-0", viewed, seed=seed)
    assert (moved[shift:, shift:] == plain[:-shift, :-shift]).all()
    assert not moved[:shift].any()
    assert not moved[:, :shift].any()


def test_embedding_is_the_resizers_picture_of_shorter_side_100_on_black():
    viewed = picture(150, 210)
    canvas = done("shift-black-0", viewed, height=224, width=224)
    top, left, bottom, right = box(canvas)
    assert (bottom - top, right - left) == (100, 140)
    assert (canvas[top:bottom, left:right] == RESIZER(viewed, 100, 140)).all()
    grown = done("scale-black-101", viewed, height=224, width=224)
    assert box(grown) == (top, left, top + 101, left + 141)  # 210 / 150 x 101 = 141.4
    assert (done("scale-black-100", viewed, height=224, width=224) == canvas).all()


def test_a_smaller_input_embeds_in_proportion():
    """100 of 224 is 43 of 96; one pixel more is 44."""
    viewed = picture(150, 150)
    for name, side in (("shift-black-0", 43), ("scale-black-101", 44)):
        top, left, bottom, right = box(done(name, viewed, height=96, width=96))
        assert (bottom - top, right - left) == (side, side)


def test_inpainting_keeps_the_picture_and_leaves_no_black():
    viewed = picture(150, 210)
    for shift in (0, 3):
        black = done(f"shift-black-{shift}", viewed, height=224, width=224)
        filled = done(f"shift-inpaint-{shift}", viewed, height=224, width=224)
        top, left, bottom, right = box(black)
        assert (filled[top:bottom, left:right] == black[top:bottom, left:right]).all()
        assert filled.any(axis=2).all()
        assert filled.min() >= viewed.min()


def test_consistency_cuts_of_the_256_side_and_the_first_fits_the_paper():
    viewed = picture(300, 360)
    whole = FITS["short-side-crop"](viewed, RESIZER, 256, 256)
    places = set()
    for number in range(6):
        cut = done(f"consistency-{number}", viewed, height=224, width=224)
        found = [
            (top, left)
            for top in range(32)
            for left in range(32)
            if (whole[top, left] == cut[0, 0]).all() and (whole[top : top + 224, left : left + 224] == cut).all()
        ]
        assert len(found) == 1
        places.update(found)
    assert len(places) == 6
    assert any(top != left for top, left in places)


def test_consistency_offsets_run_from_0_to_31():
    viewed = np.arange(256 * 256 * 3, dtype=np.uint32).reshape(256, 256, 3)
    keep = partial(lambda picture, height, width: picture)
    rows, columns = set(), set()
    for seed in range(40):
        for number in range(33):
            first = int(done(f"consistency-{number}", viewed, height=224, width=224, seed=seed, resizer=keep)[0, 0, 0])
            rows.add(first // 3 // 256)
            columns.add(first // 3 % 256)
    assert rows == columns == set(range(32))


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("shift-crop-1", (7, 300), "room for a shift of 1 pixels; 300 x 7 leaves 0"),
        ("shift-crop-20", (100, 100), "room for a shift of 20 pixels; 100 x 100 leaves 12"),
        ("shift-black-0", (100, 300), "one of 300 x 100 takes 300 x 100 at"),
        ("shift-inpaint-32", (100, 200), "fits into 224 x 224"),
    ],
)
def test_a_picture_without_room_is_refused_in_words(name, size, said):
    with pytest.raises(BadInput, match=said):
        done(name, picture(*size), height=224, width=224)


def test_it_works_on_a_real_photograph_through_the_usual_shapes():
    stream = io.BytesIO()
    Image.fromarray(picture(375, 500)).save(stream, "JPEG")
    viewed = np.asarray(Image.open(stream).convert("RGB"))
    assert all(
        done(name, viewed, height=224, width=224).shape == (224, 224, 3)
        for name in ("shift-crop-32", "shift-black-32", "shift-inpaint-32", "scale-black-132", "consistency-32")
    )
