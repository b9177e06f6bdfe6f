"""The comparison finds differences where they are, and nowhere else."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from intact.ir.int_ops import Program, QAdd
from intact.verification import CodeDifference, Comparison, compare_onnxruntime
from tests.unit.emit.runtime import drawn
from tests.unit.emit.test_onnx_export import classifier


def shifted(program: Program, name: str, codes: int) -> Program:
    """The Program with a wrong zero point in the sum `name`, of which ONNX knows nothing."""

    def wrong(op: object) -> object:
        assert isinstance(op, QAdd)
        return replace(op, a=replace(op.a, zero_point=op.a.zero_point + codes))

    nodes = tuple(
        replace(node, op=wrong(node.op)) if node.name == name else node for node in program.nodes
    )
    return replace(program, nodes=nodes)


def test_a_difference_counts_codes() -> None:
    difference = CodeDifference("layer", {0: 6, -3: 1, 1: 1})
    assert (difference.largest, difference.equal, difference.elements) == (3, 0.75, 8)
    empty = CodeDifference("layer", {})
    assert (empty.largest, empty.equal) == (0, 0.0)


def test_a_comparison_sums_up_its_layers() -> None:
    layers = (
        CodeDifference("a", {0: 9, 1: 1}),
        CodeDifference("b", {0: 5, -2: 5}),
        CodeDifference("c", {0: 10}),
    )
    comparison = Comparison(layers, ())
    assert comparison.largest == 2
    assert comparison.equal == 0.8
    assert [layer.name for layer in comparison.worst(2)] == ["b", "a"]
    assert Comparison((), ()).equal == 1.0


def test_a_right_program_has_no_difference_beyond_one_code() -> None:
    program = classifier()
    comparison = compare_onnxruntime(program, drawn(program))
    assert comparison.largest <= 1
    assert [layer.name for layer in comparison.layers] == [
        node.name for node in program.nodes if node.name != "logits"
    ]
    (output,) = comparison.outputs
    assert output.name == "logits"
    assert output.codes is not None
    assert output.largest == pytest.approx(output.codes.largest * 12 / 256)


def test_a_wrong_layer_is_the_only_one_that_differs() -> None:
    program = shifted(classifier(), "residual", 40)
    comparison = compare_onnxruntime(program, drawn(program))
    assert [layer.name for layer in comparison.layers if layer.largest > 1] == ["residual"]
    assert comparison.worst(1)[0].largest > 10
    assert comparison.outputs[0].largest > 0


def test_outputs_alone_take_one_run() -> None:
    program = classifier()
    comparison = compare_onnxruntime(program, drawn(program), per_layer=False, optimized=True)
    assert comparison.layers == ()
    assert comparison.largest == 0
    codes = comparison.outputs[0].codes
    assert codes is not None
    assert codes.largest <= 2


def test_inputs_that_do_not_fit_are_an_error() -> None:
    program = classifier()
    with pytest.raises(ValueError, match='"image" has dtype float64'):
        compare_onnxruntime(program, {"image": np.zeros((1, 3, 6, 6))})


def test_without_onnxruntime_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as if it were not installed
    program = classifier()
    with pytest.raises(ImportError, match=r"pip install 'intact\[onnx\]'"):
        compare_onnxruntime(program, drawn(program))
