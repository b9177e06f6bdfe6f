"""Kernels for 64-bit ARM, run by an emulator, give the reference's integers."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch

from intact.ir.int_ops import QLinear
from tests.aarch64 import machine
from tests.aarch64.recording import record
from tests.architectures import ARCHITECTURES
from tests.system.test_architectures import lowered
from tests.unit.exec.native import test_codes8 as layers
from tests.unit.exec.native import test_codes16 as wide
from tests.unit.exec.native import test_depthwise as depthwise
from tests.unit.exec.native import test_elementwise8 as elementwise
from tests.unit.exec.native import test_pooling8 as pools
from tests.unit.exec.native.convolving import Case
from tests.unit.exec.native.sweeping import alone

NETWORKS = (
    ("mobilenet_v1", "W8A8"),
    ("cifar_resnet20", "W4A8"),
    ("ds_cnn", "W8A16"),
    ("autoencoder", "W8A16"),
)
THREADS = (1, 3)

each_level = pytest.mark.parametrize("level", machine.LEVELS)


@pytest.fixture(scope="module", autouse=True)
def replay_program() -> None:
    if missing := machine.missing():
        pytest.skip(missing)
    machine.build(machine.TESTED)


def depthwise_cases() -> Iterator[Case]:
    rng = np.random.default_rng(0)
    for channels, kernel in product(depthwise.CHANNELS, depthwise.KERNELS):
        yield depthwise.draw_case(rng, channels, kernel)
        yield depthwise.with_any_requant(rng, depthwise.draw_case(rng, channels, kernel))
    for source, kernel in product(depthwise.BYTES, [(3, 3), (1, 3), (5, 5)]):
        yield from depthwise.extreme_cases(source, kernel)


@pytest.fixture(scope="module")
def depthwise_layers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("aarch64") / "depthwise"
    path.write_bytes(
        b"".join(
            record(f"{number}", case.program(), {"x": case.x})
            for number, case in enumerate(depthwise_cases())
        )
    )
    return path


def wide_products() -> Iterator[layers.Layer]:
    """Of 16-bit codes."""
    rng = np.random.default_rng(0)
    drawn = [wide.draw_conv2d(rng, kind) for kind in wide.KINDS for _ in range(15)]
    drawn += [wide.draw_layer(QLinear, rng, (5, depth), (33, depth)) for depth in (3, 508, 1017)]
    drawn.append(wide.largest_sums(2048))
    for node, (x, weight, bias) in drawn:
        yield node, {"x": x}, {"w": weight, "b": bias}


def products() -> Iterator[layers.Layer]:
    rng = np.random.default_rng(0)
    for draw in (layers.draw_convolution, layers.draw_linear, layers.draw_product):
        for _ in range(80):
            yield draw(rng)
    yield from layers.extreme_layers()
    yield from wide_products()


@pytest.fixture(scope="module")
def product_layers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("aarch64") / "products"
    path.write_bytes(
        b"".join(
            record(f"{number}", layers.alone(node, arrays, constants), arrays)
            for number, (node, arrays, constants) in enumerate(products())
        )
    )
    return path


@pytest.fixture(scope="module")
def other_layers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the tests on pools, sums, products and tables check, but for what they assert."""
    path = tmp_path_factory.mktemp("aarch64") / "others"
    recordings: list[bytes] = []

    def note(*arguments: Any) -> None:
        recordings.append(record(str(len(recordings)), *alone(*arguments)))

    with patch.object(pools, "check", note), patch.object(elementwise, "check", note):
        for channels in pools.CHANNELS:
            pools.test_pools(channels)
            pools.test_means(channels)
        pools.test_dilated_maxima()
        pools.test_the_largest_sums_are_exact()
        elementwise.test_sums_that_broadcast()
        elementwise.test_sums_of_any_parameters()
        elementwise.test_sums_with_many_ties((1, 1, 3))
        elementwise.test_products_that_broadcast()
        elementwise.test_products_with_many_ties(-3)
        for count in (1, 15, 16, 17, 400):
            elementwise.test_lookups_of_any_length(count)
    path.write_bytes(b"".join(recordings))
    return path


def recorded(name: str, recipe: str) -> bytes:
    architecture = next(a for a in ARCHITECTURES if a.name == name)
    program = lowered(architecture, recipe).program
    example = architecture.example(torch.Generator().manual_seed(2))
    names = (value.name for value in program.inputs)
    inputs = {name: x.numpy() for name, x in zip(names, example, strict=True)}
    return record(f"{name} {recipe}", program, inputs)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("aarch64") / "networks"
    path.write_bytes(b"".join(recorded(*network) for network in NETWORKS))
    return path


def kernels(recording: Path, level: str, cpu: str = "max") -> set[str]:
    """Those that ran; all outputs were the reference's, on one and on three threads."""
    steps, _ = machine.replay(machine.TESTED, recording, level, THREADS, cpu)
    return {step.kernel for step in steps}


@each_level
def test_depthwise_convolutions_equal_the_reference(depthwise_layers: Path, level: str) -> None:
    ran = kernels(depthwise_layers, level)
    if level == "none":
        assert ran == {"conv2d depthwise portable"}
    else:
        names = ("depthwise", "depthwise_3x3", "depthwise_3x3_by2")
        assert ran == {f"conv2d {name}_{level}" for name in names}


@each_level
def test_products_equal_the_reference(product_layers: Path, level: str) -> None:
    ran = kernels(product_layers, level)
    kernel = "portable" if level == "none" else f"gemm_s8_{level}"
    assert {f"conv2d {kernel}", f"linear {kernel}", f"matmul {kernel}"} <= ran
    assert (f"conv2d rows {kernel}" in ran) == (level != "none")
    assert ({"conv2d wide_s16_neon", "conv2d depthwise wide_s16_neon"} <= ran) == (level != "none")


@each_level
def test_other_layers_equal_the_reference(other_layers: Path, level: str) -> None:
    ran = kernels(other_layers, level)
    assert ({"add sum_s8_neon", "mul mul_s8_neon", "lookup_s8_neon"} <= ran) == (level != "none")


@each_level
def test_networks_equal_the_reference(networks: Path, level: str) -> None:
    ran = kernels(networks, level)
    assert ("conv2d portable" in ran) == (level == "none")


def test_a_cpu_without_dot_products_has_none(product_layers: Path) -> None:
    ran = kernels(product_layers, level="", cpu="cortex-a53")
    assert "linear gemm_s8_neon" in ran
    assert not any("neondot" in kernel for kernel in ran)


def test_the_best_level_is_the_default(product_layers: Path) -> None:
    assert "linear gemm_s8_neondot" in kernels(product_layers, level="")


def test_a_level_of_another_architecture_is_refused(product_layers: Path) -> None:
    with pytest.raises(AssertionError, match='is "avx2"; it can be none, neon, neondot'):
        kernels(product_layers, level="avx2")
