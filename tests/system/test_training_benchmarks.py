"""The scripts that reproduce papers by training, and what they share."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from benchmarks.reproduce import bnn, cifar, distillation, dorefa, ptb, simqat, slb, whitepaper
from benchmarks.training.datasets import cifar10, drawn, mnist, penn_treebank, windows
from benchmarks.training.integers import share_right
from benchmarks.training.loop import Batches, Training, adam, train
from benchmarks.training.results import described, keep, read, result
from benchmarks.training.table import BEGIN, END, document, lines

SETTINGS = Training(epochs=3, optimizer=partial(adam, rate=1e-2), seed=4)
IMAGES = drawn((1, 6, 6), 96, 0)


def _network() -> nn.Module:
    torch.manual_seed(2)
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 16), nn.Dropout(), nn.Linear(16, 10))


def _batches(fail_at: int | None = None) -> Batches:
    epochs = iter(range(10))

    def draw(generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        if next(epochs) == fail_at:
            raise KeyboardInterrupt
        return IMAGES.shuffled(32, generator, crop=True)

    return Batches(3, draw)


def _score(network: nn.Module) -> float:
    return share_right(network, IMAGES.in_order())


def _quiet(line: str) -> None:
    assert line


def test_an_interrupted_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    straight, resumed, path = _network(), _network(), tmp_path / "run.pt"
    expected = train(straight, _batches(), SETTINGS, _score, log=_quiet)
    with pytest.raises(KeyboardInterrupt):
        train(resumed, _batches(2), SETTINGS, _score, checkpoint=path, log=_quiet)
    again = _network()
    found = train(again, _batches(), SETTINGS, _score, checkpoint=path, log=_quiet)
    assert found.curve == expected.curve
    for name, value in straight.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=0, atol=0)


def test_results_are_kept_and_their_table_written(tmp_path: Path) -> None:
    network = _network()
    trained = train(network, _batches(), SETTINGS, _score, log=_quiet)
    entry = result("tiny", "float", SETTINGS, trained, 0.5, None)
    path, page = tmp_path / "tiny.json", tmp_path / "page.md"
    keep([entry, replace(entry, seed=5)], path, ["float"])
    keep([replace(entry, seconds=90.0)], path, ["float"])
    assert read(path) == [replace(entry, seconds=90.0), replace(entry, seed=5)]
    few = replace(entry, method="W4A4")
    keep([few], path, ["W4A4", "float"])
    assert [each.method for each in read(path)] == ["W4A4", "float", "float"]
    keep([], path, ["float"])
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    document(lines(read(path)), page)
    assert "| tiny | float | 2 |" in page.read_text()
    assert "old" not in page.read_text()
    document(lines(read(path)), page, ("network", "score"))
    expected = f"{BEGIN}\n| network | score |\n| :-- | :-- |\n| tiny | 50.00 ± 0.00 % |\n{END}"
    assert expected in page.read_text()


def test_settings_are_described_by_names_alone() -> None:
    assert described(SETTINGS).startswith("Training(epochs=3, optimizer=adam(rate=0.01), ")


def test_crops_are_shifted_windows_of_the_padded_image() -> None:
    image = torch.arange(1, 37, dtype=torch.uint8).view(1, 1, 6, 6)
    one = replace(IMAGES, pixels=image, labels=torch.zeros(1, dtype=torch.int64))
    padded = nn.functional.pad(image.float(), (4,) * 4)[0, 0]
    crops = padded.unfold(0, 6, 1).unfold(1, 6, 1).reshape(-1, 6, 6)
    possible = torch.cat([crops, crops.flip(2)])
    for seed in range(20):
        x, _ = next(one.shuffled(1, torch.Generator().manual_seed(seed), crop=True))
        pixels = (x * 0.25 + 0.5) * 255
        assert bool((possible - pixels[0]).abs().amax((1, 2)).min() < 1e-3)


def test_windows_go_on_where_the_last_ended() -> None:
    (x0, y0), (x1, y1) = windows(torch.arange(15), 2, 3)
    assert x0.tolist() == [[0, 1, 2], [7, 8, 9]]
    assert y0.tolist() == [[1, 2, 3], [8, 9, 10]]
    assert x1.tolist() == [[3, 4, 5], [10, 11, 12]]
    assert y1.tolist() == [[4, 5, 6], [11, 12, 13]]


def test_real_data_are_read(data_dir: Path) -> None:
    digits, photographs = mnist(data_dir, "test"), cifar10(data_dir, "test")
    assert digits.pixels.shape == (10_000, 1, 28, 28)
    assert digits.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert photographs.pixels.shape == (10_000, 3, 32, 32)
    assert photographs.labels.bincount().tolist() == [1000] * 10
    text = penn_treebank(data_dir)
    assert text.vocabulary == 10_000
    assert len(text.train) == 929_589


@pytest.mark.parametrize(
    ("script", "last"),
    [
        (bnn, "BNN W1A1"),
        (cifar, "W1A2"),
        (distillation, "Apprentice"),
        (dorefa, "W1 A2 G2"),
        (ptb, "W2A3 LSQ"),
        (simqat, "from scratch"),
        (slb, "SLB W1 A8"),
        (whitepaper, "from scratch"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_script_trains(
    script: ModuleType,
    last: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["script", "--smoke", "--seed", "0"])
    script.main()
    assert last in " ".join(capsys.readouterr().out.split())
