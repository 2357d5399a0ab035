"""Time and energy over all modes of a grid, and over two clocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from roofline.devices.mode_set import ModeSet, mode_set
from roofline.errors import DeviceError
from roofline.figures.modes import ClockMap, Spot
from roofline.mode_totals import totals_over_modes
from roofline.plots.ceilings import evaluation_of

if TYPE_CHECKING:
    from roofline.analysis import Analysis
    from roofline.selection.answer import Choice, Selection

LARGEST = 10_000
"""Cells of a map; shipped devices have at most some hundred."""


def clock_map(analysis: Analysis) -> ClockMap:
    """Return time and energy for every pair of processor and memory clock, other knobs as in the analysed mode.

    Raises:
        DeviceError: one of the two clocks cannot be set on this device, or they have more pairs than can be seen.
    """
    evaluation = evaluation_of(analysis)
    task, mode = evaluation.task, evaluation.modes[0]
    device, clock, memory = task.device, task.processor.clock, task.device.memory.clock
    if memory is None or len(device.knobs[memory].values) < 2 or len(device.knobs[clock].values) < 2:
        fixed = clock if memory is not None and len(device.knobs[clock].values) < 2 else "the memory clock"
        raise DeviceError(
            f"{fixed} has one setting: there is nothing to map", where=f"{device.id}: --kind heatmap",
            hint="--kind modes draws the modes that there are",
        )  # fmt: skip
    clocks, memories = device.knobs[clock].values, device.knobs[memory].values
    if len(clocks) * len(memories) > LARGEST:
        raise DeviceError(
            f"{len(clocks)} x {len(memories)} pairs of clocks", where=f"{device.id}: --kind heatmap",
            expected=f"at most {LARGEST}", hint="--kind modes draws the modes that there are",
        )  # fmt: skip
    rows, columns = np.meshgrid(memories, clocks, indexing="ij")
    one = mode_set(device, (mode,))
    knobs = {name: np.repeat(values, rows.size) for name, values in one.knobs.items()}
    knobs |= {clock: columns.ravel(), memory: rows.ravel()}
    totals = totals_over_modes(task, ModeSet(knobs, np.repeat(one.base, rows.size)))
    limited = task.is_power_limited(totals.power_w).reshape(rows.shape)
    return ClockMap(
        mode=mode.name,
        clock=f"{task.processor.name.upper()} clock",
        clock_hz=tuple(clocks),
        memory_hz=tuple(memories),
        time_s=_rows(totals.time_s.reshape(rows.shape)),
        energy_j=_rows(totals.energy_j.reshape(rows.shape)),
        limited=tuple(tuple(bool(v) for v in row) for row in limited),
    )


def _rows(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(v) for v in row) for row in values)


def spots(selection: Selection) -> tuple[list[Spot], list[Spot]]:
    """Return the distinct candidates of a selection: those that can be kept up, and those over the module's limit."""
    field = selection.field
    table = np.column_stack([field.time_s, field.energy_j, field.is_power_limited])
    table = np.unique(table[np.isfinite(table).all(axis=1)], axis=0)
    found = [Spot("candidate", float(t), float(e)) for t, e, over in table if not over]
    return found, [Spot("over the limit", float(t), float(e)) for t, e, over in table if over]


def spot(choice: Choice) -> Spot:
    """Return a choice as a point."""
    return Spot(choice.mode.name, choice.time_s, choice.energy_j, choice.is_power_limited)
