"""Computes as much in bands as a budget of memory asks for."""

from collections.abc import Callable
from dataclasses import dataclass

from intact.errors import BudgetError
from intact.ir.int_ops import Program
from intact.ir.macs import multiply_accumulates
from intact.ir.memory import MemoryPlan, plan_device
from intact.passes.patch import Stage, band_macs, patched, stages

_BANDS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A Program whose plan fits, and what that costs."""

    program: Program
    plan: MemoryPlan
    bands: int  # 1: it fits as it is
    stage: tuple[str, ...]  # the nodes that are computed in bands
    extra_macs: int  # multiply-accumulates that bands compute again


@dataclass(frozen=True, slots=True)
class _Candidate:
    stage: Stage
    bands: int
    extra_macs: int


def fit_ram(
    program: Program, ram: int, plan: Callable[[Program, int], MemoryPlan] = plan_device
) -> Fitted:
    """The Program with the fewest recomputed products whose arena has at most `ram` bytes.

    Args:
        program: From codes to codes, channels last.
        ram: Bytes.
        plan: How the memory of a Program is planned within a budget.

    Raises:
        BudgetError: names the layer at the peak and the smallest arena that bands can reach.
    """
    first = plan(program, ram)
    if first.size <= ram:
        return Fitted(program, first, 1, (), 0)
    smallest = first
    for candidate in _candidates(program):
        made = patched(program, candidate.stage, candidate.bands)
        assert made is not None, "counted already"
        planned = plan(made, ram)
        if planned.size <= ram:
            names = tuple(node.name for node in candidate.stage.nodes)
            return Fitted(made, planned, candidate.bands, names, candidate.extra_macs)
        if planned.size < smallest.size:
            smallest = planned
    raise _too_small(program, ram, first, smallest.size)


def _candidates(program: Program) -> list[_Candidate]:
    """All that could be computed in bands, least recomputation first."""
    found = []
    for stage in stages(program):
        once = sum(map(multiply_accumulates, stage.nodes))
        height = stage.output.shape[1]
        for bands in dict.fromkeys((*(n for n in _BANDS if n < height), height)):
            macs = band_macs(stage, bands) if bands > 1 else None
            if macs is not None:
                found.append(_Candidate(stage, bands, macs - once))
    return sorted(found, key=lambda c: (c.extra_macs, c.bands, c.stage.last))


def _too_small(program: Program, ram: int, plan: MemoryPlan, smallest: int) -> BudgetError:
    nodes = program.nodes
    where = nodes[min(max(plan.peak, 0), len(nodes) - 1)].name if nodes else "the input"
    reached = (
        f"computed in bands of rows, {smallest}"
        if smallest < plan.size
        else "bands of rows do not help"
    )
    return BudgetError(
        f'the network needs {plan.size} bytes of memory at "{where}", more than the {ram} allowed;'
        f" {reached}: allow that much, or train it with a smaller input or fewer channels there"
    )
