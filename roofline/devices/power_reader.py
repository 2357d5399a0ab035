"""Build what a device file says about power and energy, checking every value."""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple

from roofline.devices.reader import PIPES, DeviceReader
from roofline.devices.spec import EnergySet, Idle, IdleModel, Knob, Number, Processor, Voltage
from roofline.section import Section

BOUNDARIES = ("module", "dc_in", "ac", "gpu_rail", "board", "package")
CLOCK_STATES = ("locked", "stock")
TRAFFIC_MODELS = ("fused", "unfused", "ideal", "pagoda")


class Power(NamedTuple):
    """Section ``power`` of a device file."""

    limit_w: Number | None = None
    idle: tuple[Idle, ...] = ()
    idle_models: tuple[IdleModel, ...] = ()
    voltage: Voltage | None = None
    total_rails: tuple[str, ...] = ()
    """The rails that add up to the module's power."""


class PowerReader:
    """Builds the sections ``power`` and ``energy`` of one device."""

    def __init__(
        self, reader: DeviceReader, knobs: dict[str, Knob], processors: dict[str, Processor], memory_clock: str | None
    ) -> None:
        self._reader, self._knobs, self._processors = reader, knobs, processors
        self._memory_clock = memory_clock

    def power(self, top: Section, modes: list[str]) -> Power:
        """Read the section ``power``, if it is there."""
        if "power" not in top:
            return Power()
        power = top.section("power")
        limit = self._reader.number(power.section("limit"), "power") if "limit" in power else None
        total: tuple[str, ...] = ()
        if "rails" in power:
            rails = power.section("rails")
            total = rails.texts("total")
            self._reader.cited.update(rails.texts("source"))
            rails.text("note", "")
            rails.close()
        idle: list[Idle] = []
        for row in power.rows("idle"):
            entry = self._idle(row, modes)
            if any((i.mode, i.clocks, i.boundary) == (entry.mode, entry.clocks, entry.boundary) for i in idle):
                raise row.error(f"idle power of {entry.mode}, {entry.clocks}, {entry.boundary} is there twice")
            idle.append(entry)
        models = tuple(self._idle_model(row) for row in power.rows("idle_models"))
        voltage = self._voltage(power.section("voltage")) if "voltage" in power else None
        power.close()
        return Power(limit, tuple(idle), models, voltage, total)

    def _idle(self, row: Section, modes: list[str]) -> Idle:
        mode = row.text("mode")
        if mode not in modes:
            raise row.error(f"{mode!r} is none of the modes", "mode")
        clocks, boundary = self._state(row)
        return Idle(mode=mode, clocks=clocks, boundary=boundary, power_w=self._reader.number(row, "power"))

    def _state(self, row: Section) -> tuple[str, str]:
        return self._reader.one_of(row, "clocks", CLOCK_STATES), self._reader.one_of(row, "boundary", BOUNDARIES)

    def _idle_model(self, row: Section) -> IdleModel:
        clocks, boundary = self._state(row)
        processor = self._processor(row)
        found = IdleModel(
            clocks=clocks,
            boundary=boundary,
            processor=processor,
            reference=self._reference(row.section("reference"), self._processors[processor].clock, self._memory_clock),
            constant_w=self._reader.number(row.section("constant"), "power", zero=True),
            processor_w=self._reader.number(row.section("clock"), "power", zero=True),
            memory_w=self._reader.number(row.section("memory"), "power", zero=True),
        )
        row.close()
        return found

    def _processor(self, section: Section) -> str:
        name = section.text("processor")
        if name not in self._processors:
            raise section.error(f"{name!r} is none of the processors", "processor")
        return name

    def _reference(self, section: Section, *needed: str | None) -> MappingProxyType[str, float]:
        at = {name: section.quantity(name, "frequency") for name in section.names()}
        for name, value in at.items():
            if name not in self._knobs:
                raise section.error(f"{name!r} is none of the knobs ({', '.join(self._knobs)})")
            if value not in self._knobs[name].values:
                raise section.error("this is none of the values that the knob can take", name)
        for clock in needed:
            if clock is not None and clock not in at:
                raise section.error(f"{clock!r} is missing", hint="the numbers hold at a clock of it: say which")
        return MappingProxyType(at)

    def _voltage(self, section: Section) -> Voltage:
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
            knob=self._reader.knob_name(section, "knob", self._knobs),
            clock_hz=tuple(clocks),
            relative=tuple(relative),
            origin=self._reader.origin(section),
        )
        section.close()
        return found

    def energy_set(self, section: Section) -> EnergySet:
        """Read one set of coefficients."""
        flop: dict[tuple[str, str], Number] = {}
        for row in section.rows("flop"):
            key = self._reader.one_of(row, "pipe", PIPES), self._reader.precision(row, row.text("precision"))
            flop[key] = self._reader.number(row, "energy_per_flop")
        processor = self._processor(section)
        at = self._reference(section.section("reference"), self._processors[processor].clock)
        traffic = section.texts("traffic")
        for name in traffic:
            if name not in TRAFFIC_MODELS:
                raise section.error(f"{name!r} is none of {', '.join(TRAFFIC_MODELS)}", "traffic")
        found = EnergySet(
            name=section.text("name"),
            processor=processor,
            precisions=tuple(self._reader.precision(section, p) for p in section.texts("precisions")),
            traffic=traffic,
            boundary=self._reader.one_of(section, "boundary", BOUNDARIES),
            clocks=self._reader.one_of(section, "clocks", CLOCK_STATES),
            reference=at,
            flop=MappingProxyType(flop),
            dram=self._reader.number(section.section("dram"), "energy_per_byte"),
            move=self._reader.number(section.section("move"), "energy_per_byte"),
            active_w=self._reader.number(section.section("active"), "power", zero=True),
            error=section.text("error"),
            relative_error=self._reader.ratio(section.section("relative_error")),
        )
        section.close()
        return found
