"""Each of the usual mistakes is told, and a training without them tells nothing."""

import warnings
from functools import partial

import pytest
import torch
from torch import nn

import intact
from intact.errors import CalibrationError
from intact.qat import (
    LsqActivation,
    LsqWeight,
    MovingAverageActivation,
    QatRule,
    SignActivation,
    SlbSchedule,
    SlbWeight,
    TrainableNetwork,
    TrainingWarning,
    calibrate,
    check_setup,
    check_trained,
    reestimate_batchnorm,
    set_epoch,
)

LSQ = QatRule(weight=LsqWeight, activation=LsqActivation)


def _network(*rules: QatRule) -> TrainableNetwork:
    torch.manual_seed(0)
    layers = nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)
    return intact.prepare(
        nn.Sequential(*layers), [*rules, LSQ], example_input=torch.zeros(2, 4)
    ).train()


def _see(network: TrainableNetwork, batches: int = 3) -> None:
    for _ in range(batches):
        network(torch.randn(16, 4))


def test_a_usual_training_tells_nothing() -> None:
    network = _network()
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_setup(network, optimizer)
        _see(network)
        intact.convert(network.eval())


def test_quantizers_that_saw_no_data_are_named() -> None:
    with pytest.raises(CalibrationError, match=r'"input", "2", "3" saw no data; run some batches'):
        check_trained(_network())


def test_a_network_that_was_not_prepared_or_is_wrapped_is_refused() -> None:
    wrapped = torch.optim.swa_utils.AveragedModel(_network())
    for network, name in ((nn.Linear(4, 3), "Linear"), (wrapped, "AveragedModel")):
        with pytest.raises(TypeError, match=rf"not {name}; of a wrapped one, .* its \.module"):
            intact.convert(network)  # type: ignore[arg-type]


def test_a_delay_that_outlasts_the_training() -> None:
    late = QatRule(match="2", activation=partial(MovingAverageActivation, delay=100))
    network = _network(late)
    _see(network)
    with pytest.warns(
        TrainingWarning, match=r'"2": never quantized.* 3 batches.* delay of 100 outlasts'
    ):
        intact.convert(network.eval())


def test_a_delay_is_no_matter_for_a_network_that_is_only_calibrated() -> None:
    late = QatRule(match="2", activation=partial(MovingAverageActivation, delay=100))
    network = _network(late)
    calibrate(network, [torch.randn(16, 4)])
    reestimate_batchnorm(network, [torch.randn(16, 4)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        intact.convert(network.eval())


def test_a_search_that_has_not_ended() -> None:
    search = partial(SlbWeight, schedule=SlbSchedule(epoch_size=5))
    network = _network(QatRule(match="3", weight=search, activation=LsqActivation))
    _see(network)
    with pytest.warns(TrainingWarning, match=r'"3.weight": the search has not ended'):
        intact.convert(network.eval())
    set_epoch(network, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        intact.convert(network)


def test_batchnorms_in_training_mode() -> None:
    network = _network()
    _see(network)
    with pytest.warns(TrainingWarning, match="still in training mode"):
        intact.convert(network)
    network.freeze_batchnorm()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_trained(network)


def test_batchnorms_that_never_moved() -> None:
    network = _network()
    for quantizer in network.eval().activations.values():
        assert isinstance(quantizer, nn.Module)
        quantizer.train()
    network.simulate(torch.randn(16, 4))
    with pytest.warns(TrainingWarning, match=r'"1" never moved'):
        check_trained(network.eval())


def test_a_sign_behind_a_relu_is_told_when_it_is_prepared() -> None:
    with pytest.warns(TrainingWarning, match=r'"2" is always \+1'):
        _network(QatRule(match="2", activation=SignActivation))


def test_parameters_that_the_optimizer_does_not_train() -> None:
    network = _network()
    weights = [p for name, p in network.named_parameters() if "quantizer" not in name]
    steps = [p for name, p in network.named_parameters() if "quantizer" in name]
    with pytest.warns(TrainingWarning, match=r'does not have "network.0.weight_quantizer.step"'):
        check_setup(network, torch.optim.SGD(weights, 0.1))
    groups = [{"params": weights}, {"params": steps, "lr": 0.0}]
    with pytest.warns(TrainingWarning, match="learning rate of 0"):
        check_setup(network, torch.optim.SGD(groups, 0.1))


def test_a_network_in_evaluation_mode_does_not_train() -> None:
    network = _network().eval()
    with pytest.warns(TrainingWarning, match=r"call network.train\(\)"):
        check_setup(network, torch.optim.SGD(network.parameters(), 0.1))
