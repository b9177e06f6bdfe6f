"""Executors that compute other integers are seen, and so is the layer where they begin to."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

import intact
from intact.errors import UnsupportedOpError
from intact.exec import reference
from intact.exec.runner import Runner
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import Program, Quantize, Requantize
from intact.numerics.formats import FP32, Int
from intact.numerics.qtensor import QuantParams
from intact.verification import agreement
from tests.unit.ir.examples import requant

CODES = Value("codes", (-1, 3), Int(8))
PARAMS = QuantParams(Int(8), np.float32(1))
X = np.arange(-9, 9, dtype=np.float32).reshape(6, 3)


def chain(*names: str) -> Program:
    """x, quantized, through one `Requantize` after the other."""
    x = Value("x", (-1, 3), FP32)
    nodes = [Node(Quantize(PARAMS), (x,), CODES)]
    identity = replace(requant(), multiplier=np.array([1 << 30]), shift=np.array([1]), zero_point=0)
    for name in names:
        out = replace(CODES, name=name)
        nodes.append(Node(Requantize(0, identity), (nodes[-1].output,), out))
    return Graph((x,), (nodes[-1].output,), tuple(nodes), {})


CHAIN = chain("a", "b", "c", "d")


@dataclass(frozen=True)
class Wrong:
    """Adds 1 at a layer where the code is 5; gives back as many outputs as it can."""

    layer: str
    exact: bool = True
    most_outputs: int = 9
    name: str = "device"
    setting: str = ""

    def load(self, program: Program) -> Runner:
        if len(program.outputs) > self.most_outputs:
            raise UnsupportedOpError("too many outputs")
        nodes = {node.name: reference.load(only(program, node)) for node in program.nodes}

        def run(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            values = dict(inputs)
            for node in program.nodes:
                read = {value.name: values[value.name] for value in node.inputs}
                (made,) = nodes[node.name](read).values()
                values[node.name] = made + (made == 5) * (node.name == self.layer)
            return {value.name: values[value.name] for value in program.outputs}

        return run


def only(program: Program, node: Node) -> Program:
    return replace(program, inputs=node.inputs, outputs=(node.output,), nodes=(node,))


def found(executor: Wrong, samples: object = X) -> agreement.Agreement:
    verification = intact.verify(CHAIN, samples, executors=[executor])
    assert verification.executors == ("device",)
    assert verification.met == verification.agreements[0].met
    return verification.agreements[0]


@pytest.mark.parametrize("layer", ["codes", "a", "c", "d"])
def test_the_first_layer_that_differs_is_named(layer: str) -> None:
    made = found(Wrong(layer))
    (output,) = made.outputs
    assert (output.elements, output.same, output.largest) == (18, 17, 1)
    assert output.first_layer == layer
    assert not made.met
    assert (
        f'device, "d": 94.4444% equal the reference\'s, largest difference 1, first in "{layer}"'
        in (str(made))
    )


def test_values_are_looked_at_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "_MOST_KEPT", 6)
    assert found(Wrong("d", most_outputs=2)).outputs[0].first_layer == "d"


def test_an_executor_may_keep_its_values_to_itself() -> None:
    (output,) = found(Wrong("c", most_outputs=1)).outputs
    assert (output.same, output.first_layer, output.met) == (17, None, False)


def test_what_is_not_promised_may_differ() -> None:
    made = found(Wrong("c", exact=False))
    assert made.met
    assert (made.outputs[0].exact, made.outputs[0].same) == (False, 17)
    assert str(made).endswith('first in "c"; not promised')


def test_batches_add_up() -> None:
    whole = found(Wrong("a"))
    assert found(Wrong("a"), [X[:1], X[1:4], X[4:]]) == whole
    assert found(Wrong("a"), X[:3]).met


def test_executors_of_your_own_and_ours_stand_beside_each_other() -> None:
    verification = intact.verify(CHAIN, X, executors=[Wrong("a"), "native"])
    assert verification.executors == ("device", "native")
    assert [made.met for made in verification.agreements[:2]] == [False, True]
    assert not verification.met


def test_what_cannot_run_is_an_error_where_it_was_asked_for() -> None:
    with pytest.raises(UnsupportedOpError, match="too many"):
        intact.verify(CHAIN, X, executors=[Wrong("a", most_outputs=0)])
