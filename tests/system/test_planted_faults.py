import numpy as np
import pytest
import torch

import intact
from intact.api.doctor import Cured, cure
from intact.metrics import top1
from tests.system.planted import FAULTS, Fault, calibration, held_out, trained

ONE_POINT = 0.01


def accuracy(network: intact.QuantizedNetwork) -> float:
    images, labels = held_out()
    return top1(np.asarray(intact.compile(network)(images.numpy())), labels.numpy()).share


def float_accuracy(network: torch.nn.Module) -> float:
    images, labels = held_out()
    with torch.no_grad():
        return top1(network(images).numpy(), labels.numpy()).share


@pytest.mark.parametrize("recipe", ["W8A8", "W8A8-per-tensor"])
def test_nothing_is_found_in_the_network_without_faults(recipe: str) -> None:
    made = intact.quantize(trained(), calibration(), recipe=recipe)
    assert intact.diagnose(trained(), made, calibration()).findings == ()
    assert accuracy(made) >= float_accuracy(trained()) - ONE_POINT


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
class TestFault:
    def test_it_costs_accuracy(self, fault: Fault) -> None:
        network = fault.network()
        made = intact.quantize(network, calibration(), recipe=fault.recipe)
        assert float_accuracy(network) >= float_accuracy(trained()) - ONE_POINT
        assert accuracy(made) < float_accuracy(network) - 0.2

    def test_the_doctor_names_layer_and_cause(self, fault: Fault) -> None:
        found = cured(fault).before.findings
        assert (found[0].layer, found[0].cause.name) == (fault.layer, fault.cause)
        assert len(found) == 1
        assert found[0].share > 0.9

    def test_its_cure_restores_accuracy(self, fault: Fault) -> None:
        assert accuracy(cured(fault).network) >= float_accuracy(fault.network()) - ONE_POINT
        assert cured(fault).after.findings == ()

    def test_the_expected_gain_is_about_what_the_cure_gives(self, fault: Fault) -> None:
        found = cured(fault)
        beyond = found.after.sqnr_db - found.before.expected_sqnr_db
        # Finer sums also give the layer that reads them a finer grid for its bias.
        assert -6 <= beyond <= (12 if fault.cause == "tiny_addend" else 6)


_CURED: dict[str, Cured] = {}


def cured(fault: Fault) -> Cured:
    """Once for all tests."""
    if fault.name not in _CURED:
        made = intact.quantize(fault.network(), calibration(), recipe=fault.recipe)
        _CURED[fault.name] = cure(fault.network(), made, calibration(), recipe=fault.recipe)
    return _CURED[fault.name]
