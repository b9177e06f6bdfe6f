"""Every architecture on the native engine: the reference's integers, whatever runs them."""

import threading

import numpy as np
import pytest
import torch

from intact.api.network import to_program
from intact.api.quantize import quantize
from intact.exec import native, reference
from intact.ir.int_ops import Program
from intact.numerics.arrays import Array
from tests.architectures import ARCHITECTURES, Architecture


def program_of(architecture: Architecture, recipe: str) -> Program:
    example = architecture.example(torch.Generator().manual_seed(2))
    network = quantize(architecture.build(), [example], example_input=example, recipe=recipe)
    return to_program(network)


def sample(architecture: Architecture, program: Program) -> dict[str, Array]:
    drawn = architecture.example(torch.Generator().manual_seed(5))
    return {v.name: x.numpy() for v, x in zip(program.inputs, drawn, strict=True)}


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
