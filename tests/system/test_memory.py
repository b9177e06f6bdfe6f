"""Memory of whole networks on a device: as little as can be, and less in bands of rows."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import intact
from intact.api.c_sources import export_c
from intact.errors import BudgetError
from intact.exec.reference import load
from intact.ir.boundary import CodeBoundary, code_boundary
from intact.ir.memory import plan_device
from intact.ir.verify import verify
from intact.passes.fit_ram import fit_ram
from intact.verification import compiled_c
from tests.architectures import ARCHITECTURES, MLPERF_TINY, Architecture

# Chains, and the ones with the most branches.
BRANCHED = ("shufflenet_v2_x0_5", "unet", "yolo")
NETWORKS = {
    a.name: a for a in (*MLPERF_TINY, *ARCHITECTURES) if a in MLPERF_TINY or a.name in BRANCHED
}


def cut(architecture: Architecture) -> CodeBoundary:
    example = architecture.example(torch.Generator().manual_seed(1))
    network = intact.quantize(architecture.build(), [example], example_input=example)
    return code_boundary(network.program)


@pytest.mark.parametrize("architecture", NETWORKS.values(), ids=NETWORKS)
def test_an_arena_is_as_small_as_what_lives_at_once(architecture: Architecture) -> None:
    """Within 5 %, with inputs and outputs inside or in the caller's memory."""
    program = cut(architecture).program
    ends = [value.name for value in (*program.inputs, *program.outputs)]
    for elsewhere in ([], ends):
        planned = plan_device(program, elsewhere=elsewhere)
        assert planned.size <= 1.05 * planned.lower_bound


@pytest.mark.parametrize(
    ("name", "whole", "ram"),
    [
        ("cifar_resnet8", 49152, 32768),
        ("mobilenet_v1_0_25", 55296, 40960),
        ("ds_cnn", 16000, 12500),
    ],
)
def test_bands_of_rows_need_less_and_compute_the_same(name: str, whole: int, ram: int) -> None:
    parts = cut(NETWORKS[name])
    assert plan_device(parts.program).size == whole
    fitted = fit_ram(parts.program, ram)
    assert fitted.plan.size <= ram
    verify(fitted.program)
    (x,) = NETWORKS[name].example(torch.Generator().manual_seed(2))
    codes = load(parts.before)({parts.before.inputs[0].name: x.numpy()})
    expected, made = load(parts.program)(codes), load(fitted.program)(codes)
    for value in parts.program.outputs:
        np.testing.assert_array_equal(made[value.name], expected[value.name])


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler: apt-get install gcc")
def test_bands_in_exported_c(tmp_path: Path) -> None:
    """The report tells the layers; the compiled sources compute the reference's codes."""
    parts = cut(NETWORKS["cifar_resnet8"])
    found = export_c(parts.program, tmp_path / "net_c", ram=32768)
    assert found.ram <= 32768
    assert found.bands > 1
    assert '"relu" to "layer1.0.relu_1" are computed in 3 bands' in str(found)
    (x,) = NETWORKS["cifar_resnet8"].example(torch.Generator().manual_seed(3))
    codes = load(parts.before)({parts.before.inputs[0].name: x.numpy()})
    made = compiled_c.load(fit_ram(parts.program, 32768).program)(codes)
    for name, expected in load(parts.program)(codes).items():
        np.testing.assert_array_equal(made[name], expected)


def test_what_is_too_small_for_any_bands_is_refused() -> None:
    with pytest.raises(BudgetError, match=r"768 bytes .* at \"encoder.0.2\", more than the 500"):
        fit_ram(cut(NETWORKS["autoencoder"]).program, 500)
