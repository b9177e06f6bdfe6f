"""Quantization-aware training: quantizers that train, and the network that holds them."""

from intact.qat.again import prepare_again
from intact.qat.batchnorm import BatchNormTraining, Fold
from intact.qat.binary import BinaryWeight, SignActivation
from intact.qat.bucketed import BucketedWeight
from intact.qat.checkpoint import HasState, load_checkpoint, save_checkpoint
from intact.qat.distillation import (
    Apprentice,
    DistillationLoss,
    Distilled,
    FrozenTeacher,
    SoftTargets,
    softened_divergence,
)
from intact.qat.dorefa import DorefaActivation, DorefaWeight
from intact.qat.dorefa_gradient import DorefaGradient
from intact.qat.epochs import set_epoch
from intact.qat.features import AttentionTransfer, Feature, FeatureLoss, Hint, Recording
from intact.qat.finish import finish
from intact.qat.inq import InqWeight, advance_inq
from intact.qat.learned_points import IntegerPointsWeight, LearnedPointsWeight
from intact.qat.linear_quant import LinearActivation, LinearGradient, LinearWeight
from intact.qat.log_quant import LogGradient, LogWeight
from intact.qat.low_bit_updates import binary_groups, clip_after_steps, clip_weights
from intact.qat.low_precision import FloatProduct
from intact.qat.lsq import LsqActivation, LsqWeight
from intact.qat.lsq_plus import LsqPlusActivation, LsqPlusWeight
from intact.qat.minmax import MinMaxWeight, MovingAverageActivation
from intact.qat.mistakes import TrainingWarning, check_setup, check_trained
from intact.qat.network import TrainableNetwork, prepare
from intact.qat.oscillation import Oscillation, dampening
from intact.qat.pact import PactActivation
from intact.qat.penalty import penalty
from intact.qat.products import Arithmetic, Product
from intact.qat.protocol import FakeActivation, FakeWeight, GradientQuantizer, QatRule
from intact.qat.recipe import QatRecipe
from intact.qat.reestimate import calibrate, reestimate_batchnorm
from intact.qat.shift_adamax import ShiftAdaMax
from intact.qat.simqat import SimQat
from intact.qat.slb import SlbSchedule, SlbWeight
from intact.qat.statistics import statistics, tensorboard
from intact.qat.ternary import TernaryWeight
from intact.qat.tqt import TqtActivation, TqtWeight
from intact.qat.ttq import TtqWeight
from intact.qat.warm_start import prepare_quantized
from intact.qat.xnor import XnorWeight

__all__ = [
    "Apprentice",
    "Arithmetic",
    "AttentionTransfer",
    "BatchNormTraining",
    "BinaryWeight",
    "BucketedWeight",
    "DistillationLoss",
    "Distilled",
    "DorefaActivation",
    "DorefaGradient",
    "DorefaWeight",
    "FakeActivation",
    "FakeWeight",
    "Feature",
    "FeatureLoss",
    "FloatProduct",
    "Fold",
    "FrozenTeacher",
    "GradientQuantizer",
    "HasState",
    "Hint",
    "InqWeight",
    "IntegerPointsWeight",
    "LearnedPointsWeight",
    "LinearActivation",
    "LinearGradient",
    "LinearWeight",
    "LogGradient",
    "LogWeight",
    "LsqActivation",
    "LsqPlusActivation",
    "LsqPlusWeight",
    "LsqWeight",
    "MinMaxWeight",
    "MovingAverageActivation",
    "Oscillation",
    "PactActivation",
    "Product",
    "QatRecipe",
    "QatRule",
    "Recording",
    "ShiftAdaMax",
    "SignActivation",
    "SimQat",
    "SlbSchedule",
    "SlbWeight",
    "SoftTargets",
    "TernaryWeight",
    "TqtActivation",
    "TqtWeight",
    "TrainableNetwork",
    "TrainingWarning",
    "TtqWeight",
    "XnorWeight",
    "advance_inq",
    "binary_groups",
    "calibrate",
    "check_setup",
    "check_trained",
    "clip_after_steps",
    "clip_weights",
    "dampening",
    "finish",
    "load_checkpoint",
    "penalty",
    "prepare",
    "prepare_again",
    "prepare_quantized",
    "reestimate_batchnorm",
    "save_checkpoint",
    "set_epoch",
    "softened_divergence",
    "statistics",
    "tensorboard",
]
