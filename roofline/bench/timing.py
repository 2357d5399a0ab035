"""Run something again and again, and say how long it takes: median, spread and how many runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

Tick = Callable[[int, int, float], None]
"""Told after each run: runs done, runs wanted, share of the least time that has passed."""


class Timing(NamedTuple):
    """Times of n runs, in seconds."""

    n: int
    median_s: float
    p99_s: float
    shortest_s: float
    longest_s: float


def summary(times_s: Sequence[float]) -> Timing:
    """Return median, 99th percentile (linear between the two nearest runs, numpy's default) and extremes.

    Raises:
        ValueError: there is no time.
    """
    if not times_s:
        raise ValueError("no run was timed")
    median, p99 = np.percentile(times_s, (50, 99))
    return Timing(len(times_s), float(median), float(p99), min(times_s), max(times_s))


def repeat(
    run: Callable[[], Any],
    *,
    runs: int,
    min_time_s: float,
    warmup: int = 0,
    tick: Tick | None = None,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> list[float]:
    """Return the time of each run in seconds: at least `runs` of them, and at least `min_time_s` in all."""
    for _ in range(warmup):
        run()
    times: list[float] = []
    start = clock_ns()
    while True:
        before = clock_ns()
        run()
        after = clock_ns()
        times.append((after - before) * 1e-9)
        passed = (after - start) * 1e-9
        if tick is not None:
            tick(len(times), runs, min(1.0, passed / min_time_s) if min_time_s else 1.0)
        if len(times) >= runs and passed >= min_time_s:
            return times


def best(run: Callable[[], Any], *, min_time_s: float, runs: int = 5, warmup: int = 1) -> float:
    """Return the shortest time of a run: what is left when nothing else disturbs it."""
    return min(repeat(run, runs=runs, min_time_s=min_time_s, warmup=warmup))
