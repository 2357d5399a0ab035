"""A whole model in very many modes: totals alone, in memory that does not grow with modes times layers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline.devices.mode_set import ModeSet
from roofline.devices.tables import ModeTable, energy_table, idle_power, mode_table
from roofline.model import energy as energy_model
from roofline.model import time as time_model
from roofline.prediction import Factors, predict, predict_totals
from roofline.task import LIMITS, Task, bound_of, clocks_of, on_layers, roofline_parts
from roofline.workload import Workload

Array = NDArray[np.float64]
_CELLS_AT_ONCE = 1 << 17
"""Modes times layers that are held at once: 1 MB per array, which a cache holds."""


class Totals(NamedTuple):
    """A whole model in each of many modes; every array has shape (modes,). NaN where unknown."""

    time_s: Array
    bound_time_s: Array
    energy_j: Array
    power_w: Array
    energy_time_s: Array
    """Time over which the energy is spent (see `Evaluation`)."""


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
            bound_of(task, table),
            energy,
            energy_model.average_power(energy, energy_time),
            energy_time,
        )
    return Totals(*found)


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


def limits_over_modes(task: Task, modes: ModeSet) -> list[str]:
    """Return the class, compute, memory or overhead, that takes the largest share of the time in each mode.

    As `Evaluation.limited_by`, a block of modes at a time; empty where a model takes no time.
    """
    work, factors, found = task.workload, task.factors, list[str]()
    step = max(1, _CELLS_AT_ONCE // max(1, work.moved_byte.size))
    for start in range(0, modes.size, step):
        part = modes.part(start, start + step)
        layers, overhead = on_layers(task, work, part), 0.0
        shown = layers.time_s
        if factors is not None:
            moved = float(work.moved_byte.sum())
            predicted = predict(factors, layers.compute_s, layers.memory_s, clocks_of(task, part), moved)
            shown, overhead = predicted.layer_s - factors.kernel_s, factors.host_s + float(factors.kernel_s.sum())
        total = shown.sum(axis=1)
        memory = np.where(layers.is_memory_bound, shown, 0.0).sum(axis=1)
        shares = np.stack([total - memory, memory, np.full(part.size, overhead)])
        found += [
            LIMITS[which] if time > 0 else ""
            for which, time in zip(shares.argmax(axis=0).tolist(), (total + overhead).tolist(), strict=True)
        ]
    return found


def _predicted_totals(task: Task, factors: Factors, modes: ModeSet) -> tuple[Array, Array]:
    moved = float(task.workload.moved_byte.sum())
    return predict_totals(factors, *roofline_parts(task, modes), clocks_of(task, modes), moved)


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
