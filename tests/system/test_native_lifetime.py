"""The native engine's threads and memory, however its user treats it."""

import gc
import multiprocessing
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

import intact
from intact.exec import native, reference
from intact.exec.native import NativeEngine
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import Program, QLinear
from intact.ir.verify import verify
from intact.numerics.arrays import Array
from intact.numerics.formats import Int
from tests.unit.ir.examples import S8, filled, network, requant

ROOT = Path(__file__).resolve().parents[2]


def wide() -> Program:
    """Layers with enough work for several threads."""
    values = [Value(f"v{i}", (-1, 256), S8) for i in range(9)]
    constants: dict[str, Array] = {"bias": filled(Int(32), (256,))}
    nodes = []
    for x, y in pairwise(values):
        weight = Value(f"{y.name}.weight", (256, 256), S8)
        constants[weight.name] = filled(S8, weight.shape)
        bias = Value("bias", (256,), Int(32))
        nodes.append(Node(QLinear(0, None, requant(256)), (x, weight, bias), y))
    program = Graph(values[:1], values[-1:], tuple(nodes), constants)
    verify(program)
    return program


PROGRAM = wide()
CODES = {"v0": np.random.default_rng(0).integers(-128, 128, (64, 256), np.int8)}
EXPECTED = reference.load(PROGRAM)(CODES)["v8"]


def check(engine: NativeEngine) -> None:
    np.testing.assert_array_equal(engine(CODES)["v8"], EXPECTED)


def test_outputs_outlive_their_engine() -> None:
    engine = native.load(PROGRAM, 2)
    made = engine(CODES)
    engine.close()
    del engine
    gc.collect()
    np.testing.assert_array_equal(made["v8"], EXPECTED)


def test_later_calls_do_not_touch_earlier_outputs() -> None:
    engine = native.load(PROGRAM, 2)
    made = engine(CODES)["v8"]
    engine({"v0": CODES["v0"][::-1]})
    np.testing.assert_array_equal(made, EXPECTED)


def test_an_engine_dropped_during_use_lives_until_its_call_ends() -> None:
    for _ in range(5):
        started = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            engine = native.load(PROGRAM, 2)
            ended = pool.submit(_use, engine, started)
            started.wait()
            seen = weakref.ref(engine)
            del engine
            gc.collect()
            ended.result()
        assert seen() is None


def _use(engine: NativeEngine, started: threading.Event) -> None:
    for _ in range(20):
        started.set()
        check(engine)


def _in_child(engine: NativeEngine, queue: "multiprocessing.Queue[bool]") -> None:
    again = native.load(PROGRAM, 2)
    queue.put(all(np.array_equal(e(CODES)["v8"], EXPECTED) for e in (engine, again)))


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not fork")
def test_a_forked_child_runs_an_engine_that_its_parent_has_used() -> None:
    engine = native.load(PROGRAM, 3)
    check(engine)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    children = [context.Process(target=_in_child, args=(engine, queue)) for _ in range(2)]
    for child in children:
        child.start()
    assert [queue.get(timeout=60) for _ in children] == [True, True]
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    check(engine)


THREADS_FAIL = """
import resource, sys
import numpy as np
from intact.exec import native
from tests.system.test_native_lifetime import CODES, EXPECTED, PROGRAM
engine = native.load(PROGRAM, 1000)
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + (100 << 20)  # a dozen stacks
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
assert np.array_equal(engine(CODES)["v8"], EXPECTED)
print("done with", open("/proc/self/status").read().split("Threads:")[1].split()[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_fewer_threads_than_wanted_do_the_work() -> None:
    done = subprocess.run(
        [sys.executable, "-c", THREADS_FAIL], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("done with"), done.stderr
    assert int(done.stdout.split()[-1]) < 500


@pytest.mark.parametrize("threads", [0, -1, 1025, 2**40, 1.5])
def test_numbers_of_threads_out_of_range_are_refused(threads: int) -> None:
    with pytest.raises(ValueError, match=r"1 to 1024 threads, not"):
        native.load(PROGRAM, threads)


# --- what callers pass -----------------------------------------------------------------------


def images(count: int) -> Array:
    return np.random.default_rng(1).normal(size=(count, 3, 8, 8)).astype(np.float32)


def test_read_only_and_reversed_arrays_are_read() -> None:
    x = images(4)
    expected = reference.load(network())({"x": x})["y"]
    with intact.compile(network(), executor="native") as engine:
        frozen = x.copy()
        frozen.flags.writeable = False
        np.testing.assert_array_equal(engine(frozen), expected)
        np.testing.assert_array_equal(engine(x[::-1])[::-1], expected)
        np.testing.assert_array_equal(engine(np.asfortranarray(x)), expected)
        np.testing.assert_array_equal(engine(x[:, :, ::-1][:, :, ::-1]), expected)


def test_tensors_that_require_gradients_are_read() -> None:
    x = torch.from_numpy(images(2)).requires_grad_()
    expected = reference.load(network())({"x": images(2)})["y"]
    with intact.compile(network(), executor="native") as engine:
        y = engine(x)
        assert not y.requires_grad
        np.testing.assert_array_equal(y.numpy(), expected)


def test_an_empty_batch_gives_an_empty_output() -> None:
    for threads in (1, 2):
        assert native.load(network(), threads)({"x": images(0)})["y"].shape == (0, 20)


def test_a_batch_beyond_all_memory_is_refused_and_the_engine_goes_on() -> None:
    engine = native.load(network(), 2)
    x = images(1)
    for batch in (2**31, 2**50):
        with pytest.raises(MemoryError):
            engine({"x": np.broadcast_to(x, (batch, 3, 8, 8))})
    np.testing.assert_array_equal(engine({"x": x})["y"], reference.load(network())({"x": x})["y"])


@pytest.mark.parametrize(
    "x", [images(2).astype(np.float64), images(2).astype(">f4"), images(2)[0], images(2)[:, :2]],
    ids=["dtype", "byte order", "axes", "channels"],
)  # fmt: skip
def test_other_arrays_are_refused(x: Array) -> None:
    with pytest.raises(ValueError, match=r'input "x" has (dtype|shape)'):
        native.load(network())({"x": x})
