"""The power modes to choose from, reduced to those that a model can tell apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline.devices.mode_set import ModeSet, mode_set
from roofline.devices.modes import find_mode, show_knob
from roofline.devices.spec import DeviceSpec, PowerMode
from roofline.errors import DeviceError, UsageError
from roofline.files import read_text
from roofline.task import Task

GRIDS = ("named", "full", "full+tpc")
_LARGEST = 1_000_000
"""Modes of a grid, or lines of a list: shipped devices have some thousand that a model can tell apart."""
_LARGEST_FILE = 200_000_000


class Candidates(NamedTuple):
    """Modes to choose from. Of modes that differ only in knobs that the model cannot see, one stands for all."""

    modes: ModeSet
    named: NDArray[np.intp]
    """(modes,): index of the named mode that a candidate is, or -1."""
    size: int
    """Number of modes in the grid, before those that cannot be told apart are taken together."""
    unseen: tuple[str, ...]
    """Knobs that change nothing in the model; a candidate off the named modes has the default mode's value."""


def candidates(task: Task, grid: str, clocks: str = "locked") -> Candidates:
    """Return the modes of a grid: ``named``, ``full`` (all units on, plus the named modes), ``full+tpc``, or a file.

    A file lists one mode per line, in the spelling of ``--mode``; ``#`` starts a comment.

    Raises:
        UsageError: an unknown grid.
        DeviceError: a line of the file names no mode, or a clock that cannot be set; the grid is too large.
    """
    device = task.device
    named = tuple(mode.under(clocks) for mode in device.modes)
    seen = seen_knobs(task)
    unseen = tuple(name for name in device.knobs if name not in seen)
    if grid == "named":
        return Candidates(mode_set(device, named), np.arange(len(named)), len(named), unseen)
    if grid in GRIDS:
        return _grid(device, named, seen, unseen, with_masks=grid == "full+tpc")
    listed = listed_modes(device, grid, clocks)
    place = {mode.name: i for i, mode in enumerate(named)}
    return Candidates(
        mode_set(device, listed), np.array([place.get(m.name, -1) for m in listed], np.intp), len(listed), unseen
    )


def listed_modes(device: DeviceSpec, grid: str, clocks: str = "locked") -> list[PowerMode]:
    """Return the modes that a file lists; raises as `candidates` does."""
    if not Path(grid).is_file():
        raise UsageError(f"no grid {grid!r}", where="--grid", expected=f"{', '.join(GRIDS)}, or a file of modes")
    listed = [find_mode(device, line, clocks, where=f"{grid}:{number}") for number, line in _lines(Path(grid))]
    if not listed:
        raise DeviceError("no mode in it", where=grid, expected="one mode per line, such as 30W,gpu_freq=816MHz")
    return listed


def seen_knobs(task: Task) -> frozenset[str]:
    """Return the knobs that time or energy depend on: the processor's clock and units, and the memory clock."""
    knobs = {task.processor.clock, task.processor.units.knob, task.device.memory.clock}
    if task.energy is not None:
        for model in task.device.idle_models:
            knobs.add(task.device.processors[model.processor].clock)
    return frozenset(knob for knob in knobs if knob is not None)


def as_mode(device: DeviceSpec, found: Candidates, index: int, clocks: str = "locked") -> PowerMode:
    """Return one candidate as a mode, named as ``--mode`` takes it."""
    if found.named[index] >= 0:
        return device.modes[int(found.named[index])].under(clocks)
    knobs = {name: float(values[index]) for name, values in found.modes.knobs.items()}
    base = device.modes[int(found.modes.base[index])]
    changed = [f"{name}={show_knob(name, value)}" for name, value in knobs.items() if value != base.knobs[name]]
    name = ",".join([base.name, *changed])
    return PowerMode(name=name, id=None, knobs=MappingProxyType(knobs), base=base.name)


def host_speed(device: DeviceSpec, knobs: Mapping[str, float]) -> float:
    """Return how much a mode's settings give the host, relative to the highest: cores times clock."""
    return float(
        np.prod([knobs[n] / device.knobs[n].values[-1] for n in ("cpu_freq", "cpu_cores") if n in knobs] or [1.0])
    )


def needs_reboot(device: DeviceSpec, a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    """Return whether going from one mode's knobs to another's takes a reboot."""
    return any(knob.needs_reboot and a[name] != b[name] for name, knob in device.knobs.items())


def _grid(
    device: DeviceSpec, named: tuple[PowerMode, ...], seen: frozenset[str], unseen: tuple[str, ...], with_masks: bool
) -> Candidates:
    default = next(i for i, mode in enumerate(device.modes) if mode.name == device.default_mode)
    values: dict[str, tuple[float, ...]] = {}
    count = 1
    for name, knob in device.knobs.items():
        is_fixed = name == "dla_freq" or (knob.needs_reboot and not with_masks)
        settings = (
            ((named[default].knobs[name] if name == "dla_freq" else knob.values[-1]),) if is_fixed else knob.values
        )
        count *= len(settings)
        values[name] = settings if name in seen or is_fixed else (named[default].knobs[name],)
    size = math.prod(map(len, values.values()))
    if size > _LARGEST:
        grid = "full+tpc" if with_masks else "full"
        raise DeviceError(
            f"the grid of {device.id} has {size if size < 1e15 else f'10^{math.log10(size):.0f}'} modes to tell apart",
            where=f"--grid {grid}", expected=f"at most {_LARGEST}", hint="--grid named, or a FILE of modes",
        )  # fmt: skip
    columns = [column.ravel() for column in np.meshgrid(*map(np.array, values.values()), indexing="ij")]
    inside = [all(mode.knobs[n] in _settable(device, n, with_masks) for n in seen) for mode in named]
    # a mode of the grid that differs from a named one in unseen knobs alone would be the same answer twice
    table = np.stack([columns[i] for i, name in enumerate(values) if name in seen], axis=1)
    keys = {tuple(mode.knobs[name] for name in values if name in seen) for mode in named}
    kept = np.array([tuple(row) not in keys for row in table.tolist()], dtype=bool)
    loose = mode_set(device, named)
    modes = ModeSet(
        {name: np.concatenate([loose.knobs[name], columns[i][kept]]) for i, name in enumerate(values)},
        np.concatenate([loose.base, np.full(int(kept.sum()), default, np.intp)]),
    )
    marks = np.concatenate([np.arange(len(named)), np.full(int(kept.sum()), -1)]).astype(np.intp)
    return Candidates(modes, marks, count + inside.count(False), unseen)


def _settable(device: DeviceSpec, name: str, with_masks: bool) -> tuple[float, ...]:
    knob = device.knobs[name]
    return knob.values[-1:] if knob.needs_reboot and not with_masks else knob.values


def _lines(path: Path) -> Iterable[tuple[int, str]]:
    text = read_text(
        path, expected="a list of modes: text, one mode per line", error=DeviceError, max_bytes=_LARGEST_FILE
    )
    for number, line in enumerate(text.splitlines(), 1):
        if number >= _LARGEST:
            raise DeviceError(f"more than {_LARGEST} lines", where=str(path))
        mode = line.partition("#")[0].strip()
        if mode:
            yield number, mode
