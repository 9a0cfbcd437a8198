"""The frame code: its CRC against the catalogue's check value, and that no damaged strip reads as another number."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.frame_code import LEAST_CONTRAST, crc8, decode_cells, encode_cells
from device_agents.errors import BadInput

WHITE = np.full(32, 200.0)
BLACK = 20.0
STIMULI = st.integers(0, 2**24 - 1)


def levels_of(cells):
    return np.where(cells, 200.0, 20.0)


def read(levels):
    return decode_cells(levels, white=WHITE, black=BLACK)


def test_crc_has_the_check_value_of_the_catalogue():
    # CRC-8/I-432-1 in the catalogue of parametrised CRC algorithms: check 0xa1 for the nine digits.
    assert crc8(b"123456789") == 0xA1


def test_cells_of_a_number_by_hand():
    cells = encode_cells(5)
    assert cells.shape == (2, 32)
    assert cells[0, :24].tolist() == [True, False, True] + [False] * 21
    assert np.packbits(cells[0])[3] == crc8(bytes([0, 0, 5]))
    assert np.array_equal(cells[0], ~cells[1])


@pytest.mark.parametrize("stimulus", [-1, 2**24])
def test_numbers_outside_24_bits_are_refused(stimulus):
    with pytest.raises(BadInput, match="16777215"):
        encode_cells(stimulus)


@settings(max_examples=50, deadline=None)
@given(STIMULI)
def test_round_trip(stimulus):
    assert read(levels_of(encode_cells(stimulus))) == (stimulus, 1.0, 0.0)


def test_one_to_three_wrong_bits_and_every_burst_are_noticed():
    rng = np.random.default_rng(7)
    for _ in range(3000):
        bits = encode_cells(int(rng.integers(2**24)))[0]
        if rng.random() < 0.5:
            flipped = rng.choice(32, size=int(rng.integers(1, 4)), replace=False)
        else:
            start, length = int(rng.integers(0, 25)), int(rng.integers(1, 9))
            inside = rng.random(length) < 0.5
            inside[[0, -1]] = True
            flipped = start + np.flatnonzero(inside)
        bits[flipped] ^= True
        assert read(levels_of(np.stack([bits, ~bits]))).stimulus is None


def test_noise_is_never_read_as_a_number():
    rng = np.random.default_rng(8)
    read_as_number = [read(rng.uniform(20.0, 200.0, (2, 32))).stimulus for _ in range(5000)]
    assert set(read_as_number) == {None}


@settings(max_examples=200, deadline=None)
@given(STIMULI, STIMULI, st.floats(0.0, 1.0))
def test_a_mixture_of_two_frames_is_one_of_them_at_lower_contrast_or_nothing(first, second, share):
    mixture = (1 - share) * levels_of(encode_cells(first)) + share * levels_of(encode_cells(second))
    reading = read(mixture)
    assert reading.stimulus in (first, second, None)
    if first != second:
        assert reading.purity == pytest.approx(abs(1 - 2 * share), abs=1e-9)
        assert (reading.stimulus is None) == (reading.purity < LEAST_CONTRAST)


def test_vignetting_over_the_strip_does_not_matter():
    fall = np.linspace(1.0, 0.3, 32)
    reading = decode_cells(levels_of(encode_cells(99)) * fall, white=200.0 * fall, black=0.0)
    assert reading.stimulus == 99


def test_haze_is_where_the_black_lies_between_the_cells_own_and_white():
    levels = levels_of(encode_cells(77))  # 20 and 200
    assert decode_cells(levels, white=WHITE, black=65.0).haze == pytest.approx(45 / 180)
    assert decode_cells(levels, white=WHITE, black=15.0).haze == 0.0
    levels[:, 4] = 110.0  # one pair that says nothing does not change it
    assert decode_cells(levels, white=WHITE, black=65.0) == (None, 0.0, pytest.approx(45 / 180))


def test_a_frame_and_the_next_one_differ_at_both_ends_of_the_two_strips():
    for stimulus in (0, 1, 7, 255, 2**23, 2**24 - 2):
        for mirrored, end in ((False, 0), (True, -1)):
            now, then = (encode_cells(one, mirrored=mirrored)[0, end] for one in (stimulus, stimulus + 1))
            assert now != then
    assert np.array_equal(encode_cells(77, mirrored=True), encode_cells(77)[:, ::-1])
    reading = decode_cells(levels_of(encode_cells(77, mirrored=True)), white=WHITE, black=BLACK, mirrored=True)
    assert reading == (77, 1.0, 0.0)
