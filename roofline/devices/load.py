"""From a device file to a `DeviceSpec`: read, check strictly, build."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

from roofline.devices.locate import find_device
from roofline.devices.power_reader import PowerReader
from roofline.devices.reader import DeviceReader
from roofline.devices.spec import DeviceSpec, EnergySet
from roofline.devices.variants import choose_variant
from roofline.errors import SpecError, SpecVersionError
from roofline.section import Section
from roofline.strict_yaml import load_file

SCHEMA = "roofline.device/1"


def load_device(device: str | Path | DeviceSpec) -> DeviceSpec:
    """Return a device by id, alias or path of a device file, with ``@variant`` after it for a variant.

    Raises:
        DeviceError: no such device.
        SpecError: the file breaks the format; the message names the path inside the file.
    """
    if isinstance(device, DeviceSpec):
        return device
    path, variant = find_device(device)
    return read_device(path, variant)


def read_device(path: Path, variant: str = "") -> DeviceSpec:
    """Read and check one device file, in one of its variants (the default one without a name)."""
    return build(load_file(path), str(path), variant)


def build(data: Any, where: str, variant: str = "") -> DeviceSpec:
    """Check the content of a device file and build the device."""
    return _build(data, where, variant)[0]


def _build(data: Any, where: str, variant: str = "") -> tuple[DeviceSpec, set[str]]:
    """Also return the sources that it cites."""
    data, variant, variants = choose_variant(data, where, variant)
    top = Section(data, where)
    schema = top.text("schema")
    if schema != SCHEMA:
        hint = "upgrade the tool" if schema.startswith("roofline.device/") else f"write schema: {SCHEMA}"
        raise SpecVersionError(
            f"this tool reads {SCHEMA}, the file says {schema!r}", where=f"{where}: schema", hint=hint
        )
    sources = _sources(top)
    reader = DeviceReader(sources)
    top.text("variant", "")
    knobs = {name: reader.knob(name, section) for name, section in top.sections("knobs")}
    processors = {name: reader.processor(name, s, knobs) for name, s in top.sections("processors")}
    memory, cache = reader.memory(top.section("memory"), knobs)
    modes = tuple(reader.mode(row, knobs) for row in top.rows("modes"))
    names = _distinct([mode.name for mode in modes], top, "modes")
    default = top.text("default_mode")
    if default not in names:
        raise top.error(f"{default!r} is none of the modes ({', '.join(names)})", "default_mode")
    power_reader = PowerReader(reader, knobs, processors, memory.clock)
    power = power_reader.power(top, names)
    energy = tuple(power_reader.energy_set(row) for row in top.rows("energy"))
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
        power_limit_w=power.limit_w,
        idle=power.idle,
        idle_models=power.idle_models,
        voltage=power.voltage,
        energy=energy,
        modes=modes,
        default_mode=default,
        variant=variant,
        variants=variants,
        conflicts=top.texts("conflicts", []),
        unknown=top.texts("unknown", []),
        sources=MappingProxyType(sources),
        total_rails=power.total_rails,
    )
    top.text("soc", "")
    top.close()
    return spec, reader.cited


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
    """Check one device file in all its variants: the id must be the file's name, every source must be cited.

    Raises:
        SpecError: the file breaks the format.
    """
    data = load_file(path)
    spec, cited = _build(data, str(path))
    for variant in spec.variants[1:]:
        cited |= _build(data, str(path), variant)[1]
    for key in spec.sources:
        if key not in cited:
            raise SpecError(f"nothing cites the source {key!r}", where=f"{path}: sources", hint="remove it, or cite it")
    if path.stem != spec.id:
        raise SpecError(f"the id is {spec.id!r}, the file {path.name!r}", where=f"{path}: id")
    return spec
