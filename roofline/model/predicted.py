"""Predicted times and powers: the roofline with factors that measured runs determine.

    layer      t_i = ((a_i * C_i)**q + (b_i * M_i)**q)**(1/q) + k_i
    whole run  T   = sum_i t_i + h
    power      P   = p_0 + p_1*s + p_2*s*v**2 + p_3*Q/T

with C and M the compute and memory times of the roofline; a = 1/(compute efficiency), b = 1/(memory efficiency); q the
sharpness of the knee (1: compute and memory in turn, infinite: side by side); k a constant per kernel; h one per run,
the host's; s the processor's units times clock relative to their highest, v its relative voltage; Q/T the traffic.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def layer_times(
    compute_s: Array, memory_s: Array, compute_factor: Array, memory_factor: Array, kernel_s: Array, knee: float
) -> Array:
    """Return predicted times, (modes, layers).

    Args:
        compute_s: (modes, layers).
        memory_s: (modes, layers).
        compute_factor: (layers,), how many times slower than its ceiling a layer computes.
        memory_factor: (layers,), how many times slower than the bandwidth it moves its bytes.
        kernel_s: (layers,), constant time of a layer's kernel.
        knee: q above; 2 is evaluated without powers.
    """
    compute, memory = compute_s * compute_factor, memory_s * memory_factor
    if knee == 2.0:
        return np.asarray(np.hypot(compute, memory) + kernel_s)
    larger = np.maximum(compute, memory)
    smaller = np.minimum(compute, memory)
    ratio = np.divide(smaller, larger, out=np.zeros_like(larger), where=larger > 0)
    return np.asarray(larger * (1.0 + ratio**knee) ** (1.0 / knee) + kernel_s)


def total_times(
    compute_s: Array, memory_s: Array, compute_factor: Array, memory_factor: Array, kernel_s: Array, knee: float
) -> Array:
    """Return the sum of `layer_times` over layers, (modes,)."""
    return np.asarray(layer_times(compute_s, memory_s, compute_factor, memory_factor, kernel_s, knee).sum(axis=1))


def power_terms(speed: Array, voltage: Array, byte_per_s: Array) -> Array:
    """Return the four terms that power is a sum of, (modes, 4): 1, s, s*v**2, Q/T in B/s."""
    return np.stack([np.ones_like(speed), speed, speed * voltage**2, byte_per_s], axis=1)


POWER_TERMS = ("constant", "clock", "switching", "traffic")
"""What the columns of `power_terms` stand for; the first three in W, the last in J/B."""
