"""Every executor computes the reference's codes; where it could not, the layer is named."""

import importlib.util
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import intact
from intact.errors import UnsupportedOpError, VerifyError
from intact.exec.runner import Runner
from intact.ir.int_ops import Program
from intact.verification import NAMED, Executor
from tests.golden.networks import programs

NEEDS = {"litert": "ai_edge_litert", "litert-xnnpack": "ai_edge_litert", "tflm": "tflite_micro"}
IMAGES = np.random.default_rng(0).uniform(-1, 1, (3, 3, 8, 8)).astype(np.float32)


@cache
def golden(name: str) -> Program:
    return programs()[name]


def executor(name: str) -> object:
    missing = name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None
    reason = f"pip install 'intact[{name.removesuffix('-xnnpack')}]'"
    return pytest.param(name, marks=pytest.mark.skipif(missing, reason=reason))


each_executor = pytest.mark.parametrize("name", [executor(name) for name in NAMED])


@each_executor
@pytest.mark.parametrize("network", ["residual_w8a8", "residual_w8a16"])
def test_all_codes_are_the_references(network: str, name: str) -> None:
    if (network, name) == ("residual_w8a16", "tflm"):
        with pytest.raises(UnsupportedOpError, match=r'QSoftmax16 "softmax.* other entries'):
            intact.verify(golden(network), IMAGES, executors=[name])
        return
    found = intact.verify(golden(network), IMAGES, executors=[name])
    assert found.executors == (name,)
    for agreement in found.agreements:
        (output,) = agreement.outputs
        assert output.exact == (name != "litert-xnnpack")
        assert output.equal == 1 if output.exact else output.equal > 0.5
        assert (output.first_layer is None) == (output.equal == 1)


@dataclass(frozen=True)
class Damaged:
    """An executor that has read a weight wrong."""

    inner: Executor
    weight: str
    name: str = "damaged"
    setting: str = ""
    exact: bool = True

    def load(self, program: Program) -> Runner:
        if self.weight not in program.constants:
            return self.inner.load(program)
        codes = -program.constants[self.weight]
        return self.inner.load(
            replace(program, constants={**program.constants, self.weight: codes})
        )


@each_executor
@pytest.mark.parametrize(
    ("weight", "layer"), [("stem.weight", "relu6"), ("depthwise.weight", "depthwise")]
)
def test_the_layer_of_a_wrong_weight_is_named(name: str, weight: str, layer: str) -> None:
    inner = NAMED[name]()[-1]
    found = intact.verify(golden("residual_w8a8"), IMAGES, executors=[Damaged(inner, weight)])
    assert not found.met
    (output,) = found.agreements[0].outputs
    assert output.first_layer == layer or not inner.exact


def test_by_default_all_exact_ones_are_compared() -> None:
    found = intact.verify(golden("residual_w8a8"), IMAGES)
    exact = {name for name, settings in NAMED.items() if settings()[0].exact}
    assert {*found.executors, *found.skipped} == exact
    assert {"native", "c"} <= set(found.executors)
    assert found.met


def test_by_default_what_a_format_lacks_is_skipped_by_name() -> None:
    program = golden("attention_w4a8")
    tokens = np.ones((2, *program.inputs[0].shape[1:]), np.float32)
    found = intact.verify(program, tokens)
    assert 'QLayerNorm "norm": TFLite has no such operation' in found.skipped["litert"]
    assert {"native", "c"} <= set(found.executors)
    with pytest.raises(UnsupportedOpError, match='QLayerNorm "norm"'):
        intact.verify(program, tokens, executors=["litert"])


@pytest.mark.parametrize("network", ["residual_dynamic", "residual_float16"])
def test_where_layers_compute_in_float_nothing_is_promised(network: str) -> None:
    found = intact.verify(golden(network), IMAGES)
    assert "native" in found.executors
    assert "c" in found.skipped
    outputs = [output for made in found.agreements for output in made.outputs]
    assert not any(output.exact or output.first_layer for output in outputs)
    assert found.met


def test_without_a_compiler_c_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(FileNotFoundError, match="needs a C compiler"):
        intact.verify(golden("residual_w8a8"), IMAGES, executors=["c"])
    monkeypatch.setattr("intact.api.verify.NAMED", {"c": NAMED["c"]})
    with pytest.raises(VerifyError, match="held against the reference: c: generated C needs"):
        intact.verify(golden("residual_w8a8"), IMAGES)


def test_by_default_a_broken_compiler_is_told_and_no_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cc").write_text("#!/bin/sh\necho string.h: no such file >&2\nexit 1\n")
    (tmp_path / "cc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("intact.api.verify.NAMED", {name: NAMED[name] for name in ("native", "c")})
    found = intact.verify(golden("residual_w8a8"), IMAGES)
    assert found.executors == ("native",)
    assert "cannot compile the generated C: string.h: no such file" in found.skipped["c"]


@dataclass(frozen=True)
class Short:
    """An executor that answers for the first sample alone, or not at all."""

    keys: tuple[str, ...]
    name: str = "short"
    setting: str = "first"
    exact: bool = True

    def load(self, program: Program) -> Runner:
        run = NAMED["native"]()[0].load(program)
        return lambda inputs: {k: v[:1] for k, v in run(inputs).items() if k in self.keys}


@pytest.mark.parametrize(("keys", "shape"), [(("softmax.codes",), r"\(1, 5\)"), ((), "None")])
def test_outputs_of_other_shapes_are_an_error(keys: tuple[str, ...], shape: str) -> None:
    message = rf'short \(first\) gives "softmax.codes" of shape {shape}, not \(3, 5\)'
    with pytest.raises(VerifyError, match=message):
        intact.verify(golden("residual_w8a8"), IMAGES, executors=[Short(keys)])
