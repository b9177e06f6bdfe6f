from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intact.data.images import ImageOptions, open_images, read_image
from intact.data.source import open_data
from intact.errors import CalibrationError, FormatError
from intact.ir.graph import Value
from intact.numerics.formats import FP32

COLOUR = Value("x", (-1, 3, 4, 4), FP32)
GREY = Value("x", (-1, 1, 4, 4), FP32)
PLAIN = ImageOptions(mean=(0.5,), std=(0.5,), short_side=0)


def image(path: Path, colour: tuple[int, int, int] = (0, 0, 0), size: int = 4) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (size, size), colour).save(path)
    return path


def test_half_and_half_is_pixel_over_127_5_minus_1(tmp_path: Path) -> None:
    pixels = read_image(image(tmp_path / "a.png", (0, 255, 51)), COLOUR, PLAIN)
    assert pixels.shape == (3, 4, 4)
    np.testing.assert_allclose(pixels[:, 0, 0], [-1, 1, 51 / 127.5 - 1], atol=1e-6)


def test_colour_is_normalized_as_imagenet_unless_said_otherwise(tmp_path: Path) -> None:
    options = ImageOptions(short_side=0)
    pixels = read_image(image(tmp_path / "a.png", (255, 255, 255)), COLOUR, options)
    np.testing.assert_allclose(pixels[0], (1 - 0.485) / 0.229, rtol=1e-6)
    grey = read_image(tmp_path / "a.png", GREY, options)
    np.testing.assert_array_equal(grey, np.ones((1, 4, 4)))


def test_channels_may_be_last(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    Image.fromarray(array).save(tmp_path / "a.png")
    first, last = Value("x", (-1, 3, 4, 6), FP32), Value("x", (-1, 4, 6, 3), FP32)
    expected = read_image(tmp_path / "a.png", first, PLAIN).transpose(1, 2, 0)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", last, PLAIN), expected)
    (batch,) = open_images(tmp_path, (last,), PLAIN).batches(2)
    assert batch.inputs[0].shape == (1, 4, 6, 3)


def test_the_centre_is_cropped(tmp_path: Path) -> None:
    array = np.zeros((8, 6, 3), np.uint8)
    array[2:6, 1:5] = 255
    Image.fromarray(array).save(tmp_path / "a.png")
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.png", GREY, PLAIN), -1 + 2 * np.ones((1, 4, 4))
    )


def test_the_short_side_is_resized(tmp_path: Path) -> None:
    Image.new("L", (40, 20), 255).save(tmp_path / "a.png")
    for short_side in (None, 4, 9):
        options = ImageOptions((0.0,), (1.0,), short_side)
        np.testing.assert_array_equal(
            read_image(tmp_path / "a.png", GREY, options), np.ones((1, 4, 4))
        )


def test_folders_are_classes_in_sorted_order(tmp_path: Path) -> None:
    for name in ("cat/2.png", "cat/1.png", "ant/x.JPG", "dog/y.png"):
        image(tmp_path / name)
    (tmp_path / "cat" / "notes.txt").touch()
    data = open_images(tmp_path, (COLOUR,), PLAIN)
    assert [f.name for f in data.files] == ["x.JPG", "1.png", "2.png", "y.png"]
    assert data.labels == (0, 1, 1, 2)
    assert (data.count, data.classes) == (4, 3)
    batches = list(data.batches(3))
    assert [batch.inputs[0].shape for batch in batches] == [(3, 3, 4, 4), (1, 3, 4, 4)]
    np.testing.assert_array_equal(batches[0].targets, [0, 1, 1])


def test_labels_come_from_a_table(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        image(tmp_path / name)
    for header in ("file,label\n", ""):
        (tmp_path / "labels.csv").write_text(f"{header}b.png,7\na.png,3\n")
        data = open_images(tmp_path, (COLOUR,), PLAIN)
        assert [f.name for f in data.files] == ["b.png", "a.png"]
        assert data.labels == (7, 3)


def test_images_without_labels_calibrate(tmp_path: Path) -> None:
    image(tmp_path / "a.png")
    data = open_data(str(tmp_path), (COLOUR,), PLAIN)
    assert next(data.batches(8)).targets is None


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("a.png,cat\n", "line 1: expected file,label"),
        ("a.png,-1\n", "line 1: expected file,label"),
        ("a.png\n", "line 1: expected file,label"),
        ("file,label\nz.png,1\n", "line 2: there is no file"),
    ],
)
def test_a_bad_table_is_located(tmp_path: Path, table: str, message: str) -> None:
    image(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text(table)
    with pytest.raises(FormatError, match=message):
        open_images(tmp_path, (COLOUR,), PLAIN)


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CalibrationError, match="no images"):
        open_images(tmp_path, (COLOUR,), PLAIN)


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    whole = image(tmp_path / "a.png", size=64).read_bytes()
    for damaged in (b"", b"text", whole[: len(whole) // 2]):
        (tmp_path / "a.png").write_bytes(damaged)
        with pytest.raises(FormatError, match=r"a\.png cannot be read"):
            list(open_images(tmp_path, (COLOUR,), PLAIN).batches(1))


def test_an_image_too_small_to_crop_is_named(tmp_path: Path) -> None:
    image(tmp_path / "a.png", size=3)
    with pytest.raises(CalibrationError, match="3x3 pixels is less than the network's 4x4"):
        list(open_images(tmp_path, (COLOUR,), PLAIN).batches(1))


def test_other_networks_do_not_take_images(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"one input \(N, 1 or 3, H, W\)"):
        open_images(tmp_path, (Value("x", (-1, 10), FP32),), PLAIN)


def test_options_are_checked(tmp_path: Path) -> None:
    image(tmp_path / "a.png")
    with pytest.raises(ValueError, match="std must be positive"):
        ImageOptions(std=(0.0,))
    with pytest.raises(ValueError, match="mean has 2 entries for 3 channels"):
        open_images(tmp_path, (COLOUR,), ImageOptions(mean=(0.0, 1.0)))


def test_pixels_of_16_bits_are_scaled(tmp_path: Path) -> None:
    pixels = np.full((4, 4), 128 * 257, np.uint16)
    for name in ("a.png", "a.pgm", "a.tif"):
        Image.fromarray(pixels).save(tmp_path / name)
        for declared in (GREY, COLOUR):
            read = read_image(tmp_path / name, declared, PLAIN)
            np.testing.assert_allclose(read, 128 / 127.5 - 1, atol=1e-6)


def test_pixels_without_a_range_are_refused(tmp_path: Path) -> None:
    for kind in (np.float32, np.int32):
        Image.fromarray(np.full((4, 4), 70000, kind)).save(tmp_path / "a.tif")
        with pytest.raises(FormatError, match="not of 8 or 16 bits"):
            read_image(tmp_path / "a.tif", GREY, PLAIN)
