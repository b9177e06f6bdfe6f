"""What `quantize` certifies, and that replaying it proves it."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import intact
from intact.api.certify import described
from intact.diagnosis.cures import EIGHT_BIT_WEIGHTS, LEAST_SQUARED_ERROR
from intact.ir.boundary import code_boundary
from intact.ir.certificate import MOST_VECTORS, Certificate, OutputHash
from intact.ir.hashing import codes_sha256
from intact.ir.int_ops import QLinear
from tests.golden.networks import programs

SAMPLES = torch.randn(40, 2, 8, 8, generator=torch.Generator().manual_seed(0))


def network(size: int = 8) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * size * size, 5)
    ).eval()


def certificate_of(found: intact.QuantizedNetwork) -> Certificate:
    assert found.certificate is not None
    return found.certificate


@pytest.fixture(scope="module")
def quantized() -> intact.QuantizedNetwork:
    return intact.quantize(network(), [SAMPLES], seed=3)


def test_what_made_the_network_is_told(quantized: intact.QuantizedNetwork) -> None:
    origin = certificate_of(quantized).origin
    assert (origin.recipe, origin.seed) == ("W8A8", 3)
    assert {"python", "numpy", "torch"} <= {version.package for version in origin.versions}
    repair, rule = origin.rules
    assert repair == "DeadChannelRepair(threshold=0.0001)"
    assert rule.startswith("Rule(match='*', weight=BiasCorrected(method=Nearest(format=Int(bits=8,")
    assert rule.endswith("activation=Percentile(format=Int(bits=8, signed=True, narrow=False),"
                         " symmetric=False, q=99.999))")  # fmt: skip


@pytest.mark.parametrize("recipe", ["W8A8", "W8A8-per-tensor", [intact.PtqRule(
    weight=intact.Nearest(intact.Int(8)), activation=intact.MovingAverage(intact.Int(8)))],
])  # fmt: skip
def test_ranges_are_those_of_the_samples(recipe: str | list[intact.PtqRule]) -> None:
    origin = certificate_of(intact.quantize(network(), SAMPLES.split(7), recipe=recipe)).origin
    module = network()
    with torch.no_grad():
        values = {"x": SAMPLES, "1": module[:2](SAMPLES), "3": module(SAMPLES)}
    assert [seen.name for seen in origin.ranges][1:] == ["1", "3"]
    for seen, value in zip(origin.ranges, values.values(), strict=True):
        assert (seen.low, seen.high) == pytest.approx((float(value.min()), float(value.max())))


def by_hand(x: np.ndarray, name: str) -> str:
    line = f"{name} fp32 {list(x.shape[1:])}\n".encode()
    return hashlib.sha256(hashlib.sha256(line + x.tobytes()).digest()).hexdigest()


def test_the_hash_is_of_the_samples_and_not_of_their_batches(
    quantized: intact.QuantizedNetwork,
) -> None:
    origin = certificate_of(quantized).origin
    name = quantized.program.inputs[0].name
    assert origin.calibration is not None
    assert origin.calibration.samples == len(SAMPLES)
    assert origin.calibration.sha256 == by_hand(SAMPLES.numpy(), name)

    def loader() -> Iterator[tuple[Tensor, str]]:
        for batch in SAMPLES.split(9):
            yield batch.double(), "target"

    for other in (SAMPLES.split(13), loader()):
        again = certificate_of(intact.quantize(network(), other, seed=3))
        assert again.origin == origin
    turned = certificate_of(intact.quantize(network(), [SAMPLES.flip(0)]))
    assert turned.origin.calibration != origin.calibration


def test_vectors_are_the_first_samples(quantized: intact.QuantizedNetwork) -> None:
    vectors = certificate_of(quantized).vectors
    assert vectors is not None
    boundary = code_boundary(quantized.program)
    (stored,) = boundary.program.inputs
    (codes,) = vectors.inputs.values()
    assert stored.params is not None
    first = SAMPLES[:MOST_VECTORS].permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(codes, stored.params.quantize(first))
    made = np.asarray(intact.compile(quantized)(SAMPLES[:MOST_VECTORS].numpy()))
    params = boundary.outputs[0].stored.params
    assert params is not None
    assert vectors.outputs == (
        OutputHash(boundary.outputs[0].stored.name, codes_sha256(params.quantize(made))),
    )


@pytest.mark.parametrize(("size", "count"), [(8, 4), (200, 3), (250, 2), (300, 1), (400, 1)])
def test_large_samples_make_fewer_vectors(size: int, count: int) -> None:
    x = torch.rand(5, 2, size, size)
    module = nn.Sequential(nn.AvgPool2d(size), nn.Flatten(), nn.Linear(2, 2)).eval()
    vectors = certificate_of(intact.quantize(module, x.split(2))).vectors
    assert vectors is not None
    assert vectors.samples == count
    assert all(len(codes) == count for codes in vectors.inputs.values())


def test_a_network_of_a_fixed_batch_size_has_one_batch() -> None:
    program = torch.export.export(network(), (SAMPLES[:6],))
    found = intact.quantize(program, SAMPLES[:36].split(6))
    vectors = certificate_of(found).vectors
    assert vectors is not None
    assert (vectors.samples, [len(codes) for codes in vectors.inputs.values()]) == (1, [6])
    assert intact.verify_certificate(found, executors=["native"]).met


def test_networks_from_elsewhere_are_saved_with_drawn_vectors(tmp_path: Path) -> None:
    for name, program in programs().items():
        intact.QuantizedNetwork(program).save(tmp_path / "net.intact")
        loaded = intact.load(tmp_path / "net.intact")
        assert certificate_of(loaded).origin.recipe == "unknown"
        if name in ("residual_w8a8", "residual_w8a16", "attention_w4a8"):
            assert intact.verify_certificate(loaded, executors=["native"]).met
        else:
            assert certificate_of(loaded).vectors is None


def test_float_outputs_have_no_vectors() -> None:
    found = intact.quantize(network(), [SAMPLES], recipe="W4-g32")
    assert certificate_of(found).vectors is None
    assert certificate_of(found).origin.calibration is None
    with pytest.raises(ValueError, match="no test vectors"):
        intact.verify_certificate(found)


def test_a_recipe_that_was_tried_later_is_certified() -> None:
    metrics = iter([1.0, 0.5, 0.6, 0.9])
    found = intact.quantize(
        network(),
        iter([SAMPLES]),
        recipe="W4A8",
        validate=lambda _: next(metrics),
        max_drop=0.2,
        cures=(LEAST_SQUARED_ERROR, EIGHT_BIT_WEIGHTS),
    )
    names = [
        "W4A8",
        "W4A8 + least_squared_error",
        "W4A8 + least_squared_error + eight_bit_weights(1)",
    ]
    assert found.validation is not None
    assert [attempt.recipe for attempt in found.validation.attempts] == names
    assert found.recipe == certificate_of(found).origin.recipe == names[-1]
    assert intact.verify_certificate(found, executors=["native"]).met


def test_seeds_that_no_file_holds_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="does not fit 64 bits"):
        intact.quantize(network(), [SAMPLES], seed=2**63)


class Custom:
    """Has no fields, and a repr with its address."""


def test_rules_are_described_without_addresses() -> None:
    rule = intact.PtqRule(match="a", weight=intact.Nearest(intact.Int(4), intact.PerChannel()))
    assert described(rule) == (
        "Rule(match='a', weight=Nearest(format=Int(bits=4, signed=True, narrow=False),"
        " granularity=PerChannel(axis=0), symmetric=True), activation=None)"
    )
    assert described((Custom(), len, by_hand, "a\nb")) == (
        "(Custom, builtin_function_or_method, by_hand, 'a\\nb')"
    )


def test_a_replay_proves_the_integers(quantized: intact.QuantizedNetwork, tmp_path: Path) -> None:
    quantized.save(tmp_path / "net.intact")
    loaded = intact.load(tmp_path / "net.intact")
    assert loaded.recipe == "W8A8"
    replay = intact.verify_certificate(loaded)
    assert replay.met
    assert replay.differing == ()
    assert "4 test vectors, the reference's codes are as certified" in str(replay)
    assert replay.verification.executors[0] == "native"
    assert replay.verification.sha256 == replay.vectors.sha256
    loaded.save(tmp_path / "again.intact")
    assert (tmp_path / "again.intact").read_bytes() == (tmp_path / "net.intact").read_bytes()


def test_a_network_that_computes_otherwise_is_found(quantized: intact.QuantizedNetwork) -> None:
    def wrong(op: object) -> object:
        if not isinstance(op, QLinear):
            return op
        return replace(op, requant=replace(op.requant, zero_point=op.requant.zero_point + 1))

    nodes = tuple(replace(node, op=wrong(node.op)) for node in quantized.program.nodes)
    changed = replace(quantized, program=replace(quantized.program, nodes=nodes))
    replay = intact.verify_certificate(changed, executors=["native"])
    assert replay.verification.met
    assert replay.differing == (replay.vectors.outputs[0].name,)
    assert not replay.met
    assert "not the certified ones" in str(replay)


def test_vectors_that_no_network_can_run_are_named(tmp_path: Path) -> None:
    table = nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(8, 3)).eval()
    found = intact.quantize(table, [torch.arange(8).reshape(4, 2) % 5])
    vectors = certificate_of(found).vectors
    assert vectors is not None
    wrong = {name: codes + 5 for name, codes in vectors.inputs.items()}
    forged = Certificate(certificate_of(found).origin, replace(vectors, inputs=wrong))
    replace(found, certificate=forged).save(tmp_path / "net.intact")
    loaded = intact.load(tmp_path / "net.intact")
    with pytest.raises(intact.CalibrationError, match="outside of the network's table"):
        intact.verify_certificate(loaded, executors=["native"])
    with pytest.raises(intact.CalibrationError, match=r"the self-test: .* the network's table"):
        intact.export(loaded, tmp_path / "net_c")
    assert not (tmp_path / "net_c").exists()


def test_networks_without_a_certificate_say_so(quantized: intact.QuantizedNetwork) -> None:
    with pytest.raises(ValueError, match="has no certificate"):
        intact.verify_certificate(replace(quantized, certificate=None))


def test_the_self_test_of_exported_c_has_the_certified_vectors(
    quantized: intact.QuantizedNetwork, tmp_path: Path
) -> None:
    vectors = certificate_of(quantized).vectors
    assert vectors is not None
    intact.export(quantized, tmp_path / "net_c")
    test = (tmp_path / "net_c" / "model_test.c").read_text()
    (codes,) = vectors.inputs.values()
    for sample in codes[:2]:
        numbers = r",\s+".join(str(code) for code in sample.ravel()[:9])
        assert re.search(numbers, test)
