"""The test networks are the networks they claim to be, and behave."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tests.architectures import ARCHITECTURES, MLPERF_TINY, Architecture
from tests.architectures.autoencoder import Autoencoder
from tests.architectures.bert import Bert
from tests.architectures.cifar_resnet import CifarResNet
from tests.architectures.ds_cnn import DSCNN
from tests.architectures.efficientnet import EfficientNetB0
from tests.architectures.mobilenet_v1 import MobileNetV1
from tests.architectures.mobilenet_v2 import MobileNetV2
from tests.architectures.mobilenet_v3 import MobileNetV3Small
from tests.architectures.resnet import resnet18, resnet50
from tests.architectures.shufflenet_v2 import ShuffleNetV2, channel_shuffle
from tests.architectures.squeezenet import SqueezeNet
from tests.architectures.vit import VisionTransformer

_REPOSITORY = Path(__file__).parents[2]
_DATA = Path(os.environ.get("INTACT_DATA", _REPOSITORY / "../shared/data"))

_OUTPUT_SHAPES = {
    "resnet18": [(2, 1000)],
    "resnet50": [(2, 1000)],
    "cifar_resnet8": [(2, 10)],
    "cifar_resnet20": [(2, 10)],
    "mobilenet_v1_0_25": [(2, 2)],
    "mobilenet_v1": [(2, 1000)],
    "mobilenet_v2": [(2, 1000)],
    "mobilenet_v3_small": [(2, 1000)],
    "squeezenet1_1": [(2, 1000)],
    "shufflenet_v2_x0_5": [(2, 1000)],
    "efficientnet_b0": [(2, 1000)],
    "deeplab_v3": [(2, 21, 65, 65)],
    "unet": [(2, 2, 48, 48)],
    "yolo": [(2, 255, 8, 8), (2, 255, 4, 4), (2, 255, 2, 2)],
    "ds_cnn": [(2, 12)],
    "autoencoder": [(2, 640)],
    "vit_tiny": [(2, 1000)],
    "bert": [(2, 16, 128), (2, 128)],
    "conv1d_net": [(2, 6)],
}

# torchvision's, timm's (ViT), Hugging Face's (BERT) and Keras's (trainable; DS-CNN, autoencoder,
# MobileNetV1) counts.
_PARAMETERS = [
    (resnet18, 11_689_512),
    (resnet50, 25_557_032),
    (CifarResNet, 269_722),
    (MobileNetV1, 4_231_976),
    (MobileNetV2, 3_504_872),
    (MobileNetV3Small, 2_542_856),
    (SqueezeNet, 1_235_496),
    (ShuffleNetV2, 1_366_792),
    (EfficientNetB0, 5_288_548),
    (DSCNN, 23_756),
    (Autoencoder, 267_928),
    (VisionTransformer, 5_717_416),
    (Bert, 109_482_240),
]

_ALL = tuple(
    {architecture.name: architecture for architecture in ARCHITECTURES + MLPERF_TINY}.values()
)


def _outputs(architecture: Architecture, seed: int = 0) -> list[Tensor]:
    inputs = architecture.example(torch.Generator().manual_seed(seed))
    with torch.no_grad():
        outputs = architecture.build()(*inputs)
    return [outputs] if isinstance(outputs, Tensor) else list(outputs)


def _by_name(architecture: Architecture) -> str:
    return architecture.name


@pytest.mark.parametrize("architecture", _ALL, ids=_by_name)
def test_outputs_have_their_shapes_and_a_sane_range(architecture: Architecture) -> None:
    """Finite, neither vanished nor exploded, and different for the two inputs of the batch."""
    outputs = _outputs(architecture)
    assert [tuple(y.shape) for y in outputs] == _OUTPUT_SHAPES[architecture.name]
    for y in outputs:
        assert torch.isfinite(y).all()
        assert 0.05 < float(y.std()) < 50
        assert float((y[0] - y[1]).std()) > 0.02 * float(y.std())


@pytest.mark.parametrize("architecture", _ALL, ids=_by_name)
def test_batch_norms_are_not_trivial(architecture: Architecture) -> None:
    """Eval mode, and running statistics away from the initial 0 and 1."""
    module = architecture.build()
    assert not any(part.training for part in module.modules())
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            assert norm.running_mean.abs().max() > 0
            assert torch.isfinite(norm.running_var).all()
            assert (norm.running_var - 1).abs().max() > 0.01


def test_building_is_reproducible_and_leaves_the_random_state() -> None:
    """Whatever the global random state is."""
    architecture = next(a for a in ARCHITECTURES if a.name == "cifar_resnet20")
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = architecture.build().state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    second = architecture.build().state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize(
    ("network", "count"), _PARAMETERS, ids=[network.__name__ for network, _ in _PARAMETERS]
)
def test_full_size_parameter_count(network: Callable[[], nn.Module], count: int) -> None:
    """The count published for the original."""
    with torch.device("meta"):
        module = network()
    assert sum(p.numel() for p in module.parameters()) == count


@pytest.mark.parametrize(
    ("build", "file", "size"),
    [
        (CifarResNet, "cifar_resnet20.safetensors", 32),
        (partial(MobileNetV1, width=0.75), "mobilenet_v1_0.75.safetensors", 224),
    ],
    ids=["cifar_resnet20", "mobilenet_v1"],
)
def test_trained_weights_load(build: Callable[[], nn.Module], file: str, size: int) -> None:
    """Every name and shape fits, and the forward pass is finite."""
    path = _DATA / "networks" / file
    if not path.exists():
        pytest.skip(f"{path} is absent; set INTACT_DATA to the folder with the trained networks")
    network = build()
    network.load_state_dict(load_file(path))
    with torch.no_grad():
        logits = network.eval()(torch.zeros(1, 3, size, size))
    assert torch.isfinite(logits).all()


def test_channel_shuffle_interleaves_groups() -> None:
    """Two groups of three."""
    x = torch.arange(6.0).reshape(1, 6, 1, 1)
    assert channel_shuffle(x, 2).flatten().tolist() == [0, 3, 1, 4, 2, 5]
