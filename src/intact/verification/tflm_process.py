"""Runs a TFLite file in TensorFlow Lite Micro: python tflm_process.py FOLDER ARENA_BYTES.

FOLDER holds model.tflite and, for input i, input.i.npy (samples, *shape); output j is written to
output.j.npy in the same way, and the arena's use is printed. This file imports nothing of intact,
which would take longer than most networks, and nothing imports it: it needs tflite-micro.
"""

import sys
from pathlib import Path

import numpy as np
from tflite_micro import runtime


def main(folder: Path, arena: int) -> None:
    """Runs all samples."""
    model = (folder / "model.tflite").read_bytes()
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=arena)
    paths = sorted(folder.glob("input.*.npy"), key=lambda path: int(path.suffixes[0][1:]))
    inputs = [np.load(path, allow_pickle=False) for path in paths]
    outputs: list[list[np.ndarray]] = [[] for _ in range(int(sys.argv[3]))]
    for sample in zip(*inputs, strict=True):
        for index, array in enumerate(sample):
            interpreter.set_input(array, index)
        interpreter.invoke()
        for index, made in enumerate(outputs):
            made.append(np.array(interpreter.get_output(index)))
    for index, made in enumerate(outputs):
        np.save(folder / f"output.{index}.npy", np.stack(made))
    interpreter.print_allocations()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
