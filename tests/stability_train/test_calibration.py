import dataclasses
import hashlib

import numpy as np
import pytest
from PIL import Image

from device_agents.errors import BadInput
from stability_train.calibration import check_disjoint, input_tensors, read_calibration
from tests.device_agents.tiny_models import tiny_sidecar


def folder(tmp_path, count, *, copies=0):
    (tmp_path / "cup").mkdir()
    for number in range(count + copies):
        pixels = np.full((4, 4, 3), number % count, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "cup" / f"{number:03d}.png")
    return tmp_path


def test_pictures_with_their_hashes_each_once(tmp_path):
    found = read_calibration(folder(tmp_path, 9, copies=2))
    assert len(found.files) == len(found.sha256s) == 9
    assert found.sha256s[0] == hashlib.sha256(found.files[0].read_bytes()).hexdigest()
    assert "few: 9 pictures, where 100 to 500 are usual" in found.note


def test_a_set_of_the_wrong_size_is_refused(tmp_path):
    with pytest.raises(BadInput, match="expected 8 to 2000 distinct pictures, got 7; name another"):
        read_calibration(folder(tmp_path, 7, copies=3))


def test_tensors_are_what_the_model_takes(tmp_path):
    files = read_calibration(folder(tmp_path, 8)).files
    tensors = input_tensors(files, tiny_sidecar())
    assert [one.shape for one in tensors] == [(1, 2, 2, 3)] * 8
    np.testing.assert_allclose(tensors[3], 3 / 255, rtol=1e-6)


def test_pictures_that_cannot_be_read_are_named_together(tmp_path):
    files = read_calibration(folder(tmp_path, 8)).files
    files[1].write_bytes(b"no picture")
    files[4].write_bytes(b"")
    with pytest.raises(BadInput, match=r"2 of 8 pictures cannot be read: 001.png: .*; 004.png: "):
        input_tensors(files, tiny_sidecar())


def test_calibration_and_evaluation_share_no_picture():
    card = dataclasses.replace(tiny_sidecar(), calibration=("a" * 64, "b" * 64))
    check_disjoint(card, ["c" * 64])
    with pytest.raises(BadInput, match="expected calibration pictures apart from the evaluated pictures, got 1"):
        check_disjoint(card, ["c" * 64, "b" * 64])
