"""A workload on a device: time, energy and what limits it, in one mode layer by layer and in all modes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline.devices.spec import DeviceSpec, EnergySet, PowerMode, Processor
from roofline.devices.tables import EnergyTable, ModeTable, energy_table, mode_table
from roofline.model import energy as energy_model
from roofline.model import time as time_model
from roofline.workload import Workload

Array = NDArray[np.float64]
LIMITS = ("compute", "memory")


class Evaluation(NamedTuple):
    """Results over modes (axis 0) and layers (axis 1)."""

    modes: tuple[PowerMode, ...]
    table: ModeTable
    layer_time_s: Array
    """(modes, layers): roofline time."""
    ceiling: NDArray[np.intp]
    """(modes, layers): the binding compute ceiling."""
    is_memory_bound: NDArray[np.bool_]
    """(modes, layers)."""
    bound_time_s: Array
    """(modes,)."""
    layer_energy_j: Array | None
    """(modes, layers), NaN in modes whose static power is unknown; None without an energy set."""
    energy_set: EnergySet | None
    energy_table: EnergyTable | None

    @property
    def time_s(self) -> Array:
        """Roofline time of the whole model, (modes,)."""
        return np.asarray(self.layer_time_s.sum(axis=1))

    @property
    def energy_j(self) -> Array:
        """Energy of the whole model, (modes,); NaN where unknown."""
        if self.layer_energy_j is None:
            return np.full(len(self.modes), np.nan)
        return np.asarray(self.layer_energy_j.sum(axis=1))

    def limited_by(self, mode: int) -> str:
        """Return the class, compute or memory, that takes the larger share of a mode's time."""
        memory = float(self.layer_time_s[mode][self.is_memory_bound[mode]].sum())
        return LIMITS[int(memory > float(self.layer_time_s[mode].sum()) - memory)]


def evaluate(
    workload: Workload,
    energy_workload: Workload,
    least_byte: float,
    device: DeviceSpec,
    processor: Processor,
    modes: Sequence[PowerMode],
    energy: EnergySet | None,
) -> Evaluation:
    """Put a workload on the rooflines of a processor in each mode.

    Args:
        workload: the layers under the chosen traffic model; it decides the time.
        energy_workload: the same layers under the traffic model that the energy set is meant for.
        least_byte: bytes that any run must move, the cache not yet taken off.
        energy: coefficients, or None where the device has none for this precision.
    """
    table = mode_table(device, processor, modes, workload.ceilings)
    compute, which = time_model.compute_time(workload.flop, table.peak_flop_per_s)
    memory = time_model.memory_time(workload.moved_byte, table.bandwidth_byte_per_s)
    layer_time = time_model.roofline_time(compute, memory)
    cache = device.cache_bytes.value if device.cache_bytes else 0.0
    bound = time_model.bound_time(
        workload.least_flop,
        table.peak_flop_per_s,
        table.is_known,
        max(0.0, least_byte - cache),
        table.nominal_byte_per_s,
    )
    layer_energy = coefficients = None
    if energy is not None:
        coefficients = energy_table(device, processor, energy, modes, energy_workload.ceilings)
        layer_energy = energy_model.dynamic_energy(
            energy_workload.flop,
            energy_workload.moved_byte,
            coefficients.energy_per_flop,
            coefficients.energy_per_byte,
        ) + energy_model.static_energy(layer_time, coefficients.static_power_w)
    return Evaluation(
        modes=tuple(modes),
        table=table,
        layer_time_s=layer_time,
        ceiling=which,
        is_memory_bound=memory > compute,
        bound_time_s=bound,
        layer_energy_j=layer_energy,
        energy_set=energy,
        energy_table=coefficients,
    )
