"""From a device file to a `DeviceSpec`: read, check strictly, build."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

from roofline.devices.locate import find_device
from roofline.devices.reader import DeviceReader
from roofline.devices.spec import DeviceSpec, EnergySet
from roofline.errors import SpecError, SpecVersionError
from roofline.section import Section
from roofline.strict_yaml import load_file

SCHEMA = "roofline.device/1"


def load_device(device: str | Path | DeviceSpec) -> DeviceSpec:
    """Return a device by id, alias or path of a device file.

    Raises:
        DeviceError: no such device.
        SpecError: the file breaks the format; the message names the path inside the file.
    """
    if isinstance(device, DeviceSpec):
        return device
    return read_device(find_device(device))


def read_device(path: Path) -> DeviceSpec:
    """Read and check one device file."""
    return build(load_file(path), str(path))


def build(data: Any, where: str) -> DeviceSpec:
    """Check the content of a device file and build the device."""
    top = Section(data, where)
    schema = top.text("schema")
    if schema != SCHEMA:
        hint = "upgrade the tool" if schema.startswith("roofline.device/") else f"write schema: {SCHEMA}"
        raise SpecVersionError(
            f"this tool reads {SCHEMA}, the file says {schema!r}", where=f"{where}: schema", hint=hint
        )
    sources = _sources(top)
    reader = DeviceReader(sources)
    knobs = {name: reader.knob(name, section) for name, section in top.sections("knobs")}
    processors = {name: reader.processor(name, s, knobs) for name, s in top.sections("processors")}
    memory, cache = reader.memory(top.section("memory"), knobs)
    modes = tuple(reader.mode(row, knobs) for row in top.rows("modes"))
    names = _distinct([mode.name for mode in modes], top, "modes")
    default = top.text("default_mode")
    if default not in names:
        raise top.error(f"{default!r} is none of the modes ({', '.join(names)})", "default_mode")
    limit, idle, voltage = reader.power(top, names, knobs)
    energy = tuple(reader.energy_set(row, processors, knobs) for row in top.rows("energy"))
    _distinct([entry.name for entry in energy], top, "energy")
    _distinct([f"id {mode.id}" for mode in modes if mode.id is not None], top, "modes")
    _refuse_overlap(energy, top)
    spec = DeviceSpec(
        id=top.text("id"),
        name=top.text("name"),
        kind=top.text("kind"),
        aliases=top.texts("aliases", []),
        note=top.text("note", ""),
        path=where,
        knobs=MappingProxyType(knobs),
        processors=MappingProxyType(processors),
        memory=memory,
        cache_bytes=cache,
        power_limit_w=limit,
        idle=idle,
        voltage=voltage,
        energy=energy,
        modes=modes,
        default_mode=default,
        conflicts=top.texts("conflicts", []),
        unknown=top.texts("unknown", []),
        sources=MappingProxyType(sources),
        total_rails=reader.total_rails,
    )
    top.text("soc", "")
    top.close()
    reader.refuse_unused_sources(top)
    return spec


def _sources(top: Section) -> dict[str, str]:
    section = top.section("sources")
    return {key: section.text(key) for key in section.names()}


def _distinct(names: list[str], top: Section, key: str) -> list[str]:
    for name in names:
        if names.count(name) > 1:
            raise top.error(f"{name!r} is there twice", key)
    return names


def _refuse_overlap(energy: tuple[EnergySet, ...], top: Section) -> None:
    """Raise if two energy sets could both answer one question."""
    for i, entry in enumerate(energy):
        for other in energy[:i]:
            both = set(entry.precisions) & set(other.precisions)
            if both and (entry.processor, entry.clocks) == (other.processor, other.clocks):
                raise top.error(f"{entry.name} and {other.name} both cover {', '.join(sorted(both))}", "energy")


def check_device(path: Path) -> DeviceSpec:
    """Check one device file: the same strict reading, and the id must be the file's name.

    Raises:
        SpecError: the file breaks the format.
    """
    spec = read_device(path)
    if path.stem != spec.id:
        raise SpecError(f"the id is {spec.id!r}, the file {path.name!r}", where=f"{path}: id")
    return spec
