"""Measure what this machine can do at most, for a device file of its own."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from typing import NamedTuple

from roofline.bench.backend import find_provider, load_onnxruntime, thread_count
from roofline.bench.kernels import KernelRate, best_rate, measure_kernels
from roofline.bench.machine import Machine, read_machine
from roofline.bench.streams import StreamRate, array_bytes, measure_caches, measure_streams
from roofline.errors import MeasurementError, UsageError

KERNEL_TIME_S, STREAM_TIME_S = 0.5, 1.0
QUICK_TIME_S = 0.1
CROWDED = 0.8
"""Share of CPU time below which other programs are taken to be in the way; preparing kernels takes one thread."""
NOMINAL_HZ = 1e9
"""Stands in for a clock that cannot be read: only its product with the rate per clock was measured."""


class Ceilings(NamedTuple):
    """Everything that was measured, and on what."""

    machine: Machine
    runtime: str
    """``onnxruntime 1.20.0, CPUExecutionProvider``."""
    threads: int
    kernels: tuple[KernelRate, ...]
    missing: dict[str, str]
    """Precision -> why it has no rate."""
    streams: tuple[StreamRate, ...]
    past_cache: bool
    """Whether the arrays were as much larger than the last-level cache as they should be."""
    caches: tuple[StreamRate, ...]
    date: str
    cpu_share: float
    """CPU time over time that passed, per thread, while the kernels ran: well below 1 where other programs ran."""

    @property
    def was_busy(self) -> bool:
        """Whether other programs were in the way, so that the ceilings are too low."""
        return self.cpu_share < CROWDED

    def fastest(self, precision: str) -> KernelRate | None:
        """Return the best kernel of a precision."""
        return best_rate(list(self.kernels), precision)

    @property
    def bandwidth(self) -> StreamRate:
        """Return the best of the streams: the most that memory was ever seen to carry."""
        return max(self.streams, key=lambda rate: rate.byte_per_s)

    @property
    def clock_hz(self) -> float:
        """Return the clock that rates per clock refer to."""
        return self.machine.clock_hz or NOMINAL_HZ


def measure_ceilings(
    *,
    provider: str = "cpu",
    threads: int | None = None,
    quick: bool = False,
    say: Callable[[str], None] | None = None,
) -> Ceilings:
    """Run the micro-benchmarks: matrix products and convolutions per precision, memory, caches.

    Args:
        provider: ``cpu``; a GPU's memory cannot be measured yet.
        threads: None is every CPU that this process may use.
        quick: fewer sizes, a tenth of a second each: for a first look; ceilings come out some per cent low.
        say: told what is being done.

    Raises:
        MeasurementError: onnxruntime is absent, or does not even multiply fp32 matrices.
        UsageError: the provider is unknown, or not a CPU's.
    """
    chosen = find_provider(provider)
    if chosen.name != "cpu":
        raise UsageError(
            "only the CPU's ceilings can be measured so far", where=f"--provider {provider}", expected="cpu"
        )
    count = thread_count(threads)
    machine = read_machine()
    note = say or (lambda _: None)
    kernel_s, stream_s = (QUICK_TIME_S, QUICK_TIME_S) if quick else (KERNEL_TIME_S, STREAM_TIME_S)
    before = time.process_time(), time.perf_counter()
    rates, missing = measure_kernels(chosen, count, quick=quick, min_time_s=kernel_s, say=note)
    share = (time.process_time() - before[0]) / (time.perf_counter() - before[1]) / count
    if best_rate(rates, "fp32") is None:
        raise MeasurementError(f"no fp32 kernel ran: {missing['fp32']}", where="devices measure")
    size, past = array_bytes(machine)
    streams = measure_streams(chosen, count, size, min_time_s=stream_s, say=note)
    caches = measure_caches(machine, min_time_s=QUICK_TIME_S, say=note)
    return Ceilings(
        machine=machine,
        runtime=f"onnxruntime {load_onnxruntime().__version__}, {chosen.ort_name}",
        threads=count,
        kernels=tuple(rates),
        missing=missing,
        streams=tuple(streams),
        past_cache=past,
        caches=tuple(caches),
        date=datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat(),
        cpu_share=share,
    )
