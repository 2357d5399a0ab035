"""Power modes as ``POWER_MODEL`` blocks without a file of the board to put them in."""

from __future__ import annotations

from collections.abc import Mapping

from roofline import __version__
from roofline.devices.nvpmodel.emit import check_knobs, check_name
from roofline.devices.nvpmodel.knobs import CPU_HZ_PER_UNIT, TPC_MASK, mask_width, refuse_other_than_jetson
from roofline.devices.spec import DeviceSpec

_HEADER = """\
# Power modes of {name} ({id}) in the grammar of nvpmodel.conf, made by roofline {version}.
# NOT INSTALLABLE BY ITSELF: the PARAM definitions are missing. Copy a block into the board's own
# /etc/nvpmodel.conf, before < PM_CONFIG >, with an ID that is free there, and write the CPU_CLUSTER_0 lines
# once for each CPU cluster that is on, under the names of that file (CPU_A78_0, CPU_DENVER_0, CPU_A57, ...).
"""


def emit_fragment(device: DeviceSpec, knobs: Mapping[str, float], *, name: str) -> str:
    """Return one mode as a block, marked in a comment as not installable.

    Args:
        device: the board.
        knobs: knob -> value in SI; knobs that are not given have no line.
        name: name of the mode. Its ID is the lowest above those of the device's named modes.

    Raises:
        DeviceError: no Jetson, no such knob, or a value that cannot be set.
        UsageError: a name that nvpmodel would not read.
    """
    refuse_other_than_jetson(device)
    check_name(name)
    block = _block(device, _next_id(device), name, check_knobs(device, knobs), held=True)
    return f"{_header(device)}\n{block}"


def export_modes(device: DeviceSpec) -> str:
    """Return the named modes of a device as blocks, marked in a comment as not installable.

    A mode without an ID gets the lowest free one above the others.

    Raises:
        DeviceError: the device is no Jetson.
    """
    refuse_other_than_jetson(device)
    free = _next_id(device)
    blocks = []
    for mode in device.modes:
        number, free = (free, free + 1) if mode.id is None else (mode.id, free)
        blocks.append(_block(device, number, mode.name, mode.knobs))
    default = f"# The default mode is {device.default_mode}.\n"
    return "\n".join([_header(device) + default, *blocks])


def _header(device: DeviceSpec) -> str:
    return _HEADER.format(name=device.name, id=device.id, version=__version__)


def _next_id(device: DeviceSpec) -> int:
    return 1 + max((mode.id for mode in device.modes if mode.id is not None), default=-1)


def _block(device: DeviceSpec, number: int, name: str, knobs: Mapping[str, float], held: bool = False) -> str:
    """Return one block; `held` keeps the GPU at its clock, where a named mode only caps it."""
    lines = [f"< POWER_MODEL ID={number} NAME={'_'.join(name.split())} >"]
    if "cpu_cores" in knobs:
        cores = int(device.knobs["cpu_cores"].values[-1])
        lines += [f"CPU_ONLINE CORE_{core} {int(core < knobs['cpu_cores'])}" for core in range(cores)]
    if "tpc" in knobs:
        every = (1 << mask_width(device.knobs["tpc"])) - 1
        if every.bit_count() > device.knobs["tpc"].values[-1]:
            lines.append("# which TPCs are fused off is not known here: take the mask from the board's own file")
        lines.append(f"{' '.join(TPC_MASK)} {every & ~((1 << int(knobs['tpc'])) - 1)}")
    if "cpu_freq" in knobs:
        lines.append(f"CPU_CLUSTER_0 MAX_FREQ {round(knobs['cpu_freq'] / CPU_HZ_PER_UNIT)}")
    if "gpu_freq" in knobs:
        args = ("MIN_FREQ", "MAX_FREQ") if held else ("MAX_FREQ",)
        lines += [f"GPU {arg} {round(knobs['gpu_freq'])}" for arg in args]
    if "mem_freq" in knobs:
        free = knobs["mem_freq"] == device.knobs["mem_freq"].values[-1]
        lines.append(f"EMC MAX_FREQ {0 if free else round(knobs['mem_freq'])}")
    if "dla_freq" in knobs:
        dla = device.processors.get("dla")
        count = int(dla.units.per_step) if dla is not None and dla.units.knob is None else 1
        lines += [f"DLA{core}_CORE MAX_FREQ {round(knobs['dla_freq'])}" for core in range(count)]
    return "\n".join(lines) + "\n"
