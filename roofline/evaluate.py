"""A workload on a device: time, energy and what limits it, in one mode layer by layer and in all modes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline.devices.mode_set import ModeSet, mode_set
from roofline.devices.spec import DeviceSpec, EnergySet, PowerMode, Processor
from roofline.devices.tables import EnergyTable, ModeTable, energy_table, idle_power, mode_table, relative_voltage
from roofline.model import energy as energy_model
from roofline.model import time as time_model
from roofline.prediction import Clocks, Factors, Prediction, predict, predict_totals
from roofline.workload import Workload

Array = NDArray[np.float64]
LIMITS = ("compute", "memory", "overhead")
_CELLS_AT_ONCE = 1 << 17
"""Modes times layers that are held at once while only totals are asked for: 1 MB per array, which a cache holds."""


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


class Evaluation(NamedTuple):
    """Results over modes (axis 0) and layers (axis 1)."""

    task: Task
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
    energy_time_s: Array
    """(modes,): time over which the energy is spent: that of the traffic model which the energy set is meant for."""
    energy_table: EnergyTable | None
    prediction: Prediction | None
    """Where there is a calibration."""

    @property
    def energy_set(self) -> EnergySet | None:
        """The coefficients in use."""
        return self.task.energy

    @property
    def roofline_time_s(self) -> Array:
        """Roofline time of the whole model, (modes,)."""
        return np.asarray(self.layer_time_s.sum(axis=1))

    @property
    def time_s(self) -> Array:
        """Predicted time of the whole model where there is a calibration, else its roofline time; (modes,)."""
        return self.roofline_time_s if self.prediction is None else self.prediction.time_s

    @property
    def shown_layer_s(self) -> Array:
        """Predicted times of the layers where there is a calibration, else roofline times; (modes, layers)."""
        return self.layer_time_s if self.prediction is None else self.prediction.layer_s

    @property
    def shown_layer_j(self) -> Array | None:
        """Energies of the layers: predicted power times predicted time, where there are such; (modes, layers)."""
        if self.prediction is None or self.prediction.factors.power is None:
            return self.layer_energy_j
        return np.asarray(self.prediction.power_w[:, None] * self.prediction.layer_s)

    @property
    def energy_j(self) -> Array:
        """Energy of the whole model, (modes,); NaN where unknown."""
        if self.prediction is not None and self.prediction.factors.power is not None:
            return self.prediction.energy_j
        if self.layer_energy_j is None:
            return np.full(len(self.modes), np.nan)
        return np.asarray(self.layer_energy_j.sum(axis=1))

    @property
    def power_w(self) -> Array:
        """Average power while the model runs, (modes,); NaN where unknown."""
        if self.prediction is not None and self.prediction.factors.power is not None:
            return self.prediction.power_w
        return energy_model.average_power(self.energy_j, self.energy_time_s)

    @property
    def boundary(self) -> str:
        """What the energies and powers are of; empty where there are none."""
        if self.prediction is not None and self.prediction.factors.power is not None:
            return self.prediction.factors.boundary
        return self.task.energy.boundary if self.task.energy is not None else ""

    def power_at_rate(self, samples_per_s: float, batch: int) -> Array:
        """Average power where samples arrive at a fixed rate, (modes,), idle time between runs included."""
        totals = Totals(self.time_s, self.bound_time_s, self.energy_j, self.power_w, self.energy_time_s)
        return average_power(self.task, mode_set(self.task.device, self.modes), totals, samples_per_s / batch)

    def limited_by(self, mode: int) -> str:
        """Return the class, compute, memory or overhead, that takes the largest share of a mode's time."""
        layers, overhead = self.shown_layer_s[mode], 0.0
        if self.prediction is not None:
            factors = self.prediction.factors
            layers = layers - factors.kernel_s
            overhead = factors.host_s + float(factors.kernel_s.sum())
        memory = float(layers[self.is_memory_bound[mode]].sum())
        return LIMITS[int(np.argmax((float(layers.sum()) - memory, memory, overhead)))]


class Totals(NamedTuple):
    """A whole model in each of many modes; every array has shape (modes,). NaN where unknown."""

    time_s: Array
    bound_time_s: Array
    energy_j: Array
    power_w: Array
    energy_time_s: Array
    """Time over which the energy is spent (see `Evaluation`)."""


def average_power(task: Task, modes: ModeSet, totals: Totals, runs_per_s: float) -> Array:
    """Return the power of runs that start at a fixed rate, idle time between them included, (modes,).

    NaN where a run, or the run that the energies are of, takes longer than there is time for; and where the idle power
    at the same boundary is not known.
    """
    factors, energy = task.factors, task.energy
    boundary = energy.boundary if energy is not None else ""
    clocks = energy.clocks if energy is not None else "locked"
    spent = totals.energy_time_s
    if factors is not None and factors.power is not None:
        boundary, spent = factors.boundary, totals.time_s
    idle = idle_power(task.device, clocks, boundary, modes)
    power = energy_model.power_at_rate(totals.energy_j, spent, idle, runs_per_s)
    return np.where(np.maximum(totals.time_s, spent) * runs_per_s <= 1.0, power, np.nan)


class _Layers(NamedTuple):
    table: ModeTable
    compute_s: Array
    memory_s: Array
    time_s: Array
    ceiling: NDArray[np.intp]
    is_memory_bound: NDArray[np.bool_]


def evaluate(task: Task, modes: Sequence[PowerMode]) -> Evaluation:
    """Put a workload on the rooflines of a processor in each mode, layer by layer."""
    columns = mode_set(task.device, modes)
    layers = _time(task, task.workload, columns)
    prediction = None
    if task.factors is not None:
        moved = float(task.workload.moved_byte.sum())
        prediction = predict(task.factors, layers.compute_s, layers.memory_s, clocks_of(task, columns), moved)
    energy, energy_time, coefficients = _energy(task, columns, layers)
    return Evaluation(
        task=task,
        modes=tuple(modes),
        table=layers.table,
        layer_time_s=layers.time_s,
        ceiling=layers.ceiling,
        is_memory_bound=layers.is_memory_bound,
        bound_time_s=_bound(task, layers.table),
        layer_energy_j=energy,
        energy_time_s=energy_time,
        energy_table=coefficients,
        prediction=prediction,
    )


def distinct_modes(task: Task, modes: ModeSet) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the modes that the model can tell apart, and for every mode which of those it equals.

    Modes with the same ceilings and the same energy coefficients have the same time and energy.
    """
    table = mode_table(task.device, task.processor, modes, task.workload.ceilings)
    columns = [*table.peak_flop_per_s.T, table.bandwidth_byte_per_s, table.nominal_byte_per_s]
    if task.energy is not None:
        priced = mode_table(task.device, task.processor, modes, task.energy_workload.ceilings)
        energy = energy_table(task.device, task.processor, task.energy, modes, task.energy_workload.ceilings)
        columns += [*priced.peak_flop_per_s.T, *energy.energy_per_flop.T, energy.energy_per_byte, energy.static_power_w]
    if task.factors is not None:
        columns += [*clocks_of(task, modes)]
    rows = np.nan_to_num(np.stack(columns, axis=1), nan=-1.0, posinf=-2.0)
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return first.astype(np.intp), inverse.reshape(-1).astype(np.intp)


def totals_over_modes(task: Task, modes: ModeSet) -> Totals:
    """Return time, bound, energy and power of the whole model in each mode. Memory does not grow with the layers.

    The sums of `evaluate` over its layers, a block of modes at a time.
    """
    step = max(1, _CELLS_AT_ONCE // max(1, task.workload.moved_byte.size))
    found = np.empty((5, modes.size))
    for start in range(0, modes.size, step):
        part = modes.part(start, start + step)
        table = mode_table(task.device, task.processor, part, task.workload.ceilings)
        time = _total_time(task.workload, table)
        energy, energy_time = _total_energy(task, part, time)
        if task.factors is not None:
            time, power = _predicted_totals(task, task.factors, part)
            if task.factors.power is not None:
                energy, energy_time = power * time, time
        found[:, start : start + step] = (
            time,
            _bound(task, table),
            energy,
            energy_model.average_power(energy, energy_time),
            energy_time,
        )
    return Totals(*found)


def roofline_parts(task: Task, modes: ModeSet) -> tuple[Array, Array]:
    """Return compute times and memory times by the roofline, both (modes, layers)."""
    layers = _time(task, task.workload, modes)
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


def _predicted_totals(task: Task, factors: Factors, modes: ModeSet) -> tuple[Array, Array]:
    moved = float(task.workload.moved_byte.sum())
    return predict_totals(factors, *roofline_parts(task, modes), clocks_of(task, modes), moved)


def limits_over_modes(task: Task, modes: ModeSet) -> list[str]:
    """Return the class, compute or memory, that takes the larger share of the time in each mode.

    As `Evaluation.limited_by`, a block of modes at a time; empty where a model takes no time.
    """
    work, found = task.workload, list[str]()
    step = max(1, _CELLS_AT_ONCE // max(1, work.moved_byte.size))
    for start in range(0, modes.size, step):
        layers = _time(task, work, modes.part(start, start + step))
        total = layers.time_s.sum(axis=1)
        memory = np.where(layers.is_memory_bound, layers.time_s, 0.0).sum(axis=1)
        found += [LIMITS[int(m > t - m)] if t > 0 else "" for m, t in zip(memory.tolist(), total.tolist(), strict=True)]
    return found


def _total_time(work: Workload, table: ModeTable) -> Array:
    return time_model.total_time(work.flop, work.moved_byte, table.peak_flop_per_s, table.bandwidth_byte_per_s)


def _total_energy(task: Task, modes: ModeSet, time: Array) -> tuple[Array, Array]:
    """Return the energy of the whole model, and the time in which it is spent (see `_energy`), both (modes,)."""
    work = task.energy_workload
    if task.energy is None:
        return np.full(modes.size, np.nan), time
    if work is not task.workload:
        time = _total_time(work, mode_table(task.device, task.processor, modes, work.ceilings))
    table = energy_table(task.device, task.processor, task.energy, modes, work.ceilings)
    flop, moved = work.flop.sum(axis=1, keepdims=True), work.moved_byte.sum(keepdims=True)
    dynamic = energy_model.dynamic_energy(flop, moved, table.energy_per_flop, table.energy_per_byte)[:, 0]
    return dynamic + table.static_power_w * time, time


def _time(task: Task, workload: Workload, modes: ModeSet) -> _Layers:
    table = mode_table(task.device, task.processor, modes, workload.ceilings)
    compute, which = time_model.compute_time(workload.flop, table.peak_flop_per_s)
    memory = time_model.memory_time(workload.moved_byte, table.bandwidth_byte_per_s)
    return _Layers(table, compute, memory, time_model.roofline_time(compute, memory), which, memory > compute)


def _bound(task: Task, table: ModeTable) -> Array:
    cache = task.device.cache_bytes.value if task.device.cache_bytes else 0.0
    return time_model.bound_time(
        task.workload.least_flop,
        table.peak_flop_per_s,
        table.is_known,
        max(0.0, task.least_byte - cache),
        table.nominal_byte_per_s,
    )


def _energy(task: Task, modes: ModeSet, layers: _Layers) -> tuple[Array | None, Array, EnergyTable | None]:
    """Return energy per mode and layer, the time in which it is spent, and the coefficients.

    A set of coefficients belongs to one way of counting bytes, so its static share is spent over the time that
    those bytes take: energy and power then describe one run, whatever the traffic model of the time.
    """
    work, time = task.energy_workload, layers.time_s
    if task.energy is None:
        return None, time.sum(axis=1), None
    if work is not task.workload:
        time = _time(task, work, modes).time_s
    table = energy_table(task.device, task.processor, task.energy, modes, work.ceilings)
    dynamic = energy_model.dynamic_energy(work.flop, work.moved_byte, table.energy_per_flop, table.energy_per_byte)
    energy = dynamic + energy_model.static_energy(time, table.static_power_w)
    if task.energy_layers is not None:
        parts = np.zeros((work.moved_byte.size, task.workload.moved_byte.size))
        parts[np.arange(len(parts)), task.energy_layers] = 1.0
        energy = energy @ parts
    return energy, time.sum(axis=1), table
