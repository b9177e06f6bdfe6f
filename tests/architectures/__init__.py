"""Well-known networks in plain PyTorch, at test size, for tests that go over all of them.

Structure and channel numbers are the true ones unless the table below says otherwise; inputs are
small. The classes build the full-size networks at their default arguments.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from tests.architectures.autoencoder import Autoencoder
from tests.architectures.bert import Bert
from tests.architectures.cifar_resnet import CifarResNet
from tests.architectures.conv1d_net import Conv1dNet
from tests.architectures.deeplab_v3 import DeepLabV3
from tests.architectures.ds_cnn import DSCNN
from tests.architectures.efficientnet import EfficientNetB0
from tests.architectures.examples import images, token_ids, vectors
from tests.architectures.mobilenet_v1 import MobileNetV1
from tests.architectures.mobilenet_v2 import MobileNetV2
from tests.architectures.mobilenet_v3 import MobileNetV3Small
from tests.architectures.resnet import resnet18, resnet50
from tests.architectures.seeding import Example, seeded
from tests.architectures.shufflenet_v2 import ShuffleNetV2
from tests.architectures.squeezenet import SqueezeNet
from tests.architectures.unet import UNet
from tests.architectures.vit import VisionTransformer
from tests.architectures.yolo import Yolo


@dataclass(frozen=True)
class Architecture:
    """A network and its inputs.

    `build` gives the same weights at every call, in eval mode; `example` draws the positional
    arguments of one call, batch 2.
    """

    name: str
    build: Callable[[], nn.Module]
    example: Callable[[torch.Generator], tuple[Tensor, ...]]


def _seeded(name: str, network: Callable[[], nn.Module], example: Example) -> Architecture:
    return Architecture(name, partial(seeded, network, example), example)


_DS_CNN = _seeded("ds_cnn", DSCNN, images(1, 49, 10))
_AUTOENCODER = _seeded("autoencoder", Autoencoder, vectors(640))
_TINY_VIT = partial(VisionTransformer, image_size=64, depth=3)
_TINY_BERT = partial(Bert, vocabulary=1000, max_tokens=64, width=128, heads=2, depth=2)

ARCHITECTURES: tuple[Architecture, ...] = (
    _seeded("resnet18", resnet18, images(3, 64, 64)),
    _seeded("resnet50", resnet50, images(3, 64, 64)),
    _seeded("cifar_resnet20", CifarResNet, images(3, 32, 32)),
    _seeded("mobilenet_v1", partial(MobileNetV1, width=0.75), images(3, 64, 64)),
    _seeded("mobilenet_v2", MobileNetV2, images(3, 64, 64)),
    _seeded("mobilenet_v3_small", MobileNetV3Small, images(3, 64, 64)),
    _seeded("squeezenet1_1", SqueezeNet, images(3, 64, 64)),
    _seeded("shufflenet_v2_x0_5", ShuffleNetV2, images(3, 64, 64)),
    _seeded("efficientnet_b0", EfficientNetB0, images(3, 64, 64)),
    _seeded("deeplab_v3", DeepLabV3, images(3, 65, 65)),
    _seeded("unet", partial(UNet, width=8), images(3, 48, 48)),
    _seeded("yolo", partial(Yolo, width=8), images(3, 64, 64)),
    _DS_CNN,
    _AUTOENCODER,
    _seeded("vit_tiny", _TINY_VIT, images(3, 64, 64)),
    _seeded("bert", _TINY_BERT, token_ids(vocabulary=1000, tokens=16)),
    _seeded("conv1d_net", Conv1dNet, vectors(2, 128)),
)

# The sizes of MLPerf Tiny's four benchmarks, for microcontrollers.
MLPERF_TINY: tuple[Architecture, ...] = (
    _seeded("cifar_resnet8", partial(CifarResNet, depth=1), images(3, 32, 32)),
    _seeded(
        "mobilenet_v1_0_25", partial(MobileNetV1, width=0.25, num_classes=2), images(3, 96, 96)
    ),
    _DS_CNN,
    _AUTOENCODER,
)

__all__ = ["ARCHITECTURES", "MLPERF_TINY", "Architecture"]
