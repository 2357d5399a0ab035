"""Build the parts of a device from the sections of its file, checking every value."""

from __future__ import annotations

from types import MappingProxyType
from typing import get_args

from roofline.devices.spec import (
    Kind,
    Knob,
    Memory,
    Number,
    Origin,
    PowerMode,
    Processor,
    Units,
)
from roofline.section import Section

PIPES = ("matrix", "vector")
PRECISIONS = ("fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "int8", "int4")
_KINDS = get_args(Kind)


class DeviceReader:
    """Builds the parts of a device, and remembers which sources they cite."""

    def __init__(self, sources: dict[str, str]) -> None:
        self._sources = sources
        self.cited: set[str] = set()

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
        self.cited.update(source)
        return Origin(
            kind=kind,  # type: ignore[arg-type]  # checked against Kind above
            source=source,
            formula=section.text("formula", ""),
            note=section.text("note", ""),
        )

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

    def knob_name(self, section: Section, key: str, knobs: dict[str, Knob]) -> str:
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
                self.precision(rates, precision)
                pipes[pipe, precision] = self.number(rates.section(precision), "compute_per_clock")
        if name != "dla" and ("vector", "fp32") not in pipes:
            hint = "it stands in where another rate is unknown"
            raise section.error("the fp32 rate of the vector pipe is missing", "pipes.vector", hint)
        units = section.section("units")
        if "knob" in units:
            counted = Units(
                knob=self.knob_name(units, "knob", knobs),
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
            clock=self.knob_name(section, "clock", knobs),
            units=counted,
            pipes=MappingProxyType(pipes),
            memory_path=None if path is None else self.number(path, "bytes_per_clock"),
            compute_capability=capability,
        )
        section.close()
        return found

    def precision(self, section: Section, precision: str) -> str:
        if precision not in PRECISIONS:
            raise section.error(f"{precision!r} is none of {', '.join(PRECISIONS)}")
        return precision

    def memory(self, section: Section, knobs: dict[str, Knob]) -> tuple[Memory, Number | None]:
        dram = section.section("dram")
        has_clock = "bandwidth" not in dram
        memory = Memory(
            type=dram.text("type"),
            size_bytes=self.number(dram.section("size"), "information") if "size" in dram else None,
            clock=self.knob_name(dram, "clock", knobs) if has_clock else None,
            transfers_per_clock=self._positive(dram, "transfers_per_clock") if has_clock else 1.0,
            bus_bytes=self.number(dram.section("bus"), "information") if has_clock else None,
            fixed_byte_per_s=None if has_clock else self.number(dram.section("bandwidth"), "bandwidth"),
            efficiency=self.ratio(dram.section("efficiency")) if "efficiency" in dram else None,
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
        found = {name: self._setting(values, knob) for name, knob in knobs.items()}
        values.close()
        stock: dict[str, float] = {}
        if "stock_clocks" in section:
            clocks = section.section("stock_clocks")
            stock = {name: self._setting(clocks, knobs[name]) for name in knobs if name in clocks}
            clocks.close()
        name = section.text("name")
        mode = PowerMode(
            name=name,
            id=section.integer("id") if "id" in section else None,
            knobs=MappingProxyType(found),
            origin=self.origin(section),
            base=name,
            stock_knobs=MappingProxyType(stock),
        )
        section.close()
        return mode

    @staticmethod
    def _setting(values: Section, knob: Knob) -> float:
        value = values.quantity(knob.name, "frequency") if knob.is_clock else values.number(knob.name)
        if value not in knob.values:
            raise values.error("this is none of the values that the knob can take", knob.name)
        return value

    def one_of(self, section: Section, key: str, allowed: tuple[str, ...]) -> str:
        value = section.text(key)
        if value not in allowed:
            raise section.error(f"{value!r} is none of {', '.join(allowed)}", key)
        return value
