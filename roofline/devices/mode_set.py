"""Many power modes at once, as one array per knob."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline.devices.spec import DeviceSpec, PowerMode

Array = NDArray[np.float64]


class ModeSet(NamedTuple):
    """Power modes as columns; every array has shape (modes,)."""

    knobs: Mapping[str, Array]
    """Knob -> its value in each mode, in Hz or as a count."""
    base: NDArray[np.intp]
    """Index among the device's named modes of the one that each mode starts from."""

    @property
    def size(self) -> int:
        """Number of modes."""
        return len(self.base)

    def part(self, start: int, stop: int) -> ModeSet:
        """Return the modes from `start` up to, not including, `stop`."""
        return ModeSet({name: values[start:stop] for name, values in self.knobs.items()}, self.base[start:stop])

    def take(self, index: NDArray[np.intp]) -> ModeSet:
        """Return the modes at `index`."""
        return ModeSet({name: values[index] for name, values in self.knobs.items()}, self.base[index])


def mode_set(device: DeviceSpec, modes: Sequence[PowerMode]) -> ModeSet:
    """Return single modes as a set."""
    place = {mode.name: i for i, mode in enumerate(device.modes)}
    return ModeSet(
        knobs={name: np.array([mode.knobs[name] for mode in modes], dtype=np.float64) for name in device.knobs},
        base=np.array([place[mode.base] for mode in modes], dtype=np.intp),
    )
