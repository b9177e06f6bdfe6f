import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import intact
from intact.api.layers import Layer, layers
from intact.emit.c import Kernels
from intact.ir.graph import Graph
from intact.ir.int_ops import Dequantize

SAMPLES = torch.randn(64, 2, 8, 8, generator=torch.Generator().manual_seed(0))


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(256, 5)
    ).eval()


@pytest.fixture(scope="module")
def quantized() -> intact.QuantizedNetwork:
    return intact.quantize(network(), [SAMPLES])


def test_the_public_names_are_all_there() -> None:
    assert set(intact.__all__) <= set(dir(intact))
    for name in intact.__all__:
        assert getattr(intact, name) is vars(intact)[name]
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        intact.absent  # noqa: B018


@pytest.mark.parametrize(
    "calibration",
    [
        [SAMPLES],
        iter(SAMPLES.split(10)),
        [SAMPLES.numpy()],
        [(x, torch.zeros(len(x))) for x in SAMPLES.split(9)],
        [[x.double(), "any target"] for x in SAMPLES.split(9)],
        torch.utils.data.DataLoader(torch.utils.data.TensorDataset(SAMPLES, SAMPLES), 16),
    ],
    ids=["tensor", "iterator", "array", "pairs", "doubles", "loader"],
)
def test_calibration_data_may_come_in_many_forms(
    quantized: intact.QuantizedNetwork, calibration: list[object]
) -> None:
    found = intact.quantize(network(), calibration)
    assert_equal(found, quantized)


def assert_equal(a: intact.QuantizedNetwork, b: intact.QuantizedNetwork) -> None:
    x = SAMPLES.numpy()
    np.testing.assert_array_equal(intact.compile(a)(x), intact.compile(b)(x))


def test_a_network_may_come_in_many_forms(
    quantized: intact.QuantizedNetwork, tmp_path: Path
) -> None:
    batch = {0: torch.export.Dim("batch")}
    program = torch.export.export(network(), (SAMPLES,), dynamic_shapes=(batch,))
    torch.export.save(program, tmp_path / "net.pt2")
    graph = intact.to_graph(program)
    for model in (program, graph, tmp_path / "net.pt2", str(tmp_path / "net.pt2")):
        assert_equal(intact.quantize(model, [SAMPLES]), quantized)
    examples = SAMPLES.numpy(), (SAMPLES,)
    for example in examples:
        assert_equal(intact.quantize(network(), [SAMPLES], example_input=example), quantized)


def test_arguments_that_make_no_sense_are_named() -> None:
    with pytest.raises(ValueError, match="int is no network"):
        intact.quantize(3, [SAMPLES])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one PtqRule"):
        intact.quantize(network(), [SAMPLES], recipe=[])
    with pytest.raises(ValueError, match="at least one PtqRule"):
        intact.quantize(network(), [SAMPLES], recipe=intact.PtqRule())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="calibration gives batches"):
        intact.quantize(network(), [SAMPLES[..., 0, 0]])
    with pytest.raises(ValueError, match='no recipe "W8A9"'):
        intact.quantize(network(), [SAMPLES], recipe="W8A9")
    with pytest.raises(ValueError, match="max_drop needs validate"):
        intact.quantize(network(), [SAMPLES], max_drop=0.1)
    with pytest.raises(ValueError, match="finite"):
        intact.quantize(network(), [SAMPLES], validate=lambda _: float("nan"))
    with pytest.raises(intact.CalibrationError, match="no calibration samples"):
        intact.quantize(network(), [])
    with pytest.raises(intact.CalibrationError, match="calibration batch 1: samples hold NaN"):
        intact.quantize(network(), [SAMPLES, SAMPLES * torch.nan])
    with pytest.raises(ValueError, match="no executor"):
        intact.compile(intact.quantize(network(), [SAMPLES]), executor="abacus")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no quantized network"):
        intact.compile(network())  # type: ignore[arg-type]


def test_validation_sees_ordinary_functions() -> None:
    def negative_error(engine: intact.Engine) -> float:
        kinds = [type(engine(x)) for x in (SAMPLES, SAMPLES.numpy())]
        assert kinds == [torch.Tensor, np.ndarray]
        with torch.no_grad():
            return -float((engine(SAMPLES) - network()(SAMPLES)).abs().mean())

    found = intact.quantize(network(), [SAMPLES], validate=negative_error)
    assert found.validation is not None
    assert found.validation.float_metric == pytest.approx(0, abs=1e-6)
    assert 0 < found.validation.drop < 0.1
    assert found.validation.met


def test_a_saved_network_is_the_same(quantized: intact.QuantizedNetwork, tmp_path: Path) -> None:
    quantized.save(tmp_path / "net.intact")
    loaded = intact.load(tmp_path / "net.intact")
    assert_equal(loaded, quantized)
    assert loaded.summary() == quantized.summary()
    assert (loaded.bytes, loaded.macs, loaded.stays_float) == (
        quantized.bytes, quantized.macs, quantized.stays_float,
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"saved as \.intact"):
        quantized.save(tmp_path / "net.onnx")


def test_multiplications_by_hand(quantized: intact.QuantizedNetwork) -> None:
    convolution, linear = 8 * 8 * 4 * (3 * 3 * 1), 256 * 5
    assert quantized.macs == convolution + linear
    graph = intact.to_graph(network(), SAMPLES)
    assert isinstance(graph, Graph)
    assert [layer.macs for layer in layers(graph)] == [convolution, 0, 0, linear]
    assert [layer.weight_bytes for layer in layers(graph)] == [4 * (36 + 4), 0, 0, 4 * (1280 + 5)]


def test_transposed_convolutions_are_counted_from_their_input() -> None:
    module = nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2)
    graph = intact.to_graph(module, torch.zeros(1, 4, 5, 5))
    products = 5 * 5 * 4 * (6 // 2) * 3 * 3
    assert [layer.macs for layer in layers(graph)] == [products]
    program = intact.quantize(module, [torch.randn(2, 4, 5, 5)]).program
    assert sum(layer.macs for layer in layers(program)) == products


def test_what_stays_float_is_told_before_and_after_saving(tmp_path: Path) -> None:
    rules = [
        intact.PtqRule(match="3"),
        intact.PtqRule(
            weight=intact.Nearest(intact.Int(8)), activation=intact.MinMax(intact.Int(8))
        ),
    ]
    found = intact.quantize(network(), [SAMPLES], recipe=rules)
    assert list(found.stays_float) == ["3"]
    found.save(tmp_path / "net.intact")
    assert intact.load(tmp_path / "net.intact").stays_float == {
        "3": "computes in fp32 on fp32 weights"
    }
    assert 'stays float: "3"' in found.summary()


def test_exports_go_by_suffix(quantized: intact.QuantizedNetwork, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.txt"):
        intact.export(quantized, tmp_path / "net.txt")
    with pytest.raises(ValueError, match="ram, flash, kernels and name"):
        intact.export(quantized, tmp_path / "net.onnx", ram=1 << 16)
    with pytest.raises(ValueError, match="ram, flash, kernels and name"):
        intact.export(quantized, tmp_path / "net.tflite", kernels=Kernels.CMSIS_NN)
    assert not list(tmp_path.iterdir())
    intact.export(quantized, tmp_path / "net_c", ram=1 << 16)
    assert (tmp_path / "net_c" / "model.c").exists()


def test_onnx_runtime_computes_nearly_the_same_codes(quantized: intact.QuantizedNetwork) -> None:
    pytest.importorskip("onnxruntime")
    verified = intact.verify(quantized, SAMPLES, executors=["onnxruntime"])
    found = verified.onnxruntime
    assert found is not None
    assert verified.met
    assert 0.95 < found.equal <= 1
    assert (verified.samples, verified.tolerance) == (64, 1)
    assert '"3"' in str(verified)
    elements = sum(
        -64 * int(np.prod(node.output.shape))
        for node in quantized.program.nodes
        if not isinstance(node.op, Dequantize)
    )
    assert found.codes == elements


def test_hashes_do_not_depend_on_how_samples_are_cut(quantized: intact.QuantizedNetwork) -> None:
    whole = intact.verify(quantized, SAMPLES.numpy(), executors=["native"])
    codes = quantized.program.nodes[-1].inputs[0]
    real = np.asarray(intact.compile(quantized)(SAMPLES.numpy()))
    assert codes.params is not None
    expected = hashlib.sha256(codes.params.quantize(real).tobytes()).hexdigest()
    assert [output.sha256 for output in whole.outputs] == [expected]
    pieces = intact.verify(quantized, SAMPLES.split(10), executors=["native"])
    assert pieces == whole
    assert whole.sha256 == hashlib.sha256(bytes.fromhex(expected)).hexdigest()
    other = intact.verify(quantized, SAMPLES[1:], executors=[])
    assert other.outputs[0].sha256 != expected
    with pytest.raises(intact.CalibrationError, match="no samples"):
        intact.verify(quantized, [])


def test_onnx_runtime_runs_the_exported_network(quantized: intact.QuantizedNetwork) -> None:
    pytest.importorskip("onnxruntime")
    x = SAMPLES.numpy()
    exact, other = (
        np.asarray(intact.compile(quantized, executor=executor)(x))
        for executor in ("reference", "onnxruntime")
    )
    params = quantized.program.nodes[-1].inputs[0].params
    assert params is not None
    np.testing.assert_allclose(other, exact, atol=2.01 * float(params.scale))


def test_litert_computes_the_references_integers(
    quantized: intact.QuantizedNetwork, tmp_path: Path
) -> None:
    pytest.importorskip("ai_edge_litert")
    pytest.importorskip("tflite")
    x = SAMPLES.numpy()
    exact, made = (
        np.asarray(intact.compile(quantized, executor=executor)(x))
        for executor in ("reference", "litert")
    )
    np.testing.assert_array_equal(made, exact)
    intact.export(quantized, tmp_path / "net.tflite")
    read = intact.load(tmp_path / "net.tflite")
    last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    np.testing.assert_array_equal(np.asarray(intact.compile(read)(last)), exact)


def test_a_network_is_shown_in_a_line(quantized: intact.QuantizedNetwork) -> None:
    assert len(repr(quantized)) < 100
    assert f"{quantized.bytes:,} bytes" in repr(quantized)


def test_a_title_tells_an_activation_from_an_onnx_node() -> None:
    def title(name: str, weight: str | None) -> str:
        return Layer(name, weight, "QConv2d", (), (-1,), "int8", None, 0, 0).title

    assert title("features.2", "features.0.weight") == "features.0 + features.2"
    assert title("features.0.2", "features.0.0.weight") == "features.0.0 + features.0.2"
    assert title("conv1.codes", "conv1.weight") == "conv1.codes"
    assert title("/layer1/layer1.0/conv1/Conv", "layer1.0.conv1.weight") == (
        "/layer1/layer1.0/conv1/Conv"
    )
    assert title("/relu/Relu", "conv1.weight") == "conv1 + /relu/Relu"
    assert title("/relu/Relu", "onnx::Conv_63") == "/relu/Relu"
    assert title("add", None) == "add"


def test_indices_outside_of_a_table_are_the_batchs_fault() -> None:
    table = nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(8, 3)).eval()
    inside = torch.arange(8).reshape(4, 2) % 5
    network = intact.quantize(table, [inside])
    with pytest.raises(intact.CalibrationError, match="outside of the network's table"):
        intact.compile(network)(inside + 1)
    with pytest.raises(intact.CalibrationError, match="outside of the network's table"):
        intact.quantize(table, [inside + 1], example_input=inside)
