"""The processor's cores."""

import os


def available_cores() -> int:
    """How many the process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux has it
    return len(affinity(0)) if affinity else os.cpu_count() or 1
