"""Products of codes that both change with every call equal int64 products on every level."""

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d
from torch.nn.grad import conv2d_input, conv2d_weight

from intact.exec.native.library import native
from tests.unit.exec.native.drawing import SIZES

THREADS = (1, 3)


def codes(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """All codes, or the lowest and the highest alone."""
    if rng.random() < 0.5:
        return rng.choice(np.array([-128, 127], np.int8), shape)
    return rng.integers(-128, 128, shape).astype(np.int8)


def offset(rng: np.random.Generator) -> int:
    """No zero point, or one of the codes."""
    return int(rng.choice([0, 0, -128, 127, int(rng.integers(-128, 128))]))


def check_product(
    products: native.Products, rng: np.random.Generator, rows: int, depth: int, columns: int
) -> None:
    a, b = codes(rng, rows, depth), codes(rng, depth, columns)
    za, zb = offset(rng), offset(rng)
    expected = (a.astype(np.int64) - za) @ (b.astype(np.int64) - zb)
    for flip_a in (False, True):
        for flip_b in (False, True):
            sums = np.full((rows, columns), 77, np.int32)
            x = np.ascontiguousarray(a.T) if flip_a else a
            y = np.ascontiguousarray(b.T) if flip_b else b
            products.multiply(x, za, flip_a, y, zb, flip_b, sums)
            np.testing.assert_array_equal(sums, expected, f"{rows} {depth} {columns} {za} {zb}")


@pytest.mark.parametrize("threads", THREADS)
class TestMultiply:
    @pytest.mark.parametrize("depth", [*SIZES, 0, 65])
    def test_sizes_around_the_vectors(self, isa: native.Isa, threads: int, depth: int) -> None:
        rng = np.random.default_rng(depth)
        products = native.Products(threads, isa)
        for _ in range(6):
            rows, columns = (int(size) for size in rng.choice([*SIZES, 65, 130], 2))
            check_product(products, rng, rows, depth, columns)

    def test_depths_that_are_cut(self, isa: native.Isa, threads: int) -> None:
        products = native.Products(threads, isa)
        for depth in (2047, 2048, 2049, 6000):
            check_product(products, np.random.default_rng(depth), 13, depth, 67)

    def test_the_lowest_codes(self, isa: native.Isa, threads: int) -> None:
        lowest = np.full((70, 70), -128, np.int8)
        sums = np.empty((70, 70), np.int32)
        native.Products(threads, isa).multiply(lowest, 0, False, lowest, 0, False, sums)
        assert (sums == 70 * 128 * 128).all()


def test_shapes_that_do_not_fit_are_refused() -> None:
    products = native.Products(1, native.Isa.none)
    a, b = np.zeros((2, 3), np.int8), np.zeros((4, 5), np.int8)
    with pytest.raises(ValueError, match="do not fit"):
        products.multiply(a, 0, False, b, 0, False, np.zeros((2, 5), np.int32))


# images, channels, outputs, image, kernel, stride, padding, dilation
CONVOLUTIONS = (
    (1, 1, 1, (1, 1), (1, 1), (1, 1), (0, 0), (1, 1)),
    (3, 5, 7, (6, 5), (3, 3), (1, 1), (1, 1), (1, 1)),
    (2, 16, 17, (9, 7), (3, 2), (2, 1), (1, 0), (1, 2)),
    (4, 3, 16, (8, 8), (5, 5), (2, 2), (2, 2), (1, 1)),
    (2, 8, 33, (33, 40), (1, 1), (1, 1), (0, 0), (1, 1)),
    (70, 4, 6, (5, 5), (3, 3), (3, 3), (0, 0), (1, 1)),
)


def images(array: np.ndarray) -> torch.Tensor:
    """(N, C, H, W) float64, whose sums of such products are exact."""
    return torch.from_numpy(array.astype(np.float64)).permute(0, 3, 1, 2).contiguous()


def integers(found: torch.Tensor) -> np.ndarray:
    return found.permute(0, 2, 3, 1).numpy().astype(np.int64)


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("threads", THREADS)
def test_convolutions_and_their_backward_passes(isa: native.Isa, threads: int, case: tuple) -> None:
    count, channels, outputs, image, kernel, stride, padding, dilation = case
    rng = np.random.default_rng(count)
    products = native.Products(threads, isa)
    window = native.Window(stride, [(pad, pad) for pad in padding], dilation, 1)
    settings = (stride, padding, dilation)
    for zero_point in (0, -128, 5):
        x, w = codes(rng, count, *image, channels), codes(rng, outputs, *kernel, channels)
        levels, weight = images(x.astype(np.int64) - zero_point), images(w)
        y = conv2d(levels, weight, None, *settings)
        sums = np.empty(integers(y).shape, np.int32)
        products.convolve(window, x, zero_point, w, sums)
        np.testing.assert_array_equal(sums, integers(y))
        g = codes(rng, *sums.shape)
        back = np.empty(x.shape, np.int32)
        products.convolve_input(window, g, w, back)
        expected = conv2d_input(levels.shape, weight, images(g), *settings)
        np.testing.assert_array_equal(back, integers(expected))
        found = np.empty(w.shape, np.int32)
        products.convolve_weight(window, g, x, zero_point, found)
        expected = conv2d_weight(levels, weight.shape, images(g), *settings)
        np.testing.assert_array_equal(found, integers(expected))
