"""A workload on a device: time, energy and what limits it, layer by layer in several modes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline.devices.mode_set import ModeSet, mode_set
from roofline.devices.spec import EnergySet, PowerMode
from roofline.devices.tables import EnergyTable, ModeTable, energy_table
from roofline.mode_totals import Totals, average_power
from roofline.model import energy as energy_model
from roofline.prediction import Prediction, predict
from roofline.task import LIMITS, OnLayers, Task, bound_of, clocks_of, on_layers

Array = NDArray[np.float64]


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


def evaluate(task: Task, modes: Sequence[PowerMode]) -> Evaluation:
    """Put a workload on the rooflines of a processor in each mode, layer by layer."""
    columns = mode_set(task.device, modes)
    layers = on_layers(task, task.workload, columns)
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
        bound_time_s=bound_of(task, layers.table),
        layer_energy_j=energy,
        energy_time_s=energy_time,
        energy_table=coefficients,
        prediction=prediction,
    )


def _energy(task: Task, modes: ModeSet, layers: OnLayers) -> tuple[Array | None, Array, EnergyTable | None]:
    """Return energy per mode and layer, the time in which it is spent, and the coefficients.

    A set of coefficients belongs to one way of counting bytes, so its static share is spent over the time that
    those bytes take: energy and power then describe one run, whatever the traffic model of the time.
    """
    work, time = task.energy_workload, layers.time_s
    if task.energy is None:
        return None, time.sum(axis=1), None
    if work is not task.workload:
        time = on_layers(task, work, modes).time_s
    table = energy_table(task.device, task.processor, task.energy, modes, work.ceilings)
    dynamic = energy_model.dynamic_energy(work.flop, work.moved_byte, table.energy_per_flop, table.energy_per_byte)
    energy = dynamic + energy_model.static_energy(time, table.static_power_w)
    if task.energy_layers is not None:
        size = task.workload.moved_byte.size
        energy = np.stack([np.bincount(task.energy_layers, weights=one, minlength=size) for one in energy])
    return energy, time.sum(axis=1), table
