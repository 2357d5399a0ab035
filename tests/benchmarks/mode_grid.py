"""How fast times and energies over a whole grid of power modes are, and what memory they take.

    python tests/benchmarks/mode_grid.py

AGX Orin's full grid (15,312 modes) times 500 layers, every mode evaluated by itself; the same with ten times as many
modes; and as `roofline select` does it, each distinct mode once. The limit beside it is a plain numpy copy of one
array of the same modes times layers, block by block.
"""

from __future__ import annotations

import itertools
import resource
import statistics
import subprocess
import sys
import time

import numpy as np

from roofline.devices.load import load_device
from roofline.devices.mode_set import ModeSet
from roofline.mode_totals import distinct_modes, totals_over_modes
from roofline.task import Task
from roofline.workload import Workload

LAYERS, RUNS = 500, 5
CEILINGS = (("matrix", "fp16"), ("vector", "fp16"))


def task() -> Task:
    """Return 500 layers like those of a real network: contractions and what is fused to them."""
    rng = np.random.default_rng(0)
    flop = np.stack([rng.lognormal(18, 2, LAYERS), rng.lognormal(13, 2, LAYERS)])
    moved = rng.lognormal(14, 1, LAYERS)
    device = load_device("orin-agx")
    work = Workload("fused", CEILINGS, flop, moved, flop.sum(axis=1), np.zeros(LAYERS, dtype=bool))
    energy = next(s for s in device.energy if s.name == "fp16-rails")
    return Task(work, work, float(moved.sum()), device, device.processors["gpu"], energy)


def grid(times: int) -> ModeSet:
    """Return the full grid, every combination of clocks and cores by itself, `times` over."""
    device = load_device("orin-agx")
    names = [name for name in device.knobs if name not in ("tpc", "dla_freq")]
    rows = np.array(list(itertools.product(*(device.knobs[name].values for name in names))))
    columns = {name: np.tile(rows[:, i], times) for i, name in enumerate(names)}
    size = len(rows) * times
    columns |= {"tpc": np.full(size, 8.0), "dla_freq": np.full(size, 1600e6)}
    return ModeSet(columns, np.zeros(size, dtype=np.intp))


def copied(modes: int) -> float:
    """Return the seconds of a numpy copy of (modes, layers) doubles, in blocks that stay in cache."""
    block = np.ones((256, LAYERS))
    into = np.empty_like(block)
    start = time.perf_counter()
    for _ in range(modes // 256 + 1):
        np.copyto(into, block)
    return time.perf_counter() - start


def one(what: str) -> None:
    """Time one case in this process, and print it with this process's peak memory."""
    job, modes = task(), grid(10 if what == "x10" else 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds, limit = [], []
    for _ in range(RUNS):
        start = time.perf_counter()
        if what == "distinct":
            first, same = distinct_modes(job, modes)
            _ = [column[same] for column in totals_over_modes(job, modes.take(first))]
        else:
            totals_over_modes(job, modes)
        seconds.append(time.perf_counter() - start)
        limit.append(copied(modes.size))
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    median, copy = statistics.median(seconds), statistics.median(limit)
    print(f"{what:10} {modes.size:8,} {median:9.3f} {modes.size * LAYERS / median / 1e6:14.0f} {copy:12.3f} "
          f"{median / copy:8.1f} {more:12.0f}")  # fmt: skip


def main() -> None:
    """Print the table; each line is a process of its own."""
    print(f"{'case':10} {'modes':>8} {'seconds':>9} {'M cells/s':>14} {'copy, s':>12} {'ratio':>8} {'more MB':>12}   "
          f"x {LAYERS} layers, median of {RUNS}", flush=True)  # fmt: skip
    for what in ("x1", "x10", "distinct"):
        subprocess.run([sys.executable, __file__, what], check=True)


if __name__ == "__main__":
    one(sys.argv[1]) if len(sys.argv) > 1 else main()
