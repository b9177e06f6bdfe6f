"""distilled_samples: calibration data for those who may share none."""

from torch import Tensor

from intact.api.model import Example, Model, to_graph
from intact.ptq import Distillation, Progress, silent


def distilled_samples(
    model: Model,
    *,
    example_input: Example | tuple[Example, ...] | None = None,
    count: int = 32,
    seed: int = 0,
    input_range: tuple[float, float] | None = None,
    progress: Progress = silent,
) -> list[tuple[Tensor, ...]]:
    """Batches for `quantize(..., calibration=)`, made of what the network's BatchNorms remember.

    Args:
        model: As for `quantize`; its batch norms not folded.
        example_input: What an `nn.Module` is called with.
        count: How many samples.
        seed: The noise that they are made of; the same seed gives the same samples.
        input_range: The smallest and the largest number that inputs have. By default those of
            ImageNet's usual normalization for images, and no bound for other inputs.
        progress: Told of "distilling samples" and how many steps of all are done.

    Raises:
        CalibrationError: if the network has no batch norm, or an input of other than real numbers.
        ValueError: for an argument that is none; others as `quantize`.
    """
    graph = to_graph(model, example_input)
    return Distillation(samples=count, seed=seed, input_range=input_range)(graph, progress)
