"""What every test shares: where the data lies, and runs that repeat exactly."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parent.parent

settings.register_profile("intact", deadline=None, derandomize=True)
settings.load_profile("intact")


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        _use_one_torch_thread()


def _use_one_torch_thread() -> None:
    """Torch starts a thread per core in each xdist worker; they would fight over the cores."""
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real networks and data sets, which are not part of the repository."""
    folder = Path(os.environ.get("INTACT_DATA") or REPOSITORY / ".." / "shared" / "data").resolve()
    if not folder.is_dir():
        pytest.skip(f"no data at {folder}: set INTACT_DATA to the folder with networks and data")
    return folder
