"""Anchors by hand and by their makers' published examples."""

from __future__ import annotations

import math

import numpy as np
import pytest

from device_agents.tasks.anchors import base_anchors, cell_centres, grid_anchors, ssd_priors


def test_centres_of_cells_in_three_conventions() -> None:
    middle = cell_centres(2, 3, stride=8, centre=0.5, shift=0.0)
    assert middle.tolist() == [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12]]
    assert cell_centres(1, 2, stride=8, centre=0.5, shift=-0.5).tolist() == [[3.5, 3.5], [11.5, 3.5]]
    assert cell_centres(1, 2, stride=8, centre=0.0, shift=0.0).tolist() == [[0, 0], [8, 0]]


def test_base_anchors_are_torchvisions() -> None:
    # torchvision, AnchorGenerator.generate_anchors((32,), (0.5, 1.0, 2.0)): rounded, height / width = ratio
    wanted = [[-23, -11, 23, 11], [-16, -16, 16, 16], [-11, -23, 11, 23]]
    assert base_anchors([32.0], [0.5, 1.0, 2.0], rounding="nearest").tolist() == wanted
    plain = base_anchors([32.0], [0.5], rounding="none")
    assert plain[0] == pytest.approx([-16 * math.sqrt(2), -8 * math.sqrt(2), 16 * math.sqrt(2), 8 * math.sqrt(2)])
    assert base_anchors([1.0, 2.0], [1.0, 4.0], rounding="none").shape == (4, 4)


def test_a_grid_has_its_anchors_cell_by_cell() -> None:
    base = np.array([[-1.0, -2.0, 1.0, 2.0], [-2.0, -1.0, 2.0, 1.0]])
    found = grid_anchors(np.array([[0.0, 0.0], [8.0, 0.0]]), base)
    assert found.tolist() == [[-1, -2, 1, 2], [-2, -1, 2, 1], [7, -2, 9, 2], [6, -1, 10, 1]]


def test_ssd_priors_of_300_pixels() -> None:
    """The first, the second level's last, and the last box of TensorFlow's ssd_anchor_generator, by its formulae."""
    ratios = (1.0, 2.0, 0.5, 3.0, 1 / 3)
    found = ssd_priors(300, 300, strides=(16, 32, 64, 128, 256, 512), priors=(0.2, 0.95, ratios, 1))
    assert len(found) == 19 * 19 * 3 + 6 * (100 + 25 + 9 + 4 + 1)
    first = 150 / 19
    assert found[0] == pytest.approx([first - 15, first - 15, first + 15, first + 15])
    between = 300 * math.sqrt(0.35 * 0.5) / 2  # scales 0.2, 0.35, 0.5, ...
    assert found[19 * 19 * 3 + 5] == pytest.approx([15 - between, 15 - between, 15 + between, 15 + between])
    last = 300 * math.sqrt(0.95) / 2
    assert found[-1] == pytest.approx([150 - last, 150 - last, 150 + last, 150 + last])
    assert len(ssd_priors(300, 300, strides=(150,), priors=(0.2, 0.95, (1.0,), 0))) == 2 * 2 * 2
