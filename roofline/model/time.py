"""How long layers take: the time roofline and the bound that nothing beats.

Shapes: ``(modes,)``, ``(layers,)``, ``(ceilings,)`` as named; every result over both has axis 0 = mode,
axis 1 = layer. Times in s, work in FLOP and B, ceilings in FLOP/s and B/s.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def over_modes_and_layers(per_mode: Array, per_layer: Array) -> tuple[Array, Array]:
    """Return both as arrays that broadcast to (modes, layers): the one place where that is done."""
    return np.asarray(per_mode)[:, None], np.asarray(per_layer)[None, :]


def compute_time(flop: Array, peak_flop_per_s: Array) -> tuple[Array, NDArray[np.intp]]:
    """Return each layer's time on its slowest pipe, and which ceiling that is. Pipes work side by side.

    compute = max over ceilings of W / peak.

    Args:
        flop: work per ceiling and layer, (ceilings, layers).
        peak_flop_per_s: (modes, ceilings).

    Returns:
        Seconds and the index of the binding ceiling, both (modes, layers).
    """
    modes, layers = peak_flop_per_s.shape[0], flop.shape[1]
    slowest = np.zeros((modes, layers))
    which = np.zeros((modes, layers), dtype=np.intp)
    for ceiling in range(flop.shape[0]):
        peak, work = over_modes_and_layers(peak_flop_per_s[:, ceiling], flop[ceiling])
        time = np.divide(work, peak, out=np.zeros((modes, layers)), where=(work > 0) & np.ones_like(peak, bool))
        longer = time > slowest
        slowest, which = np.where(longer, time, slowest), np.where(longer, ceiling, which)
    return slowest, which


def memory_time(moved_byte: Array, bandwidth_byte_per_s: Array) -> Array:
    """Return Q / BW, (modes, layers), from bytes (layers,) and bandwidth (modes,)."""
    bandwidth, moved = over_modes_and_layers(bandwidth_byte_per_s, moved_byte)
    return np.asarray(moved / bandwidth)


def roofline_time(compute_s: Array, memory_s: Array) -> Array:
    """Return max(compute, memory) per layer: both (modes, layers). Williams, Waterman, Patterson, CACM 2009."""
    return np.maximum(compute_s, memory_s)


def total_time(flop: Array, moved_byte: Array, peak_flop_per_s: Array, bandwidth_byte_per_s: Array) -> Array:
    """Return the sum over layers of max(compute, memory), (modes,): `roofline_time` where only totals are asked for.

    Args:
        flop: (ceilings, layers).
        moved_byte: (layers,).
        peak_flop_per_s: (modes, ceilings); a NaN ceiling binds nothing.
        bandwidth_byte_per_s: (modes,).
    """
    time = np.multiply.outer(1.0 / np.asarray(bandwidth_byte_per_s), moved_byte)
    work = np.empty_like(time)
    for ceiling in range(flop.shape[0]):
        np.multiply.outer(1.0 / peak_flop_per_s[:, ceiling], flop[ceiling], out=work)
        np.fmax(time, work, out=time)
    return np.asarray(time.sum(axis=1))


def bound_time(
    contraction_flop: Array,
    peak_flop_per_s: Array,
    is_known: NDArray[np.bool_],
    least_byte: float,
    nominal_byte_per_s: Array,
) -> Array:
    """Return the time that no run of the whole model beats, (modes,).

    bound = max( max over pipes of sum W / peak, Q_min / nominal bandwidth ).

    Args:
        contraction_flop: FLOP of contractions per ceiling, (ceilings,); fewer where an algorithm saves some.
        peak_flop_per_s: (modes, ceilings).
        is_known: (ceilings,); ceilings whose rate is not known are left out.
        least_byte: weights that are touched, inputs and outputs, less the last-level cache.
        nominal_byte_per_s: (modes,), without any efficiency.
    """
    known = contraction_flop * is_known
    per_pipe = np.divide(known[None, :], peak_flop_per_s, out=np.zeros(peak_flop_per_s.shape), where=known[None, :] > 0)
    compute = per_pipe.max(axis=1, initial=0.0)
    return np.asarray(np.maximum(compute, least_byte / nominal_byte_per_s))
