"""Computes as much in bands as a budget of memory asks for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from intact.errors import BudgetError
from intact.ir.int_ops import Program
from intact.ir.memory import MemoryPlan, plan_device
from intact.passes.patch import Patch, Stage, cut, patched, stages

_BANDS = (2, 3, 4, 5, 6, 8, 10, 12, 16)  # every band has a call of each kernel in the flash

Planner: TypeAlias = Callable[[Program, int], MemoryPlan]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A Program whose plan fits, and what that costs."""

    program: Program
    plan: MemoryPlan
    bands: int  # 1: it fits as it is
    stage: tuple[str, ...]  # the nodes that are computed in bands
    extra_macs: int  # multiply-accumulates that bands compute again


def fit_ram(program: Program, ram: int, plan: Planner = plan_device) -> Fitted:
    """The Program with the fewest recomputed products whose arena has at most `ram` bytes.

    Args:
        program: From codes to codes, channels last.
        ram: Bytes.
        plan: How the memory of a Program is planned within a budget.

    Raises:
        BudgetError: names the layer at the peak and the smallest arena that bands can reach.
    """
    whole = plan(program, ram)
    if whole.size <= ram:
        return Fitted(program, whole, 1, (), 0)
    patches = _patches(program)
    for patch in patches:
        if _most_outside(whole, patch.stage) > ram:
            continue
        made = patched(program, patch)
        planned = plan(made, ram)
        if planned.size <= ram:
            names = tuple(node.name for node in patch.stage.nodes)
            return Fitted(made, planned, len(patch.bands), names, patch.extra_macs)
    raise _too_small(program, ram, whole, _smallest(program, whole, patches, plan))


def _smallest(program: Program, whole: MemoryPlan, patches: list[Patch], plan: Planner) -> int:
    """The smallest arena that one of the patches reaches."""
    smallest = whole.size
    for patch in patches:
        if _most_outside(whole, patch.stage) < smallest:
            smallest = min(smallest, plan(patched(program, patch), smallest - 1).size)
    return smallest


def _most_outside(whole: MemoryPlan, stage: Stage) -> int:
    """The most bytes that live before and after the stage runs, which bands do not change."""
    return max(*whole.live[: stage.first + 1], *whole.live[stage.last + 2 :])


def _patches(program: Program) -> list[Patch]:
    """All that could be computed in bands, least recomputation first."""
    found: list[Patch] = []
    for stage in stages(program):
        found += [patch for n in _BANDS if (patch := cut(stage, n)) is not None]
    return sorted(found, key=lambda p: (p.extra_macs, len(p.bands), p.stage.last))


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
