"""From a device and a list of modes to arrays over modes: what `roofline.model` computes with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline.devices.spec import DeviceSpec, EnergySet, PowerMode, Processor

Array = NDArray[np.float64]
Ceiling = tuple[str, str]
"""(pipe, precision)."""


class ModeTable(NamedTuple):
    """Ceilings of one processor in each mode. Axis 0 is always the mode."""

    names: tuple[str, ...]
    ceilings: tuple[Ceiling, ...]
    """What axis 1 of `peak_flop_per_s` stands for."""
    peak_flop_per_s: Array
    """(modes, ceilings)."""
    is_known: NDArray[np.bool_]
    """(ceilings,): False where the rate is not known and the fp32 vector rate stands in."""
    bandwidth_byte_per_s: Array
    """(modes,): the lower of the two limits below."""
    dram_byte_per_s: Array
    """(modes,): memory clock times bus, times the best efficiency ever measured."""
    path_byte_per_s: Array
    """(modes,): the processor's clock times the bytes its path to memory carries; inf where unknown."""
    nominal_byte_per_s: Array
    """(modes,): memory clock times bus: nothing is faster."""


class EnergyTable(NamedTuple):
    """Energy coefficients in each mode. NaN where a number is not known."""

    name: str
    energy_per_flop: Array
    """(modes, ceilings) in J/FLOP."""
    energy_per_byte: Array
    """(modes,) in J/B."""
    static_power_w: Array
    """(modes,): idle power plus the power of being active."""


def _knob(modes: Sequence[PowerMode], name: str) -> Array:
    return np.array([mode.knobs[name] for mode in modes], dtype=np.float64)


def mode_table(
    device: DeviceSpec, processor: Processor, modes: Sequence[PowerMode], ceilings: Sequence[Ceiling]
) -> ModeTable:
    """Return the ceilings of `processor` in each mode.

    peak = units(mode) * FLOP per clock * clock(mode);
    bandwidth = min(efficiency * transfers * f_mem * bus, bytes per clock * clock(mode)).
    """
    clock = _knob(modes, processor.clock)
    units = processor.units
    count = units.per_step * (_knob(modes, units.knob) if units.knob else np.ones(len(modes)))
    fallback = processor.pipes.get(("vector", "fp32"))
    rates = [processor.pipes.get(key) or fallback for key in ceilings]
    per_clock = np.array([rate.value if rate else np.nan for rate in rates], dtype=np.float64)
    memory = device.memory
    nominal = memory.transfers_per_clock * memory.bus_bytes.value * _knob(modes, memory.clock)
    dram = memory.efficiency.value * nominal
    path = processor.memory_path.value * clock if processor.memory_path else np.full(len(modes), np.inf)
    return ModeTable(
        names=tuple(mode.name for mode in modes),
        ceilings=tuple(ceilings),
        peak_flop_per_s=(count * clock)[:, None] * per_clock[None, :],
        is_known=np.array([key in processor.pipes for key in ceilings], dtype=np.bool_),
        bandwidth_byte_per_s=np.minimum(dram, path),
        dram_byte_per_s=dram,
        path_byte_per_s=path,
        nominal_byte_per_s=nominal,
    )


def relative_voltage(device: DeviceSpec, modes: Sequence[PowerMode], reference_hz: float) -> Array:
    """Return V(f)/V(reference) per mode, 1 where the device file has no voltage curve. Shape (modes,)."""
    if device.voltage is None:
        return np.ones(len(modes))
    clock = _knob(modes, device.voltage.knob)
    curve = device.voltage.clock_hz, device.voltage.relative
    return np.interp(clock, *curve) / float(np.interp(reference_hz, *curve))


def choose_energy_set(device: DeviceSpec, processor: str, precisions: set[str], clocks: str) -> EnergySet | None:
    """Return the set that covers every contraction precision of a workload, or None. Sets are never mixed."""
    for candidate in device.energy:
        fits = candidate.processor == processor and candidate.clocks == clocks
        if fits and precisions <= set(candidate.precisions):
            return candidate
    return None


def energy_table(
    device: DeviceSpec,
    processor: Processor,
    energy: EnergySet,
    modes: Sequence[PowerMode],
    ceilings: Sequence[Ceiling],
) -> EnergyTable:
    """Return the coefficients of one energy set in each mode.

    eps(f) = eps * v**2 for FLOP and moved bytes, with v the relative voltage; DRAM's own share is constant;
    active power scales with clock * v**2; idle power is that of the mode, or of the named mode it builds on.
    A coefficient that the set does not have is NaN.
    """
    reference = energy.reference.get(processor.clock, 0.0)
    clock = _knob(modes, processor.clock)
    squared = relative_voltage(device, modes, reference) ** 2
    per_flop = [energy.flop[key].value if key in energy.flop else np.nan for key in ceilings]
    idle = np.array([_idle(device, mode, energy) for mode in modes], dtype=np.float64)
    return EnergyTable(
        name=energy.name,
        energy_per_flop=squared[:, None] * np.array(per_flop, dtype=np.float64)[None, :],
        energy_per_byte=energy.dram.value + energy.move.value * squared,
        static_power_w=idle + energy.active_w.value * (clock / reference) * squared,
    )


def _idle(device: DeviceSpec, mode: PowerMode, energy: EnergySet) -> float:
    for entry in device.idle:
        if (entry.mode, entry.clocks, entry.boundary) == (mode.base, energy.clocks, energy.boundary):
            return entry.power_w.value
    return float("nan")
