"""At which size of a dimension a layer turns from memory-bound to compute-bound, or back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import sympy
from numpy.typing import NDArray

from roofline.choices import Target
from roofline.counting import LayerCount
from roofline.devices.mode_set import mode_set
from roofline.devices.spec import PowerMode
from roofline.devices.tables import mode_table
from roofline.formulas import Compiled
from roofline.workload import contraction_ceiling

LARGEST = 2**20
"""Sizes are looked at from 1 to this."""


class Crossover(NamedTuple):
    """How one layer's limit changes as a dimension grows."""

    name: str
    op_type: str
    symbol: str
    first: str
    """``compute`` or ``memory`` at the smallest size at which the layer does anything."""
    changes: tuple[tuple[int, str], ...]
    """(size, limit from there on), in order; empty if nothing changes up to `LARGEST`."""


def crossovers(
    counts: Sequence[LayerCount], symbol: sympy.Symbol, target: Target, mode: PowerMode, traffic: str
) -> tuple[Crossover, ...]:
    """Return where each counted layer crosses its ridge point, along one dimension.

    A layer is compute-bound where max over pipes W/peak >= Q/BW. Sizes are looked at one by one up to 64, then in
    steps of 12 %, and each change is pinned down by halving.
    """
    assert target.device is not None and target.processor is not None  # the caller asked for a device
    active = [count for count in counts if count.status == "counted"]
    keys = [contraction_ceiling(count, target.pipes) for count in active]
    vectors = [("vector", count.vector_precision) for count in active]
    ceilings = sorted({*keys, *vectors} - {("", "")})
    table = mode_table(target.device, target.processor, mode_set(target.device, (mode,)), ceilings)
    peak = dict(zip(ceilings, table.peak_flop_per_s[0], strict=True))
    costs = [count.under(traffic) for count in active]
    compiled = Compiled(
        [
            c
            for cost in costs
            for c in (cost.contraction_flops, cost.vector_flops, cost.bytes_read + cost.bytes_written)
        ],
        (symbol,),
    )

    def is_compute_bound(sizes: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return (layers, sizes): compute-bound, and whether the layer does anything."""
        values = [np.asarray(v, dtype=np.float64) for v in compiled({symbol.name: sizes})]
        bound, works = [], []
        for i, (key, vector) in enumerate(zip(keys, vectors, strict=True)):
            contraction, rest, moved = values[3 * i : 3 * i + 3]
            if key == vector:
                compute = (contraction + rest) / peak[vector]
            else:
                compute = np.maximum(contraction / peak[key] if key != ("", "") else 0.0, rest / peak[vector])
            bound.append(compute >= moved / table.bandwidth_byte_per_s[0])
            works.append((moved > 0) & (contraction + rest > 0))
        return np.array(bound), np.array(works)

    sizes = _sizes()
    bound, works = is_compute_bound(sizes)
    result = []
    for i, count in enumerate(active):
        valid = np.flatnonzero(works[i])
        if valid.size == 0:
            continue
        flips = [j for j in valid[1:] if bound[i][j] != bound[i][j - 1] and works[i][j - 1]]
        changes = []
        for j in flips:
            low, high = int(sizes[j - 1]), int(sizes[j])
            while high - low > 1:
                middle = (low + high) // 2
                same = is_compute_bound(np.array([middle]))[0][i][0] == bound[i][j]
                low, high = (low, middle) if same else (middle, high)
            changes.append((high, _limit(bool(bound[i][j]))))
        first = _limit(bool(bound[i][valid[0]]))
        result.append(Crossover(count.node.label, count.node.op_type, symbol.name, first, tuple(changes)))
    return tuple(result)


def _limit(is_compute: bool) -> str:
    return "compute" if is_compute else "memory"


def _sizes() -> NDArray[np.int64]:
    sizes = list(range(1, 65))
    while sizes[-1] < LARGEST:
        sizes.append(min(LARGEST, sizes[-1] * 9 // 8))
    return np.array(sizes, dtype=np.int64)
