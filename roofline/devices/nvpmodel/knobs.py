"""From the settings of a power model to the knobs of a device.

Units of the file: CPU clocks in kHz; GPU, EMC and DLA clocks in Hz. A cap between two steps of a clock is taken at
the nearest step: a Jetson Nano whose file caps the GPU at 640 MHz and the CPU at 918 MHz reads back 614.4 and
921.6 MHz.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from roofline.devices.nvpmodel.conf import Conf, PowerModel, Setting
from roofline.devices.spec import DeviceSpec, Knob
from roofline.errors import DeviceError
from roofline.findings import Finding
from roofline.units import text

CPU_HZ_PER_UNIT = 1e3
"""CPU clocks are written in kHz."""
TPC_MASK = ("TPC_POWER_GATING", "TPC_PG_MASK")
GPU_MASK = ("GPU_POWER_GATING", "GPU_PG_MASK")
"""Thor's mask: bits for GPCs and TPCs together, in an order that is not published."""
_DLA = re.compile(r"(NAFLL_)?DLA\d*(_CORE)?")
_CORE = re.compile(r"CORE_(\d{1,4})", re.ASCII)
_CPU_OF_PATH = re.compile(r"/cpu(\d{1,4})/")


class ModeKnobs(NamedTuple):
    """What a power model sets, on a device."""

    knobs: Mapping[str, float]
    """One value for every knob of the device, SI."""
    off_table: Mapping[str, float]
    """Caps that are no step of their clock, as the file says them, in Hz."""
    findings: tuple[Finding, ...]


def refuse_other_than_jetson(device: DeviceSpec) -> None:
    """Raise a `DeviceError` for a device without nvpmodel."""
    if device.kind.lower() != "jetson":
        raise DeviceError(
            f"{device.id} is of kind {device.kind!r}: nvpmodel sets nothing there",
            where="--device",
            expected="a device of kind 'jetson'",
        )


def nearest(knob: Knob, value: float) -> float:
    """Return the value of a knob nearest to `value`; of two equally near ones the lower."""
    return min(knob.values, key=lambda step: (abs(step - value), step))


def is_cpu_clock(param: str) -> bool:
    """Say whether a PARAM is the clock of a CPU cluster: ``CPU_A78_0``, ``CPU_DENVER``, ``CPU_A57``."""
    return param == "CPU" or (param.startswith("CPU_") and param != "CPU_ONLINE")


def is_dla_clock(param: str) -> bool:
    """Say whether a PARAM is the clock of a DLA core: ``DLA0_CORE``, ``NAFLL_DLA``."""
    return _DLA.fullmatch(param) is not None


def cluster_core(conf: Conf, param: str) -> int | None:
    """Return the core through which a cluster's clock is set, from the path behind the PARAM; None if unclear."""
    path = conf.params[param].args.get("MAX_FREQ", "") if param in conf.params else ""
    match = _CPU_OF_PATH.search(path)
    return int(match[1]) if match else None


def core_count(conf: Conf, device: DeviceSpec, model: PowerModel) -> int:
    """Return how many cores the board has: as PARAM CPU_ONLINE says, else as the device or the mode says."""
    listed = [core_number(arg) for arg in conf.params["CPU_ONLINE"].args] if "CPU_ONLINE" in conf.params else []
    if not any(n is not None for n in listed):
        listed = [core_number(s.arg) for s in model.settings if s.param == "CPU_ONLINE"]
        if "cpu_cores" in device.knobs:
            listed.append(int(device.knobs["cpu_cores"].values[-1]) - 1)
    return 1 + max((n for n in listed if n is not None), default=0)


def core_number(arg: str) -> int | None:
    """``CORE_7`` -> 7; None for other arguments."""
    match = _CORE.fullmatch(arg)
    return int(match[1]) if match else None


def cores_on(conf: Conf, device: DeviceSpec, model: PowerModel) -> tuple[set[int], set[int]]:
    """Return the cores that a mode leaves on, and those of them that it does not mention.

    A core that is not mentioned stays as it was; core 0 is always on. Only switching off takes a core away.
    """
    on = set(range(core_count(conf, device, model)))
    unsaid = on - {0}
    for setting in model.settings:
        core = core_number(setting.arg) if setting.param == "CPU_ONLINE" else None
        if core is not None:
            unsaid.discard(core)
            (on.add if setting.value == "1" else on.discard)(core)
    return on, unsaid


def mask_width(knob: Knob) -> int:
    """Return the number of bits in the TPC mask of a device: its TPCs, and where it says so those fused off."""
    return knob.mask_bits or int(knob.values[-1])


def tpc_on(knob: Knob, mask: int) -> int:
    """Return how many TPCs a mask leaves on: a bit that is set switches its TPC off.

    ``tpc_on(knob of 1 to 8, 248) == 3``. A part with fewer TPCs than bits never has more on than its highest value.
    """
    width = mask_width(knob)
    off = (mask & ((1 << width) - 1)).bit_count()
    return min(width - off, int(knob.values[-1]))


def mode_knobs(conf: Conf, model: PowerModel, device: DeviceSpec) -> ModeKnobs:
    """Return one value for every knob of `device`, with a finding for each that the file does not settle."""
    reader = _Reader(conf, model, device)
    found = {name: reader.value(knob) for name, knob in device.knobs.items()}
    return ModeKnobs(MappingProxyType(found), MappingProxyType(reader.off_table), tuple(reader.findings))


def unmapped(conf: Conf, device: DeviceSpec) -> tuple[Finding, ...]:
    """Return one finding that lists the PARAMs of all modes that set no knob of the device, if there are any."""
    knobs = set(device.knobs)
    names: dict[str, int] = {}
    for model in conf.models:
        for setting in model.settings:
            if _knob_of(setting) not in knobs:
                names.setdefault(setting.param, setting.line)
    if not names:
        return ()
    where = f"{conf.where}:{min(names.values())}"
    return (Finding("nvpmodel-unmapped", where, f"sets no knob of {device.id}, left out: {', '.join(names)}"),)


def _knob_of(setting: Setting) -> str | None:
    if setting.param == "CPU_ONLINE":
        return "cpu_cores"
    if (setting.param, setting.arg) in (TPC_MASK, GPU_MASK):
        return "tpc"
    if setting.arg in ("MAX_FREQ", "MIN_FREQ"):
        if setting.param in ("GPU", "EMC"):
            return {"GPU": "gpu_freq", "EMC": "mem_freq"}[setting.param]
        if is_cpu_clock(setting.param):
            return "cpu_freq"
        if is_dla_clock(setting.param):
            return "dla_freq"
    return None


class _Reader:
    """Reads the knobs of one mode, and remembers what to say about them."""

    def __init__(self, conf: Conf, model: PowerModel, device: DeviceSpec) -> None:
        self.conf, self.model, self.device = conf, model, device
        self.off_table: dict[str, float] = {}
        self.findings: list[Finding] = []

    def note(self, code: str, message: str, line: int = 0, hint: str = "") -> None:
        where = f"{self.conf.where}:{line or self.model.line}"
        self.findings.append(Finding(code, where, f"{self.model.name}: {message}", hint))

    def value(self, knob: Knob) -> float:
        if knob.name == "cpu_cores":
            return self.cores(knob)
        if knob.name == "tpc":
            return self.tpc(knob)
        caps = [s for s in self.model.settings if s.arg == "MAX_FREQ" and _knob_of(s) == knob.name]
        if knob.name == "cpu_freq":
            on, _ = cores_on(self.conf, self.device, self.model)
            running = [s for s in caps if (core := cluster_core(self.conf, s.param)) is None or core in on]
            caps = running or caps
        if not caps:
            self.note("nvpmodel-unset", f"{knob.name} is not set; its highest value is taken",
                      hint="nvpmodel leaves it as the mode before had it")  # fmt: skip
            return knob.values[-1]
        last = {s.param: s for s in caps}  # of two lines for one PARAM the last holds
        steps = {param: self.step(knob, setting) for param, setting in last.items()}
        if len(set(steps.values())) > 1:
            shown = ", ".join(f"{param} {text(step, 'Hz', 5)}" for param, step in steps.items())
            self.note("nvpmodel-clusters", f"several {knob.name} in one mode ({shown}); the highest is taken")
        return max(steps.values())

    def step(self, knob: Knob, setting: Setting) -> float:
        if setting.number == 0 and setting.param != "EMC":
            self.note("nvpmodel-zero", f"{setting.param} {setting.arg} 0 is taken as no cap", setting.line)
        if setting.number <= 0:
            return knob.values[-1]
        value = setting.number * (CPU_HZ_PER_UNIT if is_cpu_clock(setting.param) else 1.0)
        found = nearest(knob, value)
        if abs(found - value) > 1e-6 * found:
            self.off_table[knob.name] = value
            self.note(
                "nvpmodel-step",
                f"{setting.param} {setting.arg} {text(value, 'Hz', 6)} is no step of {knob.name}; "
                f"the nearest is taken, {text(found, 'Hz', 6)}",
                setting.line,
            )
        return found

    def cores(self, knob: Knob) -> float:
        on, unsaid = cores_on(self.conf, self.device, self.model)
        if unsaid & on:
            self.note("nvpmodel-unset", f"cores {_list(unsaid & on)} are not mentioned; they are taken as on")
        return self.count(knob, len(on), f"{len(on)} cores are on")

    def tpc(self, knob: Knob) -> float:
        highest = knob.values[-1]
        setting = self.model.find(*TPC_MASK)
        if setting is None:
            other = self.model.find(*GPU_MASK)
            if other is None:
                self.note("nvpmodel-unset", f"no TPC mask is set; all {highest:g} TPCs are taken as on")
            elif other.number:
                self.note("nvpmodel-mask", f"GPU_PG_MASK {other.value}: what its bits stand for is not known; "
                          f"all {highest:g} TPCs are taken as on", other.line)  # fmt: skip
            return highest
        width = mask_width(knob)
        if setting.number >> width:
            self.note("nvpmodel-mask", f"TPC_PG_MASK {setting.value} has bits beyond the {width} TPCs of "
                      f"{self.device.id}; they are ignored", setting.line,
                      hint="a part with TPCs fused off says so in its device file: knobs.tpc.mask_bits")  # fmt: skip
        return self.count(knob, tpc_on(knob, setting.number), f"TPC_PG_MASK {setting.value} leaves no TPC on")

    def count(self, knob: Knob, value: float, what: str) -> float:
        found = nearest(knob, value)
        if found != value:
            self.note("nvpmodel-step", f"{what}; {knob.name}={found:g} is the nearest that {self.device.id} has")
        return found


def _list(cores: set[int]) -> str:
    return ", ".join(map(str, sorted(cores)))
