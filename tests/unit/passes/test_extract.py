"""extract: a part computes what the whole computes there."""

import numpy as np
import pytest

from intact.exec import reference
from intact.passes.extract import extract
from tests.unit.ptq.networks import conv_relu_linear

_X = np.random.default_rng(3).normal(size=(2, 2, 4, 4)).astype(np.float32)


def test_the_parts_in_turn_compute_the_whole():
    graph = conv_relu_linear()
    head, tail = extract(graph, ["x"], ["relu"]), extract(graph, ["relu"], ["fc"])
    between = reference.load(head)({"x": _X})
    expected = reference.load(graph)({"x": _X})["fc"]
    np.testing.assert_array_equal(reference.load(tail)(between)["fc"], expected)


def test_a_part_has_only_the_constants_it_reads():
    assert set(extract(conv_relu_linear(), ["relu"], ["fc"]).constants) == {"fc.weight"}


def test_an_input_that_is_not_given_is_an_error():
    with pytest.raises(ValueError, match=r"\['relu'\] depend on \['x'\], not on \['flat'\] only"):
        extract(conv_relu_linear(), ["flat"], ["relu"])
    with pytest.raises(ValueError, match='no value "gone"'):
        extract(conv_relu_linear(), ["x"], ["gone"])
