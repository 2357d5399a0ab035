"""How much energy layers take: E = eps_flop*W + eps_byte*Q + P_static*T (Choi et al., IPDPS 2013; Pagoda)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roofline.model.time import over_modes_and_layers

Array = NDArray[np.float64]


def dynamic_energy(flop: Array, moved_byte: Array, energy_per_flop: Array, energy_per_byte: Array) -> Array:
    """Return sum over ceilings of eps_flop*W, plus eps_byte*Q, in J, (modes, layers).

    Args:
        flop: (ceilings, layers).
        moved_byte: (layers,).
        energy_per_flop: (modes, ceilings) in J/FLOP, of which none may be NaN where there is work.
        energy_per_byte: (modes,) in J/B.
    """
    per_byte, moved = over_modes_and_layers(energy_per_byte, moved_byte)
    total = per_byte * moved
    for ceiling in range(flop.shape[0]):
        per_flop, work = over_modes_and_layers(energy_per_flop[:, ceiling], flop[ceiling])
        total = total + np.multiply(per_flop, work, out=np.zeros(total.shape), where=np.isfinite(per_flop) & (work > 0))
    return np.asarray(total)


def static_energy(time_s: Array, static_power_w: Array) -> Array:
    """Return P_static*T in J, (modes, layers), from times (modes, layers) and powers (modes,)."""
    return np.asarray(np.asarray(static_power_w)[:, None] * time_s)


def average_power(energy_j: Array, time_s: Array) -> Array:
    """Return E/T in W; NaN where no time passes."""
    power = np.divide(energy_j, time_s, out=np.full(np.shape(energy_j), np.nan), where=np.asarray(time_s) > 0)
    return np.asarray(power)


def power_at_rate(energy_j: Array, time_s: Array, idle_power_w: Array, runs_per_s: float) -> Array:
    """Return the average power of runs that start at a fixed rate, (modes,): P = rate*(E + P_idle*(1/rate - T)).

    A run that takes longer than 1/rate leaves no idle time; whether it is feasible is not asked here.
    """
    waiting = np.maximum(0.0, 1.0 / runs_per_s - np.asarray(time_s))
    return np.asarray(runs_per_s * (energy_j + idle_power_w * waiting))
