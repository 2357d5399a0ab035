"""From a device and a list of modes to arrays over modes: what `roofline.model` computes with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline.devices.mode_set import ModeSet
from roofline.devices.spec import DeviceSpec, EnergySet, IdleModel, Processor

Array = NDArray[np.float64]
Ceiling = tuple[str, str]
"""(pipe, precision)."""


class ModeTable(NamedTuple):
    """Ceilings of one processor in each mode. Axis 0 is always the mode."""

    ceilings: tuple[Ceiling, ...]
    """What axis 1 of `peak_flop_per_s` stands for."""
    peak_flop_per_s: Array
    """(modes, ceilings)."""
    is_known: NDArray[np.bool_]
    """(ceilings,): False where the rate is not known and the fp32 vector rate stands in."""
    bandwidth_byte_per_s: Array
    """(modes,): the lower of the two limits below."""
    dram_byte_per_s: Array
    """(modes,): memory clock times bus, times the best efficiency ever measured (1 where none is known)."""
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


def mode_table(device: DeviceSpec, processor: Processor, modes: ModeSet, ceilings: Sequence[Ceiling]) -> ModeTable:
    """Return the ceilings of `processor` in each mode.

    peak = units(mode) * FLOP per clock * clock(mode);
    bandwidth = min(efficiency * transfers * f_mem * bus, bytes per clock * clock(mode)).
    """
    clock = modes.knobs[processor.clock]
    units = processor.units
    count = units.per_step * (modes.knobs[units.knob] if units.knob else np.ones(modes.size))
    fallback = processor.pipes.get(("vector", "fp32"))
    rates = [processor.pipes.get(key) or fallback for key in ceilings]
    per_clock = np.array([rate.value if rate else np.nan for rate in rates], dtype=np.float64)
    nominal = _nominal(device, modes)
    dram = nominal * (device.memory.efficiency.value if device.memory.efficiency else 1.0)
    path = processor.memory_path.value * clock if processor.memory_path else np.full(modes.size, np.inf)
    return ModeTable(
        ceilings=tuple(ceilings),
        peak_flop_per_s=(count * clock)[:, None] * per_clock[None, :],
        is_known=np.array([key in processor.pipes for key in ceilings], dtype=np.bool_),
        bandwidth_byte_per_s=np.minimum(dram, path),
        dram_byte_per_s=dram,
        path_byte_per_s=path,
        nominal_byte_per_s=nominal,
    )


def _nominal(device: DeviceSpec, modes: ModeSet) -> Array:
    memory = device.memory
    if memory.clock is None or memory.bus_bytes is None:
        return np.full(modes.size, memory.fixed_byte_per_s.value if memory.fixed_byte_per_s else np.nan)
    return np.asarray(memory.transfers_per_clock * memory.bus_bytes.value * modes.knobs[memory.clock])


def relative_voltage(device: DeviceSpec, modes: ModeSet, reference: Mapping[str, float]) -> Array:
    """Return V(f)/V(reference) per mode, 1 where the device file has no voltage curve. Shape (modes,)."""
    if device.voltage is None or device.voltage.knob not in reference:
        return np.ones(modes.size)
    curve = device.voltage.clock_hz, device.voltage.relative
    at_reference = float(np.interp(reference[device.voltage.knob], *curve))
    return np.interp(modes.knobs[device.voltage.knob], *curve) / at_reference


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
    modes: ModeSet,
    ceilings: Sequence[Ceiling],
) -> EnergyTable:
    """Return the coefficients of one energy set in each mode.

    eps(f) = eps * v**2 for FLOP and moved bytes, with v the relative voltage; DRAM's own share is constant;
    active power scales with clock * v**2. A coefficient that the set does not have is NaN.
    """
    squared = relative_voltage(device, modes, energy.reference) ** 2
    speed = modes.knobs[processor.clock] / energy.reference[processor.clock]
    per_flop = [energy.flop[key].value if key in energy.flop else np.nan for key in ceilings]
    return EnergyTable(
        name=energy.name,
        energy_per_flop=squared[:, None] * np.array(per_flop, dtype=np.float64)[None, :],
        energy_per_byte=energy.dram.value + energy.move.value * squared,
        static_power_w=idle_power(device, energy.clocks, energy.boundary, modes)
        + energy.active_w.value * speed * squared,
    )


def idle_power(device: DeviceSpec, clocks: str, boundary: str, modes: ModeSet) -> Array:
    """Return the power in W of the idle device in each mode, (modes,); NaN where it is not known.

    By the device's idle model for this clock state and boundary, if there is one (`find_idle_model`); else the
    idle power of the named mode that each mode starts from.
    """
    model = find_idle_model(device, clocks, boundary)
    if model is not None:
        return _idle_by_model(device, model, modes)
    known = {e.mode: e.power_w.value for e in device.idle if (e.clocks, e.boundary) == (clocks, boundary)}
    return np.array([known.get(mode.name, np.nan) for mode in device.modes], dtype=np.float64)[modes.base]


def find_idle_model(device: DeviceSpec, clocks: str, boundary: str) -> IdleModel | None:
    """Return the model of idle power for a clock state and a boundary, or None."""
    return next((m for m in device.idle_models if (m.clocks, m.boundary) == (clocks, boundary)), None)


def _idle_by_model(device: DeviceSpec, model: IdleModel, modes: ModeSet) -> Array:
    """Return constant + processor * f*v^2 + memory * f_mem, clocks and voltage relative to the reference."""
    clock = device.processors[model.processor].clock
    speed = modes.knobs[clock] / model.reference[clock]
    squared = relative_voltage(device, modes, model.reference) ** 2
    power = model.constant_w.value + model.processor_w.value * speed * squared
    if device.memory.clock is not None:
        power = power + model.memory_w.value * modes.knobs[device.memory.clock] / model.reference[device.memory.clock]
    return np.asarray(power)
