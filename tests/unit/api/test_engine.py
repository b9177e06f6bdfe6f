import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

import intact
from intact.api.engine import Engine
from intact.exec.reference import load
from intact.ir.file import save
from intact.ir.int_ops import Lookup, Program
from intact.numerics.arrays import Array
from tests.unit.ir.examples import examples, network

SOURCE = Path(__file__).resolve().parents[3] / "src"
PROGRAM = next(p for p in examples() if isinstance(p.nodes[0].op, Lookup))
CODES = np.random.default_rng(0).integers(-128, 128, (3, 6, 6, 4), np.int8)


class Foreign:
    """An array of a library that speaks DLPack alone."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def __dlpack__(self, **_: object) -> object:
        return self.array.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()


def expected(program: Program = PROGRAM, codes: Array = CODES) -> Array:
    return load(program)({"x": codes})["layer"]


def test_networks_run_natively_by_default() -> None:
    with intact.compile(PROGRAM, threads=2) as engine:
        assert engine.memory.packed > 0


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_native_integers_are_the_references(threads: int) -> None:
    with intact.compile(PROGRAM, executor="native", threads=threads) as engine:
        for count in (1, 2, 3, 1, 0):
            np.testing.assert_array_equal(engine(CODES[:count]), expected(codes=CODES[:count]))


def test_tensors_give_tensors_and_arrays_arrays() -> None:
    with intact.compile(PROGRAM, executor="native") as engine:
        y = engine(torch.from_numpy(CODES))
        assert isinstance(y, torch.Tensor)
        np.testing.assert_array_equal(y.numpy(), expected())
        for x in (CODES, Foreign(CODES), CODES.tolist(), CODES.astype(np.int64)):
            y = engine(x)  # type: ignore[call-overload]
            assert isinstance(y, np.ndarray)
            np.testing.assert_array_equal(y, expected())


def test_tensors_and_dlpack_are_not_copied() -> None:
    seen: list[tuple[Array, ...]] = []

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        seen.append(arrays)
        return arrays

    for x in (CODES, Foreign(CODES), torch.from_numpy(CODES)):
        Engine(PROGRAM.inputs, run)(x)
    assert all(np.shares_memory(array, CODES) for (array,) in seen)


def test_strides_do_not_matter() -> None:
    moved = CODES.transpose(0, 3, 1, 2).copy().transpose(0, 2, 3, 1)
    assert not moved.flags.c_contiguous
    with intact.compile(PROGRAM, executor="native") as engine:
        for x in (moved, torch.from_numpy(moved), Foreign(moved)):
            np.testing.assert_array_equal(engine(x), expected())  # type: ignore[call-overload]


def test_arrays_elsewhere_are_refused() -> None:
    class Elsewhere(Foreign):
        def __dlpack__(self, **_: object) -> object:
            raise BufferError("lies on a GPU")

    with (
        intact.compile(PROGRAM, executor="native") as engine,
        pytest.raises(intact.CalibrationError, match="copy it to the CPU"),
    ):
        engine(Elsewhere(CODES))


def test_a_profile_times_each_step() -> None:
    with intact.compile(PROGRAM, executor="native") as engine:
        (step,) = engine.profile(CODES)
        assert (step.name, step.op) == ("layer", "Lookup")
        assert step.kernel
        assert 0 < step.seconds < 1
        with pytest.raises(intact.CalibrationError, match="shape"):
            engine.profile(CODES[0])


def test_memory_is_counted() -> None:
    with intact.compile(PROGRAM, executor="native") as engine:
        assert engine.memory.packed >= 256
        engine(CODES)
        assert engine.memory.arenas >= 0


def test_a_closed_engine_says_so() -> None:
    for executor in ("native", "reference"):
        engine = intact.compile(PROGRAM, executor=executor)
        engine.close()
        engine.close()
        with pytest.raises(RuntimeError, match="closed"):
            engine(CODES)


def test_threads_may_share_an_engine() -> None:
    counts = [1, 2, 3] * 5
    with (
        intact.compile(PROGRAM, executor="native", threads=2) as engine,
        ThreadPoolExecutor(3) as callers,
    ):
        found = list(callers.map(lambda count: engine(CODES[:count]), counts))
    for count, y in zip(counts, found, strict=True):
        np.testing.assert_array_equal(y, expected(codes=CODES[:count]))


def test_other_executors_neither_profile_nor_take_threads() -> None:
    engine = intact.compile(PROGRAM, executor="reference")
    with pytest.raises(ValueError, match='only executor="native" times'):
        engine.profile(CODES)
    with pytest.raises(ValueError, match='only executor="native" counts'):
        _ = engine.memory
    with pytest.raises(ValueError, match="takes none"):
        intact.compile(PROGRAM, executor="reference", threads=2)
    with pytest.raises(ValueError, match="1 to 1024 threads, not 0"):
        intact.compile(PROGRAM, executor="native", threads=0)


def test_an_engine_that_was_not_built_says_how() -> None:
    code = """
import sys
sys.modules["intact._native"] = None
import intact
from tests.unit.api.test_engine import PROGRAM
intact.compile(PROGRAM, executor="reference")
try:
    intact.compile(PROGRAM, executor="native")
except ImportError as error:
    print(error)
"""
    root = SOURCE.parent
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=False,
        env={"PYTHONPATH": f"{SOURCE}:{root}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "pip install ." in done.stdout


def test_running_a_saved_network_imports_little(tmp_path: Path) -> None:
    save(network(), tmp_path / "net.intact")
    code = """
import sys
import intact, numpy
engine = intact.compile(intact.load(sys.argv[1]), executor="native")
assert engine(numpy.zeros((1, 3, 8, 8), numpy.float32)).shape == (1, 20)
print(*sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "net.intact")],
        capture_output=True, text=True, check=False, env={"PYTHONPATH": str(SOURCE)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    heavy = {"torch", "onnx", "onnxruntime", "click", "rich", "ml_dtypes", "PIL", "scipy"}
    assert not heavy & loaded
    parts = {name.split(".")[1] for name in loaded if name.startswith("intact.")}
    assert parts <= {"api", "data", "errors", "exec", "ir", "model", "numerics", "_native"}
    assert len(loaded) < 450


def test_verifying_the_native_executor_needs_no_onnx() -> None:
    found = intact.verify(PROGRAM, CODES, executors=["native"])
    from intact.exec.native import levels

    settings = [agreement.setting for agreement in found.agreements]
    assert settings[0] == "none, 1 thread"
    assert len(set(settings)) == len(settings) >= len(levels())
    for agreement in found.agreements:
        (output,) = agreement.outputs
        assert (output.exact, output.equal, output.first_layer) == (True, 1.0, None)
    assert found.met
    assert (found.executors, found.onnxruntime) == (("native",), None)
    assert f'native (none, 1 thread), "layer": all {CODES.size} equal' in str(found)
    with pytest.raises(ValueError, match="no executor abacus to verify; there are native"):
        intact.verify(PROGRAM, CODES, executors=["abacus"])  # type: ignore[list-item]
