"""What the energy roofline and the power line are made of: coefficients, and layers as the coefficients count them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from roofline.errors import DeviceError
from roofline.evaluate import Evaluation, evaluate
from roofline.figures.energies import Arch, LayerEnergy
from roofline.plots.ceilings import ceiling_name, distinct_named, evaluation_of

if TYPE_CHECKING:
    from roofline.analysis import Analysis

Array = NDArray[np.float64]


def is_predicted(analysis: Analysis) -> bool:
    """Return whether energies are predicted powers times predicted times, which no coefficients are needed for."""
    factors = evaluation_of(analysis).task.factors
    return factors is not None and factors.power is not None


def priced(analysis: Analysis) -> Evaluation:
    """Return the evaluation under the traffic model that the energy coefficients are meant for.

    Raises:
        DeviceError: there are no coefficients, or no static power.
    """
    task = evaluation_of(analysis).task
    if task.energy is None:
        finding = next((f for f in analysis.findings if f.code == "energy-unknown"), None)
        what = finding.message if finding else "no energy coefficients"
        raise DeviceError(
            what, where=finding.where if finding else task.device.id, hint=finding.hint if finding else ""
        )
    found = evaluate(task._replace(workload=task.energy_workload), evaluation_of(analysis).modes)
    assert found.energy_table is not None
    if not np.isfinite(found.energy_table.static_power_w[0]):
        raise DeviceError(
            f"the idle power of {found.modes[0].name} is not known", where=task.device.id,
            expected="a mode whose idle power the device file has",
        )  # fmt: skip
    return found


def arches(found: Evaluation, modes: list[int], *, main_only: bool = False) -> list[Arch]:
    """Return the energy roofs of modes, of the ceilings that do work, that with the most first.

    Raises:
        DeviceError: no energy per FLOP is known for any of them.
    """
    table, energy = found.table, found.energy_table
    assert energy is not None
    work = found.task.workload.flop.sum(axis=1)
    order = [
        int(c) for c in np.argsort(-work, kind="stable") if work[c] > 0 and np.isfinite(energy.energy_per_flop[0, c])
    ]
    if not order:
        raise DeviceError("no energy per FLOP is known for what the model computes", where=found.task.device.id)
    result, seen = [], set()
    for m in modes:
        if not np.isfinite(energy.static_power_w[m]):
            continue
        for c in order[:1] if main_only else order:
            arch = Arch(
                found.modes[m].name, ceiling_name(table.ceilings[c]), float(energy.energy_per_flop[m, c]),
                float(energy.energy_per_byte[m]), float(energy.static_power_w[m]), float(table.peak_flop_per_s[m, c]),
                float(table.bandwidth_byte_per_s[m]),
            )  # fmt: skip
            if arch._replace(ceiling="") not in seen:
                seen.add(arch._replace(ceiling=""))
                result.append(arch)
    return result


def layer_energies(found: Evaluation, data: dict[str, Any]) -> list[LayerEnergy]:
    """Return the layers that take energy in the analysed mode, each with all the work that the coefficients charge it.

    Args:
        found: what `priced` returned: one row per layer of the energy's own workload, which may count node by node.
        data: the analysis, whose layers these are parts of.
    """
    work, energy = found.task.workload, found.layer_energy_j
    assert energy is not None
    count = len(data["layers"])
    parts = np.arange(work.moved_byte.size) if found.task.energy_layers is None else found.task.energy_layers

    def by_layer(values: Array) -> Array:
        return np.asarray(np.bincount(parts, values, count), dtype=np.float64)

    flop, moved, time = (by_layer(v) for v in (work.flop.sum(axis=0), work.moved_byte, found.layer_time_s[0]))
    return [
        LayerEnergy(layer, float(flop[i]), float(moved[i]), float(time[i]), float(energy[0, i]))
        for i, layer in enumerate(data["layers"])
        if energy[0, i] > 0 and time[i] > 0
    ]


def about(analysis: Analysis) -> str:
    """Return which coefficients are in use, and how far they can be off."""
    energy = evaluation_of(analysis).task.energy
    assert energy is not None
    traffic = "" if analysis.traffic in energy.traffic else f", which count {energy.traffic[0]} traffic"
    return (f"Coefficients {energy.name}{traffic}: {energy.boundary} boundary, clocks {energy.clocks}, off by up to "
            f"{energy.relative_error.value:.0%}.")  # fmt: skip


def power_modes(analysis: Analysis) -> list[int]:
    """Return the modes that a power line is drawn for."""
    return distinct_named(analysis)
