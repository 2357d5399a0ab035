"""Write a power mode into an ``nvpmodel.conf``: a copy of the nearest mode in it with other clocks and cores."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import NamedTuple

from roofline import __version__
from roofline.devices.modes import settable
from roofline.devices.nvpmodel.block import Block
from roofline.devices.nvpmodel.conf import Conf, PowerModel, parse_conf
from roofline.devices.nvpmodel.knobs import core_number, is_cpu_clock, refuse_other_than_jetson
from roofline.devices.spec import DeviceSpec, PowerMode
from roofline.errors import DeviceError, SpecError, UsageError
from roofline.findings import Finding

INSTALLED = "/etc/nvpmodel.conf"
BACKUP = "/etc/nvpmodel.conf.before-roofline"
MODE_NAME = re.compile(r"[A-Za-z0-9_.]{1,40}", re.ASCII)
"""What NVIDIA's own helper accepts, without brackets and bars."""


class Emission(NamedTuple):
    """A power mode in a file, and how to use it."""

    conf: str
    """The base with the new mode in it, under a comment that says so; without both, it is the base to the byte."""
    mode_id: int
    needs_reboot: bool
    """Whether the TPC mask is another one than that of the file's default mode."""
    apply: tuple[str, ...]
    """Shell lines that install the file and switch to the mode."""
    undo: tuple[str, ...]
    """Shell lines that put everything back."""
    findings: tuple[Finding, ...]


def emit_mode(
    base: str,
    device: DeviceSpec,
    knobs: Mapping[str, float],
    *,
    name: str,
    where: str = "",
    file: str = "",
    current: PowerMode | None = None,
) -> Emission:
    """Return `base` with one more power mode that sets `knobs`.

    The new block is a copy of the one in `base` that needs the fewest changed lines (of several one with the wanted
    TPC mask). Only clocks, cores and, where it has to, the TPC mask are changed: GPU MIN_FREQ = MAX_FREQ = the
    clock; MAX_FREQ of every CPU cluster that is on (MIN_FREQ only where it would exceed it); EMC MAX_FREQ; MAX_FREQ
    of the DLA cores; the first n cores on. A line that means the wanted step already stays as it is.

    Args:
        base: content of the board's own nvpmodel.conf.
        device: the board.
        knobs: knob -> value in SI (Hz, counts). Knobs that are not given stay as in the copied block.
        name: name of the new mode.
        where: what to call `base` in errors.
        file: where the caller will write the result, for `Emission.apply`; default: nvpmodel-NAME.conf.
        current: the mode that the board is in, to which `Emission.undo` goes back; default: the default mode of `base`.

    Raises:
        DeviceError: no such knob, a value that cannot be set (both neighbours are named), a device without nvpmodel.
        SpecError: `base` is malformed, has no PM_CONFIG, no block to copy, or other cores than the device.
        UsageError: a name that nvpmodel would not read, or that is taken.
    """
    refuse_other_than_jetson(device)
    conf = parse_conf(base, where or "nvpmodel.conf")
    wanted = check_knobs(device, knobs)
    check_name(name, conf)
    _refuse_unfit(conf, device, wanted)
    candidates = [Block(conf, device, model, wanted) for model in conf.models if model.find("GPU", "MAX_FREQ")]
    if not candidates:
        raise SpecError("no POWER_MODEL that caps the GPU, so none to copy", where=conf.where,
                        expected="the board's own nvpmodel.conf")  # fmt: skip
    best = min(candidates, key=lambda block: (block.changed, block.mask_changed))  # of equals the first
    mode_id = max(model.id for model in conf.models) + 1
    ending = "\r\n" if conf.lines[conf.default_line - 1].endswith("\r\n") else "\n"
    made = f"# {name} is made by roofline {__version__}"
    lines = [made, f"< POWER_MODEL ID={mode_id} NAME={name} >", *best.lines, ""]
    place = conf.default_line - 1
    text = "".join([*conf.lines[:place], *(line + ending for line in lines), *conf.lines[place:]])
    default = next(model for model in conf.models if model.id == conf.default)
    if current is not None:
        default = next((model for model in conf.models if model.name == current.base), default)
    masks = {model.name: _mask(conf, device, model) for model in conf.models}
    needs_reboot = best.mask is not None and best.mask != masks[default.name]
    others = [model for model, mask in masks.items() if mask != best.mask]
    apply, undo = _commands(file or f"nvpmodel-{name}.conf", mode_id, default.id, needs_reboot)
    copied = f"{name} is a copy of {best.model.name} with {best.changed} lines changed"
    findings = [Finding("nvpmodel-copied", f"{conf.where}:{best.model.line}", copied), *best.findings]
    if others and not needs_reboot:
        where = f"{conf.where}:{best.model.line}"
        findings.append(Finding("nvpmodel-reboot", where, f"coming from {', '.join(others)}, whose TPC mask is "
                                "another, a reboot is needed"))  # fmt: skip
    return Emission(text, mode_id, needs_reboot, apply, undo, tuple(findings))


def check_knobs(device: DeviceSpec, knobs: Mapping[str, float]) -> dict[str, float]:
    """Return `knobs` with every value as the device has it.

    Raises:
        DeviceError: no such knob, or no such value.
    """
    for name in knobs:
        if name not in device.knobs:
            raise DeviceError(f"no knob {name!r}", where=device.id, expected=", ".join(device.knobs))
    return {name: settable(device.knobs[name], value, device.id) for name, value in knobs.items()}


def check_name(name: str, conf: Conf | None = None) -> None:
    """Raise if nvpmodel would not read the name, or if the file has it already."""
    if not MODE_NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name of a power mode", expected="letters, digits, '_' and '.', at most 40")
    if conf is not None and any(model.name.lower() == name.lower() for model in conf.models):
        raise UsageError(f"{conf.where} has a power mode {name} already", expected="another name")


def _refuse_unfit(conf: Conf, device: DeviceSpec, wanted: Mapping[str, float]) -> None:
    if not conf.default_line:
        raise SpecError("there is no PM_CONFIG", where=conf.where, expected="the board's own nvpmodel.conf, complete")
    if not conf.models:
        raise SpecError("there is no POWER_MODEL to copy", where=conf.where, expected="the board's own nvpmodel.conf")
    if "cpu_cores" in device.knobs:
        need = int(device.knobs["cpu_cores"].values[-1])
        args = conf.params["CPU_ONLINE"].args if "CPU_ONLINE" in conf.params else {}
        cores = {core_number(arg) for arg in args}
        if not set(range(need)) <= cores:
            raise SpecError(
                f"PARAM CPU_ONLINE has {len(cores - {None})} cores, {device.id} has {need}",
                where=conf.where,
                expected=f"CORE_0 to CORE_{need - 1}: is it another board's file?",
            )
        names = {model.name for model in conf.models}
        foreign = not names & {mode.name for mode in device.modes} or not _caps_fit(conf, device)
        if len(cores - {None}) != need and foreign:
            raise SpecError(
                f"it has {len(cores - {None})} cores, and modes or GPU clocks that {device.id} does not have",
                where=conf.where,
                expected=f"the board's own nvpmodel.conf, with {need} cores: is it another board's file?",
            )
    clocks = [p for p in conf.params.values() if is_cpu_clock(p.name) and "MAX_FREQ" in p.args]
    if "cpu_freq" in wanted and not clocks:
        raise SpecError("no PARAM sets a CPU clock", where=conf.where, expected="one such as CPU_A78_0 with MAX_FREQ")


def _caps_fit(conf: Conf, device: DeviceSpec) -> bool:
    """Return whether every GPU cap of a file is near a clock of the device: real files are off by up to 1.5 %."""
    if "gpu_freq" not in device.knobs:
        return True
    caps = [setting.number for model in conf.models if (setting := model.find("GPU", "MAX_FREQ")) is not None]
    steps = device.knobs["gpu_freq"].values
    return all(cap <= 0 or min(abs(cap / step - 1) for step in steps) < 0.015 for cap in caps)


def _mask(conf: Conf, device: DeviceSpec, model: PowerModel) -> int | None:
    return Block(conf, device, model, {}).mask


def _commands(file: str, mode: int, default: int, needs_reboot: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    reboot = ("sudo reboot",) if needs_reboot else ()
    asks = "  # answer YES: it asks for a reboot" if needs_reboot else ""
    apply = (
        f"test -e {BACKUP} || sudo cp -p {INSTALLED} {BACKUP}",
        f"sudo cp {shlex.quote(file)} {INSTALLED}",
        f"sudo nvpmodel -m {mode}{asks}",
        *reboot,
    )
    undo = (f"sudo cp -p {BACKUP} {INSTALLED}", f"sudo nvpmodel -m {default}{asks}", *reboot)
    return apply, undo
