"""Predicted time and power of a workload: its roofline, with the factors of a calibration spread over its layers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline.model.predicted import layer_times, power_terms, total_times

Array = NDArray[np.float64]


class Factors(NamedTuple):
    """A calibration for one workload. See `model.predicted` for the symbols."""

    name: str
    compute: Array
    """(layers,): a."""
    memory: Array
    """(layers,): b."""
    kernel_s: Array
    """(layers,): k; 0 for layers that do not run."""
    knee: float
    host_s: float
    time_band: tuple[float, float]
    """Measured over predicted time, middle 80 %."""
    power: Array | None
    """(4,): coefficients of `model.predicted.power_terms`, or None."""
    speed_reference: float
    """Units times clock in Hz at which the clock's terms hold."""
    power_band: tuple[float, float]
    boundary: str
    """What the power is of."""


class Prediction(NamedTuple):
    """Over modes (axis 0) and layers (axis 1)."""

    factors: Factors
    layer_s: Array
    """(modes, layers); the host's time of a run is in none of them."""
    power_w: Array
    """(modes,); NaN where the calibration has none."""

    @property
    def time_s(self) -> Array:
        """(modes,): one whole run."""
        return np.asarray(self.layer_s.sum(axis=1) + self.factors.host_s)

    @property
    def energy_j(self) -> Array:
        """(modes,): power times time; NaN where the power is unknown."""
        return np.asarray(self.power_w * self.time_s)


class Clocks(NamedTuple):
    """What the power of a mode depends on, (modes,)."""

    speed_hz: Array
    """Units times clock."""
    voltage: Array
    """Relative to that at the highest clock; the clock's own ratio where no voltage is known."""


def predict(factors: Factors, compute_s: Array, memory_s: Array, clocks: Clocks, moved_byte: float) -> Prediction:
    """Return predicted times layer by layer, (modes, layers), and powers, (modes,)."""
    layers = layer_times(compute_s, memory_s, factors.compute, factors.memory, factors.kernel_s, factors.knee)
    total = layers.sum(axis=1) + factors.host_s
    return Prediction(factors, layers, _power(factors, clocks, moved_byte / total))


def predict_totals(
    factors: Factors, compute_s: Array, memory_s: Array, clocks: Clocks, moved_byte: float
) -> tuple[Array, Array]:
    """Return predicted time and power of the whole run, both (modes,)."""
    total = total_times(compute_s, memory_s, factors.compute, factors.memory, factors.kernel_s, factors.knee)
    total = total + factors.host_s
    return total, _power(factors, clocks, moved_byte / total)


def _power(factors: Factors, clocks: Clocks, byte_per_s: Array) -> Array:
    if factors.power is None:
        return np.full(clocks.speed_hz.shape, np.nan)
    terms = power_terms(clocks.speed_hz / factors.speed_reference, clocks.voltage, byte_per_s)
    return np.asarray(terms @ factors.power)
