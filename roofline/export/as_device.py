"""A device for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from roofline.devices.load import read_device
from roofline.devices.locate import device_files
from roofline.devices.mode_set import mode_set
from roofline.devices.modes import show_knob
from roofline.devices.spec import DeviceSpec, Idle, Number, Origin
from roofline.devices.tables import mode_table
from roofline.export.tables import Table
from roofline.units import text

SCHEMA = "roofline.device/1"
LIST_SCHEMA = "roofline.devices/1"


def list_rows() -> list[dict[str, Any]]:
    """Return one row per device that is found, the schema in each: they are a list without a head."""
    rows = []
    for path in device_files():
        spec = read_device(path)
        rows.append(
            {
                "id": spec.id,
                "name": spec.name,
                "modes": len(spec.modes),
                "grid_modes": spec.grid_size,
                "has_energy": bool(spec.energy),
                "variants": list(spec.variants),
                "aliases": list(spec.aliases),
                "path": spec.path,
                "schema": LIST_SCHEMA,
            }
        )
    return rows


def list_table(rows: list[dict[str, Any]]) -> Table:
    """Return the table of `devices list`."""
    return Table(
        title="Devices",
        columns=("id", "name", "modes", "grid modes", "energy", "variants", "aliases"),
        rows=[
            [r["id"], r["name"], str(r["modes"]), str(r["grid_modes"]), "yes" if r["has_energy"] else "no",
             ", ".join(r["variants"]), ", ".join(r["aliases"])]
            for r in rows
        ],
        right=frozenset({"modes", "grid modes"}),
        widest=80,
        less=("aliases", "grid modes", "variants"),
    )  # fmt: skip


def blocks(spec: DeviceSpec) -> Iterator[str | Table]:
    """Yield a device for reading: modes with their ceilings, then every number with its source."""
    yield f"{spec.name} ({spec.id}; {spec.path})"
    if spec.note:
        yield spec.note
    if spec.variants:
        others = ", ".join(f"{spec.id}@{name}" for name in spec.variants if name != spec.variant)
        yield f"variant {spec.variant}; others: {others}"
    for name, processor in spec.processors.items():
        yield _ceilings(spec, name)
        if processor.memory_path is None:
            yield f"{name}: the limit of its own path to memory is unknown; DRAM bandwidth is shown"
    yield Table(
        title="Knobs",
        columns=("knob", "values", "kind", "source"),
        rows=[
            [k.name, " ".join(show_knob(k.name, v) for v in k.values), k.origin.kind, " ".join(k.origin.source)]
            for k in spec.knobs.values()
        ],
        widest=90,
    )
    yield Table(
        title="Numbers",
        columns=("where", "value", "kind", "source", "formula or note"),
        rows=[[r["where"], r["shown"], r["kind"], r["source"], r["formula"] or r["note"]] for r in number_rows(spec)],
        right=frozenset({"value"}),
        widest=70,
    )
    if spec.voltage is not None:
        curve = zip(spec.voltage.clock_hz, spec.voltage.relative, strict=True)
        points = ", ".join(f"{show_knob(spec.voltage.knob, clock)} {volts:g}" for clock, volts in curve)
        origin = spec.voltage.origin
        yield f"Voltage, relative: {points} ({origin.kind}, {' '.join(origin.source)}: {origin.formula or origin.note})"
    for entry in spec.energy:
        yield f"{entry.name}: {entry.error}"
    for title, lines in (("Conflicts", spec.conflicts), ("Unknown", spec.unknown)):
        if lines:
            yield "\n".join([title, *(f"  {line}" for line in lines)])
    yield "\n".join(["Sources", *(f"  {key}: {line}" for key, line in spec.sources.items())])


def _ceilings(spec: DeviceSpec, name: str) -> Table:
    processor = spec.processors[name]
    keys = tuple(processor.pipes)
    table = mode_table(spec, processor, mode_set(spec, spec.modes), keys)
    return Table(
        title=f"{name}: {processor.label}",
        columns=("mode", "settings", *(f"{p} {u}" for u, p in keys), "bandwidth"),
        rows=[
            [
                mode.name + (" (default)" if mode.name == spec.default_mode else ""),
                ", ".join(f"{k}={show_knob(k, v)}" for k, v in mode.knobs.items()),
                *(text(float(p), "FLOP/s") for p in table.peak_flop_per_s[i]),
                text(float(table.bandwidth_byte_per_s[i]), "B/s"),
            ]
            for i, mode in enumerate(spec.modes)
        ],
        right=frozenset({*(f"{p} {u}" for u, p in keys), "bandwidth"}),
        widest=110,
    )


_UNITS = {
    "pipes": "FLOP/clk", "memory_path": "B/clk", "size_bytes": "B", "bus_bytes": "B", "cache_bytes": "B",
    "fixed_byte_per_s": "B/s", "efficiency": "", "relative_error": "", "flop": "J/FLOP", "dram": "J/B", "move": "J/B",
    "power_limit_w": "W", "power_w": "W", "active_w": "W", "constant_w": "W", "processor_w": "W", "memory_w": "W",
}  # fmt: skip


def number_rows(spec: DeviceSpec) -> list[dict[str, Any]]:
    """Return every number of a device with its unit, kind, source and formula."""
    rows = []
    for where, unit, number in _numbers(spec, "", ""):
        rows.append(
            {
                "where": where,
                "value": number.value,
                "unit": unit,
                "shown": _shown(number.value, unit),
                "kind": number.origin.kind,
                "source": " ".join(number.origin.source),
                "formula": number.origin.formula,
                "note": number.origin.note,
                "schema": SCHEMA,
            }
        )
    return rows


def _shown(value: float, unit: str) -> str:
    """Rates per clock and shares read better without a prefix."""
    return f"{value:g} {unit}".strip() if not unit or unit.endswith("/clk") else text(value, unit)


def _numbers(value: Any, path: str, unit: str) -> Iterator[tuple[str, str, Number]]:
    if isinstance(value, Number):
        yield path, unit, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            name = ".".join(key) if isinstance(key, tuple) else str(key)
            yield from _numbers(inner, f"{path}.{name}".strip("."), unit)
    elif hasattr(value, "_fields"):
        for name in value._fields:
            inner = getattr(value, name)
            yield from _numbers(inner, f"{path}.{name}".strip("."), _UNITS.get(name, unit))
    elif isinstance(value, tuple):
        for index, inner in enumerate(value):
            name = getattr(inner, "name", None) or str(index)
            if isinstance(inner, Idle):
                name = f"{inner.mode}.{inner.clocks}"
            yield from _numbers(inner, f"{path}.{name}".strip("."), unit)


def device_dict(spec: DeviceSpec) -> dict[str, Any]:
    """Return a device as plain data, quantities in SI units."""
    result: dict[str, Any] = {"schema": SCHEMA, **_plain(spec)}
    return result


def _plain(value: Any) -> Any:
    if isinstance(value, Number):
        return {"value": value.value, **_plain(value.origin)}
    if isinstance(value, Origin):
        return {"kind": value.kind, "source": list(value.source), "formula": value.formula, "note": value.note}
    if hasattr(value, "_fields"):
        return {name: _plain(getattr(value, name)) for name in value._fields}
    if isinstance(value, Mapping):
        return {".".join(k) if isinstance(k, tuple) else str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (tuple, list, np.ndarray)):
        return [_plain(item) for item in value]
    return value
