"""A shell script that measures a model in given power modes on a Jetson, without Python.

It sets each mode, reads the clocks back, runs trtexec and tegrastats, and restores what it found. nvpmodel sets a named
mode; GPU and memory clock on top of it go through the kernel's own files, whose places differ between releases, so the
script looks for them. Paths: Documentation/ABI/testing/sysfs-class-devfreq of the Linux kernel; the memory clock's lock
under /sys/kernel/debug/bpmp is NVIDIA's (L4T Developer Guide, "Clock Frequency and Power Management"). The part that is
the same in every script is ``measure.sh`` beside this file.

The script writes, with the results, ``import.sh``: the ``roofline import`` lines that make one table of them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from importlib.resources import files
from pathlib import PurePath
from typing import NamedTuple

from roofline import __version__
from roofline.analysis import Analysis
from roofline.devices.modes import find_mode
from roofline.devices.spec import DeviceSpec, PowerMode
from roofline.errors import DeviceError, UsageError, one_line
from roofline.graph.nodes import Graph

_PRECISIONS = {
    "fp32": ("--noTF32",), "tf32": (), "fp16": ("--fp16",), "bf16": ("--bf16",), "fp8": ("--fp8", "--fp16"),
    "int8": ("--int8", "--fp16"), "int4": ("--int4", "--fp16"),
}  # fmt: skip
"""Precision -> the options with which trtexec may use it."""
_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,=+-]*")
"""What needs no quotes in a shell, and is a file's name."""
_PLACE = re.compile(r"(.+)\[\d+\]", re.DOTALL)
_MODULE_RAILS = ("VDD_IN", "POM_5V_IN", "VDD_MAIN", "POM_IN")
"""Rails that stand for the whole module, where the device file names none."""


class Setting(NamedTuple):
    """A mode as the script sets it."""

    label: str
    """As ``--mode`` takes it; the results' files are called so."""
    base: PowerMode
    """What nvpmodel sets."""
    gpu_hz: float
    memory_hz: float | None
    """None where the device's memory clock cannot be set."""
    of_base: bool
    """Whether the memory clock is the one of `base`."""


def measuring_script(analysis: Analysis, modes: Sequence[PowerMode], model: str, device: str) -> str:
    """Return the script for `modes`.

    Args:
        analysis: the model on the device, as it is to be measured.
        modes: what to measure; those that are no named mode are set on top of one, with its CPU clocks and cores.
        model: the model's file; its name without suffix is the workload of the rows.
        device: what `roofline import` shall be told as --device.

    Raises:
        DeviceError: the device is no Jetson, or a mode cannot be set while it runs.
        UsageError: trtexec cannot measure what the analysis is of.
    """
    spec = analysis.device
    assert spec is not None  # the caller asks for a device first
    _refuse(analysis, spec)
    settings = settings_of(spec, modes)
    shapes = shapes_of(analysis.graph)
    build = [
        *_PRECISIONS[analysis.precision],
        *(f"--{which}Shapes={shapes}" for which in ("min", "opt", "max") if shapes),
    ]
    rails = spec.total_rails or _MODULE_RAILS
    options = ["--workload", PurePath(model).stem, "--device", device, "--precision", analysis.precision,
               "--clocks", "locked", "--interval", "100ms"]  # fmt: skip
    if analysis.graph.batch is not None:
        options += ["--batch", str(analysis.graph.batch)]
    head = [
        "#!/bin/sh",
        f"# Measures {_word(PurePath(model).name)} in {len(settings)} power modes of {_word(spec.name)}; made by",
        f"# roofline {__version__}, calibrate --emit script. On the board:  sudo sh measure.sh MODEL.onnx",
        "# It sets nvpmodel modes and clocks, and restores them when it ends. Results: the folder roofline-runs.",
        f"build_with() {{ {_command(build)}; }}",
        f"run_with() {{ {_command([f'--shapes={shapes}'] if shapes else [])}; }}",
        f"import_options={shlex.quote(shlex.join(options))}",
        f"rails={shlex.quote('|'.join(map(re.escape, rails)))}",
    ]
    body = (files("roofline.calibration") / "measure.sh").read_text(encoding="utf-8")
    calls = [
        f"mode {s.label} {s.base.id} {shlex.quote(s.base.name)} {s.gpu_hz:.0f} "
        f"{'-' if s.memory_hz is None else f'{s.memory_hz:.0f}'} {'yes' if s.of_base else 'no'}"
        for s in settings
    ]
    return "\n".join([*head, "", body, *calls, "", 'test "$skipped" -eq 0']) + "\n"


def settings_of(device: DeviceSpec, modes: Sequence[PowerMode]) -> list[Setting]:
    """Return how to set each mode: the label, nvpmodel's mode and the clocks say the same.

    Raises:
        DeviceError: a mode differs from every named one in more than can be set while the board runs.
    """
    gpu, memory = device.processors["gpu"].clock, device.memory.clock
    masks = [name for name, knob in device.knobs.items() if knob.needs_reboot]
    most = max((mode.knobs[memory] for mode in modes if mode.id is None), default=0.0) if memory else 0.0
    found: dict[str, Setting] = {}
    for mode in modes:
        more = {part.partition("=")[0].strip() for part in mode.name.split(",")[1:]} - {gpu, memory, *masks}
        if more and mode.id is None:
            raise DeviceError(
                f"{', '.join(sorted(more))} cannot be set by a script", where=f"{device.id}: {mode.name}",
                expected="a named mode, with another GPU or memory clock at most",
            )  # fmt: skip
        base = mode if mode.id is not None else _base(device, mode, masks, most)
        clocks = [name for name in (gpu, memory) if name is not None]
        typed = ",".join([base.name, *(f"{name}={mode.knobs[name] / 1e6:.10g}MHz" for name in clocks)])
        label = re.sub(r"\s+", "_", find_mode(device, typed).name)
        if not _LABEL.fullmatch(label):
            raise DeviceError(f"the mode's name {label!r} is no name of a file", where=device.id,
                              expected="letters, digits, _ . -")  # fmt: skip
        hz = mode.knobs[memory] if memory is not None else None
        found[label] = Setting(label, base, mode.knobs[gpu], hz, memory is None or hz == base.knobs[memory])
    return list(found.values())


def shapes_of(graph: Graph) -> str:
    """Return the inputs' shapes as trtexec takes them; nothing where the file fixes them all, for it refuses them then.

    Raises:
        UsageError: an input has a name that trtexec cannot be told, or no known shape.
    """
    places = [match[1] if (match := _PLACE.fullmatch(name)) else None for name in graph.bindings]
    if not any(tensor is None or tensor in graph.inputs for tensor in places):
        return ""
    found = []
    for name in graph.inputs:
        shape = graph.tensors[name].shape
        if shape is None or re.search(r"[,'\"\s]", name) or not name.isprintable():
            raise UsageError("trtexec cannot be told the shape of this input", where=f"input {name}",
                             expected="a known shape, and a name without commas, quotes and blanks")  # fmt: skip
        quoted = f"'{name}'" if ":" in name else name
        found.append(f"{quoted}:{'x'.join(map(str, shape)) or 'scalar'}")
    return ",".join(found)


def _refuse(analysis: Analysis, device: DeviceSpec) -> None:
    if device.kind != "jetson":
        raise DeviceError(f"{device.name} has no nvpmodel", where=device.id, expected="a Jetson")
    if analysis.processor is None or analysis.processor.name != "gpu":
        raise UsageError("trtexec measures the GPU", where="--emit script", expected="--processor gpu")
    for option, value, expected in (
        ("runtime", analysis.runtime or "tensorrt", "tensorrt"),
        ("phase", analysis.phase, "inference"),
        ("clocks", analysis.clocks, "locked"),
    ):
        if value != expected:
            raise UsageError(f"the script cannot measure {option} {value}", where="--emit script",
                             expected=f"--{option} {expected}")  # fmt: skip
    if analysis.precision not in _PRECISIONS:
        raise UsageError(
            f"the model's precision is {analysis.precision}", where="--emit script",
            expected="--precision, one of " + ", ".join(_PRECISIONS),
        )  # fmt: skip


def _base(device: DeviceSpec, mode: PowerMode, masks: Sequence[str], memory_hz: float) -> PowerMode:
    """Return the named mode to set before single clocks: no reboot between them, no memory clock capped below those."""
    memory = device.memory.clock
    fitting = [
        named for named in device.modes
        if named.id is not None and all(named.knobs[name] == mode.knobs[name] for name in masks)
    ]  # fmt: skip
    if not fitting:
        raise DeviceError(
            f"no nvpmodel mode has the {', '.join(masks) or 'id'} of {mode.name}", where=device.id,
            expected="modes that can be set while it runs",
        )  # fmt: skip
    free = [named for named in fitting if memory is None or named.knobs[memory] >= memory_hz] or fitting
    own = next((named for named in free if named.name == mode.base), None)
    return own or max(free, key=lambda named: named.knobs[device.processors["gpu"].clock])


def _command(options: Sequence[str]) -> str:
    return " ".join(['"$@"', *map(shlex.quote, options)])


def _word(text: str) -> str:
    """Return a name as a comment can carry it."""
    return one_line(text).strip()[:200]
