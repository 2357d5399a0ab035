"""Build the parts of a device from the sections of its file, checking every value."""

from __future__ import annotations

from types import MappingProxyType
from typing import get_args

from roofline.devices.spec import (
    EnergySet,
    Idle,
    Kind,
    Knob,
    Memory,
    Number,
    Origin,
    PowerMode,
    Processor,
    Units,
    Voltage,
)
from roofline.section import Section

PIPES = ("matrix", "vector")
PRECISIONS = ("fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "int8", "int4")
BOUNDARIES = ("module", "dc_in", "ac", "gpu_rail", "board", "package")
CLOCK_STATES = ("locked", "stock")
TRAFFIC_MODELS = ("fused", "unfused", "ideal", "pagoda")
_KINDS = get_args(Kind)


class DeviceReader:
    """Builds the parts of a device, and remembers which sources they cite."""

    def __init__(self, sources: dict[str, str]) -> None:
        self._sources = sources
        self._cited: set[str] = set()

    def origin(self, section: Section) -> Origin:
        """Read ``kind``, ``source``, ``formula`` and ``note``; the first two are compulsory."""
        kind = section.text("kind")
        if kind not in _KINDS:
            raise section.error(f"{kind!r} is none of {', '.join(_KINDS)}", "kind")
        source = section.texts("source")
        if not source:
            raise section.error("a number without a source", "source")
        for key in source:
            if key not in self._sources:
                raise section.error(f"{key!r} is not explained under 'sources'", "source", "add it there, spelled out")
        self._cited.update(source)
        return Origin(
            kind=kind,  # type: ignore[arg-type]  # checked against Kind above
            source=source,
            formula=section.text("formula", ""),
            note=section.text("note", ""),
        )

    def refuse_unused_sources(self, top: Section) -> None:
        """Raise for a source that nothing cites: it is left over, or a number lost it."""
        for key in self._sources:
            if key not in self._cited:
                raise top.error(f"nothing cites the source {key!r}", "sources", "remove it, or cite it")

    def number(self, section: Section, dimension: str, *, zero: bool = False) -> Number:
        """Read ``value`` with its unit and origin; 0 only where `zero` says that it makes sense."""
        value = section.quantity("value", dimension)
        if value == 0 and not zero:
            raise section.error("this cannot be 0", "value")
        found = Number(value, self.origin(section))
        section.close()
        return found

    def ratio(self, section: Section) -> Number:
        """Read a plain ``value`` above 0 and up to 1."""
        value = section.number("value")
        if not 0 < value <= 1:
            raise section.error(f"{value} is no share", "value", "expected a number above 0, at most 1")
        found = Number(value, self.origin(section))
        section.close()
        return found

    def knob(self, name: str, section: Section) -> Knob:
        items = section.items("values")
        is_clock = name.endswith("_freq")
        values = []
        for item in items:
            if is_clock:
                values.append(section.parse(item, "frequency", "values"))
                if values[-1] == 0:
                    raise section.error("a clock cannot be 0", "values")
            elif isinstance(item, int) and not isinstance(item, bool) and item > 0:
                values.append(float(item))
            else:
                raise section.error(f"{item!r} is no count", "values")
        if not values or sorted(set(values)) != values:
            raise section.error("the values must be there, ascending and distinct", "values")
        bits = section.integer("mask_bits") if "mask_bits" in section else None
        if bits is not None and (is_clock or not values[-1] <= bits <= 62):
            raise section.error(f"{bits} bits do not fit the values", "mask_bits")
        knob = Knob(
            name=name,
            values=tuple(values),
            is_clock=is_clock,
            needs_reboot=section.flag("reboot"),
            origin=self.origin(section),
            mask_bits=bits,
        )
        section.close()
        return knob

    @staticmethod
    def _positive(section: Section, key: str) -> float:
        value = section.number(key)
        if value <= 0:
            raise section.error(f"{value:g} is not above 0", key)
        return value

    def _knob_name(self, section: Section, key: str, knobs: dict[str, Knob]) -> str:
        name = section.text(key)
        if name not in knobs:
            raise section.error(f"{name!r} is none of the knobs ({', '.join(knobs)})", key)
        return name

    def processor(self, name: str, section: Section, knobs: dict[str, Knob]) -> Processor:
        pipes: dict[tuple[str, str], Number] = {}
        for pipe, rates in section.sections("pipes"):
            if pipe not in PIPES:
                raise section.error(f"{pipe!r} is none of {', '.join(PIPES)}", "pipes")
            for precision in rates.names():
                self._precision(rates, precision)
                pipes[pipe, precision] = self.number(rates.section(precision), "compute_per_clock")
        units = section.section("units")
        if "knob" in units:
            counted = Units(
                knob=self._knob_name(units, "knob", knobs),
                per_step=self._positive(units, "per_step"),
                label=units.text("label"),
            )
        else:
            counted = Units(knob=None, per_step=self._positive(units, "fixed"), label=units.text("label"))
        units.close()
        path = section.section("memory_path") if "memory_path" in section else None
        capability = section.number("compute_capability") if "compute_capability" in section else None
        found = Processor(
            name=name,
            label=section.text("name"),
            clock=self._knob_name(section, "clock", knobs),
            units=counted,
            pipes=MappingProxyType(pipes),
            memory_path=None if path is None else self.number(path, "bytes_per_clock"),
            compute_capability=capability,
        )
        section.close()
        return found

    def _precision(self, section: Section, precision: str) -> str:
        if precision not in PRECISIONS:
            raise section.error(f"{precision!r} is none of {', '.join(PRECISIONS)}")
        return precision

    def memory(self, section: Section, knobs: dict[str, Knob]) -> tuple[Memory, Number | None]:
        dram = section.section("dram")
        memory = Memory(
            size_bytes=self.number(dram.section("size"), "information"),
            clock=self._knob_name(dram, "clock", knobs),
            transfers_per_clock=self._positive(dram, "transfers_per_clock"),
            bus_bytes=self.number(dram.section("bus"), "information"),
            efficiency=self.ratio(dram.section("efficiency")),
            type=dram.text("type"),
        )
        dram.close()
        cache = None
        if "l2" in section:
            level = section.section("l2")
            cache = self.number(level.section("size"), "information")
            level.close()
        section.close()
        return memory, cache

    def mode(self, section: Section, knobs: dict[str, Knob]) -> PowerMode:
        values = section.section("knobs")
        found: dict[str, float] = {}
        for name, knob in knobs.items():
            value = values.quantity(name, "frequency") if knob.is_clock else values.number(name)
            if value not in knob.values:
                raise values.error("this is none of the values that the knob can take", name)
            found[name] = value
        values.close()
        name = section.text("name")
        mode = PowerMode(
            name=name,
            id=section.integer("id") if "id" in section else None,
            knobs=MappingProxyType(found),
            origin=self.origin(section),
            base=name,
        )
        section.close()
        return mode

    def power(
        self, top: Section, modes: list[str], knobs: dict[str, Knob]
    ) -> tuple[Number | None, tuple[Idle, ...], Voltage | None]:
        if "power" not in top:
            return None, (), None
        power = top.section("power")
        limit = self.number(power.section("limit"), "power") if "limit" in power else None
        if "rails" in power:
            rails = power.section("rails")
            rails.texts("total")
            self._cited.update(rails.texts("source"))
            rails.text("note", "")
            rails.close()
        idle: list[Idle] = []
        for row in power.rows("idle"):
            mode = row.text("mode")
            if mode not in modes:
                raise row.error(f"{mode!r} is none of the modes", "mode")
            clocks, boundary = self._one_of(row, "clocks", CLOCK_STATES), self._one_of(row, "boundary", BOUNDARIES)
            if any((i.mode, i.clocks, i.boundary) == (mode, clocks, boundary) for i in idle):
                raise row.error(f"idle power of {mode}, {clocks}, {boundary} is there twice")
            idle.append(Idle(mode=mode, clocks=clocks, boundary=boundary, power_w=self.number(row, "power")))
        voltage = self._voltage(power.section("voltage"), knobs) if "voltage" in power else None
        power.close()
        return limit, tuple(idle), voltage

    def _one_of(self, section: Section, key: str, allowed: tuple[str, ...]) -> str:
        value = section.text(key)
        if value not in allowed:
            raise section.error(f"{value!r} is none of {', '.join(allowed)}", key)
        return value

    def _voltage(self, section: Section, knobs: dict[str, Knob]) -> Voltage:
        clocks, relative = [], []
        for point in section.items("points"):
            if not isinstance(point, list) or len(point) != 2 or not isinstance(point[1], (int, float)):
                raise section.error("expected pairs of a clock and a number", "points")
            clocks.append(section.parse(point[0], "frequency", "points"))
            relative.append(float(point[1]))
            if relative[-1] <= 0:
                raise section.error(f"{relative[-1]:g} is no relative voltage: it must be above 0", "points")
        if clocks != sorted(set(clocks)) or len(clocks) < 2:
            raise section.error("the clocks must ascend, and be two at least", "points")
        found = Voltage(
            knob=self._knob_name(section, "knob", knobs),
            clock_hz=tuple(clocks),
            relative=tuple(relative),
            origin=self.origin(section),
        )
        section.close()
        return found

    def energy_set(self, section: Section, processors: dict[str, Processor], knobs: dict[str, Knob]) -> EnergySet:
        flop: dict[tuple[str, str], Number] = {}
        for row in section.rows("flop"):
            key = self._one_of(row, "pipe", PIPES), self._precision(row, row.text("precision"))
            flop[key] = self.number(row, "energy_per_flop")
        reference = section.section("reference")
        at = {name: reference.quantity(name, "frequency") for name in reference.names()}
        for name, value in at.items():
            if name not in knobs:
                raise reference.error(f"{name!r} is none of the knobs ({', '.join(knobs)})")
            if value not in knobs[name].values:
                raise reference.error("this is none of the values that the knob can take", name)
        processor = section.text("processor")
        if processor not in processors:
            raise section.error(f"{processor!r} is none of the processors", "processor")
        if processors[processor].clock not in at:
            raise reference.error(f"{processors[processor].clock!r}, the processor's clock, is missing")
        traffic = section.texts("traffic")
        for name in traffic:
            if name not in TRAFFIC_MODELS:
                raise section.error(f"{name!r} is none of {', '.join(TRAFFIC_MODELS)}", "traffic")
        found = EnergySet(
            name=section.text("name"),
            processor=processor,
            precisions=tuple(self._precision(section, p) for p in section.texts("precisions")),
            traffic=traffic,
            boundary=self._one_of(section, "boundary", BOUNDARIES),
            clocks=self._one_of(section, "clocks", CLOCK_STATES),
            reference=MappingProxyType(at),
            flop=MappingProxyType(flop),
            dram=self.number(section.section("dram"), "energy_per_byte"),
            move=self.number(section.section("move"), "energy_per_byte"),
            active_w=self.number(section.section("active"), "power", zero=True),
            error=section.text("error"),
        )
        section.close()
        return found
