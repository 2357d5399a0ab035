"""Which modes are most worth measuring, before any of them is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from roofline.devices.mode_set import ModeSet
from roofline.devices.modes import find_mode, show_knob
from roofline.devices.spec import DeviceSpec, PowerMode
from roofline.task import Task, roofline_parts

Array = NDArray[np.float64]


def suggest_modes(task: Task, modes: ModeSet, count: int) -> list[int]:
    """Return the positions of `count` modes that spread over what times depend on, in the order of their worth.

    The fastest mode first, then always the mode farthest from those chosen, in the plane of log compute time and log
    memory time of the whole workload, each scaled to its range. Filling the plane beats its corners alone: in the
    middle both parts matter, and there the fit is tested.
    """
    compute, memory = roofline_parts(task, modes)
    points = np.log(np.maximum(np.stack([compute.sum(axis=1), memory.sum(axis=1)], axis=1), 1e-300))
    span = np.ptp(points, axis=0)
    points = (points - points.min(axis=0)) / np.where(span > 1e-9, span, 1.0)
    chosen = [int(np.lexsort((np.arange(len(points)), points.sum(axis=1)))[0])]
    while len(chosen) < min(count, len(points)):
        near = np.linalg.norm(points[:, None] - points[chosen][None], axis=2).min(axis=1)
        near[chosen] = -1.0
        best = int(np.argmax(near))
        if near[best] <= 1e-12:
            break  # what is left cannot be told apart from what is chosen
        chosen.append(best)
    return chosen


def without_reboot(device: DeviceSpec, modes: ModeSet) -> NDArray[np.intp]:
    """Return the positions of the modes among which one can change without a reboot: the largest such group."""
    masks = [modes.knobs[name] for name, knob in device.knobs.items() if knob.needs_reboot]
    if not masks:
        return np.arange(modes.size, dtype=np.intp)
    groups, which = np.unique(np.stack(masks, axis=1), axis=0, return_inverse=True)
    sizes = np.bincount(which.reshape(-1), minlength=len(groups))
    # of groups of one size the one with most units on
    return np.flatnonzero(which.reshape(-1) == np.flatnonzero(sizes == sizes.max())[-1]).astype(np.intp)


def with_default_host(device: DeviceSpec, mode: PowerMode, unseen: Sequence[str]) -> PowerMode:
    """Return a mode with the default mode's values of knobs that the model does not see (CPU clock and cores).

    Runs that also differ in those cannot be put down to what the model sees.
    """
    default = find_mode(device, None)
    if all(mode.knobs[name] == default.knobs[name] for name in unseen):
        return mode
    seen = [f"{name}={show_knob(name, value)}" for name, value in mode.knobs.items() if name not in unseen]
    return find_mode(device, ",".join([default.name, *seen]))
