"""All candidates of a selection with their times and energies: modes, times batch sizes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from roofline.devices.mode_set import ModeSet, mode_set
from roofline.devices.spec import PowerMode
from roofline.mode_totals import Totals, average_power, distinct_modes, totals_over_modes
from roofline.selection.answer import Choice
from roofline.selection.candidates import Candidates, as_mode, needs_reboot
from roofline.selection.search import Field, time_upper
from roofline.task import Task

Array = NDArray[np.float64]
_EQUALS = 6


class Board:
    """Candidates by number: first every mode at the first batch size, then every mode at the next, and so on."""

    def __init__(
        self,
        tasks: Sequence[Task],
        batches: Sequence[int | None],
        found: Candidates,
        rate_per_s: float | None,
        current: PowerMode,
        clocks: str,
    ) -> None:
        self._tasks, self._batches, self._found = tasks, batches, found
        self._rate, self._current, self._clocks = rate_per_s, current, clocks
        totals, self.distinct = [], 0
        for task in tasks:
            first, same = distinct_modes(task, found.modes)
            at_distinct = totals_over_modes(task, found.modes.take(first))
            totals.append(Totals(*(column[same] for column in at_distinct)))
            self.distinct += len(first)
        fields = [self._field(i, total, found.modes) for i, total in enumerate(totals)]
        self.field = Field(*(np.concatenate(columns) for columns in zip(*fields, strict=True)))
        speed = [self._speed(found.modes, task) for task in tasks]
        self.speed: Array = np.concatenate(speed)
        """Units times clock of each candidate."""

    @staticmethod
    def _speed(modes: ModeSet, task: Task) -> Array:
        units = task.processor.units
        count = modes.knobs[units.knob] if units.knob else np.ones(modes.size)
        return np.asarray(count * modes.knobs[task.processor.clock])

    def _field(self, which: int, totals: Totals, modes: ModeSet) -> Field:
        task, samples = self._tasks[which], float(self._batches[which] or 1)
        average = totals.power_w
        if self._rate is not None and task.has_energy:
            average = average_power(task, modes, totals, self._rate / samples)
        return Field(
            time_s=totals.time_s,
            bound_s=totals.bound_time_s,
            energy_j=totals.energy_j,
            power_w=totals.power_w,
            samples=np.full(modes.size, samples),
            is_power_limited=task.is_power_limited(totals.power_w),
            average_power_w=average,
            energy_time_s=totals.energy_time_s,
            preference=self._preference(task, modes),
        )

    def _preference(self, task: Task, modes: ModeSet) -> Array:
        """Of modes with the same time and energy: the default one, another named one, most units, most CPU."""
        default = next(i for i, mode in enumerate(task.device.modes) if mode.name == task.device.default_mode)
        host = np.ones(modes.size)
        for name in ("cpu_freq", "cpu_cores"):
            if name in modes.knobs:
                host = host * modes.knobs[name] / task.device.knobs[name].values[-1]
        speed = self._speed(modes, task)
        value = -host - 10.0 * speed / speed.max()  # more units at the same time and energy: more to spare
        if modes.size == len(self._found.named):
            value = value - 100.0 * (self._found.named >= 0) - 1000.0 * (self._found.named == default)
        return np.asarray(value)

    def upper(self, admissible: NDArray[np.bool_]) -> Array:
        """Return the upper end of each candidate's time per sample: of the band, or uncalibrated of the interval."""
        factors = self._tasks[0].factors
        if factors is not None:
            return np.asarray(self.field.sample_time_s * factors.time_band[1])
        return time_upper(self.field.sample_time_s, self.speed, admissible)

    def equals(self, chosen: int) -> tuple[str, ...]:
        """Return modes with the same time and energy as a candidate, itself left out; of many the first ones."""
        field, size = self.field, self._found.modes.size
        start = self.batch_index(chosen) * size
        same = (field.time_s == field.time_s[chosen]) & (
            (field.energy_j == field.energy_j[chosen]) | np.isnan(field.energy_j[chosen])
        )
        here = [i for i in np.flatnonzero(same[start : start + size]) + start if i != chosen]
        return tuple(dict.fromkeys(self.mode(int(i)).name for i in here[:_EQUALS]))

    def batch_index(self, index: int) -> int:
        """Return which of the batch sizes a candidate has."""
        return index // self._found.modes.size

    def mode(self, index: int) -> PowerMode:
        """Return a candidate's mode."""
        task = self._tasks[self.batch_index(index)]
        return as_mode(task.device, self._found, index % self._found.modes.size, self._clocks)

    def choice(self, index: int, upper: Array, verified: NDArray[np.bool_]) -> Choice:
        """Return a candidate in words and figures."""
        return self._choice(
            self.mode(index), self.batch_index(index), self.field, index, float(upper[index]), bool(verified[index])
        )

    def single(self, mode: PowerMode, which: int) -> Choice:
        """Return any mode at one of the batch sizes, candidate or not."""
        modes = mode_set(self._tasks[which].device, (mode,))
        field = self._field(which, totals_over_modes(self._tasks[which], modes), modes)
        return self._choice(mode, which, field, 0, float("nan"), False)

    def _choice(self, mode: PowerMode, which: int, field: Field, index: int, upper: float, is_verified: bool) -> Choice:
        return Choice(
            mode=mode,
            batch=self._batches[which],
            time_s=float(field.time_s[index]),
            time_upper_s=upper,
            bound_s=float(field.bound_s[index]),
            energy_j=float(field.energy_j[index]),
            power_w=float(field.power_w[index]),
            average_power_w=float(field.average_power_w[index]),
            is_power_limited=bool(field.is_power_limited[index]),
            is_verified=is_verified,
            reboot=needs_reboot(self._tasks[which].device, self._current.knobs, mode.knobs),
        )
