"""How many bytes per second memory and caches carry here: STREAM's copy and triad, a read, and onnxruntime's own.

Bytes as STREAM counts them (McCalpin, https://www.cs.virginia.edu/stream/ref.html): what is read plus what is
written, not the line that a store may fetch first.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from roofline.bench.backend import Provider, open_session
from roofline.bench.kernels import gemv_model
from roofline.bench.machine import Machine
from roofline.bench.timing import best

BLOCK = 2**16
"""Elements handed to numpy at a time: large beside the cost of a call, small beside the second-level cache."""
PAST_CACHE = 4
"""Arrays are this many times the last-level cache, as STREAM asks."""
LEAST_BYTES, MOST_SHARE = 2**26, 1 / 16
Array = NDArray[np.float32]


class StreamRate(NamedTuple):
    """What one kernel moved."""

    kernel: str
    threads: int
    array_bytes: int
    byte_per_s: float


def array_bytes(machine: Machine) -> tuple[int, bool]:
    """Return the size of one array, and whether it is as large as STREAM asks."""
    wanted = max(LEAST_BYTES, PAST_CACHE * (machine.last_level_bytes or 0))
    most = int((machine.memory_bytes or 2**33) * MOST_SHARE)
    return min(wanted, most), wanted <= most


def measure_streams(
    provider: Provider, threads: int, size_bytes: int, *, min_time_s: float, say: Callable[[str], None]
) -> list[StreamRate]:
    """Return the rates of every kernel, on one thread and on `threads`."""
    elements = size_bytes // 4
    a, b, c = (np.full(elements, value, np.float32) for value in (0.0, 1.0, 2.0))
    found: list[StreamRate] = []
    for count in sorted({1, threads}):
        for name, per_element, work in (("copy", 8, _copy), ("triad", 12, _triad), ("read", 4, _read)):
            say(f"{name}, {count} threads")
            time_s = _threaded(work, (a, b, c), count, min_time_s)
            found.append(StreamRate(name, count, size_bytes, per_element * elements / time_s))
        say(f"onnxruntime's MatMul of a vector, {count} threads")
        found.append(_gemv(provider, count, size_bytes, min_time_s))
    return found


def _copy(a: Array, b: Array, c: Array, scratch: Array) -> None:
    np.copyto(a, b)


def _triad(a: Array, b: Array, c: Array, scratch: Array) -> None:
    """a = b + 3 c, block by block: the product stays in the cache."""
    for at in range(0, len(a), BLOCK):
        part = slice(at, at + BLOCK)
        product = scratch[: len(a[part])]
        np.multiply(c[part], 3.0, out=product)
        np.add(b[part], product, out=a[part])


def _read(a: Array, b: Array, c: Array, scratch: Array) -> None:
    np.maximum.reduce(b)


def _threaded(
    work: Callable[[Array, Array, Array, Array], None], arrays: tuple[Array, Array, Array], threads: int,
    min_time_s: float,
) -> float:  # fmt: skip
    """Return the shortest time in which `threads` threads, a slice each, do the work once. numpy lets go of the GIL."""
    edges = np.linspace(0, len(arrays[0]), threads + 1).astype(int)
    a, b, c = arrays
    slices = [(a[i:j], b[i:j], c[i:j]) for i, j in pairwise(edges)]
    scratch = [np.empty(BLOCK, np.float32) for _ in range(threads)]
    if threads == 1:
        return best(lambda: work(*slices[0], scratch[0]), min_time_s=min_time_s)
    with ThreadPoolExecutor(threads) as pool:

        def run() -> Any:
            return list(pool.map(lambda i: work(*slices[i], scratch[i]), range(threads)))

        return best(run, min_time_s=min_time_s)


def _gemv(provider: Provider, threads: int, size_bytes: int, min_time_s: float) -> StreamRate:
    side = int((size_bytes // 4) ** 0.5)
    content, feeds, nbytes = gemv_model(side, side)
    session = open_session(content, provider, threads)
    time_s = best(lambda: session.run(None, feeds), min_time_s=min_time_s)
    return StreamRate("MatMul of a vector", threads, nbytes, nbytes / time_s)


def measure_caches(machine: Machine, *, min_time_s: float, say: Callable[[str], None]) -> list[StreamRate]:
    """Return how fast one thread reads out of each cache level: half of the cache, over and over in one call."""
    found = []
    for level, size, _ in machine.caches:
        say(f"cache level {level}")
        data = np.ones(size // 2 // 4, np.float32)
        times = max(1, 2**24 // data.nbytes)
        again = as_strided(data, (times, len(data)), (0, 4), writeable=False)
        out = np.empty(times, np.float32)

        def run(again: Array = again, out: Array = out) -> Any:
            return np.maximum.reduce(again, axis=1, out=out)

        found.append(StreamRate(f"L{level}", 1, data.nbytes, times * data.nbytes / best(run, min_time_s=min_time_s)))
    return found
