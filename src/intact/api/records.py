"""What a search writes into its journal of each attempt, and the key of the search."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from intact.api.journal import Entry
from intact.api.network import Attempt, QuantizedNetwork
from intact.api.scoring import Reference
from intact.api.vectors import versions
from intact.diagnosis.treatment import Candidate
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.ir.hashing import little_endian

_FORMAT = 1  # of the journal


def entry_of(attempt: Attempt, network: QuantizedNetwork, saved: Path | None) -> Entry:
    """What is to be known of an attempt in another process; `saved` holds its network."""
    return {
        "recipe": attempt.recipe,
        "metric": attempt.metric,
        "bytes": attempt.bytes,
        "interval": None if attempt.interval is None else list(attempt.interval),
        "samples": attempt.samples,
        "whole": attempt.whole,
        "seconds": attempt.seconds,
        "stays_float": dict(network.stays_float),
        "file": None if saved is None else file_sha256(saved),
    }


def attempt_of(candidate: Candidate, entry: Mapping[str, Entry]) -> Attempt:
    """The attempt again."""
    interval = cast("list[float] | None", entry["interval"])
    return Attempt(
        candidate.name,
        cast("float", entry["metric"]),
        cast("int", entry["bytes"]),
        candidate.words,
        None if interval is None else (interval[0], interval[1]),
        cast("int | None", entry["samples"]),
        cast("bool", entry["whole"]),
        cast("float", entry["seconds"]),
    )


def file_sha256(path: Path) -> str:
    """Of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def text_sha256(*texts: str | None) -> str:
    """Of several texts, in order."""
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def search_key(key: str, float_network: Reference | None) -> str:
    """With the versions that numbers may depend on, and what the float network was found to reach.

    The latter stands for the data of a judge that intact cannot look into.
    """
    packages = [f"{v.package} {v.version}" for v in versions("intact", "numpy", "torch")]
    known = None if float_network is None else str(float_network.metric)
    if float_network is not None and float_network.scores is not None:
        known = hashlib.sha256(little_endian(float_network.scores)).hexdigest()
    return text_sha256(str(_FORMAT), *packages, key, known)


def graph_sha256(graph: Graph[FloatOp]) -> str:
    """Of the operations, the names and the weights."""
    digest = hashlib.sha256(repr((graph.inputs, graph.outputs, graph.nodes)).encode())
    for name, array in sorted(graph.constants.items()):
        digest.update(f"{name} {array.dtype}{array.shape}".encode())
        digest.update(little_endian(array))
    return digest.hexdigest()
