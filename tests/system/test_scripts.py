"""The scripts behind the README's numbers still run."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.aarch64 import machine
from tests.targets import boards

ROOT = Path(__file__).resolve().parent.parent.parent


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_calibration_benchmark_runs() -> None:
    output = run("benchmarks/calibration.py", "--smoke")
    assert "MinMax" in output
    assert "ratio of peaks" in output


def test_parity_benchmark_runs() -> None:
    output = run("benchmarks/parity.py", "--smoke")
    assert "conv1d_net" in output


def test_equality_benchmark_runs() -> None:
    output = run("benchmarks/equality.py", "--smoke", "--recipe", "W8A8")
    assert "ds_cnn" in output


def test_speed_benchmark_runs() -> None:
    output = run("benchmarks/speed.py", "--smoke")
    for network in ("cifar_resnet20", "bert_tiny", "matvec_64x96"):
        assert network in output


def test_data_free_ladder_runs() -> None:
    output = run("benchmarks/reproduce/dfq.py", "--smoke")
    assert "W8A8-data-free-per-tensor" in output
    assert "bounds per channel, all of it" in output


def test_automatic_mode_runs() -> None:
    output = run("benchmarks/reproduce/automatic.py", "--smoke")
    assert "points met" in output


def test_separable_convolutions_train() -> None:
    output = run("benchmarks/reproduce/sheng.py", "--smoke")
    assert "original, repaired" in output
    assert "L2 penalty" in output


def test_distilled_samples_are_compared(data_dir: Path) -> None:  # noqa: ARG001
    assert "distilled" in run("benchmarks/distilled.py", "--smoke")


def test_ranges_are_compared(data_dir: Path) -> None:  # noqa: ARG001
    assert "MinMax" in run("benchmarks/ranges.py", "--smoke")


def test_startup_benchmark_runs() -> None:
    assert "first run" in run("benchmarks/startup.py", "--smoke")


def test_four_bit_benchmark_runs(data_dir: Path) -> None:
    assert data_dir.is_dir()
    assert "least squares" in run("benchmarks/reproduce/w4a8.py", "--smoke")


def test_microcontroller_benchmark_runs() -> None:
    if missing := boards.CORTEX_M4.missing():
        pytest.skip(missing)
    output = run("benchmarks/microcontrollers.py", "--smoke")
    assert "autoencoder" in output
    assert "published loop" in output


def test_tflite_files_benchmark_runs(data_dir: Path) -> None:
    for package in ("ai_edge_litert", "tflite", "tflite_micro"):
        pytest.importorskip(package, reason="pip install 'intact[litert,tflm]'")
    output = run("benchmarks/tflite_files.py", "--data", str(data_dir), "--smoke")
    assert "kws_int8.tflite | 20 | 0 of 240" in output


def test_neon_benchmark_runs() -> None:
    if missing := machine.missing():
        pytest.skip(missing)
    output = run("benchmarks/neon.py", "--smoke")
    assert "depthwise 3x3, 25x5x64" in output


def test_digits_demo_runs() -> None:
    output = run("examples/digits/demo.py")
    assert "W4A8" in output
    assert "largest difference 1" in output


@pytest.mark.parametrize("network", ["mobilenet_v2", "mobilenet_v1_0.75"])
def test_imagenet_example_keeps_most_predictions(data_dir: Path, network: str) -> None:
    output = run(
        "examples/imagenet.py", "--data", str(data_dir), "--network", network,
        "--recipe", "W8A8", "--limit", "20",
    )  # fmt: skip
    assert "W8A8" in output


@pytest.mark.parametrize("script", ["examples/imagenet.py", "benchmarks/tflite_files.py"])
def test_a_script_without_data_says_so(tmp_path: Path, script: str) -> None:
    done = subprocess.run(
        [sys.executable, script, "--data", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "skipped: no " in done.stderr
    assert done.returncode == 0


def test_ptq_comparison_runs() -> None:
    pytest.importorskip("onnxscript")
    output = run("benchmarks/compare_ptq.py", "--smoke", "--methods", "intact", "onnxruntime")
    assert "smoke" in output
    assert output.count("onnxruntime") == 2  # with its own time in all


def test_deeplab_example_runs_in_integers(data_dir: Path) -> None:
    output = run(
        "examples/deeplab.py", "--data", str(data_dir), "--samples", "2", "--limit", "1",
    )  # fmt: skip
    assert "W8A8" in output


def test_deeplab_example_without_data_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "examples/deeplab.py", "--data", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "skipped: no photographs" in done.stderr
    assert done.returncode == 0


def test_low_precision_training_is_timed() -> None:
    output = run("benchmarks/reproduce/low_precision_training.py", "--smoke")
    assert "DoReFa W1 A2 G4" in output
    assert "integers" in output
