"""What other toolkits make of a float ONNX file; runs in any interpreter that has one of them.

    python benchmarks/rivals.py METHOD FLOAT.onnx SAMPLES.npy OUT.onnx

SAMPLES.npy is (N, 3, H, W) float32. The last line of stdout is JSON: version, seconds, seconds of
the CPU, peak memory. Importing the packages does not count, reading the file and calibrating does.
"""

import importlib
import importlib.metadata
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx


@dataclass(frozen=True)
class Method:
    """One way of one toolkit; `quantize` gives a QDQ network."""

    package: str
    module: str
    quantize: Callable[[Path, np.ndarray], onnx.ModelProto]


def _name(model: onnx.ModelProto) -> str:
    return str(model.graph.input[0].name)


def _nncf(path: Path, samples: np.ndarray, *, fast: bool) -> onnx.ModelProto:
    import nncf

    model = onnx.load(path)
    name = _name(model)
    data = nncf.Dataset(list(samples), lambda x: {name: x[None]})
    return nncf.quantize(model, data, subset_size=len(samples), fast_bias_correction=fast)


def _onnxruntime(path: Path, samples: np.ndarray, *, per_channel: bool) -> onnx.ModelProto:
    from onnxruntime.quantization import CalibrationDataReader, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    name = _name(onnx.load(path))

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._batches = iter({name: x[None]} for x in samples)

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self._batches, None)

    with tempfile.TemporaryDirectory() as folder:
        prepared, made = Path(folder) / "prepared.onnx", Path(folder) / "made.onnx"
        quant_pre_process(str(path), str(prepared))
        quantize_static(str(prepared), str(made), Reader(), per_channel=per_channel)
        return onnx.load(made)


def _aimet(path: Path, samples: np.ndarray) -> onnx.ModelProto:
    from aimet_onnx import QuantizationSimModel

    model = onnx.load(path)
    name = _name(model)
    simulation = QuantizationSimModel(model)
    simulation.compute_encodings({name: x[None]} for x in samples)
    return simulation.to_onnx_qdq()


METHODS: dict[str, Method] = {
    "nncf": Method("nncf", "nncf", partial(_nncf, fast=True)),
    "nncf-bias-correction": Method("nncf", "nncf", partial(_nncf, fast=False)),
    "onnxruntime": Method(
        "onnxruntime", "onnxruntime.quantization", partial(_onnxruntime, per_channel=False)
    ),
    "onnxruntime-per-channel": Method(
        "onnxruntime", "onnxruntime.quantization", partial(_onnxruntime, per_channel=True)
    ),
    "aimet": Method("aimet-onnx", "aimet_onnx", _aimet),
}


def measured(work: Callable[[], object]) -> tuple[object, dict[str, float]]:
    """What `work` gives; its seconds, and this process' peak memory in MB."""
    start, cpu = time.perf_counter(), time.process_time()
    made = work()
    return made, {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mb": _peak_mb(),
    }


def _peak_mb() -> float:
    """Peak memory of this program alone; ru_maxrss also counts what it was forked from."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def main() -> None:
    """Quantizes one file by one method."""
    name, source, samples, target = sys.argv[1:]
    method = METHODS[name]
    importlib.import_module(method.module)
    data = np.load(samples)
    model, numbers = measured(lambda: method.quantize(Path(source), data))
    assert isinstance(model, onnx.ModelProto)
    onnx.save(model, target)
    version = importlib.metadata.version(method.package)
    print(json.dumps({"version": version, **numbers}))


if __name__ == "__main__":
    main()
