import numpy as np

from analysis.differential.layers import Layer, Meeting, aligned, first_beyond, relative_distance

RNG = np.random.default_rng(0)
FIRST, SECOND, LAST = RNG.normal(size=(1, 4, 6, 6)), RNG.normal(size=(1, 4, 6, 6)), RNG.normal(size=(1, 10))


def layer(name, values, kind="Conv"):
    return Layer(name, kind, values)


def channels_last(values):
    return np.ascontiguousarray(values.transpose(0, 2, 3, 1))


def test_layers_meet_by_their_values_though_renamed_transposed_and_folded():
    before_norm = 3 * FIRST + 1  # the other file has folded this one into the next
    a = [layer("conv", before_norm), layer("norm", FIRST), layer("second", SECOND), layer("end", LAST)]
    b = [layer("x", channels_last(FIRST)), layer("y", channels_last(SECOND)), layer("z", LAST.reshape(1, 10, 1, 1))]
    met = aligned(a, b)
    assert [(one.a, one.b) for one in met] == [("norm", "x"), ("second", "y"), ("end", "z")]
    assert {one.relative for one in met} == {0.0}
    assert first_beyond(met) is None


def test_the_first_layer_from_which_on_two_files_stay_apart_is_found():
    a = [layer("one", FIRST), layer("two", SECOND), layer("end", LAST)]
    b = [layer("x", FIRST + 1e-9), layer("y", 1.1 * SECOND), layer("z", LAST + 0.5)]
    found = first_beyond(aligned(a, b), 1e-4)
    assert (found.a, found.b) == ("two", "y")
    np.testing.assert_allclose(found.relative, 0.1 / 1.1)


def test_a_difference_that_later_layers_swallow_is_none():
    met = [Meeting("a", "a", "Conv", 0.5), Meeting("b", "b", "Relu", 1e-7), Meeting("c", "c", "Relu", 1e-7)]
    assert first_beyond(met, 1e-4) is None
    assert first_beyond([*met, Meeting("d", "d", "Softmax", 0.2)], 1e-4).a == "d"
    assert first_beyond([], 1e-4) is None


def test_infinite_distances_count_and_unlike_shapes_do_not_meet():
    assert first_beyond([Meeting("a", "a", "Exp", float("inf"))], 1e-4).a == "a"
    assert relative_distance(FIRST, LAST) is None
    assert aligned([layer("a", FIRST)], [layer("b", LAST)]) == []


def test_large_tensors_are_told_apart_by_a_sample():
    large = RNG.normal(size=(1, 300, 300, 3))
    assert relative_distance(large, large.copy()) == 0.0
    np.testing.assert_allclose(relative_distance(large, 1.01 * large), 0.01 / 1.01, rtol=1e-9)
