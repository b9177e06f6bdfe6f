"""Generated C on emulated microcontrollers: instructions, flash and RAM of MLPerf Tiny's networks.

    python benchmarks/microcontrollers.py [--recipe W8A8] [--network ds_cnn ...] [--smoke]

Every number comes from a run in qemu, whose output codes must be the reference's. Instructions are
those that the core executes for one sample (`-icount shift=0`), compiled with -O2; "plain C" is the
same source with -DINTACT_NO_DSP. Flash is all of a linked firmware that runs the model: start,
code, constants; "-Os, alone" is what `intact export` says of the model without a firmware. RAM is
the arena, with input and output, and the stack at its highest. TFLite Micro's arena is what its
interpreter records for the .tflite file of the same network on this computer, whose pointers take 8
bytes. Prints tables in Markdown.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from intact.api.code_size import code_bytes
from intact.emit import tflite
from intact.emit.c.model import translate
from intact.emit.c.report import Report, report
from intact.emit.c.storage import plan_storage
from intact.ir.int_ops import Program
from intact.passes.fit_ram import fit_ram
from intact.verification import tflm
from tests.architectures import MLPERF_TINY, Architecture
from tests.targets import boards, networks
from tests.targets.boards import Board
from tests.targets.networks import Case

OPTIMIZE = "-O2"
PLAIN = "-DINTACT_NO_DSP"
FLASH = (".vectors", ".text", ".rodata", ".ARM.exidx", ".data")
BUDGETS = {  # bytes of RAM
    "cifar_resnet8": (40 << 10, 32 << 10, 24 << 10),
    "mobilenet_v1_0_25": (40 << 10, 36 << 10),
    "ds_cnn": (12_500,),
}


@dataclass(frozen=True, slots=True)
class Network:
    """A quantized network and what its files take."""

    name: str
    case: Case
    report: Report
    code_bytes: int | None  # None: no compiler
    tflite_bytes: int
    tflm_arena: int | None  # None: tflite-micro is not installed


def quantized(architecture: Architecture, recipe: str) -> Network:
    """The network with random weights, and the same as a .tflite file."""
    example = networks.example_of(architecture.example, 2)
    samples = networks.example_of(architecture.example, 5)
    case = networks.case(architecture.build(), example, recipe, *samples)
    file = tflite.codes_to_bytes(case.program)
    model = translate(case.program)
    return Network(
        architecture.name,
        case,
        report(model),
        code_bytes(model),
        len(file),
        tflm_arena(case.program),
    )


def tflm_arena(program: Program) -> int | None:
    """Bytes that TFLite Micro's interpreter takes of its arena."""
    try:
        return tflm.measure_arena(program).total
    except ImportError:
        return None


def measure(network: Network, board: Board, *flags: str) -> networks.Measured:
    """Runs the network on a board.

    Raises:
        RuntimeError: if a code is not the reference's.
    """
    with TemporaryDirectory() as folder:
        program = networks.build(network.case, board, Path(folder), OPTIMIZE, *flags)
        measured = networks.run(board, program)
    if measured.codes.tobytes() != network.case.expected.tobytes():
        raise RuntimeError(f"{network.name} on {board.processor}: other codes than the reference's")
    return measured


def flash(network: Network, board: Board) -> int:
    """Bytes of a firmware that only runs the model."""
    with TemporaryDirectory() as folder:
        networks.write_sources(network.case, Path(folder))
        sources = [Path(folder) / "model.c", networks.PROGRAM.with_name("firmware.c")]
        program = board.compile(Path(folder) / "firmware.elf", sources, f"-I{folder}", OPTIMIZE)
        lines = board.tool("size", "-A", str(program)).splitlines()
    sections = {line.split()[0]: int(line.split()[1]) for line in lines if line.startswith(".")}
    return sum(sections.get(name, 0) for name in FLASH)


def instructions_row(network: Network, board: Board) -> list[str]:
    """Millions of instructions for a sample, and for each product."""
    macs = network.report.macs
    fast = measure(network, board).instructions
    head = [network.name, f"{macs / 1e6:.2f}", board.processor]
    if board is boards.RISCV32:
        return [*head, f"{fast / 1e6:.2f}", "", "", f"{fast / macs:.2f}", ""]
    plain = measure(network, board, PLAIN).instructions
    return [
        *head,
        f"{plain / 1e6:.2f}",
        f"{fast / 1e6:.2f}",
        f"{plain / fast:.2f}",
        f"{plain / macs:.2f}",
        f"{fast / macs:.2f}",
    ]


def memory_row(network: Network, board: Board) -> list[str]:
    """Bytes of flash and RAM beside those of TFLite Micro."""
    costs = network.report
    stack = measure(network, board).stack
    total = flash(network, board)
    code = network.code_bytes or 0
    arena = f"{network.tflm_arena:,}" if network.tflm_arena is not None else "not installed"
    return [
        network.name,
        f"{costs.weights:,}",
        f"{total:,}",
        f"{(total - 1.15 * costs.weights) / 1024:.1f}",
        f"{costs.flash + code:,}",
        f"{code:,}",
        f"{network.tflite_bytes:,}",
        f"{costs.ram:,}",
        f"{costs.lower_bound:,}",
        f"{stack:,}",
        arena,
    ]


def bands_rows(network: Network, board: Board) -> list[list[str]]:
    """What budgets of RAM cost: without one, then from large to small."""
    whole, rows = measure(network, board).instructions, []
    for budget in (None, *BUDGETS.get(network.name, ())):
        program, bands, stage, extra = network.case.program, 1, 0, 0
        if budget is not None:
            fitted = fit_ram(program, budget, plan_storage)
            program, bands = fitted.program, fitted.bands
            stage, extra = len(fitted.stage), fitted.extra_macs
        banded = replace(network, case=replace(network.case, program=program))
        costs = report(translate(program))
        executed = measure(banded, board).instructions
        rows.append(
            [
                network.name,
                "" if budget is None else f"{budget:,}",
                f"{costs.ram:,}",
                str(bands),
                str(stage),
                f"{extra / network.report.macs:+.1%}",
                f"{executed / whole - 1:+.1%}",
                f"{costs.flash - network.report.flash:+,}",
            ]
        )
    return rows


def published_row() -> list[str]:
    """Instructions for each product of one pointwise layer, three times (published_loop.c)."""
    board, source = boards.CORTEX_M4, networks.PROGRAM.with_name("published_loop.c")

    def counts(*flags: str) -> dict[str, int]:
        with TemporaryDirectory() as folder:
            program = board.compile(
                Path(folder) / "loop.elf", [source], f"-I{source.parent}", OPTIMIZE, *flags
            )
            lines = board.run(program).splitlines()
        return {name: int(number, 16) for name, number in map(str.split, lines)}

    fast, plain = counts(), counts(PLAIN)
    if not fast["equal"]:
        raise RuntimeError("the published loop gives other codes")
    numbers = (plain["own"], fast["published"], fast["own"])
    return [f"{number / fast['products']:.2f}" for number in numbers]


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int) -> None:
    """A Markdown table whose later columns are numbers."""
    rules = ["---"] * text_columns + ["--:"] * (len(head) - text_columns)
    for row in (head, rules, *rows):
        print(f"| {' | '.join(row)} |")
    print()


def main() -> None:
    """Measures and prints."""
    names = [architecture.name for architecture in MLPERF_TINY]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="W8A8")
    parser.add_argument("--network", nargs="*", choices=names, default=names)
    parser.add_argument("--smoke", action="store_true", help="one network on one core")
    arguments = parser.parse_args()
    cores = (boards.CORTEX_M4,) if arguments.smoke else boards.ALL
    wanted = ["autoencoder"] if arguments.smoke else arguments.network
    if missing := [text for board in cores if (text := board.missing())]:
        sys.exit("\n".join(missing))
    chosen = [quantized(a, arguments.recipe) for a in MLPERF_TINY if a.name in wanted]
    head = ("network", "products (M)", "core", "plain C (M)", "DSP (M)", "ratio")
    rows = [instructions_row(network, core) for network in chosen for core in cores]
    print_table((*head, "plain C / product", "DSP / product"), rows, 1)
    head = ("network", "weights", "flash", "KiB over 1.15 x weights", "-Os, alone", "of it code")
    rows = [memory_row(network, boards.CORTEX_M4) for network in chosen]
    print_table((*head, ".tflite", "arena", "lower bound", "stack", "TFLM arena"), rows, 1)
    head = ("network", "--ram", "arena", "bands", "layers", "products", "instructions", "constants")
    rows = [row for n in chosen if n.name in BUDGETS for row in bands_rows(n, boards.CORTEX_M4)]
    print_table(head, rows, 1)
    head = ("instructions / product, 64 to 64 channels", "plain C", "published loop", "DSP")
    print_table(head, [["12 x 12 pixels, cortex-m4", *published_row()]], 1)


if __name__ == "__main__":
    main()
