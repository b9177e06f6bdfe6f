"""The networks of MLPerf Tiny: every code is that of TFLite's reference kernels."""

from pathlib import Path

import numpy as np
import pytest

import intact
from tests.mlperf_tiny import keywords, photographs
from tests.unit.capture.tflite.litert import litert, ours


def network(data_dir: Path, name: str) -> Path:
    path = data_dir / "networks" / "tflite" / name
    if not path.is_file():
        pytest.skip(f"no {path}")
    return path


def test_keyword_spotting_has_litert_codes(data_dir: Path) -> None:
    file = network(data_dir, "kws_int8.tflite")
    x, _ = keywords(data_dir)
    expected = litert(file, x[:200])[0]
    for found in ours(file, x[:200]).values():
        np.testing.assert_array_equal(found[0], expected)


def test_keyword_spotting_has_the_accuracy_of_the_reference_kernels(data_dir: Path) -> None:
    """XNNPACK's kernels, whose codes are others, give 0.902; the float network 0.900."""
    net = intact.load(network(data_dir, "kws_int8.tflite"))
    params = net.program.nodes[0].output.params
    assert params is not None
    x, labels = keywords(data_dir)
    y = intact.compile(net)(params.dequantize(x))
    assert isinstance(y, np.ndarray)
    assert (y.argmax(axis=1) == labels).mean() == pytest.approx(0.901)


def test_images_have_litert_codes(data_dir: Path) -> None:
    file = network(data_dir, "cifar_resnet8_int8.tflite")
    x = photographs(data_dir, 50)
    expected = litert(file, x)[0]
    for found in ours(file, x).values():
        np.testing.assert_array_equal(found[0], expected)


def test_autoencoder_differs_by_a_code_in_many_thousands(data_dir: Path) -> None:
    """No fixed-point number has all steps of its last layer, which LiteRT computes in float64."""
    file = network(data_dir, "autoencoder_int8.tflite")
    x = np.random.default_rng(0).integers(-128, 128, (40, 640), dtype=np.int8)
    expected = litert(file, x)[0].astype(int)
    for found in ours(file, x).values():
        difference = np.abs(found[0] - expected)
        assert difference.max() <= 1
        assert np.count_nonzero(difference) <= 4  # of 25,600
