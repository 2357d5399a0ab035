"""Energy per run: the model runs on while a meter counts, or inside a window of Zeus (https://ml.energy/zeus)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from roofline.bench.sensors import INA_LEAST_S, Meter, NoReading


class Reading(NamedTuple):
    """Energy over a stretch of time."""

    energy_j: float
    duration_s: float
    boundary: str
    """What is inside: ``package``, ``module``, ``board``."""
    sensor: str
    """Which counters, for the notes."""


def measure_energy(
    meter: Meter,
    run: Callable[[], Any],
    *,
    clock_s: Callable[[], float] = time.perf_counter,
    least_s: float | None = None,
) -> tuple[Reading, int] | NoReading:
    """Run again and again until the meter has seen enough; returns the energy and how many runs it is for.

    The meter is read in a thread of its own. A meter that stands still, or fails, gives no number.
    """
    least = meter.least_s if least_s is None else least_s
    stop = threading.Event()
    failure: list[str] = []
    last = 0.0

    def watch() -> None:
        nonlocal last
        while True:
            ended = stop.wait(meter.period_s)
            now = clock_s()
            try:
                meter.sample(now - last)
            except (OSError, ValueError) as error:
                failure.append(str(error))
                return
            last = now
            if ended:
                return

    try:
        meter.start()
    except (OSError, ValueError) as error:
        return NoReading(f"the power sensor cannot be read: {error}")
    start = last = clock_s()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    runs = 0
    try:
        while clock_s() - start < least or runs == 0:
            run()
            runs += 1
    finally:
        stop.set()
        watcher.join()
    duration = last - start  # what the meter has seen
    if failure:
        return NoReading(f"the power sensor cannot be read: {failure[0]}")
    if meter.energy_j <= 0:
        return NoReading(f"the power sensor ({meter.sensor}) stood still at 0")
    return Reading(meter.energy_j, duration, meter.boundary, meter.sensor), runs


def zeus_monitor() -> Any | None:
    """Return a Zeus monitor of the GPUs, or None where Zeus is not installed or finds none."""
    try:
        from zeus.monitor import ZeusMonitor
    except ImportError:
        return None
    try:
        return ZeusMonitor(cpu_indices=[])
    except Exception:  # noqa: BLE001  # NVML's errors, permissions: all mean that there is no counter to read
        return None


def zeus_energy(
    monitor: Any,
    run: Callable[[], Any],
    *,
    least_s: float = INA_LEAST_S,
    clock_s: Callable[[], float] = time.perf_counter,
) -> tuple[Reading, int] | NoReading:
    """Run for `least_s` inside a window of Zeus, which sums the boards of all GPUs."""
    monitor.begin_window("roofline")
    start, runs = clock_s(), 0
    while clock_s() - start < least_s or runs == 0:
        run()
        runs += 1
    found = monitor.end_window("roofline")
    energy = float(sum(found.gpu_energy.values()))
    if energy <= 0:
        return NoReading("Zeus measured 0 J")
    return Reading(energy, float(found.time), "board", "zeus, every GPU"), runs
