"""Every architecture on the native engine and as C: the reference's integers, whatever runs them.

Real numbers agree but for the order of sums, and are the same for every number of threads.
"""

import threading

import numpy as np
import pytest
import torch

from intact.api.network import to_program
from intact.api.quantize import quantize
from intact.exec import native, reference
from intact.ir.int_ops import Program
from tests.architectures import ARCHITECTURES, Architecture
from tests.system.test_generated_c import check_compiled_c, sample
from tests.unit.emit.c.compiling import has_compiler


def program_of(architecture: Architecture, recipe: str) -> Program:
    example = architecture.example(torch.Generator().manual_seed(2))
    network = quantize(architecture.build(), [example], example_input=example, recipe=recipe)
    return to_program(network)


@pytest.mark.parametrize("recipe", ["W8A8", "W8A16"])
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)
def test_networks_have_the_references_codes(architecture: Architecture, recipe: str) -> None:
    program = program_of(architecture, recipe)
    inputs = sample(architecture, program)
    expected = reference.load(program)(inputs)
    for threads in (1, 2, 3):
        engine = native.load(program, threads)
        made = engine(inputs)
        for name, values in expected.items():
            np.testing.assert_array_equal(made[name], values)
        halves = [engine({n: x[i : i + 1] for n, x in inputs.items()}) for i in (0, 1)]
        for name, values in expected.items():
            joined = np.concatenate([half[name] for half in halves])
            np.testing.assert_array_equal(joined, values)
    if recipe == "W8A8" and has_compiler():
        check_compiled_c(program, inputs)


# Where layers quantize what they read, a last bit may become a code and go on from layer to layer.
_TOLERANCES = {"W8": 1e-4, "float16": 1e-4, "W4-g32": 1e-4, "dynamic-int8": 0.1}
_FEW = ("ds_cnn", "cifar_resnet20", "unet", "bert")  # for the recipes behind the first


@pytest.mark.parametrize(
    ("architecture", "recipe"),
    [
        (architecture, recipe)
        for architecture in ARCHITECTURES
        for recipe in (_TOLERANCES if architecture.name in _FEW else ["W8"])
    ],
    ids=lambda x: x if isinstance(x, str) else x.name,
)
def test_networks_with_real_numbers_are_close_to_the_reference(
    architecture: Architecture, recipe: str
) -> None:
    program = program_of(architecture, recipe)
    inputs = sample(architecture, program)
    made = native.load(program)(inputs)
    for name, values in reference.load(program)(inputs).items():
        allowed = _TOLERANCES[recipe] * np.abs(values).max()
        assert np.abs(made[name] - values).max() <= allowed
    engine = native.load(program, 2)
    halves = [engine({n: x[i : i + 1] for n, x in inputs.items()}) for i in (0, 1)]
    for name, values in made.items():
        joined = np.concatenate([half[name] for half in halves])
        np.testing.assert_array_equal(joined, values)


def test_eight_threads_share_an_engine() -> None:
    architecture = next(a for a in ARCHITECTURES if a.name == "cifar_resnet20")
    program = program_of(architecture, "W8A8")
    inputs = sample(architecture, program)
    expected = reference.load(program)(inputs)
    engine = native.load(program, 2)
    wrong = []

    def work() -> None:
        for _ in range(10):
            made = engine(inputs)
            wrong.extend(n for n, x in expected.items() if not np.array_equal(made[n], x))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_engine_closed_during_use_raises_and_does_not_crash() -> None:
    architecture = next(a for a in ARCHITECTURES if a.name == "ds_cnn")
    program = program_of(architecture, "W8A8")
    inputs = sample(architecture, program)
    engine = native.load(program, 2)
    started = threading.Event()
    caught: list[Exception] = []

    def work() -> None:
        try:
            while True:
                engine(inputs)
                started.set()
        except RuntimeError as error:
            caught.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    started.wait()
    engine.close()
    for thread in threads:
        thread.join()
    assert [str(error) for error in caught] == ["the engine is closed"] * 4
