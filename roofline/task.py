"""What is to run, and where; and its layers on the ceilings of a processor in many modes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline.devices.mode_set import ModeSet
from roofline.devices.spec import DeviceSpec, EnergySet, Processor
from roofline.devices.tables import ModeTable, mode_table, relative_voltage
from roofline.model import time as time_model
from roofline.prediction import Clocks, Factors
from roofline.workload import Workload

Array = NDArray[np.float64]
LIMITS = ("compute", "memory", "overhead")


class Task(NamedTuple):
    """What is to run, and where: all that times and energies over power modes depend on."""

    workload: Workload
    """The layers under the chosen traffic model; it decides the time."""
    energy_workload: Workload
    """The same layers under the traffic model that the energy set is meant for."""
    least_byte: float
    """Bytes that any run must move, the cache not yet taken off."""
    device: DeviceSpec
    processor: Processor
    energy: EnergySet | None
    """Coefficients, or None where the device has none for this precision."""
    factors: Factors | None = None
    """What measured runs say of these layers, where there is a calibration."""
    energy_layers: NDArray[np.intp] | None = None
    """Layer of `workload` that each layer of `energy_workload` is part of, where they are not the same."""

    @property
    def has_energy(self) -> bool:
        """Whether energies come out: from coefficients of the device, or measured powers."""
        return self.energy is not None or (self.factors is not None and self.factors.power is not None)

    @property
    def energy_error(self) -> float:
        """How far energies and powers can be off, as a share."""
        if self.factors is not None and self.factors.power is not None:
            return self.factors.power_band[1] - 1
        return self.energy.relative_error.value if self.energy is not None else 0.0

    @property
    def power_limit_w(self) -> float:
        """What the module can take at most, in W; inf where that is unknown or of no use without energies."""
        limit = self.device.power_limit_w
        return limit.value if limit is not None and self.has_energy else float("inf")

    def is_power_limited(self, power_w: Array) -> NDArray[np.bool_]:
        """Return where a power is above what the module can take: such a mode cannot keep its clocks.

        NaN, an unknown power, is not limited.
        """
        return np.asarray(power_w > self.power_limit_w)


class OnLayers(NamedTuple):
    """A workload on the ceilings of a processor; every array has shape (modes, layers)."""

    table: ModeTable
    compute_s: Array
    memory_s: Array
    time_s: Array
    ceiling: NDArray[np.intp]
    is_memory_bound: NDArray[np.bool_]


def on_layers(task: Task, workload: Workload, modes: ModeSet) -> OnLayers:
    """Put a workload on the rooflines of the task's processor in each mode."""
    table = mode_table(task.device, task.processor, modes, workload.ceilings)
    compute, which = time_model.compute_time(workload.flop, table.peak_flop_per_s)
    memory = time_model.memory_time(workload.moved_byte, table.bandwidth_byte_per_s)
    return OnLayers(table, compute, memory, time_model.roofline_time(compute, memory), which, memory > compute)


def bound_of(task: Task, table: ModeTable) -> Array:
    """Return the time that no run of the whole model beats, (modes,)."""
    cache = task.device.cache_bytes.value if task.device.cache_bytes else 0.0
    return time_model.bound_time(
        task.workload.least_flop,
        table.peak_flop_per_s,
        table.is_known,
        max(0.0, task.least_byte - cache),
        table.nominal_byte_per_s,
    )


def roofline_parts(task: Task, modes: ModeSet) -> tuple[Array, Array]:
    """Return compute times and memory times by the roofline, both (modes, layers)."""
    layers = on_layers(task, task.workload, modes)
    return layers.compute_s, layers.memory_s


def clocks_of(task: Task, modes: ModeSet) -> Clocks:
    """Return what measured powers depend on in each mode."""
    units, clock = task.processor.units, modes.knobs[task.processor.clock]
    highest = {task.processor.clock: task.device.knobs[task.processor.clock].values[-1]}
    voltage = task.device.voltage
    return Clocks(
        speed_hz=(modes.knobs[units.knob] if units.knob else np.ones(modes.size)) * clock,
        voltage=relative_voltage(task.device, modes, highest)
        if voltage is not None and voltage.knob in highest
        else clock / highest[task.processor.clock],
    )
