"""What is known about a device, with the origin of every number. Values are SI floats."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

Kind = Literal["datasheet", "measured", "derived", "fitted"]


class Origin(NamedTuple):
    """Where a number comes from."""

    kind: Kind
    source: tuple[str, ...]
    """Keys of `DeviceSpec.sources`."""
    formula: str = ""
    note: str = ""


class Number(NamedTuple):
    """One number of a device file."""

    value: float
    """In SI units."""
    origin: Origin


class Knob(NamedTuple):
    """Something a power mode sets: a clock (Hz) or a count."""

    name: str
    values: tuple[float, ...]
    """Every value it can take, ascending."""
    is_clock: bool
    needs_reboot: bool
    origin: Origin
    mask_bits: int | None = None
    """Bits of the mask that switches the units, where the silicon has more than the part: some are fused off."""


class Units(NamedTuple):
    """How many parallel units a processor has in a mode."""

    knob: str | None
    """The knob that switches them, if any."""
    per_step: float
    """Units per step of the knob, or their fixed number."""
    label: str


class Processor(NamedTuple):
    """A gpu, cpu or dla: pipes that compute, and a path to memory."""

    name: str
    label: str
    clock: str
    """Knob of its clock."""
    units: Units
    pipes: Mapping[tuple[str, str], Number]
    """(pipe, precision) -> FLOP per clock of one unit. Pipes are ``matrix`` and ``vector``. Dense rates."""
    memory_path: Number | None
    """Bytes per clock of this processor that its path to memory carries, for all units together."""
    compute_capability: float | None


class Memory(NamedTuple):
    """Main memory."""

    type: str
    size_bytes: Number | None
    clock: str | None
    """Knob of its clock; None where the memory has one fixed bandwidth."""
    transfers_per_clock: float
    bus_bytes: Number | None
    fixed_byte_per_s: Number | None
    """Nominal bandwidth, where there is no clock to set."""
    efficiency: Number | None
    """Largest share of the nominal bandwidth that was ever measured; None where nobody is known to have."""


class Voltage(NamedTuple):
    """Relative voltage over a clock, piecewise linear."""

    knob: str
    clock_hz: tuple[float, ...]
    relative: tuple[float, ...]
    origin: Origin


class Idle(NamedTuple):
    """Power of the idle board in one mode."""

    mode: str
    clocks: str
    boundary: str
    power_w: Number


class IdleModel(NamedTuple):
    """Idle power of any mode: constant + processor * f*v^2/(f*v^2 at reference) + memory * f_mem/reference."""

    clocks: str
    boundary: str
    processor: str
    """Whose clock it scales with."""
    reference: Mapping[str, float]
    """Clocks (Hz) at which the shares below hold."""
    constant_w: Number
    processor_w: Number
    memory_w: Number


class EnergySet(NamedTuple):
    """Energy coefficients that belong together: one boundary, one clock state, one way to count bytes."""

    name: str
    processor: str
    precisions: tuple[str, ...]
    """Contraction precisions that it covers."""
    traffic: tuple[str, ...]
    """Traffic models whose bytes its byte coefficients are meant for."""
    boundary: str
    clocks: str
    reference: Mapping[str, float]
    """Knob values at which the coefficients hold."""
    flop: Mapping[tuple[str, str], Number]
    """(pipe, precision) -> J/FLOP."""
    dram: Number
    """J/B that do not change with the processor's voltage."""
    move: Number
    """J/B that scale with its voltage squared."""
    active_w: Number
    """Power above idle while anything runs, scaling with clock times voltage squared."""
    error: str
    relative_error: Number
    """How far energies and powers by these coefficients can be off, as a share."""


class PowerMode(NamedTuple):
    """One value for every knob."""

    name: str
    id: int | None
    knobs: Mapping[str, float]
    origin: Origin | None = None
    base: str = ""
    """The named mode it starts from (its own name for a named mode)."""
    stock_knobs: Mapping[str, float] = MappingProxyType({})
    """Clocks that the stock governor reaches instead of the caps, where they differ."""

    def under(self, clocks: str) -> PowerMode:
        """Return the mode as it runs with ``locked`` or ``stock`` clocks."""
        if clocks == "locked" or not self.stock_knobs:
            return self
        return self._replace(knobs=MappingProxyType({**self.knobs, **self.stock_knobs}))


class DeviceSpec(NamedTuple):
    """Everything a device file says."""

    id: str
    name: str
    kind: str
    aliases: tuple[str, ...]
    note: str
    path: str
    knobs: Mapping[str, Knob]
    processors: Mapping[str, Processor]
    memory: Memory
    cache_bytes: Number | None
    """Last-level cache in front of main memory."""
    power_limit_w: Number | None
    idle: tuple[Idle, ...]
    idle_models: tuple[IdleModel, ...]
    voltage: Voltage | None
    energy: tuple[EnergySet, ...]
    modes: tuple[PowerMode, ...]
    default_mode: str
    variant: str
    """Which of `variants` this is; empty where the file knows no variants."""
    variants: tuple[str, ...]
    """Every variant, the default one first."""
    conflicts: tuple[str, ...]
    unknown: tuple[str, ...]
    sources: Mapping[str, str]
    total_rails: tuple[str, ...] = ()
    """The power rails whose sum is the module's power; empty where the file does not say."""

    @property
    def grid_size(self) -> int:
        """Number of combinations of all clocks and core counts, units all on."""
        size = 1
        for knob in self.knobs.values():
            if not knob.needs_reboot and knob.name != "dla_freq":
                size *= len(knob.values)
        return size
