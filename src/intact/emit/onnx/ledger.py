"""Knows, for each value of a Program, the ONNX tensor that holds it as codes or real numbers."""

from dataclasses import replace

import numpy as np
from onnx import GraphProto

from intact.emit.onnx.layout import View, identity, plain, settled
from intact.emit.onnx.quantization import (
    Stored,
    activation_params,
    dequantize_linear,
    quantize_linear,
)
from intact.emit.onnx.scope import Scope
from intact.emit.onnx.writer import Writer
from intact.ir.graph import Node, Value
from intact.ir.int_ops import IntOp, Program
from intact.numerics.arrays import F32, Array, IntArray
from intact.numerics.formats import Float, Int
from intact.numerics.qtensor import QuantParams


class Ledger:
    """The ONNX graph under construction and where it holds the Program's values."""

    def __init__(self, program: Program, boundaries: bool) -> None:
        """Starts with the graph's inputs."""
        self.program = program
        self.boundaries = boundaries
        names = [value.name for value in program.inputs]
        names += [node.output.name for node in program.nodes]
        if boundaries:
            names += [f"{name}.in" for name in names]
        self.writer = Writer(program.inputs, names)
        self._views = {value.name: plain(value.name, value.shape) for value in program.inputs}
        self._reals: dict[str, View] = {}
        self._inputs = list(program.inputs)
        self._outputs: dict[str, Value] = {value.name: value for value in program.outputs}

    # --- reading -------------------------------------------------------------------------------

    def view(self, value: Value) -> View:
        """The tensor that holds a value as the Program stores it: codes or real numbers."""
        if value.name not in self._views:
            array = self.program.constants[value.name]
            self._views[value.name] = plain(self.writer.constant(array, value.name), value.shape)
        return self._views[value.name]

    def settled(self, value: Value) -> View:
        """As `view`, in a tensor that is written."""
        return settled(self.writer, self.view(value))

    def real(self, value: Value) -> View:
        """The real numbers that an activation's codes stand for."""
        if value.name not in self._reals:
            scale, zero_point = activation_params(value.name, value.params)
            self._reals[value.name] = self.dequantized(value, scale, zero_point)
        return self._reals[value.name]

    def dequantized(
        self, value: Value, scale: float, zero_point: int, output: str | None = None
    ) -> View:
        """(codes - zero_point) * scale, as a tensor called `output` or after the value."""
        view = self.settled(value)
        assert isinstance(value.dtype, Int)
        tensor = dequantize_linear(self.writer, view.tensor, scale, zero_point, value.dtype, output)
        return replace(view, tensor=tensor)

    def weight(self, value: Value, codes: Array, params: QuantParams) -> View:
        """The real tensor of a constant of codes, in an order of axes that the caller chose."""
        return View(value.name, codes.shape, identity(codes.ndim), Stored(codes, params))

    # --- writing -------------------------------------------------------------------------------

    def scope(self, node: Node[IntOp], real: bool) -> Scope:
        """Names for a node whose result is the node's value, or the reals before its codes."""
        result = self.writer.unique(f"{node.name}/real") if real else node.name
        return Scope(self.writer, node.name, result)

    def keep(self, value: Value, view: View) -> None:
        """Records the tensor of a node's value; with boundaries, codes leave and enter here."""
        self._views[value.name] = view
        if not self.boundaries or isinstance(value.dtype, Float):
            return
        entry = replace(value, name=f"{value.name}.in")
        self._publish(value)
        self._outputs[value.name] = value
        self._inputs.append(entry)
        self._views[value.name] = plain(entry.name, value.shape)

    def keep_codes(
        self,
        value: Value,
        view: View,
        low: IntArray | None = None,
        high: IntArray | None = None,
        *,
        signs: bool = False,
    ) -> None:
        """Quantizes a real tensor to a value's codes, within low..high where those are tighter.

        With `signs`, to the codes -1 and 1: whether it is negative.
        """
        scale, zero_point = activation_params(value.name, value.params)
        assert isinstance(value.dtype, Int)
        low = np.array([value.dtype.qmin]) if low is None else low
        high = np.array([value.dtype.qmax]) if high is None else high
        if signs:
            view = replace(view, tensor=self._signs(value, view.tensor, scale))
        tensor = self._clipped(value, view, low, high)
        codes = quantize_linear(self.writer, tensor, scale, zero_point, value.dtype, value.name)
        self.keep(value, View(codes, value.shape, view.axes))

    def _clipped(self, value: Value, view: View, low: IntArray, high: IntArray) -> str:
        """The tensor within the real numbers of the codes low..high, where its type holds more."""
        scale, zero_point = activation_params(value.name, value.params)
        limits = np.iinfo(value.dtype.storage.str)
        bounds = {
            "Max": None if (low <= limits.min).all() else low,
            "Min": None if (high >= limits.max).all() else high,
        }
        if bounds["Max"] is not None and bounds["Min"] is None and (low == zero_point).all():
            return self._step("Relu", [view.tensor], value)
        tensor = view.tensor
        for op, codes in bounds.items():
            if codes is not None:
                reals = ((codes - zero_point) * scale).astype(np.float32)
                bound = self.writer.constant(_by_channel(reals, view), f"{value.name}/{op}")
                tensor = self._step(op, [tensor, bound], value)
        return tensor

    def _signs(self, value: Value, tensor: str, scale: float) -> str:
        zero, ends = self.writer.constant(np.zeros((), np.float32), f"{value.name}/zero"), (-1, 1)
        numbers = [np.asarray(end * scale, np.float32) for end in ends]
        low, high = (
            self.writer.constant(number, f"{value.name}/sign{end}")
            for end, number in zip(ends, numbers, strict=True)
        )
        return self._step("Where", [self._step("Less", [tensor, zero], value), low, high], value)

    def _step(self, op: str, inputs: list[str], value: Value) -> str:
        output = self.writer.unique(f"{value.name}/{op}")
        return self.writer.node(op, inputs, output, output)

    # --- the end -------------------------------------------------------------------------------

    def graph(self) -> GraphProto:
        """The ONNX graph; its outputs have their names and the Program's order of axes."""
        for value in dict.fromkeys(self.program.outputs):  # one may be given back twice
            if isinstance(value.dtype, Float) or not self.boundaries:
                self._publish(value)
        return self.writer.graph(self._inputs, list(self._outputs.values()))

    def _publish(self, value: Value) -> None:
        """Makes the tensor `value.name` hold the value in its own order of axes."""
        name, view = value.name, self.settled(value)
        plain_view = view.axes == identity(len(view.axes))
        if view.tensor == name:
            if plain_view:
                return
            inner = self.writer.unique(f"{name}/channels_first")
            self._rename(name, inner)
            view = replace(view, tensor=inner)
        if plain_view:
            self.writer.node("Identity", [view.tensor], name, f"{name}/Identity")
        else:
            self.writer.node("Transpose", [view.tensor], name, f"{name}/Transpose", perm=view.axes)

    def _rename(self, old: str, new: str) -> None:
        self.writer.rename(old, new)
        for name, view in self._views.items():
            if view.tensor == old:
                self._views[name] = replace(view, tensor=new)


def _by_channel(numbers: F32, view: View) -> F32:
    """One number, or one for each entry of the value's last axis, to broadcast in the tensor."""
    if numbers.size == 1:
        return numbers.reshape(())
    shape = [1] * len(view.axes)
    shape[view.axes[-1]] = numbers.size
    return numbers.reshape(shape)
