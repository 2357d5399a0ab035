"""Make a device file whose power modes are those of an ``nvpmodel.conf``."""

from __future__ import annotations

import hashlib
import re
import textwrap
from collections.abc import Mapping
from typing import Any, NamedTuple

from roofline.devices.load import build
from roofline.devices.nvpmodel.conf import Conf
from roofline.devices.nvpmodel.knobs import ModeKnobs, mode_knobs, refuse_other_than_jetson, unmapped
from roofline.devices.nvpmodel.yaml_text import YamlText, scalar
from roofline.devices.spec import DeviceSpec
from roofline.devices.variants import choose_variant
from roofline.errors import SpecError, UsageError
from roofline.files import read_text
from roofline.findings import Finding
from roofline.strict_yaml import dumps, loads
from roofline.units import parse

DEVICE_ID = re.compile(r"[a-z0-9][a-z0-9.-]*", re.ASCII)


class Imported(NamedTuple):
    """A device file, not yet written."""

    text: str
    """YAML of format ``roofline.device/1``."""
    device: DeviceSpec
    """What reading it gives."""
    findings: tuple[Finding, ...]


def import_modes(conf: Conf, device: DeviceSpec, *, id: str | None = None) -> Imported:  # noqa: A002
    """Return the file of `device` with the modes and the default mode of `conf`.

    Everything else stays as it is written, comments included, but for: aliases go (they name the other file), idle
    power goes with its mode, and so do sources that nothing cites any more. The result is read and checked again.

    Args:
        conf: a file of the board.
        device: the device it belongs to; its file is read from ``device.path``.
        id: the new device's id; default: the id of `device` with ``-custom``.

    Raises:
        DeviceError: the device is no Jetson.
        SpecError: the conf has no mode, or the device's file cannot be edited as text.
        UsageError: an id that could not be found again.
    """
    refuse_other_than_jetson(device)
    name = id or f"{device.id}-custom"
    if not DEVICE_ID.fullmatch(name):
        raise UsageError(f"{name!r} is no device id", where="--id", expected="lower-case letters, digits, '-' and '.'")
    if not conf.models:
        raise SpecError("there is no POWER_MODEL", where=conf.where, expected="an nvpmodel.conf with power modes")
    findings = list(conf.findings)
    names = _names(conf, findings)
    modes = {names[model.id]: mode_knobs(conf, model, device) for model in conf.models}
    for mode in modes.values():
        findings += mode.findings
    findings += unmapped(conf, device)
    default = names[conf.models[0].id] if conf.default is None else names[conf.default]
    if conf.default is None:
        findings.append(Finding("nvpmodel-default", conf.where, f"no PM_CONFIG; the first mode, {default}, is default"))
    data, text = _read(device)
    key = _free_key(data.get("sources", {}))
    edited = YamlText(text, device.path)
    edited.replace("id", f"id: {name}\n")
    edited.replace("default_mode", f"default_mode: {scalar(default)}\n")
    for block in ("variants", "variant"):
        if block in data:
            edited.replace(block, "")
    if device.variants:
        others = ", ".join(v for v in device.variants if v != device.variant)
        findings.append(Finding("variants-dropped", name, f"made from variant {device.variant}, without {others}"))
    if data.get("aliases"):
        edited.replace("aliases", "")
        findings.append(Finding("aliases-dropped", name, f"the aliases of {device.id} stay with {device.id}"))
    _drop_idle(edited, data, device, modes, findings)
    ids = {names[model.id]: model.id for model in conf.models}
    edited.replace("modes", "modes:\n" + "".join(_mode(n, ids[n], modes[n], key) for n in modes))
    left = _cited(loads(str(edited), device.path))
    edited.sources([s for s in data.get("sources", {}) if s not in left], key, _source(conf))
    edited.lines.insert(0, f"# The file of {device.id} with the power modes of an nvpmodel.conf (see {key} below).\n")
    result = str(edited)
    return Imported(result, build(loads(result, name), name), tuple(findings))


def _names(conf: Conf, findings: list[Finding]) -> dict[int, str]:
    """Return ID -> name, distinct: nvpmodel goes by the ID, a device file by the name."""
    names: dict[int, str] = {}
    given = {model.name for model in conf.models}
    for model in conf.models:
        name = model.name
        while name in names.values() or (name != model.name and name in given):
            name = f"{name}_ID{model.id}"
        if name != model.name:
            where = f"{conf.where}:{model.line}"
            findings.append(Finding("nvpmodel-name", where, f"{model.name} is there twice; ID {model.id} is {name}"))
        names[model.id] = name
    return names


def _read(device: DeviceSpec) -> tuple[dict[str, Any], str]:
    text = read_text(device.path, expected="the device's file, read again", error=SpecError)
    data: dict[str, Any] = loads(text, device.path)
    if device.variants and device.variant != device.variants[0]:
        # another variant than the one that the file spells out: merged, so without the file's comments
        data, _, _ = choose_variant(data, device.path, device.variant)
        text = dumps(data)
    return data, text


def _free_key(sources: Mapping[str, Any]) -> str:
    key, number = "NVPMODEL-CONF", 2
    while key in sources:
        key, number = f"NVPMODEL-CONF-{number}", number + 1
    return key


def _source(conf: Conf) -> str:
    digest = hashlib.sha256("".join(conf.lines).encode(errors="surrogatepass")).hexdigest()[:12]
    return f"{conf.where} (sha256 {digest}...), read by roofline devices import-nvpmodel"


def _drop_idle(
    edited: YamlText, data: dict[str, Any], device: DeviceSpec, modes: dict[str, ModeKnobs], findings: list[Finding]
) -> None:
    """Remove idle power of modes that are gone; say where a mode of the same name has other clocks now."""
    old = {mode.name: mode.knobs for mode in device.modes}
    rows, gone, changed = [], set(), set()
    for index, row in enumerate(data.get("power", {}).get("idle", [])):
        if row["mode"] not in modes:
            rows.append(index)
            gone.add(row["mode"])
        elif dict(modes[row["mode"]].knobs) != dict(old[row["mode"]]):
            changed.add(row["mode"])
    edited.drop_rows(("power", "idle"), rows)
    if gone:
        findings.append(
            Finding("idle-dropped", "power.idle", f"idle power of modes that are gone: {', '.join(sorted(gone))}")
        )
    for name in sorted(changed):
        findings.append(
            Finding("idle-other-clocks", "power.idle", f"{name} has other settings than in {device.id}; its idle "
                    "power is kept", "measure it, or remove the row"))  # fmt: skip


def _mode(name: str, number: int, mode: ModeKnobs, source: str) -> str:
    knobs = ", ".join(f"{key}: {_knob_text(key, value)}" for key, value in mode.knobs.items())
    lines = [f"- name: {scalar(name)}", f"  id: {number}"]
    lines += textwrap.wrap(f"  knobs: {{{knobs}}}", 116, subsequent_indent="          ", break_long_words=False)
    lines += ["  kind: datasheet", f"  source: [{source}]"]
    if mode.off_table:
        caps = ", ".join(f"{key} {_knob_text(key, value)}" for key, value in mode.off_table.items())
        lines.append(f"  note: {scalar(f'caps of the file, which are no steps: {caps}')}")
    return "".join(f"  {line}\n" for line in lines)


def _knob_text(name: str, value: float) -> str:
    """Return a value as device files write it, such that it is read back as exactly this float."""
    if not name.endswith("_freq"):
        return f"{value:g}"
    short = f"{value / 1e6:.12g} MHz"
    return short if parse(short, "frequency") == value else f"{value!r} Hz"


def _cited(data: Any) -> set[str]:
    """Return every key that some ``source`` list of a device file names."""
    found: set[str] = set()
    if isinstance(data, dict):
        for key, value in data.items():
            if key == "source" and isinstance(value, list):
                found.update(str(item) for item in value)
            else:
                found |= _cited(value)
    elif isinstance(data, list):
        for item in data:
            found |= _cited(item)
    return found
