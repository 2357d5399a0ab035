"""Throw hostile files at the real commands.

    python tests/fuzz/run.py --cases 10000 [--seed 1] [--jobs 2] [--only TARGET] [--corpus FOLDER]

Models (damaged bytes, damaged fields, graphs of any operators), device files, tables of measured runs, the files of
every importer, nvpmodel.conf, operator, budget and calibration files and lists of modes are read by the commands that
read them, in worker processes of limited memory. `harness.attempt` says what may come of a case; one that takes more
than 10 s, or takes its worker along, is a defect too. Prints what became of how many cases for each target, and writes
every file that shows a defect to a folder. Case N of a seed is always the same: --first N --cases 1 repeats it.
"""

from __future__ import annotations

import argparse
import collections
import multiprocessing
import os
import sys
import tempfile
import time
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "reports"))

from fuzz.harness import SECONDS, Outcome, attempt
from fuzz.targets import arguments, case, prepare

CASES_A_WORKER = 500
"""After so many a worker is replaced: caches grow."""


def work(pipe: Connection, folder: Path, seed: int, backend: Path | None) -> None:
    """Run the cases whose numbers come down a pipe."""
    sys.dont_write_bytecode = True
    prepare(folder)
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 2)  # what C libraries say
    warm = "plot {good}/tiny.onnx --device orin-agx -o {out}/p.svg"
    attempt(arguments(warm, "", folder), folder, seconds=6 * SECONDS)  # Matplotlib lists its fonts the first time
    while (number := pipe.recv()) is not None:
        made = case(seed, number, backend)
        name = f"hostile{made.target.suffix}"
        (folder / name).write_bytes(made.content)
        pipe.send(None)  # made: the clock starts
        start = time.monotonic()
        outcome = attempt(arguments(made.command, name, folder), folder)
        pipe.send((number, outcome, time.monotonic() - start))


class Worker:
    """A process, and the case that it is at."""

    def __init__(self, place: Path, seed: int, backend: Path | None) -> None:
        self.pipe, theirs = multiprocessing.get_context("spawn").Pipe()
        folder = Path(tempfile.mkdtemp(dir=place))
        self.process = multiprocessing.get_context("spawn").Process(target=work, args=(theirs, folder, seed, backend))
        self.process.start()
        theirs.close()
        self.number: int | None = None
        self.done, self.since = 0, time.monotonic()

    def give(self, number: int | None) -> None:
        self.number, self.since = number, time.monotonic()
        self.pipe.send(number)

    def end(self) -> None:
        self.process.kill()
        self.process.join()


class Report:
    """Counts, and the cases to look at."""

    def __init__(self, corpus: Path, seed: int, backend: Path | None) -> None:
        self.counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        self.slowest = 0.0
        self.defects = 0
        self._corpus, self._seed, self._backend = corpus, seed, backend

    def add(self, number: int, outcome: Outcome, seconds: float) -> None:
        made = case(self._seed, number, self._backend)
        self.slowest = max(self.slowest, seconds)
        self.counts[made.target.name]["defect" if outcome.defect else f"exit {outcome.code}"] += 1
        if outcome.defect:
            self.defects += 1
            self._corpus.mkdir(parents=True, exist_ok=True)
            file = self._corpus / f"{made.target.name}-{self._seed}-{number}{made.target.suffix}"
            file.write_bytes(made.content)
            print(f"case {number}: {outcome.defect}\n  {made.command}\n  {file}", flush=True)

    def table(self) -> str:
        columns = ["exit 0", "exit 1", "exit 2", "exit 3", "defect"]
        lines = [f"{'target':18}{'cases':>8}" + "".join(f"{name:>9}" for name in columns)]
        total: collections.Counter[str] = collections.Counter()
        for name, counts in sorted(self.counts.items()):
            total.update(counts)
            lines.append(f"{name:18}{counts.total():8}" + "".join(f"{counts[column]:9}" for column in columns))
        lines.append(f"{'all':18}{total.total():8}" + "".join(f"{total[column]:9}" for column in columns))
        return "\n".join(lines)


def fuzz(numbers: list[int], jobs: int, report: Report, place: Path, seed: int, backend: Path | None) -> None:
    """Run cases on workers, and replace those that die, hang or have done enough."""
    waiting = list(reversed(numbers))
    workers = [Worker(place, seed, backend) for _ in range(min(jobs, len(numbers)))]
    for worker in workers:
        worker.give(waiting.pop())
    while workers:
        ready = wait([worker.pipe for worker in workers], timeout=1)
        for worker in list(workers):
            over = worker.number is not None and time.monotonic() - worker.since > 6 * SECONDS
            if worker.pipe not in ready and not over:
                continue
            answer: Any = "died"
            if worker.pipe in ready:
                try:
                    answer = worker.pipe.recv()
                except (EOFError, OSError):
                    answer = "died"
            if answer is None:
                worker.since = time.monotonic()
                continue
            assert worker.number is not None
            if answer == "died":
                said = "a worker hangs, outside Python" if over else "its worker died"
                report.add(worker.number, Outcome(-1, "", said), time.monotonic() - worker.since)
            else:
                report.add(*answer)
            worker.done += 1
            if answer == "died" or worker.done >= CASES_A_WORKER or not waiting:
                worker.end()
                workers.remove(worker)
                if not waiting:
                    continue
                worker = Worker(place, seed, backend)
                workers.append(worker)
            worker.give(waiting.pop())


def write_backend_models(folder: Path) -> None:
    """Write the models of ONNX's own node tests: every operator of the standard."""
    from backend_models import cases

    folder.mkdir()
    for name, model, _ in cases():
        if model.ByteSize() < 20_000:
            (folder / f"{name}.onnx").write_bytes(model.SerializeToString())


def main() -> int:
    """Run the cases; exit 1 if one of them shows a defect."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="Number of the first case.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", default="", help="Cases of targets whose name holds this.")
    parser.add_argument("--corpus", type=Path, default=Path("fuzz-found"), help="Where files that show a defect go.")
    parser.add_argument("--plain", action="store_true", help="Start from the models of this repository only.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        backend = None if options.plain else Path(place, "backend")
        if backend is not None:
            write_backend_models(backend)
        numbers = list(range(options.first, options.first + options.cases))
        if options.only:
            numbers = [n for n in numbers if options.only in case(options.seed, n, backend).target.name]
        report = Report(options.corpus, options.seed, backend)
        start = time.monotonic()
        fuzz(numbers, options.jobs, report, Path(place), options.seed, backend)
    print(report.table())
    print(f"seed {options.seed}, {time.monotonic() - start:.0f} s, slowest case {report.slowest:.1f} s, "
          f"{report.defects} defects")  # fmt: skip
    return 1 if report.defects else 0


if __name__ == "__main__":
    sys.exit(main())
