"""Measured ceilings for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from roofline.export.tables import Table
from roofline.units import text

if TYPE_CHECKING:
    from roofline.bench.ceilings import Ceilings


def blocks(found: Ceilings, path: str) -> Iterator[str | Table]:
    """Yield the best rates in one line, then every kernel."""
    peaks = [(p, found.fastest(p)) for p in ("fp32", "fp16", "int8")]
    best = ", ".join(f"{p} {text(rate.flop_per_s, 'FLOP/s')}" for p, rate in peaks if rate)
    yield (
        f"MEASURED. {found.machine.name}, {found.threads} threads: {best}, "
        f"memory {text(found.bandwidth.byte_per_s, 'B/s')}; written to {path}"
    )
    yield f"with     {found.runtime}"
    if found.was_busy:
        yield f"BUSY     the threads had {found.cpu_share:.0%} of their CPUs: the ceilings are too low, measure again"
    for precision, reason in found.missing.items():
        yield f"no {precision}  {reason}"
    if not found.past_cache:
        yield "memory   the arrays are not far larger than the cache: the bandwidth can be the cache's"
    yield Table(
        title="Kernels, shortest run",
        columns=("precision", "kernel", "threads", "rate"),
        rows=[[k.precision, k.kernel, str(k.threads), text(k.flop_per_s, "FLOP/s")] for k in found.kernels],
        right=frozenset({"threads", "rate"}),
    )
    yield Table(
        title="Memory, shortest run",
        columns=("kernel", "threads", "array", "rate"),
        rows=[
            [s.kernel, str(s.threads), text(s.array_bytes, "B"), text(s.byte_per_s, "B/s")]
            for s in (*found.streams, *found.caches)
        ],
        right=frozenset({"threads", "array", "rate"}),
    )
