"""A runtime that ends its process."""

import os
from dataclasses import dataclass
from pathlib import Path

from intact.benchmark.peers import Batch, Call


@dataclass(frozen=True)
class Crashing:
    name: str = "crashing"
    version: str = "1"

    def load(self, model: Path, batch: Batch, threads: int) -> Call:  # noqa: ARG002
        os._exit(3)
