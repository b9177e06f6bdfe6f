"""8-bit activations from int8 to uint8: what ONNX Runtime's and OpenVINO's fastest kernels read."""

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, numpy_helper

SHIFT = 128  # of codes and zero points


def to_unsigned(model: ModelProto) -> ModelProto:
    """The same network with uint8 activations; weights stay int8.

    Codes and zero points grow by 128, so that real numbers stay what they are: only QuantizeLinear
    and DequantizeLinear look at codes, everything else moves them or takes their maximum. Inputs
    and outputs of int8 codes, which models with boundaries have, become uint8 too.
    """
    shifted = _Shifted(model)
    for node in shifted.model.graph.node:
        shifted.visit(node)
    shifted.finish()
    return shifted.model


class _Shifted:
    """A copy of the model under change, and its tensors that are unsigned by now."""

    def __init__(self, model: ModelProto) -> None:
        self.model = ModelProto()
        self.model.CopyFrom(model)
        graph = self.model.graph
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        self.unsigned = {entry.name for entry in graph.input if _element(entry) == TensorProto.INT8}

    def visit(self, node: NodeProto) -> None:
        """Nodes come in the order of execution."""
        match node.op_type:
            case "QuantizeLinear" if self._is_int8(node.input[2]):
                node.input[2] = self._constant(node.input[2])
                self.unsigned.add(node.output[0])
            case "DequantizeLinear" if node.input[0] in self.unsigned:
                node.input[2] = self._constant(node.input[2])
            case "QuantizeLinear" | "DequantizeLinear" | "Shape":
                pass
            case _ if self.unsigned.intersection(node.input):
                for position, name in enumerate(node.input):
                    if self._is_int8(name):
                        node.input[position] = self._constant(name)
                self.unsigned.update(node.output)

    def _is_int8(self, name: str) -> bool:
        return name in self.constants and self.constants[name].data_type == TensorProto.INT8

    def _constant(self, name: str) -> str:
        """The constant of codes, shifted, under a name of its own: others may read the old one."""
        made = f"{name}/unsigned"
        if made not in self.constants:
            codes = numpy_helper.to_array(self.constants[name]).astype(np.int16) + SHIFT
            tensor = numpy_helper.from_array(codes.astype(np.uint8), made)
            self.model.graph.initializer.append(tensor)
            self.constants[made] = tensor
        return made

    def finish(self) -> None:
        """Declares inputs and outputs; drops constants whose last reader reads the shifted one."""
        graph = self.model.graph
        for entry in (*graph.input, *graph.output):
            if entry.name in self.unsigned:
                entry.type.tensor_type.elem_type = TensorProto.UINT8
        read = {name for node in graph.node for name in node.input}
        kept = [tensor for tensor in graph.initializer if tensor.name in read]
        del graph.initializer[:]
        graph.initializer.extend(kept)


def _element(entry: ValueInfoProto) -> int:
    return entry.type.tensor_type.elem_type
