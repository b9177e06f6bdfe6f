"""The tasks of `benchmarks/trained.py`: samples that fit the networks, and true scores."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.trained import TASKS, Pixels, Top1, float_engine
from examples.deeplab import CLASSES, UNLABELLED, confusions, mean_iou, pixel_accuracy


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2"])
def test_a_task_is_right_about_most_photographs(data_dir: Path, name: str) -> None:
    task = replace(TASKS[name], data=data_dir)
    assert task.missing() is None
    module, example = task.load()
    images, labels = task.validation(20)
    assert example.shape == images[:1].shape
    answers = task.run(float_engine(module), images)
    assert task.metric(answers, labels)["top1"] == task.scores(answers, labels).mean() > 0.7


@pytest.mark.parametrize("name", TASKS)
def test_a_task_says_what_is_missing(tmp_path: Path, name: str) -> None:
    assert f"{name}: no networks/" in str(replace(TASKS[name], data=tmp_path).missing())


def test_top1_of_three_samples() -> None:
    logits = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    labels = np.array([1, 1, 1])
    assert Top1().scores(logits, labels).tolist() == [1, 0, 1]
    assert Top1().metric(logits, labels) == {"top1": 2 / 3}


def test_mean_iou_by_hand() -> None:
    """Class 0: 2 of 3 pixels in the union; class 1: 1 of 2; class 2 occurs nowhere."""
    truth = np.array([[[0, 0, 1, 1, UNLABELLED]]])
    guess = np.array([[[0, 0, 1, 0, 2]]])
    confusion = confusions(guess, truth)[0]
    assert confusion.sum() == 4
    assert pixel_accuracy(confusion) == 3 / 4
    assert mean_iou(confusion) == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_pixels_take_logits_or_classes() -> None:
    logits = np.random.default_rng(0).normal(size=(2, CLASSES, 4, 5)).astype(np.float32)
    truth = np.random.default_rng(1).integers(0, CLASSES, (2, 4, 5))
    scoring = Pixels()
    answers = scoring.answers(logits)
    assert answers.dtype == np.uint8
    assert scoring.metric(logits, truth) == scoring.metric(answers, truth)
    assert scoring.scores(answers, truth).shape == (2,)
    assert scoring.agreement(logits, answers) == 1


def test_differences_of_equal_networks_are_zero() -> None:
    logits = np.random.default_rng(0).normal(size=(3, CLASSES, 4, 5))
    truth = np.random.default_rng(1).integers(0, CLASSES, (3, 4, 5))
    differences = Pixels().differences(logits, logits, truth)
    assert differences == {"pixel_accuracy": (0, 0, 0), "mean_iou": (0, 0, 0)}


def test_the_interval_of_a_paired_difference_holds_it() -> None:
    truth = np.random.default_rng(1).integers(0, 3, (20, 4, 5))
    worse = np.where(np.random.default_rng(2).random(truth.shape) < 0.1, 3, truth)
    for difference, low, high in Pixels().differences(worse, truth, truth).values():
        assert -0.2 < low < difference < high < 0
