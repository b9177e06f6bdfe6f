"""Feeds mutated files to the native engine, and reports what must not happen.

    python tools/fuzz_native.py [--inputs N] [--seconds S] [--seed S] [--jobs J] [--networks]
    python tools/fuzz_native.py FILE...                 judges files that were kept

A mutated network may be refused (FormatError, UnsupportedOpError) or run, then with the outputs of
the reference executor; sums of real numbers may differ a little. A crash, a hang, another exception
or another output is a finding: the file is kept, with a text of what happened and the commands that
show it again. Worker processes read the files; a watchdog ends one that hangs. Input number i of a
seed is always the same.

Under the sanitizers: python tools/sanitize.py tools/fuzz_native.py [ARGUMENTS].
"""

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from fuzzing import seeds as seeding  # noqa: E402
from fuzzing.files import mutated_bytes, mutated_header, mutated_tensors  # noqa: E402
from fuzzing.judging import OUTCOMES, judge  # noqa: E402
from fuzzing.programs import mutated_program  # noqa: E402

from intact.errors import FormatError, VerifyError  # noqa: E402
from intact.exec.native.library import levels  # noqa: E402
from intact.ir.file import save  # noqa: E402
from tests.unit.ir.sealed import seal, unseal  # noqa: E402

BATCH = 10_000  # inputs of one worker process
# INTACT_MAX_ISA of one worker process after the other.
ISAS = ("", *(isa.name for isa in reversed(levels()[:-1])))
MEMORY = 4 << 30  # bytes of address space; more is an absurd allocation
KEPT = 3  # files of one kind of finding
SANITIZED = "asan" in os.environ.get("LD_PRELOAD", "")
STATE = ("next", *OUTCOMES)  # int64 numbers that a worker shares with the watchdog


# --- workers ---------------------------------------------------------------------------------


def make_input(seeds: list[seeding.Seed], seed: int, number: int, path: Path) -> None:
    """Writes input `number`; leaves no file if the mutated Program cannot be saved.

    Raises:
        VerifyError: if the Program is not legal.
        FormatError: if its header would be too large.
    """
    rng = np.random.default_rng([seed, number])
    first, other = (seeds[int(i)] for i in rng.integers(len(seeds), size=2))
    kind = rng.random()
    if kind < 0.1:
        path.write_bytes(mutated_bytes(first.data, other.data, rng))
    elif kind < 0.35:
        path.write_bytes(mutated_header(first.data, other.data, rng))
    else:
        save(mutated_program([seed.program for seed in seeds], rng), path)
        if rng.random() < 0.2:
            header, tensors = unseal(path.read_bytes())
            path.write_bytes(seal(header, mutated_tensors(tensors, rng)))


def work(folder: Path, seeds_folder: Path, seed: int, first: int, last: int) -> None:
    """Judges inputs first .. last - 1; findings that can be caught are printed as JSON lines."""
    if not SANITIZED:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    state = np.memmap(folder / "state", np.int64, "r+")
    seeds = seeding.read(seeds_folder)
    path = folder / "input.intact"
    parent = os.getppid()
    for number in range(first, last):
        if os.getppid() != parent:
            return  # nobody reads what it finds
        state[0] = number
        path.unlink(missing_ok=True)
        try:
            outcome = _outcome(seeds, seed, number, path)
        except Exception as error:  # a finding, whatever it is
            print(json.dumps({"number": number, **described(error)}), flush=True)
            if path.exists():
                shutil.copy(path, folder / f"{number}.intact")
            continue
        state[1 + OUTCOMES.index(outcome)] += 1
    state[0] = last


def _outcome(seeds: list[seeding.Seed], seed: int, number: int, path: Path) -> str:
    try:
        make_input(seeds, seed, number, path)
    except (VerifyError, FormatError):
        return "refused"
    return judge(path)


def described(error: Exception) -> dict[str, str]:
    """Its kind (class and innermost place) and its traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if f"{os.sep}intact{os.sep}" in f.filename] or list(frames)
    place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
    text = "".join(traceback.format_exception(error))
    return {"kind": f"{type(error).__name__} at {place}", "text": text}


# --- the watchdog ----------------------------------------------------------------------------


class Watchdog:
    """Runs one worker after another over a range of inputs and collects what they report."""

    def __init__(self, options: argparse.Namespace, folder: Path, numbers: range) -> None:
        self.options = options
        self.folder = folder
        self.next, self.last = numbers.start, numbers.stop
        self.counts = dict.fromkeys((*OUTCOMES, "finding"), 0)
        self.findings: list[dict[str, str]] = []
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)

    def step(self) -> bool:
        """Looks after the worker; False when all inputs are done."""
        if self._process is None:
            if self.next >= self.last:
                return False
            self._start()
        assert self._process is not None
        code, number = self._process.poll(), int(self._state[0])
        now = time.monotonic()
        if number != self._number:
            self._number, self._since = number, now
        hangs = code is None and now - self._since > self.options.timeout
        if hangs:
            self._process.kill()
            self._process.wait()
        if code is not None or hangs:
            self._finish("hang" if hangs else code)
        return True

    def totals(self) -> dict[str, int]:
        """The counts, with those of the worker that is at it."""
        if self._process is None:
            return self.counts
        now = dict(zip(OUTCOMES, (int(count) for count in self._state[1:]), strict=True))
        return {name: count + now.get(name, 0) for name, count in self.counts.items()}

    def stop(self) -> None:
        """Ends the worker and collects what it has done."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._finish(None)

    def _start(self) -> None:
        self._state = np.memmap(self.folder / "state", np.int64, "w+", shape=(len(STATE),))
        self._state[0] = self._number = self.next
        self._since = time.monotonic() + 60  # to import everything
        until = min((self.next // BATCH + 1) * BATCH, self.last)
        command = [
            sys.executable, __file__, "--work", str(self.folder), str(self.next), str(until),
            "--seed", str(self.options.seed), "--seeds", str(self.options.seeds),
        ]  # fmt: skip
        self._isa = os.environ.get("INTACT_MAX_ISA", ISAS[self.next // BATCH % len(ISAS)])
        with (self.folder / "out").open("wb") as out, (self.folder / "err").open("wb") as err:
            self._process = subprocess.Popen(
                command, stdout=out, stderr=err, env=environment(self._isa)
            )

    def _finish(self, code: int | str | None) -> None:
        self._process = None
        number = int(self._state[0])
        for outcome, count in zip(OUTCOMES, self._state[1:], strict=True):
            self.counts[outcome] += int(count)
        for line in (self.folder / "out").read_text().splitlines():
            found = json.loads(line)
            self._found(found["number"], found["kind"], found["text"])
        if code in (0, None):
            self.next = number
            return
        errors = (self.folder / "err").read_text(errors="replace")
        kind = "hang" if code == "hang" else crash_kind(errors, code)
        if (self.folder / "input.intact").exists():
            shutil.copy(self.folder / "input.intact", self.folder / f"{number}.intact")
        self._found(number, kind, errors[-20_000:])
        self.next = number + 1

    def _found(self, number: int, kind: str, text: str) -> None:
        self.counts["finding"] += 1
        self.findings.append({"number": str(number), "kind": kind, "text": text})
        source = self.folder / f"{number}.intact"
        if sum(found["kind"] == kind for found in self.findings) <= KEPT:
            self._keep(number, kind, text, source)
        source.unlink(missing_ok=True)

    def _keep(self, number: int, kind: str, text: str, source: Path) -> None:
        target = self.options.findings / f"{self.options.seed}-{number}"
        target.parent.mkdir(parents=True, exist_ok=True)
        tool = "tools/sanitize.py tools/fuzz_native.py" if SANITIZED else "tools/fuzz_native.py"
        run = f"INTACT_MAX_ISA={self._isa} python {tool}"
        commands = [
            f"{run} --seed {self.options.seed} --first {number} --inputs 1{self.options.again}"
        ]
        if source.exists():
            shutil.copy(source, target.with_suffix(".intact"))
            commands.append(f"{run} {target.with_suffix('.intact')}")
        target.with_suffix(".txt").write_text("\n".join([kind, *commands, "", text]))
        print(f"FOUND {kind}: {target}.txt", flush=True)


def crash_kind(errors: str, code: int | str) -> str:
    """The sanitizers' summary, or the signal."""
    lines = [li for li in errors.splitlines() if "runtime error:" in li or "SUMMARY:" in li]
    return lines[0][:200] if lines else f"crash, exit status {code}"


def environment(isa: str) -> dict[str, str]:
    """One thread for NumPy; absurd allocations fail under the sanitizers too."""
    limits = f"allocator_may_return_null=1:max_allocation_size_mb={MEMORY >> 20}"
    options = os.environ.get("ASAN_OPTIONS", "")
    return {
        **os.environ,
        "INTACT_MAX_ISA": isa,
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "ASAN_OPTIONS": f"{options}:{limits}" if options else limits,
        "PYTHONPATH": os.pathsep.join(
            part for part in (os.environ.get("PYTHONPATH"), str(ROOT / "src"), str(ROOT)) if part
        ),
    }


# --- the command -----------------------------------------------------------------------------


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("files", nargs="*", type=Path, metavar="FILE", help="judge these files instead")
    add("--inputs", type=int, default=1_000_000, help="how many (1,000,000)")
    add("--seconds", type=float, default=float("inf"), help="stop after this time")
    add("--seed", type=int, default=0, help="of the mutations (0)")
    add("--first", type=int, default=0, help="number of the first input (0)")
    add("--jobs", type=int, default=1, help="worker processes at a time (1)")
    add("--timeout", type=float, default=60 if SANITIZED else 20, help="seconds for one input")
    add("--seeds", type=Path, help="folder of .intact files to mutate; made if it does not exist")
    add("--networks", action="store_true", help="make it of the test architectures as well")
    add("--findings", type=Path, default=ROOT / "build" / "fuzz" / "findings", help="kept files")
    add("--work", nargs=3, help=argparse.SUPPRESS)  # a worker: folder, first, last
    return parser.parse_args()


def fuzz(options: argparse.Namespace, folder: Path) -> bool:
    """Runs all workers; whether nothing was found."""
    share = -(-options.inputs // options.jobs)
    starts = [options.first + share * i for i in range(options.jobs)]
    end = options.first + options.inputs
    dogs = [
        Watchdog(options, folder / f"worker{i}", range(start, min(start + share, end)))
        for i, start in enumerate(starts)
    ]
    start = shown = now = time.monotonic()
    try:
        while now - start < options.seconds:
            working = [dog.step() for dog in dogs]
            if not any(working):
                break
            time.sleep(0.05)
            now = time.monotonic()
            if now - shown > 60:
                shown = now
                print(summary(dogs, now - start), flush=True)
    finally:
        for dog in dogs:
            dog.stop()
    print(summary(dogs, time.monotonic() - start))
    return not any(dog.findings for dog in dogs)


def summary(dogs: list[Watchdog], seconds: float) -> str:
    """Counts of all workers."""
    each = [dog.totals() for dog in dogs]
    totals = {name: sum(counts[name] for counts in each) for name in each[0]}
    number = sum(totals.values())
    counts = ", ".join(f"{name} {count}" for name, count in totals.items())
    return f"{number} inputs, {number / seconds:.0f} a second: {counts}"


def programs(options: argparse.Namespace) -> Iterator[seeding.Program]:
    """What to mutate where no folder was given."""
    yield from seeding.small()
    if options.networks:
        yield from seeding.networks()


def main() -> int:
    """The exit status."""
    options = parsed()
    warnings.simplefilter("ignore")
    if options.files:
        for path in options.files:
            print(f"{path}: {judge(path)}")
        return 0
    if options.work:
        folder, first, last = options.work
        work(Path(folder), options.seeds, options.seed, int(first), int(last))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # through every `finally`
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        options.again = "" if options.seeds is None else f" --seeds {options.seeds}"
        options.again += " --networks" if options.networks else ""
        options.seeds = options.seeds or Path(folder) / "seeds"
        if not options.seeds.exists():
            seeding.write(options.seeds, programs(options))
        return 0 if fuzz(options, Path(folder)) else 1


if __name__ == "__main__":
    sys.exit(main())
