"""The one table that knows ATen names: what each call becomes.

A function gets a `Call` and the call's own arguments, tensors as operands, and gives the
operand(s) that stand for the result(s); results behind those that it gives may not be read. Its
defaults are ATen's, since exported programs leave
defaults out. In-place variants need no entry of their own. Arguments that the shape of the result
implies are ignored.
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch._ops import OpOverload

from intact.capture import aten_linear as linear
from intact.capture import aten_math as math
from intact.capture import aten_norm as norm
from intact.capture import aten_pool as pool
from intact.capture import aten_recurrent as recurrent
from intact.capture import aten_shape as shape
from intact.capture.builder import Operand
from intact.ir import float_ops as ops
from intact.ir.float_ops import PadMode

Results: TypeAlias = Operand | list[Operand]
Translation: TypeAlias = Callable[..., Results]

_a = torch.ops.aten

TRANSLATIONS: dict[OpOverload, Translation] = {
    # linear algebra
    _a.conv1d.default: linear.conv,
    _a.conv1d.padding: linear.conv,
    _a.conv2d.default: linear.conv,
    _a.conv2d.padding: linear.conv,
    _a.conv_transpose2d.input: linear.conv_transpose2d,
    _a.convolution.default: linear.convolution,
    _a.linear.default: linear.linear,
    _a.matmul.default: linear.matmul,
    _a.mm.default: linear.matmul,
    _a.bmm.default: linear.matmul,
    _a.addmm.default: linear.addmm,
    _a.baddbmm.default: linear.addmm,
    _a.embedding.default: linear.embedding,
    _a.scaled_dot_product_attention.default: linear.attention,
    # recurrent networks
    _a.rnn_tanh.input: recurrent.rnn_tanh,
    _a.rnn_relu.input: recurrent.rnn_relu,
    _a.lstm.input: recurrent.lstm,
    _a.gru.input: recurrent.gru,
    # normalization
    _a.batch_norm.default: norm.batch_norm,
    _a._native_batch_norm_legit_no_training.default: norm.batch_norm_inference,
    _a.instance_norm.default: norm.instance_norm,
    _a.layer_norm.default: norm.layer_norm,
    _a.native_layer_norm.default: norm.layer_norm,
    _a.group_norm.default: norm.group_norm,
    _a.native_group_norm.default: norm.native_group_norm,
    # arithmetic
    _a.add.Tensor: math.add,
    _a.add.Scalar: math.add,
    _a.sub.Tensor: math.sub,
    _a.sub.Scalar: math.sub,
    _a.rsub.Tensor: math.rsub,
    _a.rsub.Scalar: math.rsub,
    _a.mul.Tensor: math.mul,
    _a.mul.Scalar: math.mul,
    _a.div.Tensor: math.div,
    _a.div.Scalar: math.div,
    _a.div.Tensor_mode: math.div,
    _a.true_divide.Tensor: math.div,
    _a.neg.default: math.neg,
    _a.square.default: math.power,
    _a.pow.Tensor_Scalar: math.power,
    _a.masked_fill.Scalar: math.masked_fill,
    _a.masked_fill.Tensor: math.masked_fill,
    _a.where.self: math.where,
    _a.where.ScalarOther: math.where,
    _a.where.ScalarSelf: math.where,
    # activations
    _a.relu.default: math.pointwise(ops.Relu()),
    _a.relu6.default: math.relu6,
    _a.clamp.default: math.clamp,
    _a.clamp_min.default: math.clamp,
    _a.clamp_max.default: math.clamp_max,
    _a.hardtanh.default: math.hardtanh,
    _a.threshold.default: math.threshold,
    _a.leaky_relu.default: math.leaky_relu,
    _a.prelu.default: math.prelu,
    _a._prelu_kernel.default: math.prelu,
    _a.hardsigmoid.default: math.pointwise(ops.HardSigmoid()),
    _a.hardswish.default: math.pointwise(ops.HardSwish()),
    _a.sigmoid.default: math.pointwise(ops.Sigmoid()),
    _a.tanh.default: math.pointwise(ops.Tanh()),
    _a.silu.default: math.pointwise(ops.Silu()),
    _a.gelu.default: math.gelu,
    _a.glu.default: math.glu,
    _a.softmax.int: math.softmax,
    _a._softmax.default: math.softmax,
    _a.dropout.default: math.dropout,
    _a.feature_dropout.default: math.dropout,
    _a.alpha_dropout.default: math.dropout,
    _a.feature_alpha_dropout.default: math.dropout,
    # pooling and resizing
    _a.max_pool1d.default: pool.max_pool,
    _a.max_pool2d.default: pool.max_pool,
    _a.max_pool1d_with_indices.default: pool.max_pool,
    _a.max_pool2d_with_indices.default: pool.max_pool,
    _a.avg_pool1d.default: pool.avg_pool,
    _a.avg_pool2d.default: pool.avg_pool,
    _a.adaptive_avg_pool1d.default: pool.adaptive_avg_pool,
    _a.adaptive_avg_pool2d.default: pool.adaptive_avg_pool,
    _a._adaptive_avg_pool2d.default: pool.adaptive_avg_pool,
    _a.adaptive_max_pool1d.default: pool.adaptive_max_pool,
    _a.adaptive_max_pool2d.default: pool.adaptive_max_pool,
    _a.mean.default: pool.mean,
    _a.mean.dim: pool.mean,
    _a.sum.default: pool.total,
    _a.sum.dim_IntList: pool.total,
    _a.upsample_nearest1d.vec: pool.nearest_vec,
    _a.upsample_nearest1d.default: pool.nearest,
    _a.upsample_nearest2d.vec: pool.nearest_vec,
    _a.upsample_nearest2d.default: pool.nearest,
    _a.upsample_bilinear2d.vec: pool.bilinear_vec,
    _a.upsample_bilinear2d.default: pool.bilinear,
    # views
    _a.reshape.default: shape.reshape,
    _a.view.default: shape.reshape,
    _a._unsafe_view.default: shape.reshape,
    _a.view_as.default: shape.reshape,
    _a.flatten.using_ints: shape.reshape,
    _a.unflatten.int: shape.reshape,
    _a.squeeze.default: shape.reshape,
    _a.squeeze.dim: shape.reshape,
    _a.squeeze.dims: shape.reshape,
    _a.unsqueeze.default: shape.reshape,
    _a.permute.default: shape.permute,
    _a.transpose.int: shape.transpose,
    _a.t.default: shape.transpose,
    _a.expand.default: shape.expand,
    _a.expand_as.default: shape.expand,
    _a.repeat.default: shape.repeat,
    _a.repeat_interleave.self_int: shape.repeat_interleave,
    _a.pixel_shuffle.default: shape.pixel_shuffle,
    _a.pixel_unshuffle.default: shape.pixel_unshuffle,
    _a.channel_shuffle.default: shape.channel_shuffle,
    # parts, joining, padding
    _a.slice.Tensor: shape.slice_,
    _a.select.int: shape.select,
    _a.unbind.int: shape.unbind,
    _a.split.Tensor: shape.split,
    _a.split_with_sizes.default: shape.split,
    _a.chunk.default: shape.split,
    _a.cat.default: shape.concat,
    _a.stack.default: shape.stack,
    _a.flip.default: shape.flip,
    _a.roll.default: shape.roll,
    _a.pad.default: shape.pad,
    _a.constant_pad_nd.default: shape.constant_pad,
    _a.reflection_pad1d.default: shape.padding_of(PadMode.REFLECT),
    _a.reflection_pad2d.default: shape.padding_of(PadMode.REFLECT),
    _a.replication_pad1d.default: shape.padding_of(PadMode.REPLICATE),
    _a.replication_pad2d.default: shape.padding_of(PadMode.REPLICATE),
    # tensors of one number
    _a.zeros.default: shape.filled(0),
    _a.zeros_like.default: shape.filled(0),
    _a.new_zeros.default: shape.filled(0),
    _a.ones.default: shape.filled(1),
    _a.ones_like.default: shape.filled(1),
    _a.new_ones.default: shape.filled(1),
    _a.full.default: shape.full,
    _a.full_like.default: shape.full,
    _a.new_full.default: lambda c, _x, size, value, **_: shape.full(c, size, value),
    # the tensor itself
    _a.contiguous.default: shape.identity,
    _a.clone.default: shape.identity,
    _a.detach.default: shape.identity,
    _a.alias.default: shape.identity,
    _a.lift_fresh_copy.default: shape.identity,
    _a.positive.default: shape.identity,
    _a.to.dtype: shape.cast,
    _a.to.dtype_layout: shape.cast,
    _a.to.device: shape.cast,
    _a.to.other: shape.cast,
    _a._to_copy.default: shape.cast,
    _a.type_as.default: shape.cast,
}
